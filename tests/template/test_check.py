"""check.py of the generated project: what it finds, and what it leaves in peace."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from baked import BakedProject
from dyno import missing_parts, python_environment

APP = "apps/sales_report.py"
RUN = "def run():\n    pass\n"
ANEW = "make the pinned list anew, and install it"
COMMANDS = f"""{ANEW}:
    pip install uv
    uv pip compile requirements.in --universal --python-version 3.11 -o requirements.txt
    pip install -r requirements.txt"""
# What the tests' own environment or Heroku's could bring in.
FROM_OUTSIDE = [
    "HTPASSWD",
    "SESSION_SECRET",
    "FRAME_ANCESTORS",
    "NGINX_WORKERS",
    "STREAMLIT_PROCESSES",
    "STACK",
    "DYNO",
]
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
# In two pieces, so that nobody who looks for keys finds one here.
KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n"
ACCOUNT = '{"type":"service_account","private_key":"-----BEGIN ' + 'PRIVATE KEY-----\\nMII"}'
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"

Change = Callable[[BakedProject], object]


@pytest.fixture(scope="module")
def baked(bake_once) -> Path:
    return bake_once(auth_user="anna.b", apps="Sales Report, Churn Explorer").path


@pytest.fixture
def project(baked, tmp_path, monkeypatch):
    """A copy for each test, on a machine that has git, and neither nginx nor erb."""
    for name in FROM_OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return BakedProject(shutil.copytree(baked, tmp_path / "project"))


@pytest.fixture(scope="module")
def check(code):
    """check.py, imported once."""
    return code.load("check")


@pytest.fixture(scope="module")
def environment(baked) -> Path:
    """The python of an environment that has the project's packages."""
    return python_environment(baked / "requirements.txt") / "python"


