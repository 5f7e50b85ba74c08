"""What would break a deploy or let somebody in: `python manage.py check`, and the end of the build.

The project is read; nothing of it is imported or run but config/nginx.conf.erb, in a copy.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from menu import ROOT, App, MenuError, load_menu
from users import UsersError, load_users

# -- What Heroku does ---------------------------------------------------------------------------

# https://github.com/heroku/heroku-buildpack-python: the files it takes for a list of packages, how
# it reads .python-version, how people misspell that, and the newest Python it has.
PACKAGE_FILES = ("requirements.txt", "uv.lock", "poetry.lock", "Pipfile.lock")
VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?")
MISSPELT = re.compile(r"\W*python\W?_?version\W*(txt|rtf)?", re.IGNORECASE)
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)  # the oldest is the template's
LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}

# A slug, in MB. What the buildpacks bring is an allowance: Python and pip, nginx, and the Ruby for
# erb. The packages are measured: see slug().
LARGEST_SLUG = 500
BUILDPACKS = 50
PACKED = 0.37

# What may stand in FRAME_ANCESTORS: config/nginx.conf.erb has the same rule.
SITE = re.compile(r"https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?")

DOOR = "config/nginx.conf.erb"
# What runs on Heroku, besides the apps and whatever the Procfile names.
STARTED = ("app.py", "bundle.py", "manage.py")
NEEDED = ("Procfile", "apps.json", "requirements.txt", ".python-version", DOOR)
MADE_AT_START = {"config/htpasswd", "config/nginx.conf"}
PRIVATE_KEY = re.compile(
    rb'^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----|"private_key"\s*:\s*"-----BEGIN ', re.MULTILINE
)
ANEW = "make the pinned list anew, and install it"
PIN = "uv pip compile requirements.in --universal --python-version 3.11 -o requirements.txt"
COMMANDS = f":\n    pip install uv\n    {PIN}\n    pip install -r requirements.txt"


def on_heroku() -> bool:
    """Return whether this is Heroku's build or a dyno, where its own tools have had their say."""
    return "STACK" in os.environ or "DYNO" in os.environ


# -- The list -----------------------------------------------------------------------------------


class Note(str):
    """What is worth knowing and keeps no deploy from working."""


class NotLookedAt(Exception):
    """Why a part of the check was left out; without a text there is nothing to say about it."""


@dataclass
class Findings:
    """What was found: a text for each thing, and the names of the parts that are in order."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    in_order: list[str] = field(default_factory=list)


def faults(root: Path = ROOT) -> list[str]:
    """Return what would break a deploy or let somebody in, each with the way out."""
    return look(root).faults


def look(root: Path = ROOT) -> Findings:
    """Ask each part of the check what it finds."""
    project, found = Project(root), Findings()
    for name, part in PARTS.items():
        before = len(found.faults)
        try:
            for text in part(project):
                (found.notes if isinstance(text, Note) else found.faults).append(text)
        except NotLookedAt as reason:
            if str(reason):
                found.notes.append(f"{name}: not looked at, {reason}.")
        else:
            if len(found.faults) == before:
                found.in_order.append(name)
    return found


# -- Users, menu, environment -------------------------------------------------------------------


def door(root: Path = ROOT) -> list[str]:
    """Return what would let somebody in, or keep somebody out: a line for each fault."""
    found: list[str] = []
    users: dict[str, str] = {}
    menu: list[App] = []
    try:
        users = {user.lower(): user for user in load_users(root)}
    except UsersError as error:
        found += str(error).splitlines()
    try:
        menu = load_menu(root)
    except MenuError as error:
        found += str(error).splitlines()
    for number, app in enumerate(menu, 1):
        for user in app.users if users else ():
            known = users.get(user.lower())
            if known != user:
                hint = f"Write {known}" if known else f"Add them: python manage.py passwd {user}"
                found.append(
                    f'apps.json, entry {number}: {user}, in "users" of {app.name!r}, cannot log in '
                    f"by that name. {hint}, or take the name out."
                )
    for site in re.split(r"[\s,]+", os.environ.get("FRAME_ANCESTORS", "")):
        if site and not SITE.fullmatch(site):
            found.append(
                f"{site!r} in FRAME_ANCESTORS is no site. Each is a scheme and a host, like "
                "https://intranet.example.com or https://*.example.com, with blanks between them."
            )
    secret = os.environ.get("SESSION_SECRET", "")
    if secret and len(os.fsencode(secret)) < 32:
        found.append(
            "SESSION_SECRET is shorter than 32 characters. Make one: "
            'python -c "import secrets; print(secrets.token_hex(32))"'
        )
    for name, rule, example in (
        ("NGINX_WORKERS", "[1-9][0-9]*", "8"),
        ("STREAMLIT_PROCESSES", "[1-9][0-9]?", "1"),
        ("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "[0-9]+", "200"),
    ):
        if not re.fullmatch(rule, os.environ.get(name, example)):
            found.append(f"{name} is no whole number, and nginx would not start. Write {example}.")
    return found


def users_and_menu(project: Project) -> Iterator[str]:
    yield from door(project.root)


# -- What is read once --------------------------------------------------------------------------


class Import(NamedTuple):
    """An import: where it stands, and the module's name in parts, the last maybe an attribute."""

    path: Path
    line: int
    names: tuple[str, ...]
    optional: bool  # something catches it, or it is for some machines or a type checker alone


