"""What several checks ask about the project. Each thing is read once, when first asked for."""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from apphub.apps import App, MenuError
from apphub.check import repository
from apphub.check.installed import Package, add_dependencies, read_installed
from apphub.check.report import CheckSkipped
from apphub.check.requirements import Pins, read_pins
from apphub.check.sources import Sources, read_sources
from apphub.menu import load_menu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PYTHON_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?")
OLDEST_PYTHON = (3, 11)  # the template's
ENTRY_POINTS = ("app.py", "manage.py", "apphub/build/__main__.py")
# The environment of the markers in requirements.txt, as it is on Heroku.
LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


class Project:
    """The project that is checked.

    Attributes:
        root: its folder.
        environ: the environment, as Heroku or this computer has it. It is never changed.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = environ

    @property
    def on_heroku(self) -> bool:
        """Whether this is Heroku's build or a dyno, where its own tools have checked already."""
        return "STACK" in self.environ or "DYNO" in self.environ

    def name(self, path: Path) -> str:
        """Return a path as it is written in the project: "apps/sales.py"."""
        return path.relative_to(self.root).as_posix()

    def text(self, name: str) -> str:
        """Return a file's text, "" where it is missing. PowerShell writes UTF-16."""
        try:
            data = (self.root / name).read_bytes()
        except OSError:
            return ""
        utf_16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        return data.decode("utf-16" if utf_16 else "utf-8-sig", "replace")

    def has(self, name: str) -> bool:
        """Return whether the project has a file of this name."""
        return (self.root / name).is_file()

    @cached_property
    def web_command(self) -> str:
        """The command of the process type web in the Procfile, "" where there is none."""
        web = re.search(r"^web *: *(.+)", self.text("Procfile"), re.MULTILINE)
        return web[1].strip() if web else ""

    @cached_property
    def menu(self) -> list[App] | None:
        """The apps; None while apps.json is not valid, which check_access() reports."""
        try:
            return load_menu(self.root)
        except MenuError:
            return None

    @cached_property
    def python(self) -> tuple[int, int]:
        """The version that Heroku is asked for, or else this one's."""
        for name in ("runtime.txt", ".python-version"):
            for line in self.version_lines(name):
                if found := PYTHON_VERSION.fullmatch(line.removeprefix("python-")):
                    return int(found[1]), int(found[2])
        return sys.version_info[:2]

    def version_lines(self, name: str) -> list[str]:
        """Return the lines that Heroku reads. A byte-order mark stays where it is."""
        try:
            data = (self.root / name).read_bytes()
        except OSError:
            return []
        lines = map(str.strip, data.decode("utf-8", "backslashreplace").split("\n"))
        return [line for line in lines if line and not line.startswith("#")]

    @cached_property
    def sources(self) -> Sources:
        """The modules that run on Heroku."""
        python = max(OLDEST_PYTHON, self.python)
        files = list(self._find_started_files())
        return read_sources(self.root, python, files, self._find_apps("script"))

    def _find_started_files(self) -> Iterator[Path]:
        procfile = self.text("Procfile")
        names = {*ENTRY_POINTS, *re.findall(r"\S+\.py\b", procfile)}
        for module in re.findall(r"\bpython\S* (?:-\w+ )*-m *([\w.]+)", procfile):
            path = module.replace(".", "/")
            names |= {f"{path}.py", f"{path}/__init__.py", f"{path}/__main__.py"}
        yield from (self.root / name for name in sorted(names) if self.has(name))
        if self.menu is None:
            yield from sorted((self.root / "apps").rglob("*.py"))
        yield from self._find_apps("module")

    def _find_apps(self, kind: Literal["module", "script"]) -> Iterator[Path]:
        """Yield the files of the menu's apps of one kind."""
        for app in self.menu or ():
            try:
                if getattr(app, kind):
                    yield app.find(self.root)
            except MenuError:
                continue  # the check of apps reports it

    @property
    def heroku_markers(self) -> dict[str, str]:
        """The environment of the markers in requirements.txt on Heroku."""
        version = "{}.{}".format(*self.python)
        return {**LINUX, "python_version": version, "python_full_version": f"{version}.99"}

    @cached_property
    def pins(self) -> Pins:
        """What requirements.txt lists.

        Raises:
            CheckSkipped: it is missing, or cannot be read here.
        """
        if not self.has("requirements.txt"):
            raise CheckSkipped("requirements.txt is missing")
        return self.read_pins("requirements.txt")

    def read_pins(self, name: str) -> Pins:
        """Return what a file of requirements lists.

        Raises:
            CheckSkipped: it cannot be read here.
        """
        return read_pins(name, self.text, self.heroku_markers)

    @cached_property
    def installed(self) -> dict[str, Package]:
        """The packages that are installed here, by their normalized names."""
        return read_installed()

    def with_dependencies(self, packages: set[str]) -> set[str]:
        """Return the packages and those that they require, as far as they are installed here."""
        return add_dependencies(packages, self.installed, self.heroku_markers)

    def git(self, *arguments: str, stdin: str = "") -> list[str]:
        """Return the paths that git lists, relative to the project's folder.

        Raises:
            CheckSkipped: git is missing, there is no repository, or git refuses to read it.
        """
        return repository.list_paths(self.root, self.environ, *arguments, stdin=stdin)

    @cached_property
    def tracked_files(self) -> list[str]:
        """The files that git has, or is about to have.

        Raises:
            CheckSkipped: there is no git here, or nothing in it.
        """
        if names := self.git("ls-files", "-z"):
            return names
        raise CheckSkipped("nothing is in git yet")