@pytest.fixture
def command(project, environment):
    """Run `manage.py check` where the packages are. Returns its exit status and its paragraphs."""

    def command(**variables: str) -> tuple[int, list[str]]:
        ended = subprocess.run(
            [environment, "-B", "manage.py", "check"],
            cwd=project.path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        assert ended.stderr == ""
        return ended.returncode, ended.stdout.rstrip("\n").split("\n\n")

    return command


def app(text: str) -> Change:
    return lambda project: project.write(APP, text)


def file(name: str, content: str | bytes) -> Change:
    def write(project: BakedProject) -> None:
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def without(*names: str) -> Change:
    return lambda project: [(project.path / name).unlink() for name in names]


def added(name: str, text: str) -> Change:
    return lambda project: project.write(name, project.read(name) + text)


def asked_for(line: str) -> Change:
    return added("requirements.in", line)


def pinned(line: str) -> Change:
    """Put a line at the beginning of requirements.txt."""
    return lambda project: project.write(
        "requirements.txt", f"{line}\n{project.read('requirements.txt')}"
    )


def all_of(*changes: Change) -> Change:
    return lambda project: [change(project) for change in changes]


def git(project: BakedProject, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=project.path, check=True, capture_output=True)


def in_git(*changes: Change) -> Change:
    """Add all there is to git, whatever .gitignore says."""

    def add(project: BakedProject) -> None:
        all_of(*changes)(project)
        git(project, "init", "-q")
        git(project, "add", "-A", "-f")

    return add


# -- In order -----------------------------------------------------------------------------------

NO_ERB = "nginx: not looked at, erb and nginx are not installed here."
NO_PACKAGES_HERE = "the packages are not installed here: pip install -r requirements.txt"
NO_GIT = "git: not looked at, this is no git repository yet."


def test_a_new_project_is_in_order(project, check):
    before = project.files
    found = check.look(project.path)
    assert found.faults == check.faults(project.path) == []
    assert found.notes == [
        NO_GIT,
        f"slug: not looked at, {NO_PACKAGES_HERE}.",
        NO_ERB,
    ]
    assert found.in_order == ["users and menu", "Procfile", "apps", "packages", "Python"]
    assert project.files == before


def test_a_new_project_in_git_is_in_order(project, command):
    git(project, "init", "-q")
    git(project, "add", "-A")
    status, [size, nginx, verdict] = command()
    assert status == 0
    assert 100 < slug_of(size) < 300
    assert nginx == NO_ERB
    assert verdict == "In order: users and menu, Procfile, apps, packages, Python, git, slug."


def slug_of(note: str) -> int:
    told = r"The slug has about (\d+) MB of the 500 that Heroku takes\."
    return int(re.fullmatch(told, note)[1])


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_the_build_says_nothing_of_what_it_does_not_have(project, command, monkeypatch, variable):
    for name in ("README.md", "requirements-dev.txt", "requirements.in"):
        (project.path / name).unlink()
    shutil.rmtree(project.path / "tests")
    monkeypatch.setenv("PATH", "/nothing")
    status, [size, verdict] = command(**variable)
    assert status == 0
    assert 100 < slug_of(size) < 300
    assert verdict == "In order: users and menu, Procfile, apps, packages, slug."


def test_a_build_is_not_refused_for_an_estimate_or_a_python_that_heroku_has(project, command):
    project.write(".python-version", "3.99\n")
    large(project, "data.parquet")
    status, [size, _] = command(STACK="heroku-30")
    assert status == 0
    assert slug_of(size) > 700


OTHER_WAYS = {
    "run by assignment": app("run = print\n"),
    "run with a type": app("from typing import Any\n\nrun: Any = print\n"),
    "run imported": app("from apps.churn_explorer import run\n"),
    "run imported by another name": app(
        "from apps.churn_explorer import run as draw\n\nrun = draw\n"
    ),
    "everything imported": app("from apps.churn_explorer import *\n"),
    "run by case": app("if 1:\n    def run(): pass\nelse:\n    run = None\n"),
    "run in a try": app("try:\n    import json\nexcept ImportError:\n    def run(): pass\n"),
    "a class": app("class run:\n    pass\n"),
    "defaults": app("def run(a=1, *b, c=2, **d): pass\n"),
    "decorated": app("from functools import cache\n\n@cache\ndef run(a): pass\n"),
    "the last one counts": app(f"def run(a): pass\n{RUN}"),
    "a warning": app(f'"\\d"\n{RUN}'),
    "a mark": app(f"\ufeff{RUN}"),
    "CRLF": app(RUN.replace("\n", "\r\n")),
    "Latin-1": file(APP, f"# coding: latin-1\n# \xe9\n{RUN}".encode("latin-1")),
    "a folder": all_of(without(APP), file("apps/sales_report/__init__.py", RUN)),
    "a draft that is in no menu": file("apps/draft.py", "import nothing\ndef run(:"),
    "a file for a laptop": file("fetch.py", "import nothing\n"),
    "try": app(f"try:\n    import nothing\nexcept ImportError:\n    import nothing2\n{RUN}"),
    "try, anything": app(f"try:\n    import nothing.at.all\nexcept:\n    pass\n{RUN}"),
    "try, one of some": app(
        f"try:\n    import nothing\nexcept (OSError, Exception):\n    pass\n{RUN}"
    ),
    "try, the project's own": app(
        f"try:\n    from apps import a\n    import apps.b\nexcept ImportError:\n    pass\n{RUN}"
    ),
    "suppress": app(
        f"from contextlib import suppress\nwith suppress(ImportError):\n    import nothing\n{RUN}"
    ),
    "a type checker's": app(
        f"import typing\nif typing.TYPE_CHECKING:\n    from nothing import A\n{RUN}"
    ),
    "a platform": app(f"import sys\nif sys.platform == 'win32':\n    import nothing\n{RUN}"),
    "a system": app(f"import os\nif os.name == 'nt':\n    import nothing\n{RUN}"),
    "a look before": app(f"if find_spec('nothing'):\n    import nothing\nelse:\n    pass\n{RUN}"),
    "own": all_of(
        app(f"from apps import helpers\nfrom apps.helpers import A\n{RUN}"),
        file("apps/helpers.py", "A = 1"),
    ),
    "own, beside": all_of(
        app(f"from .helpers import A\nfrom . import helpers\n{RUN}"),
        file("apps/helpers.py", "A = 1"),
    ),
    "own, in a folder": all_of(
        app(f"import lib.db\nfrom lib import db\nfrom lib.db import A\n{RUN}"),
        file("lib/db.py", "A = 1"),
    ),
    "own, in a package": all_of(
        app(f"from lib import A\nfrom lib.db import B\n{RUN}"),
        file("lib/__init__.py", "from .db import B\nA = B"),
        file("lib/db.py", "B = 1"),
    ),
    "own, each other's": all_of(
        app(f"import a\n{RUN}"), file("a.py", "import b"), file("b.py", "import a")
    ),
    "the standard library": app(
        f"import __future__, tomllib, os.path\nfrom xml.etree import ElementTree\n{RUN}"
    ),
    "what Streamlit brings": app(f"import altair, jinja2.ext\nfrom pyarrow import parquet\n{RUN}"),
    "another spelling": app(f"import typing_extensions\n{RUN}"),
    "hashes": added(
        "requirements.txt", "\nPyYAML==6 --hash=sha256:0 \\\n    --hash=sha256:1  # why\n"
    ),
    "another list": all_of(
        added("requirements.txt", "-r more.txt\n"),
        file("more.txt", "nothing[all]>=1"),
        app(f"import nothing\n{RUN}"),
    ),
    "options": added("requirements.txt", "--extra-index-url https://example.com\n"),
    "as PowerShell writes it": lambda project: file(
        "requirements.txt", project.read("requirements.txt").encode("utf-16")
    )(project),
    "no requirements.in": without("requirements.in"),
    "Python with its patch": file(".python-version", "3.14.2"),
    "Python with a comment": file(".python-version", "# ours\r\n\r\n 3.12 \r\n"),
    "runtime.txt": file("runtime.txt", "python-3.11.9\n"),
    "server.py alone": file("Procfile", "web: python server.py\n"),
    "another Procfile": file("Procfile", "worker: python app.py\nweb: bash start.sh\n"),
    "the other way round": file("Procfile", "web: bin/start-nginx python server.py\n"),
}


@pytest.mark.parametrize("change", OTHER_WAYS.values(), ids=OTHER_WAYS.keys())
def test_there_is_more_than_one_way(project, check, change):
    change(project)
    assert check.faults(project.path) == []


# -- Out of order -------------------------------------------------------------------------------

NO_RUN = (
    f"{APP} has no function run(), which the launcher calls to draw the app. Put the app's code "
    "into `def run():`, the imports above it."
)
PYTHON = "Heroku's newest is 3.14, and the packages want 3.11 at least. Write 3.13."
FORM = "Write 3.13 or 3.13.2 in plain UTF-8 without a mark; a comment has a line of its own."
NAME = (
    "Write the package that brings it into requirements.in (its name may differ: PIL comes with "
    "pillow), "
)
RIGHT = "Write: web: python server.py bin/start-nginx"
NO_WEB = f"Procfile: no line begins with web:, so Heroku would start nothing. {RIGHT}"
OPEN = "the line web: does not start nginx, so nobody would be asked for a password"
NO_USERS = (
    ".htpasswd is not there, so nobody could log in. Add a user: python manage.py passwd anna"
)
NO_APP = (
    "apps.json lists no app. Write one at least: "
    '[{"name": "Sales Report", "module": "apps.sales_report"}]'
)
NO_DOOR = (
    "config/nginx.conf.erb is not there, and Heroku would take a configuration of its own, which "
    "asks for no password. Fetch it back: git checkout HEAD -- config/nginx.conf.erb"
)
NO_FILE = (
    f'"Sales Report": there is no file {APP} for the module apps.sales_report. Put the file there, '
    "or correct the entry in apps.json."
)
ASYNC = (
    f"{APP}, line 1: run() is `async`, and the launcher does not wait for it: the page would stay "
    "empty. Write `def run():`, and asyncio.run() in it where it must wait."
)
BESIDE = (
    f"{APP}, line 1: it imports helpers, which lies beside it, and the launcher looks in the "
    "project's folder. Write: from apps import helpers"
)
NO_PACKAGES = (
    "requirements.txt is not there, so Heroku would install nothing. Make it: uv pip compile "
    "requirements.in --universal --python-version 3.11 -o requirements.txt"
)
NO_PYTHON = ".python-version is not there, and Heroku would choose a Python. Write a line: 3.13"


def not_installed(module: str, line: int = 1, name: str = APP, way_out: str = NAME) -> str:
    return (
        f"{name}, line {line}: it imports {module}, which is not installed here, and "
        f"requirements.txt has no package of that name. {way_out}{COMMANDS}"
    )


def not_pinned(line: int, way_out: str) -> str:
    return (
        f"{APP}, line {line}: it imports yaml, which pyyaml brings, and requirements.txt does not "
        f"have that. {way_out}{COMMANDS}"
    )


def not_for_heroku(marker: str) -> str:
    return (
        f"{APP}, line 1: it imports nothing, and requirements.txt has nothing only where {marker}, "
        "which Heroku is not. Import it inside `try:` … `except ImportError:`."
    )


def two_lists(other: str) -> str:
    return (
        f"requirements.txt and {other} are both there, and Heroku takes one list of packages "
        f"alone. Keep requirements.txt: git rm {other}"
    )


def version(line: str, name: str = ".python-version") -> Change:
    return file(name, line)


def wrong_version(asked_for: str, newest: str = PYTHON, name: str = ".python-version") -> str:
    return f"{name} asks for Python {asked_for}. {newest}"


def no_version(line: str, form: str = FORM, name: str = ".python-version") -> str:
    return f"{name}: Heroku cannot read {line!r}. {form}"


def how_many(versions: str) -> str:
    return f".python-version has {versions} versions in it, and Heroku wants one. Write 3.13 alone."


def misspelt(name: str) -> str:
    return (
        f"{name!r} looks like .python-version misspelt, and ends Heroku's build. Rename it, or "
        "delete it."
    )


def wants(names: str) -> str:
    return (
        f"{APP}, line 1: run() wants {names}, and the launcher calls it with nothing. Give each a "
        "default, or take them out."
    )


def lost(module: str, line: int = 1, name: str = APP) -> str:
    return (
        f"{name}, line {line}: it imports {module}, and there is no {module.replace('.', '/')}.py. "
        "Put the file there, or correct the import."
    )


NEVER_CLOSED = "'(' was never closed"
A_KEY = "holds a private key"


def unreadable(where: str, why: str) -> str:
    return f"{where}: {why}. Python cannot read on from there: correct it."


def secret(name: str, what: str = "holds secrets") -> str:
    return (
        f"{name} is in git, and {what}. Take it out, write {name} into .gitignore, and commit. If "
        "it was pushed, change what is secret in it: git's history keeps it.\n"
        f"    git rm --cached {name}"
    )


def venv(folder: str) -> str:
    return (
        f"{folder}/ is in git: a Python environment works where it was made and nowhere else, and "
        f"Heroku refuses one. Take it out, write {folder}/ into .gitignore, and commit:\n"
        f"    git rm -r --cached -q {folder}"
    )


def passed_by(name: str) -> str:
    return (
        f"{name}: git passes it by, so Heroku would not get it. Correct .gitignore, or add it all "
        f"the same: git add -f {name}"
    )


# One way to break the project a line, and what is said then.
BROKEN = {
    "no user": (without(".htpasswd"), NO_USERS),
    "no menu": (file("apps.json", "[]"), NO_APP),
    "no Procfile": (without("Procfile"), NO_WEB),
    "a Procfile without web": (file("Procfile", "worker: python server.py"), NO_WEB),
    "an open door": (
        file("Procfile", "web: streamlit run app.py --server.port $PORT"),
        f"Procfile: {OPEN}. {RIGHT}",
    ),
    "no door": (without("config/nginx.conf.erb"), NO_DOOR),
    # The apps.
    "no file": (without(APP), NO_FILE),
    "syntax": (app("import os\nx = (\n"), unreadable(f"{APP}, line 2", NEVER_CLOSED)),
    "syntax of a part": (
        all_of(app(f"from apps import part\n{RUN}"), file("apps/part.py", "x = (")),
        unreadable("apps/part.py, line 1", NEVER_CLOSED),
    ),
    "syntax of the launcher": (
        file("launcher.py", "x = ("),
        unreadable("launcher.py, line 1", NEVER_CLOSED),
    ),
    "no run": (app("x = 1\n"), NO_RUN),
    "an empty file": (app(""), NO_RUN),
    "run of a class": (app("class App:\n    def run(self): pass\n"), NO_RUN),
    "run in a function": (app("def main():\n    def run(): pass\n    run = 1\n"), NO_RUN),
    "run of another module": (app("import apps.churn_explorer\nimport os.path as run_\n"), NO_RUN),
    "run that wants something": (app("def run(a, b, /, c, d=1): pass\n"), wants("a, b, c")),
    "run that wants a name": (app("def run(*, a, b=1): pass\n"), wants("a")),
    "async": (app("async def run(): pass\n"), ASYNC),
    "own": (app(f"\nfrom apps.gone import x\nimport apps.gone\n{RUN}"), lost("apps.gone", 2)),
    "own, beside": (app(f"from .gone import x\n{RUN}"), lost("apps.gone")),
    "own, further on": (
        all_of(app(f"import lib.db\n{RUN}"), file("lib/db.py", "import lib.gone")),
        lost("lib.gone", 1, "lib/db.py"),
    ),
    "own, from elsewhere": (
        all_of(app(f"import helpers\n{RUN}"), file("apps/helpers.py", "")),
        BESIDE,
    ),
    # The packages.
    "installed here alone": (
        app(f"import yaml\n{RUN}"),
        not_pinned(1, "Write pyyaml into requirements.in, "),
    ),
    "installed, and asked for": (
        all_of(app("def run():\n    from yaml import nodes\n"), asked_for("PyYAML>6  # why\n")),
        not_pinned(2, "requirements.in has pyyaml already: "),
    ),
    "not installed": (app(f"import nothing.at.all\n{RUN}"), not_installed("nothing.at.all")),
    "not installed, and asked for": (
        all_of(app(f"import not_thing\n{RUN}"), asked_for("Not.Thing\n")),
        not_installed("not_thing", way_out="requirements.in has not-thing already: "),
    ),
    "imported by two": (
        all_of(
            app(f"import nothing\n{RUN}"), file("apps/churn_explorer.py", f"import nothing\n{RUN}")
        ),
        not_installed("nothing"),
    ),
    "imported by a part": (
        all_of(app(f"import lib.db\n{RUN}"), file("lib/db.py", "import nothing")),
        not_installed("nothing", name="lib/db.py"),
    ),
    "imported in a try that catches another": (
        app(f"try:\n    import nothing\nexcept OSError:\n    pass\n{RUN}"),
        not_installed("nothing", 2),
    ),
    "imported for others than type checkers": (
        app(f"if TYPE_CHECKING:\n    import this\nelse:\n    import nothing\n{RUN}"),
        not_installed("nothing", 4),
    ),
    "pinned for Windows": (
        all_of(app(f"import nothing\n{RUN}"), pinned("nothing==1 ; sys_platform == 'win32'")),
        not_for_heroku('sys_platform == "win32"'),
    ),
    "pinned for another Python": (
        all_of(app(f"import nothing\n{RUN}"), pinned("nothing==1; python_full_version < '3.12'")),
        not_for_heroku('python_full_version < "3.12"'),
    ),
    "two lists of packages": (file("uv.lock", ""), two_lists("uv.lock")),
    "half of Pipenv": (file("Pipfile", ""), two_lists("Pipfile")),
    "no packages": (without("requirements.txt"), NO_PACKAGES),
    # Python.
    "no Python": (without(".python-version"), NO_PYTHON),
    "no version": (version("# 3.13\n"), how_many("no")),
    "two versions": (version("3.13\n3.12\n"), how_many("2")),
    "too old": (version("3.10"), wrong_version("3.10")),
    "far too old": (version("2.7.18"), wrong_version("2.7.18")),
    "too new": (version("3.15"), wrong_version("3.15")),
    "older than the pins": (
        all_of(version("3.12.1"), pinned("#    uv pip compile --python-version 3.13")),
        wrong_version("3.12.1", PYTHON.replace("3.11", "3.13")),
    ),
    "a prefix": (version("python-3.13"), no_version("python-3.13")),
    "more on the line": (version("3.13 # ours"), no_version("3.13 # ours")),
    "one number": (version("3"), no_version("3")),
    "a zero": (version("3.013"), no_version("3.013")),
    "other digits": (version("3.1٣"), no_version("3.1٣")),
    "a mark": (version("\ufeff3.13"), no_version("\ufeff3.13")),
    "one of two": (version("3.13\nlatest\n"), no_version("latest")),
    "UTF-16": (
        file(".python-version", b"\xff\xfe3\x00.\x001\x003\x00\n\x00"),
        no_version("\\xff\\xfe3\x00.\x001\x003\x00"),
    ),
    "runtime.txt": (
        version("3.13", "runtime.txt"),
        no_version("3.13", FORM.replace("3.13", "python-3.13"), "runtime.txt"),
    ),
    "runtime.txt, too old": (
        version("python-3.9.1", "runtime.txt"),
        wrong_version("3.9.1", PYTHON.replace("3.13", "python-3.13"), "runtime.txt"),
    ),
    "misspelt": (version("3.13", "python-version"), misspelt("python-version")),
    "misspelt by Windows": (
        version("3.13", ".python-version.txt"),
        misspelt(".python-version.txt"),
    ),
    # git.
    ".venv": (in_git(file(".venv/pyvenv.cfg", ""), file(".venv/lib/a.py", "")), venv(".venv")),
    "a part of venv": (in_git(file("venv/bin/python", "")), venv("venv")),
    "an environment elsewhere": (
        in_git(file("tools/env/pyvenv.cfg", ""), file("tools/env/lib/a.py", "")),
        venv("tools/env"),
    ),
    "secrets": (
        in_git(file(".streamlit/secrets.toml", "a = 1")),
        secret(".streamlit/secrets.toml"),
    ),
    ".env": (in_git(file(".env", "A=1")), secret(".env")),
    ".env elsewhere": (
        in_git(file("config/.env.production", "A=1")),
        secret("config/.env.production"),
    ),
    "a key": (in_git(file("deploy_key", KEY)), secret("deploy_key", A_KEY)),
    "a key behind its certificate": (
        in_git(file("db.pem", f"{CERTIFICATE}{KEY}")),
        secret("db.pem", A_KEY),
    ),
    "Google's key": (in_git(file("account.json", ACCOUNT)), secret("account.json", A_KEY)),
    "what nginx reads": (
        in_git(file("config/htpasswd", "anna.b:x")),
        secret("config/htpasswd", "is made anew at each start, of what nobody should read"),
    ),
    "an app that git passes by": (
        all_of(
            in_git(),
            added(".gitignore", "lib/\n"),
            file("lib/db.py", ""),
            app(f"import lib.db\n{RUN}"),
        ),
        passed_by("lib/db.py"),
    ),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_each_fault_is_named_with_the_way_out(project, check, change, said):
    change(project)
    assert check.faults(project.path) == [said]


def test_all_of_it_in_one_list(project, command):
    app("import nothing\nimport pip\nasync def run(): pass\n")(project)
    without("Procfile", ".python-version")(project)
    status, told = command()
    assert status == 1
    assert [text.partition(":")[0] for text in told[:5]] == [
        "Procfile",
        f"{APP}, line 3",
        f"{APP}, line 1",
        f"{APP}, line 2",
        ".python-version is not there, and Heroku would choose a Python. Write a line",
    ]
    assert told[2].endswith(f"{ANEW}.")  # the commands stand there once
    assert told[3].endswith(COMMANDS)
    assert told[-1] == "5 things to mend."


def test_one_thing(project, command):
    without("Procfile")(project)
    status, told = command()
    assert (status, told[-1]) == (1, "1 thing to mend.")


def test_what_cannot_be_read_as_text(project, check):
    file(APP, b"x = '\xe9'\n")(project)
    [told] = check.faults(project.path)
    assert told.startswith(APP)
    assert "can't decode byte 0xe9" in told


@pytest.mark.parametrize("text", ["\0", f"{RUN}\0", "(" * 5000], ids=["NUL", "NUL after it", "("])
def test_what_ends_the_parser_ends_no_check(project, check, text):
    app(text)(project)
    [told] = check.faults(project.path)
    assert told.startswith(APP)


def test_a_module_in_the_newest_python_alone(project, check):
    file(".python-version", "3.11")(project)
    app(f"type A = int\n{RUN}")(project)
    [told] = check.faults(project.path)
    assert told.startswith(f"{APP}, line 1: ")


def test_with_a_broken_menu_all_apps_are_read(project, check):
    file("apps.json", "[")(project)
    app("x = (")(project)
    assert [told.partition(":")[0] for told in check.faults(project.path)] == [
        "apps.json is not JSON",
        f"{APP}, line 1",
    ]


@pytest.mark.parametrize(
    ("variable", "example"),
    [("NGINX_WORKERS", 8), ("STREAMLIT_PROCESSES", 1), ("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", 200)],
)
def test_numbers_for_nginx(project, check, monkeypatch, variable, example):
    monkeypatch.setenv(variable, "16")
    assert check.faults(project.path) == []
    for value in ("", "eight", "-1", "1.5", "٣"):
        monkeypatch.setenv(variable, value)
        assert check.faults(project.path) == [
            f"{variable} is no whole number, and nginx would not start. Write {example}."
        ]


# -- With the packages --------------------------------------------------------------------------


def test_names_that_differ_from_their_packages(project, command):
    """Pillow, python-dateutil, protobuf: that is known where they are installed."""
    app(f"import PIL.Image, dateutil.parser\nfrom google.protobuf import message\n{RUN}")(project)
    status, told = command()
    assert status == 0, told


def test_a_part_of_a_namespace_that_nobody_brings(project, command):
    app(f"from google.cloud import storage\n{RUN}")(project)
    status, [fault, *_] = command()
    assert status == 1
    assert fault == not_installed("google.cloud")


def test_what_the_listed_packages_require_need_not_be_listed(project, command):
    file("requirements.txt", "streamlit\nbcrypt\nuvicorn\n")(project)
    app(f"import altair, PIL, dateutil\n{RUN}")(project)
    status, told = command()
    assert status == 0, told


def test_a_path_in_the_list_may_bring_anything(project, check):
    for line in ("-e .", "./wheels/x-1-py3-none-any.whl", "git+https://example.com/x.git"):
        shutil.copy(project.path / "requirements.txt", project.path / "before")
        added("requirements.txt", f"{line}\n")(project)
        app(f"import nothing\n{RUN}")(project)
        found = check.look(project.path)
        assert found.faults == []
        assert not_installed("nothing") in found.notes
        (project.path / "before").replace(project.path / "requirements.txt")


def large(project: BakedProject, name: str) -> None:
    """Write 600 MB that cannot be compressed, by the look of its middle. The disk has less."""
    with (project.path / name).open("wb") as written:
        written.truncate(600_000_000)
        written.seek(300_000_000)
        written.write(os.urandom(2**17))


def test_a_slug_that_is_too_large(project, command):
    large(project, "data.parquet")
    status, [fault, *_] = command()
    assert status == 1
    parts = re.fullmatch(r"(.+\.) The largest: (.+ MB)\. (Take .+)", fault)
    told, largest, way_out = parts.groups()
    assert slug_of(told) > 700
    assert re.fullmatch(r"data\.parquet 600 MB, pyarrow \d+ MB(, \w+ \d+ MB){2}", largest)
    assert ".slugignore" in way_out
    added(".slugignore", "*.parquet\n")(project)
    assert command()[0] == 0


@pytest.mark.parametrize("rule", ["/data", "data/", "data", "*.csv", "# x\n\ndata/a.csv"])
def test_what_heroku_does_without_is_not_counted(project, check, rule):
    file("data/a.csv", "a,b\n")(project)
    there = {path.relative_to(project.path).as_posix() for path in deployed(project, check)}
    assert {"data/a.csv", APP, ".htpasswd"} <= there
    added(".slugignore", f"{rule}\n")(project)
    assert there - {
        path.relative_to(project.path).as_posix() for path in deployed(project, check)
    } == {"data/a.csv"}


def deployed(project: BakedProject, check) -> list[Path]:
    return list(check.deployed(check.Project(project.path)))


def test_environments_and_what_git_ignores_are_not_counted(project, check):
    before = len(deployed(project, check))
    file("env/pyvenv.cfg", "")(project)
    file("env/lib/a.py", "")(project)
    file("__pycache__/a.pyc", "")(project)
    assert len(deployed(project, check)) == before
    git(project, "init", "-q")
    added(".gitignore", "env/\nlarge.csv\n")(project)
    file("large.csv", "")(project)
    assert len(deployed(project, check)) == before


def test_a_large_text_is_counted_as_it_will_be_packed(project, check):
    file("text.csv", "a line like any other\n" * 100_000)(project)
    assert 0 < check.packed_size(project.path / "text.csv") < 100_000


def test_packages_for_heroku_alone_are_not_counted_and_told(project, command):
    added("requirements.txt", "nothing==1 ; python_full_version == '3.13.99'\n")(project)
    _, [*_, size, _, _] = command()
    assert size.endswith("that Heroku takes, not counting nothing.")


# -- git ----------------------------------------------------------------------------------------

ALLOWED = {
    "an example": file(".env.example", "A="),
    "the certificates of a database": file("ca.pem", CERTIFICATE),
    "a text about keys": file("notes.md", f"It begins with {KEY}"),
    "a link to nowhere": lambda project: (project.path / "link").symlink_to("/nothing/at/all"),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_may_be_in_git(project, check, change):
    in_git(change)(project)
    found = check.look(project.path)
    assert found.faults == []
    assert "git" in found.in_order


def test_what_is_not_in_git_is_nobodys_business(project, check):
    git(project, "init", "-q")
    git(project, "add", "-A")
    for name in (".venv/pyvenv.cfg", ".env", ".streamlit/secrets.toml", "config/htpasswd"):
        file(name, KEY)(project)
    assert check.faults(project.path) == []


def test_a_project_in_a_larger_repository(project, check):
    above = BakedProject(project.path.parent)
    for name in (".env", "venv/pyvenv.cfg", "project/.env"):
        file(name, "A=1")(above)
    git(above, "init", "-q")
    git(above, "add", "-A", "-f", ".env", "venv", "project")
    assert check.faults(project.path) == [secret(".env")]


def test_a_hooks_git_is_no_other_repository(project, check, monkeypatch):
    in_git(file(".env", "A=1"))(project)
    monkeypatch.setenv("GIT_DIR", "/nothing/at/all")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nothing/at/all/index")
    assert check.faults(project.path) == [secret(".env")]


def test_a_name_that_a_shell_would_take_apart(project, check):
    in_git(file("my keys/a b", KEY))(project)
    [told] = check.faults(project.path)
    assert told.endswith("\n    git rm --cached 'my keys/a b'")


NOT_IN_GIT = (
    ".htpasswd is not in git, so Heroku has no users. Add it: git add -f .htpasswd. Or give "
    'Heroku its text: heroku config:set HTPASSWD="$(cat .htpasswd)"'
)


def test_users_that_git_does_not_have(project, check, monkeypatch):
    git(project, "init", "-q")
    assert "git: not looked at, nothing is in git yet." in check.look(project.path).notes
    git(project, "add", "app.py")
    found = check.look(project.path)
    assert (found.faults, NOT_IN_GIT in found.notes) == ([], True)
    added(".gitignore", ".htpasswd\n")(project)
    assert NOT_IN_GIT in check.look(project.path).notes
    monkeypatch.setenv("HTPASSWD", project.read(".htpasswd"))
    assert NOT_IN_GIT not in check.look(project.path).notes


def test_without_git(project, check, monkeypatch):
    in_git(file(".env", "A=1"))(project)
    monkeypatch.setenv("PATH", "/nothing")
    found = check.look(project.path)
    assert found.faults == []
    assert "git: not looked at, git is not installed here." in found.notes


def test_a_git_that_refuses(project, check):
    in_git()(project)
    project.write(".git/config", "[core")
    [note] = [note for note in check.look(project.path).notes if note.startswith("git:")]
    assert note.startswith("git: not looked at, git says fatal: bad config line ")


# -- nginx --------------------------------------------------------------------------------------


@pytest.fixture
def nginx(project, tmp_path, monkeypatch):
    """The machine has nginx and erb, and a folder of its own for what is temporary."""
    with monkeypatch.context() as before:
        before.setenv("PATH", f"{PATH}:/usr/sbin")
        if missing := missing_parts("nginx"):
            pytest.skip(f"{', '.join(missing)} missing: apt-get install nginx-light ruby")
        for name in ("nginx", "erb"):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    (tmp_path / "bin/ruby").symlink_to(shutil.which("ruby", path=PATH))
    (tmp_path / "bin/env").symlink_to("/usr/bin/env")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert list(temporary.iterdir()) == []


PATH = os.environ["PATH"]


def test_a_new_door_is_in_order(project, check, nginx):
    before = project.files
    found = check.look(project.path)
    assert found.faults == []
    assert found.in_order[-1] == "nginx"
    assert project.files == before


DOOR = "config/nginx.conf.erb"
DOORS = {
    "Ruby that fails": (
        "users = read_users\n",
        "users = read_user\n",
        r", line \d+: erb cannot render it: undefined local variable or method .read_user.*",
    ),
    "Ruby that is none": (
        "users = read_users\n",
        "users = = read_users\n",
        r", line \d+: erb cannot render it: syntax error.*",
    ),
    "a directive that is none": (
        "  server_tokens off;\n",
        "  server_token off;\n",
        r', line (\d+): nginx refuses it: unknown directive "server_token"',
    ),
    "a directive in the wrong place": (
        "    server_name _;\n",
        "    server_name _;\n    worker_processes 2;\n",
        r', line (\d+): nginx refuses it: "worker_processes" directive is not allowed here',
    ),
    "a line that stands there twice": (
        '    default "";\n',
        '    default "" "";\n',
        r", line \d+ of what it renders: nginx refuses it: .*",
    ),
    "another file": (
        "  server_tokens off;\n",
        "  include gone.conf;\n",
        r', line (\d+): nginx refuses it: open\(\) "config/gone.conf" failed .*',
    ),
    "a brace too few": (
        "events {\n",
        "events\n",
        r', line \d+: nginx refuses it: directive "events" has no opening "{"',
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), DOORS.values(), ids=DOORS.keys())
def test_a_door_that_does_not_open(project, check, nginx, old, new, said):
    project.change(DOOR, old, new)
    [told] = check.faults(project.path)
    found = re.fullmatch(re.escape(DOOR) + said, told)
    assert found, told
    if found.re.groups:
        line = new.splitlines()[-1]
        assert project.read(DOOR).splitlines()[int(found[1]) - 1] == line


def test_a_file_that_the_door_includes(project, check, nginx):
    project.change(DOOR, "  server_tokens off;\n", "  include more.conf;\n")
    project.write("config/more.conf", "server_tokens off;\n")
    assert check.faults(project.path) == []
    project.write("config/more.conf", "\nserver_tokens maybe;\n")
    [told] = check.faults(project.path)
    assert told.startswith('config/more.conf, line 2: nginx refuses it: invalid value "maybe"')


def test_what_herokus_nginx_has_and_this_one_not(project, check, nginx):
    project.change(DOOR, "  server_tokens off;\n", "  more_clear_headers Server;\n")
    found = check.look(project.path)
    assert found.faults == []
    if "nginx" not in found.in_order:
        told = 'nginx: not looked at, nginx here says: unknown directive "more_clear_headers".'
        assert told in found.notes


def test_bad_users_are_told_once(project, check, nginx):
    added(".htpasswd", "bob:{PLAIN}hunter2-hunter2\n")(project)
    [told] = check.faults(project.path)
    assert told.startswith(".htpasswd, line 2")


def test_a_ruby_that_is_too_old(project, check, nginx, tmp_path):
    erb = tmp_path / "bin/erb"
    erb.unlink()
    erb.write_text(
        "#!/bin/sh\n[ $1 = version ] && echo 2.6.10 && exit\n"
        "echo \"undefined method 'except'\" >&2\nexit 1\n"
    )
    erb.chmod(0o755)
    found = check.look(project.path)
    assert found.faults == []
    assert "nginx: not looked at, Ruby 2.6.10 here says: undefined method 'except'." in found.notes


def test_an_nginx_that_is_too_old(project, check, nginx, tmp_path):
    binary = tmp_path / "bin/nginx"
    binary.unlink()
    binary.write_text("#!/bin/sh\necho 'nginx: invalid option: \"e\"' >&2\nexit 1\n")
    binary.chmod(0o755)
    assert check.faults(project.path) == []


def test_on_windows_nginx_is_left_out(project, check, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(check.NotLookedAt, match="it needs Linux or macOS"):
        list(check.nginx(check.Project(project.path)))


def test_a_long_sum_in_an_app_is_no_fault(project, check):
    project.write(APP, f"def run():\n    ({' + '.join(['1'] * 500)}).bit_length()\n")
    assert not check.look(project.path).faults


@pytest.mark.parametrize("call", ["st.navigation([])", "page = streamlit.navigation([]).run()"])
def test_an_app_with_a_menu_of_its_own_is_told_of(project, check, call):
    """It opens, but the hub's menu is gone then."""
    source = "import streamlit\nimport streamlit as st\n\ndef run():\n"
    project.write(APP, f"{source}    navigation = 1\n    {call}\n")
    found = check.look(project.path)
    assert not found.faults
    assert (
        f"{APP}, line 6: st.navigation takes the place of the hub's menu, and its pages have no way "
        'back. See "Pages in an app" in README.md.'
    ) in found.notes
    project.write(APP, f"{source}    navigation = 1\n")
    assert not [note for note in check.look(project.path).notes if "st.navigation" in note]