@dataclass
class Pins:
    """The packages that requirements.txt lists, by their normalised names."""

    for_heroku: set[str] = field(default_factory=set)
    for_here: set[str] = field(default_factory=set)
    elsewhere: dict[str, str] = field(default_factory=dict)  # its marker, which Heroku is not
    unnamed: bool = False  # a path or an address may bring anything


class Installed(NamedTuple):
    """What an installed package says of itself: its files with their sizes, its requirements."""

    record: str
    requires: list[str]


class Project:
    """What more than one part of the check asks for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trees: dict[Path, ast.Module] = {}
        self.imports: list[Import] = []
        self.unreadable: list[str] = []

    def name(self, path: Path) -> str:
        """Return a path as it is written in the project: "apps/sales.py"."""
        return path.relative_to(self.root).as_posix()

    def text(self, name: str) -> str:
        """Return a file's text, "" where it is not there. PowerShell writes UTF-16."""
        try:
            data = (self.root / name).read_bytes()
        except OSError:
            return ""
        utf_16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        return data.decode("utf-16" if utf_16 else "utf-8-sig", "replace")

    @cached_property
    def menu(self) -> list[App] | None:
        """The apps; None while apps.json is broken, which users_and_menu() tells."""
        try:
            return load_menu(self.root)
        except MenuError:
            return None

    @cached_property
    def python(self) -> tuple[int, int]:
        """The version that Heroku is told, or else this one's."""
        for name in ("runtime.txt", ".python-version"):
            for line in version_lines(self.root / name):
                if found := VERSION.fullmatch(line.removeprefix("python-")):
                    return int(found[1]), int(found[2])
        return sys.version_info[:2]

    @cached_property
    def pins(self) -> Pins:
        """What requirements.txt lists.

        Raises:
            NotLookedAt: it is not there, or cannot be understood here.
        """
        if not (self.root / "requirements.txt").is_file():
            raise NotLookedAt("requirements.txt is not there")
        return self.pinned("requirements.txt")

    def pinned(self, name: str) -> Pins:
        """Return what a file of requirements lists."""
        try:
            from packaging.requirements import InvalidRequirement, Requirement
            from packaging.utils import canonicalize_name
        except ImportError:
            raise NotLookedAt(
                "the packages are not installed here: pip install -r requirements.txt"
            ) from None
        pins = Pins()
        for line in self.text(name).replace("\\\n", " ").splitlines():
            line = re.split(r"(?:^|\s)(?:#|--hash)", line.strip())[0]
            if nested := re.match(r"(?:-r|--requirement)[\s=]*(\S+)", line):
                inner = self.pinned(nested[1])
                pins.for_heroku |= inner.for_heroku
                pins.for_here |= inner.for_here
                pins.elsewhere |= inner.elsewhere
                pins.unnamed |= inner.unnamed
            elif line and not re.match(r"-(?!e|-editable)", line):
                try:
                    requirement = Requirement(line)
                except InvalidRequirement:
                    pins.unnamed = True
                    continue
                package = canonicalize_name(requirement.name)
                marker = requirement.marker
                if not marker or marker.evaluate(self.heroku):
                    pins.for_heroku.add(package)
                else:
                    pins.elsewhere[package] = str(marker)
                if not marker or marker.evaluate():
                    pins.for_here.add(package)
        return pins

    @property
    def heroku(self) -> dict[str, str]:
        """What the markers of requirements ask about, as it is on Heroku."""
        version = "{}.{}".format(*self.python)
        return {**LINUX, "python_version": version, "python_full_version": f"{version}.99"}

    @cached_property
    def installed(self) -> dict[str, Installed]:
        """The packages that are installed here, by their normalised names."""
        from importlib.metadata import distributions

        from packaging.utils import canonicalize_name

        found: dict[str, Installed] = {}
        for package in distributions():
            about = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
            about = about.partition("\n\n")[0]
            if name := re.search(r"^Name: *(\S+)", about, re.MULTILINE):
                requires = re.findall(r"^Requires-Dist: *(.+)", about, re.MULTILINE)
                record = package.read_text("RECORD") or ""
                found.setdefault(canonicalize_name(name[1]), Installed(record, requires))
        return found

    def with_their_own(self, packages: set[str]) -> set[str]:
        """Return the packages and those that they in turn require, as far as it is known here."""
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        found, todo = set(packages), list(packages)
        while todo:
            package = self.installed.get(todo.pop(), Installed("", []))
            for requirement in map(Requirement, package.requires):
                name, marker = canonicalize_name(requirement.name), requirement.marker
                wanted = not marker or marker.evaluate({**self.heroku, "extra": ""})
                if wanted and name not in found:
                    found.add(name)
                    todo.append(name)
        return found

    def owners(self, names: tuple[str, ...]) -> set[str]:
        """Return the installed packages that bring a module; of a namespace, that bring its part.

        Args:
            names: the module's name in parts. "google" is many packages', "google.cloud.storage"
                is one's.
        """
        for length in range(1, len(names) + 1):
            path = "/".join(map(re.escape, names[:length]))
            module = re.compile(rf"^{path}(/__init__)?\.([^/,]+\.)?(py|so|pyd),", re.MULTILINE)
            found = {name for name, here in self.installed.items() if module.search(here.record)}
            if found:
                return found
        return set()

    def git(self, *arguments: str, given: str = "") -> list[str]:
        """Return the paths that git lists, as they are called in the project.

        Raises:
            NotLookedAt: there is no git, no repository, or git refuses to look into it.
        """
        if not shutil.which("git"):
            raise NotLookedAt("git is not installed here")
        # A hook's git would speak of its own index, and of paths from elsewhere.
        hook = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
        ended = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={k: v for k, v in os.environ.items() if k not in hook} | {"LC_ALL": "C"},
            input=os.fsencode(given),
            capture_output=True,
        )
        said = ended.stderr.decode(errors="replace").strip()
        if "not a git repository" in said:
            raise NotLookedAt("this is no git repository yet")
        if ended.returncode > 1:  # 1: check-ignore has nothing to list
            raise NotLookedAt(f"git says {said.splitlines()[0] if said else 'nothing'}")
        return [os.fsdecode(name) for name in ended.stdout.split(b"\0") if name]

    @cached_property
    def committed(self) -> list[str]:
        """The files that git has, or is about to have.

        Raises:
            NotLookedAt: there is no git here, or nothing in it.
        """
        if not (names := self.git("ls-files", "-z")):
            raise NotLookedAt("nothing is in git yet")
        return names


# -- How it starts ------------------------------------------------------------------------------


def start(project: Project) -> Iterator[str]:
    """What Heroku and its nginx buildpack start with."""
    web = re.search(r"^web *: *(.+)", project.text("Procfile"), re.MULTILINE)
    right = "Write: web: python server.py bin/start-nginx"
    if not web:
        yield f"Procfile: no line begins with web:, so Heroku would start nothing. {right}"
    elif "start-nginx" not in web[1] and re.search("streamlit|uvicorn", web[1]):
        yield (
            "Procfile: the line web: does not start nginx, so nobody would be asked for a "
            f"password. {right}"
        )
    if not (project.root / DOOR).is_file():
        yield (
            f"{DOOR} is not there, and Heroku would take a configuration of its own, which asks "
            f"for no password. Fetch it back: git checkout HEAD -- {DOOR}"
        )


# -- The apps -----------------------------------------------------------------------------------


def apps(project: Project) -> Iterator[str]:
    """The modules that run on Heroku, read: those that start, the menu's, and what they import."""
    root = project.root
    started = {*STARTED, *re.findall(r"\S+\.py\b", project.text("Procfile"))}
    todo = [path for name in sorted(started) if (path := root / name).is_file()]
    for app in project.menu or ():
        try:
            todo.append(path := app.find(root))
        except MenuError as error:
            yield str(error)
            continue
        if (tree := read(project, path)) and (fault := run_fault(tree)):
            yield f"{project.name(path)}{fault}"
    if project.menu is None:
        todo += sorted((root / "apps").rglob("*.py"))

    seen: set[Path] = set()
    lost: set[str] = set()
    while todo:
        path = todo.pop(0)
        if path in seen or not (tree := read(project, path)):
            continue
        seen.add(path)
        if root / "apps" in path.parents and (line := navigation_in(tree)):
            yield Note(
                f"{project.name(path)}, line {line}: st.navigation takes the place of the hub's menu, "
                'and its pages have no way back. See "Pages in an app" in README.md.'
            )
        package = path.relative_to(root).parent.parts
        for line, names, optional in imports(tree, package):
            here = Import(path, line, names, optional)
            if not is_own(root, names[0]):
                project.imports.append(here)
                continue
            files, missing = own_files(root, names)
            todo += files
            if missing and not optional and missing not in lost:
                lost.add(missing)
                yield (
                    f"{place(project, here)}: it imports {missing}, and there is no "
                    f"{missing.replace('.', '/')}.py. Put the file there, or correct the import."
                )
    yield from project.unreadable


def read(project: Project, path: Path) -> ast.Module | None:
    """Return what a module says; None where Python could not read it, which is noted."""
    if path in project.trees:
        return project.trees[path]
    name = project.name(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are for whoever runs it
            version = max(OLDEST_PYTHON, min(project.python, sys.version_info[:2]))
            tree = ast.parse(path.read_bytes(), name, feature_version=version)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        fault = f"{name}{line}: {error.msg}. Python cannot read on from there: correct it."
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        fault = f"{name} cannot be read: {reason}."
    else:
        project.trees[path] = tree
        return tree
    if fault not in project.unreadable:
        project.unreadable.append(fault)
    return None


def run_fault(tree: ast.Module) -> str | None:
    """Return what is wrong with the function that the launcher calls, or None."""
    run: ast.stmt | None = None
    for node in top_level(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound = {name for target in targets for name in words(target)}
        else:
            bound = {getattr(node, "name", None)}
        if bound & {"run", "*"}:
            run = node
    if not run:
        return (
            " has no function run(), which the launcher calls to draw the app. Put the app's code "
            "into `def run():`, the imports above it."
        )
    if not isinstance(run, ast.FunctionDef | ast.AsyncFunctionDef) or run.decorator_list:
        return None  # whatever it is by then
    if isinstance(run, ast.AsyncFunctionDef):
        return (
            f", line {run.lineno}: run() is `async`, and the launcher does not wait for it: the "
            "page would stay empty. Write `def run():`, and asyncio.run() in it where it must wait."
        )
    given = run.args
    needed = [*given.posonlyargs, *given.args]
    needed = needed[: len(needed) - len(given.defaults)]
    needed += [
        name for name, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not value
    ]
    if needed:
        names = ", ".join(argument.arg for argument in needed)
        return (
            f", line {run.lineno}: run() wants {names}, and the launcher calls it with nothing. "
            "Give each a default, or take them out."
        )
    return None


def navigation_in(tree: ast.Module) -> int | None:
    """Return the line that calls st.navigation, which is the launcher's to call."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("st" | "streamlit"), "navigation"):
                return node.lineno
    return None


def top_level(node: ast.AST) -> Iterator[ast.stmt]:
    """Return the statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        inner = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(child, ast.stmt | ast.ExceptHandler) and not isinstance(child, inner):
            yield from top_level(child)


def imports(
    node: ast.AST, package: tuple[str, ...], optional: bool = False
) -> Iterator[tuple[int, tuple[str, ...], bool]]:
    """Return each import's line, its name in parts, and whether it may fail.

    The last part may be an attribute of the module: `import a.b` is a.b.*, and `from a import b`
    is a.b.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield node.lineno, (*alias.name.split("."), "*"), optional
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else ()
        base += tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            yield node.lineno, (*base, alias.name), optional
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from imports(child, package, optional or may_fail(node, child))


def may_fail(node: ast.AST, child: ast.AST) -> bool:
    """Return whether an import in this part of a statement may fail."""
    caught = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    if isinstance(node, ast.Try | ast.TryStar):
        return any(not each.type or words(each.type) & caught for each in node.handlers)
    if isinstance(node, ast.If):
        asked = words(node.test)
        if asked & {"platform", "version_info", "find_spec"} or asked >= {"os", "name"}:
            return True
        return "TYPE_CHECKING" in asked and child in node.body
    if isinstance(node, ast.With):
        return any(words(item) & caught for item in node.items)  # suppress(ImportError)
    return False


def words(node: ast.AST) -> set[str]:
    """Return the names in an expression."""
    return {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    }


def is_own(root: Path, name: str) -> bool:
    """Return whether a module is the project's own: a file, or a folder with modules in it."""
    if (root / f"{name}.py").is_file() or (root / name / "__init__.py").is_file():
        return True
    return name not in sys.stdlib_module_names and any((root / name).rglob("*.py"))


def own_files(root: Path, names: tuple[str, ...]) -> tuple[list[Path], str | None]:
    """Return the files of the project that an import runs, and the module that is not there."""
    files, path = [], root
    for number, name in enumerate(names, 1):
        path = path / name
        if (package := path / "__init__.py").is_file():
            files.append(package)
        elif (module := path.with_name(f"{name}.py")).is_file():
            return [*files, module], None
        elif not path.is_dir():
            return files, ".".join(names[:number]) if number < len(names) else None
    return files, None


def place(project: Project, where: Import) -> str:
    """Return where an import stands: "apps/sales.py, line 3"."""
    return f"{project.name(where.path)}, line {where.line}"


# -- The packages -------------------------------------------------------------------------------


def packages(project: Project) -> Iterator[str]:
    """The list of packages, and whether what is imported is in it."""
    root = project.root
    there = [name for name in PACKAGE_FILES if (root / name).is_file()]
    if (root / "Pipfile").is_file() and "Pipfile.lock" not in there:
        there.append("Pipfile")
    if not set(there) & set(PACKAGE_FILES):
        yield f"requirements.txt is not there, so Heroku would install nothing. Make it: {PIN}"
    if len(there) > 1:
        yield (
            f"{' and '.join(there)} are both there, and Heroku takes one list of packages alone. "
            f"Keep {there[0]}: git rm {' '.join(there[1:])}"
        )
    if "requirements.txt" not in there:
        return
    if not (root / "requirements.in").is_file() and not on_heroku():
        yield Note(
            "requirements.in is not there. It says what you ask for, and requirements.txt is made "
            f"from it: {PIN}"
        )
    found: dict[str, str] = {}
    for where in project.imports:
        if where.optional or where.names[0] in found:
            continue
        if fault := package_fault(project, where):
            found[where.names[0]] = f"{place(project, where)}: {fault}"
    last = [module for module, fault in found.items() if fault.endswith(ANEW)][-1:]
    for module, fault in found.items():
        # The commands are the same for all of them.
        text = fault + (COMMANDS if module in last else "." if fault.endswith(ANEW) else "")
        yield Note(text) if project.pins.unnamed else text


def package_fault(project: Project, where: Import) -> str | None:
    """Return why an import would fail on Heroku, and the way out, or None."""
    from packaging.utils import canonicalize_name

    root, module = project.root, where.names[0]
    dotted = ".".join(where.names[:-1]) or module
    name, pins = canonicalize_name(module), project.pins
    if module in sys.stdlib_module_names or name in pins.for_heroku:
        return None
    owners = project.owners(where.names)
    if owners & project.with_their_own(pins.for_heroku):
        return None
    beside = where.path.parent / module
    if beside.parent != root and (beside.is_dir() or beside.with_name(f"{module}.py").is_file()):
        package = ".".join(beside.parent.relative_to(root).parts)
        return (
            f"it imports {module}, which lies beside it, and the launcher looks in the project's "
            f"folder. Write: from {package} import {module}"
        )
    if elsewhere := sorted((owners | {name}) & set(pins.elsewhere)):
        return (
            f"it imports {module}, and requirements.txt has {elsewhere[0]} only where "
            f"{pins.elsewhere[elsewhere[0]]}, which Heroku is not. Import it inside "
            "`try:` … `except ImportError:`."
        )
    package = " or ".join(sorted(owners)) or name
    known = (
        f"it imports {dotted}, which {package} brings, and requirements.txt does not have that."
        if owners
        else f"it imports {dotted}, which is not installed here, and requirements.txt has no "
        "package of that name."
    )
    asked_for = project.pinned("requirements.in")
    if (owners or {name}) & (asked_for.for_heroku | asked_for.for_here):
        way_out = f"requirements.in has {package} already: {ANEW}"
    elif owners:
        way_out = f"Write {package} into requirements.in, {ANEW}"
    else:
        way_out = (
            "Write the package that brings it into requirements.in (its name may differ: PIL comes "
            f"with pillow), {ANEW}"
        )
    return f"{known} {way_out}"


# -- Python -------------------------------------------------------------------------------------


def python(project: Project) -> Iterator[str]:
    """The Python that Heroku is asked for, by the rules of its buildpack."""
    if on_heroku():
        raise NotLookedAt
    root, wanted = project.root, "3.13"
    for path in sorted(root.iterdir()):
        if MISSPELT.fullmatch(path.name) and path.name != ".python-version" and path.is_file():
            yield (
                f"{path.name!r} looks like .python-version misspelt, and ends Heroku's build. "
                "Rename it, or delete it."
            )
    name, before = ".python-version", ""
    if (root / "runtime.txt").is_file():
        name, before, wanted = "runtime.txt", "python-", "python-3.13"
        yield Note(
            "runtime.txt counts on Heroku, and .python-version does not beside it. Heroku will "
            "take runtime.txt no longer one day: git rm runtime.txt"
        )
    if not (root / name).is_file():
        yield f"{name} is not there, and Heroku would choose a Python. Write a line: {wanted}"
        return
    versions = []
    for line in version_lines(root / name):
        version = VERSION.fullmatch(line.removeprefix(before))
        if not version or not line.startswith(before):
            yield (
                f"{name}: Heroku cannot read {line!r}. Write {wanted} or {wanted}.2 in plain UTF-8 "
                "without a mark; a comment has a line of its own."
            )
            return
        versions.append(version)
    if len(versions) != 1:
        count = len(versions) or "no"
        yield f"{name} has {count} versions in it, and Heroku wants one. Write {wanted} alone."
        return
    asked_for = int(versions[0][1]), int(versions[0][2])
    pinned_for = re.search(r"--python-version (\d+)\.(\d+)", project.text("requirements.txt"))
    oldest = (
        max((int(pinned_for[1]), int(pinned_for[2])), OLDEST_PYTHON)
        if pinned_for
        else OLDEST_PYTHON
    )
    if not oldest <= asked_for <= NEWEST_PYTHON:
        yield (
            f"{name} asks for Python {versions[0][0]}. Heroku's newest is {NEWEST_PYTHON[0]}."
            f"{NEWEST_PYTHON[1]}, and the packages want {oldest[0]}.{oldest[1]} at least. "
            f"Write {wanted}."
        )


def version_lines(path: Path) -> list[str]:
    """Return the lines of .python-version that Heroku reads. A mark before UTF-8 stays there."""
    try:
        lines = path.read_bytes().decode("utf-8", "backslashreplace").split("\n")
    except OSError:
        return []
    return [line for each in lines if (line := each.strip()) and not line.startswith("#")]


# -- git ----------------------------------------------------------------------------------------


def in_git(project: Project) -> Iterator[str]:
    """What is in git and must not be there, and what must be and cannot."""
    if on_heroku():
        raise NotLookedAt
    names = project.committed
    environments = set()
    for name in names:
        folders = name.split("/")[:-1]
        found = [number for number, part in enumerate(folders, 1) if part in (".venv", "venv")]
        if found or name.endswith("pyvenv.cfg"):
            environments.add("/".join(folders[: found[0] if found else None]))
    for folder in sorted(environments):
        yield (
            f"{folder}/ is in git: a Python environment works where it was made and nowhere else, "
            f"and Heroku refuses one. Take it out, write {folder}/ into .gitignore, and commit:\n"
            f"    git rm -r --cached -q {shlex.quote(folder)}"
        )
    for name in names:
        if what := secret_in(project.root, name):
            yield (
                f"{name} is in git, and {what}. Take it out, write {name} into .gitignore, and "
                "commit. If it was pushed, change what is secret in it: git's history keeps it.\n"
                f"    git rm --cached {shlex.quote(name)}"
            )
    if ".htpasswd" not in names and "HTPASSWD" not in os.environ:
        yield Note(
            ".htpasswd is not in git, so Heroku has no users. Add it: git add -f .htpasswd. Or "
            'give Heroku its text: heroku config:set HTPASSWD="$(cat .htpasswd)"'
        )
    needed = {name for name in NEEDED if (project.root / name).is_file()}
    needed |= {*map(project.name, project.trees)}
    for name in project.git("check-ignore", "-z", "--stdin", given="\0".join(sorted(needed))):
        yield (
            f"{name}: git passes it by, so Heroku would not get it. Correct .gitignore, or add it "
            f"all the same: git add -f {shlex.quote(name)}"
        )


def secret_in(root: Path, name: str) -> str | None:
    """Return what is secret about a file in git, or None."""
    if name in MADE_AT_START:
        return "is made anew at each start, of what nobody should read"
    if f"/{name}".endswith("/.streamlit/secrets.toml"):
        return "holds secrets"
    last = name.rpartition("/")[2]
    example = last.endswith((".example", ".sample", ".template"))
    if last == ".env" or (last.startswith(".env.") and not example):
        return "holds secrets"
    try:
        with (root / name).open("rb") as file:
            return "holds a private key" if PRIVATE_KEY.search(file.read(2**14)) else None
    except OSError:
        return None  # deleted, or a folder that is a repository of its own


# -- The slug -----------------------------------------------------------------------------------


def slug(project: Project) -> Iterator[str]:
    """How large it gets, about, and whether Heroku takes that.

    A package's RECORD says how large its files are. PACKED is what tar and gzip leave of that for
    the packages of a new project: compiled by pip, their texts compressed by bundle.py.
    """
    pins = project.pins
    if pins.for_here - project.installed.keys():
        raise NotLookedAt("the packages are not installed here: pip install -r requirements.txt")
    sizes = {}
    for name in pins.for_heroku & project.installed.keys():
        listed = re.findall(r",(\d+)\r?$", project.installed[name].record, re.MULTILINE)
        sizes[name] = PACKED * sum(map(int, listed)) / 1e6
    for path in deployed(project):
        sizes[project.name(path)] = packed_size(path) / 1e6
    total = BUILDPACKS + sum(sizes.values())
    unknown = sorted(pins.for_heroku - project.installed.keys())
    without = f", not counting {', '.join(unknown)}" if unknown else ""
    told = f"The slug has about {total:.0f} MB of the {LARGEST_SLUG} that Heroku takes{without}."
    if total <= LARGEST_SLUG or on_heroku():
        yield Note(told)
        return
    largest = sorted(sizes, key=sizes.get, reverse=True)[:4]
    yield (
        f"{told} The largest: {', '.join(f'{name} {sizes[name]:.0f} MB' for name in largest)}. "
        "Take what no app needs out of requirements.in, and write files that no app reads into "
        ".slugignore."
    )


def deployed(project: Project) -> Iterator[Path]:
    """Return the files that Heroku gets: what git would commit, without what .slugignore lists."""
    root = project.root
    try:
        if on_heroku():
            raise NotLookedAt
        names = project.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except NotLookedAt:
        names = []
        for folder, folders, files in os.walk(root):
            inside = {name for name in folders if (Path(folder) / name / "pyvenv.cfg").exists()}
            folders[:] = {*folders} - inside - {".git", ".heroku", "__pycache__"}
            names += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    rules = [line.strip().strip("/") for line in project.text(".slugignore").splitlines()]
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    for name in set(names):
        ignored = any(
            fnmatch(name, rule) or name.startswith(f"{rule}/") or fnmatch(part, rule)
            for rule in rules
            for part in name.split("/")
        )
        if not ignored and (root / name).is_file():
            yield root / name


def packed_size(path: Path) -> float:
    """Return what is left of a file when it is compressed. Of a large one, a piece is tried."""
    size = path.stat().st_size
    if size < 1e6:
        return size
    with path.open("rb") as file:
        file.seek(size // 2)
        piece = file.read(2**17)
    return size * min(1, len(zlib.compress(piece, 6)) / len(piece))


# -- nginx --------------------------------------------------------------------------------------


def nginx(project: Project) -> Iterator[str]:
    """The door's configuration, rendered as the dyno does it, and read by nginx."""
    source = project.root / DOOR
    if on_heroku() or not source.is_file():
        raise NotLookedAt
    if sys.platform == "win32":
        raise NotLookedAt("it needs Linux or macOS")
    if missing := [name for name in ("erb", "nginx") if not shutil.which(name)]:
        verb = "are" if len(missing) > 1 else "is"
        raise NotLookedAt(f"{' and '.join(missing)} {verb} not installed here")
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        copy = Path(folder)
        for path in project.root.iterdir():
            if path.name not in ("config", "logs"):  # where it writes
                (copy / path.name).symlink_to(path.resolve())
        made = shutil.ignore_patterns("htpasswd", "nginx.conf")
        shutil.copytree(project.root / "config", copy / "config", ignore=made)
        (copy / "logs/nginx").mkdir(parents=True)
        rendered = run_in(copy, "erb", DOOR)
        if rendered.returncode:
            if "The door stays shut" in rendered.stderr and door(project.root):
                raise NotLookedAt  # it is told already
            yield ruby_fault(copy, rendered.stderr)
            return
        (copy / "config/nginx.conf").write_text(rendered.stdout, "utf-8")
        tested = run_in(
            copy, "nginx", "-t", "-p", folder, "-c", "config/nginx.conf", "-e", "stderr"
        )
        if tested.returncode:
            yield nginx_fault(project, rendered.stdout, tested.stderr.replace(f"{folder}/", ""))


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the dyno's in a folder, with the environment that it has there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PORT": "8000", "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def ruby_fault(folder: Path, said: str) -> str:
    """Return what erb says of the configuration, with the line.

    Raises:
        NotLookedAt: it is Ruby's fault, which is too old here or lacks a part.
    """
    (folder / "version").write_text("<%= RUBY_VERSION %>")
    version = run_in(folder, "erb", "version").stdout.strip()
    message = re.sub(r"^(\S+:\d+:(in [`'].*?':)?\s*)+", "", said.strip().partition("\n")[0])
    if "(LoadError)" in said or version.startswith(("1.", "2.")):
        raise NotLookedAt(f"Ruby {version} here says: {message}")
    line = re.search(rf"{DOOR}:(\d+)", said)
    where = f"{DOOR}, line {line[1]}" if line else DOOR
    return f"{where}: erb cannot render it: {message}"


def nginx_fault(project: Project, rendered: str, said: str) -> str:
    """Return what nginx says of the configuration, with the line.

    Raises:
        NotLookedAt: it is nginx's fault, which lacks a part here that Heroku's has.
    """
    emergency = re.search(r"\[emerg\] (?:\d+#\d+: )?(.+?)(?: in (\S+):(\d+))?$", said, re.MULTILINE)
    if not emergency or 'unknown directive "more_' in said:
        raise NotLookedAt(f"nginx here says: {emergency[1] if emergency else said.strip()}")
    message, name, number = emergency.groups()
    where = DOOR
    if name == "config/nginx.conf":
        text = rendered.splitlines()[int(number) - 1].strip()
        lines = [line.strip() for line in project.text(DOOR).splitlines()]
        where = f"{DOOR}, line {number} of what it renders"
        if lines.count(text) == 1:
            where = f"{DOOR}, line {lines.index(text) + 1}"
    elif name:
        where = f"{name}, line {number}"
    return f"{where}: nginx refuses it: {message}"


# In the order in which they are told; apps() reads what packages() and in_git() look at.
PARTS = {
    "users and menu": users_and_menu,
    "Procfile": start,
    "apps": apps,
    "packages": packages,
    "Python": python,
    "git": in_git,
    "slug": slug,
    "nginx": nginx,
}
