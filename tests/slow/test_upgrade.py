"""A project of an earlier version is updated to this one: what its user did stays.

The earlier versions come from this repository's own history, and so does the template that the
project is updated from.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from typing import TYPE_CHECKING

import bcrypt
import pytest
from baked import ANSWERS, GIVEN, ROOT, BakedProject, commit, git, tree
from command_line import copy_template, run_module, set_environment

from apphub.record import find_edited_files
from apphub.update.decide import ENTRY_POINTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
PROJECT = "{{cookiecutter.project_slug}}"
PROCFILE = "web: python -m apphub.server bin/start-nginx\n"
PASSWORD_LINE = re.compile(r"password  [a-z0-9-]{29}")


def has_version(revision: str, version: str | None) -> bool:
    return json.loads(git("show", f"{revision}:cookiecutter.json")).get("_version") == version


def is_before_sessions(revision: str) -> bool:
    return not git("ls-tree", revision, f"{PROJECT}/users.py", f"{PROJECT}/apphub")


# Each start is the newest commit for which this is true.
STARTS = {
    "2026.11.1": lambda revision: has_version(revision, "2026.11.1"),
    "2026.11.0": lambda revision: has_version(revision, "2026.11.0"),
    "before sessions": is_before_sessions,
}


@pytest.fixture(scope="module")
def history() -> list[str]:
    """This repository's commits, the newest first."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this clone has no history: git fetch --unshallow")
    return git("log", "--format=%H").split()


@pytest.fixture(params=STARTS.values(), ids=STARTS.keys())
def start(request, history) -> str:
    """The commit that the project is made from."""
    return next(filter(request.param, history))


@pytest.fixture(scope="module")
def template(history, tmp_path_factory) -> Path:
    """The template's repository with its history, and what is here now on top. Do not change it."""
    repository = copy_template(tmp_path_factory.mktemp("template"))
    git("fetch", "-q", ROOT, "HEAD", cwd=repository)
    git("reset", "-q", "--soft", "FETCH_HEAD", cwd=repository)
    commit(repository, "what is here now")
    return repository


@pytest.fixture(scope="module")
def make_once(template, tmp_path_factory):
    """Make a project of a revision, with cookiecutter or with cruft, the first time only."""

    @cache
    def make_once(revision: str, with_cruft: bool = False) -> Path:
        out = tmp_path_factory.mktemp("made")
        with pytest.MonkeyPatch.context() as patch:
            set_environment(patch, out)
            version = ("--checkout", revision, "--no-input")
            if with_cruft:
                given = ("--output-dir", out, "--extra-context", json.dumps(ANSWERS))
                run_module("cruft", "create", f"file://{template}", *version, *given, cwd=out)
            else:
                source = (f"git+file://{template}", *version)
                run_module("cookiecutter", *source, "-o", out, *GIVEN, cwd=out)
            commit(out / "data-apps", "as it was made")  # git merges by this
        return out / "data-apps"

    return make_once


@pytest.fixture
def fresh(make_once) -> dict[str, bytes]:
    """The files of a project that this version makes."""
    return tree(make_once("HEAD"))


@pytest.fixture
def make_old(make_once, tmp_path):
    """Return a copy of a project of a revision."""

    def make_old(revision: str, with_cruft: bool = False) -> BakedProject:
        shutil.copytree(make_once(revision, with_cruft), tmp_path / "old/data-apps")
        return BakedProject(tmp_path / "old/data-apps")

    return make_old


def replace(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that replaces one text."""

    def edit(text: str) -> str:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        return text.replace(old, new)

    return edit


def append(more: str) -> Callable[[str], str]:
    return lambda text: text + more


# What the user does to the template's files. Each of them is the user's.
EDITS = [
    (".streamlit/config.toml", replace("maxUploadSize = 200", "maxUploadSize = 500")),
    (".streamlit/config.toml", append('\n[theme]\nprimaryColor = "#0b6e4f"\n')),
    ("app.json", replace('"size": "basic"', '"size": "standard-2x"')),
    ("config/new_app.py", replace('"North", "South", "West"', '"Oslo", "Bergen", "Tromsø"')),
    ("config/nginx.conf.erb", replace("worker_connections 1024;", "worker_connections 2048;")),
    ("requirements.in", append("openpyxl  # our spreadsheets\n")),
    ("requirements.txt", replace("h11==", "et-xmlfile==2.0.0\n    # via openpyxl\nh11==")),
    (
        "requirements.txt",
        replace("packaging==", "openpyxl==3.1.5\n    # via -r requirements.in\npackaging=="),
    ),
]
NEW_NAMES = {"config/new_app.py": "config/app_template.py"}


def change(project: BakedProject, run, monkeypatch) -> None:
    """Do to a project what its user does: passwords, apps, and all of EDITS."""
    for name, edit in EDITS:
        project.write(name, edit(project.read(name)))
    monkeypatch.setenv("AUTH_PASSWORD", "a password of later")
    for user in (ANSWERS["auth_user"], "bob"):
        run("manage", "passwd", user, cwd=project.path)
    monkeypatch.delenv("AUTH_PASSWORD")
    run("manage", "add-app", "Forecasts", cwd=project.path)
    project.change("apps.json", '"Sales Report"', '"Sales"')
    project.write("apps/cafe.py", "import streamlit as st\n\n\ndef run():\n    st.title('Café')\n")


def recompile(project: BakedProject) -> None:
    """Do without the network what the CHANGELOG says: take over packages, recompile the pins."""
    for name, entry in {"requirements.in": r"^\w.*\n", "requirements.txt": PIN}.items():
        text = project.read(name)
        missing = [
            block
            for block in re.findall(entry, (ROOT / PROJECT / name).read_text("utf-8"), re.MULTILINE)
            if not re.search(rf"^{re.match('[a-z0-9-]+', block)[0]}\b", text, re.MULTILINE)
        ]
        project.write(name, text + "".join(missing))


PIN = r"^\w.*\n(?:    #.*\n)*"


def check(project: BakedProject, run) -> None:
    """Check what holds wherever the project comes from, and whatever has updated it."""
    recompile(project)
    users = dict(line.split(":") for line in project.read(".htpasswd").split())
    assert list(users) == [ANSWERS["auth_user"], "bob"]
    for digest in users.values():
        assert bcrypt.checkpw(b"a password of later", digest.encode())
    assert [entry["name"] for entry in project.menu] == ["Sales", "Café", "Forecasts"]
    run("manage", "check", cwd=project.path)
    printed = run("manage", "--version", cwd=project.path).stdout
    assert printed.split()[-1] == QUESTIONS["_version"]
    tomllib.loads(project.read(".streamlit/config.toml"))
    assert not find_edited_files(project.path / "apphub")
    run("manage", "add-app", "Another", cwd=project.path)
    assert '"Oslo", "Bergen", "Tromsø"' in project.read("apps/another.py")


def assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Compare files one by one: a project as a whole is too long to read."""
    assert sorted(found) == sorted(expected)
    for name, content in expected.items():
        assert found[name].decode() == content.decode(), name


def without(files: dict[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name not in names}


# .cookiecutter.json says where the template is: fresh and updated projects have other addresses.
STATE = ".cookiecutter.json"


def test_cruft_update(run, template, fresh, monkeypatch, start, make_old):
    project = make_old(start, with_cruft=True)
    change(project, run, monkeypatch)
    commit(project.path, "our changes")
    before = tree(project.path)
    skipped = tomllib.loads(project.read("pyproject.toml"))["tool"]["cruft"]["skip"]

    def is_skipped(name: str) -> bool:
        return any(name == path or name.startswith(f"{path}/") for path in skipped)

    run("cruft", "update", "--skip-apply-ask", cwd=project.path)
    conflicts = git("diff", "--name-only", "--diff-filter=U", cwd=project.path).split()
    # Pins cannot be merged. A project of 2026.11.0 does not say so; then the user recompiles them.
    assert set(conflicts) <= {"requirements.txt"} - set(skipped)
    for name in conflicts:
        git("checkout", "-q", "--ours", name, cwd=project.path)
        skipped.append(name)
    # All is as if the user had made the same changes to a project of today.
    expected = {name: content for name, content in fresh.items() if not is_skipped(name)}
    for old, edit in EDITS:
        name = NEW_NAMES.get(old, old)
        if name in expected:
            expected[name] = edit(expected[name].decode()).encode()
    expected |= {name: content for name, content in before.items() if is_skipped(name)}
    assert_same(without(tree(project.path), STATE), without(expected, STATE))
    assert json.loads(project.read(STATE))["version"] == QUESTIONS["_version"]
    commit(project.path, "updated")
    run("cruft", "check", cwd=project.path)
    check(project, run)


def test_cookiecutter_again(run, template, fresh, tmp_path, monkeypatch, start, make_old):
    project = make_old(start)
    change(project, run, monkeypatch)
    before = tree(project.path)

    printed = run("cookiecutter", "-f", "--no-input", template, "-o", tmp_path / "old", *GIVEN)
    # What was edited stays, with the new version next to it. All else is as in a project of today.
    expected = without(fresh, "apps/sales_report.py", "apps/cafe.py", "apps.json")
    expected |= {name: text for name, text in before.items() if name.startswith("apps")}
    for old, _ in EDITS:
        name = NEW_NAMES.get(old, old)
        expected |= {name: before[old], f"{name}.new": fresh[name]}
        assert f"    {name}.new\n" in printed.stdout
    assert_same(without(tree(project.path), STATE), without(expected, STATE))
    assert not PASSWORD_LINE.search(printed.stdout)
    # check says in one line what to do with an edited nginx configuration of an earlier version.
    step = "mv config/nginx.conf.erb.new config/nginx.conf.erb"
    with pytest.raises(AssertionError, match=rf"config/nginx\.conf\.erb: .*{step}\n"):
        run("manage", "check", cwd=project.path)
    subprocess.run(step.split(), cwd=project.path, check=True)
    check(project, run)


# Names of modules that the template had in its root folder, some of them from 2026.11.1 on.
MODULES = ["users.py", "log.py", "menu.py", "page.py", "server.py", "check.py"]


@pytest.fixture
def update_by(run, template, tmp_path):
    """Update a project as a user of cookiecutter or of cruft does."""

    def update_by(program: str, project: BakedProject) -> None:
        commit(project.path, "our modules")
        if program == "cruft":
            run("cruft", "update", "--skip-apply-ask", cwd=project.path)
        else:
            run("cookiecutter", "-f", "--no-input", template, "-o", tmp_path / "old", *GIVEN)

    return update_by


@pytest.mark.parametrize("program", ["cookiecutter", "cruft"])
def test_modules_of_my_own_stay(run, start, make_old, update_by, program):
    """A 2026.11.0 project may have a log.py of its own: the template's came later."""
    project = make_old(start, with_cruft=program == "cruft")
    templates = [name for name in MODULES if (project.path / name).exists()]
    mine = [name for name in MODULES if name not in templates]
    mine += [f"apps/{name}" for name in MODULES]
    for name in mine:
        project.write(name, f"MINE = {name!r}\n")
    update_by(program, project)
    for name in mine:
        assert project.read(name) == f"MINE = {name!r}\n"
    for name in templates:
        assert not list(project.path.glob(f"{name}*"))
    assert not list(project.path.rglob("*.rej"))

    # They neither break a command, nor an app that imports one.
    run("manage", "users", cwd=project.path)
    imported = [name for name in mine if "/" not in name]
    if not imported:
        return
    lines = [f"import {name[:-3]}\nassert {name[:-3]}.MINE == {name!r}\n" for name in imported]
    project.write("apps/cafe.py", "".join(lines) + "def run(): ...\n")
    run("pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=project.path)


def test_edited_modules_of_the_templates_are_kept_as_old(start, make_old, update_by):
    project = make_old(start)
    edited = {}
    for name in [*MODULES, *ENTRY_POINTS]:
        if (project.path / name).exists():
            edited[name] = project.read(name) + "# mine\n"
            project.write(name, edited[name])
    update_by("cookiecutter", project)
    for name, text in edited.items():
        assert project.read(f"{name}.old") == text
        assert (project.path / name).exists() == (name in ENTRY_POINTS)
    for name in ENTRY_POINTS:
        assert "# mine" not in project.read(name)


def test_an_old_procfile_works_for_one_version(run, template, tmp_path, start, make_old):
    project = make_old(start)
    lines = "web: python server.py bin/start-nginx\nworker: python x.py\n"
    project.write("Procfile", lines)
    printed = run("cookiecutter", "-f", "--no-input", template, "-o", tmp_path / "old", *GIVEN)
    assert f"web: {PROCFILE.partition(' ')[2]}" in printed.stdout
    assert project.read("Procfile") == lines
    assert project.read("Procfile.new") == PROCFILE
    (project.path / ".htpasswd").write_text("")  # the supervisor refuses to start
    ended = subprocess.run(
        [sys.executable, "server.py", "bin/start-nginx"],
        cwd=project.path,
        env={"RUNTIME_DIRECTORY": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    log = ended.stdout + ended.stderr
    assert f"at=warning server: Procfile starts server.py. Write: {PROCFILE.strip()}" in log
    assert ".htpasswd" in log
    assert ended.returncode == 1

    run("cookiecutter", "-f", "--no-input", template, "-o", tmp_path / "old", *GIVEN)
    assert (project.path / "server.py").exists()


@pytest.mark.parametrize("with_cruft", [False, True], ids=["cookiecutter", "cruft"])
def test_update_needs_no_answers(run, template, tmp_path, monkeypatch, make_old, with_cruft):
    """From this version on: `manage.py update`, in a folder that was renamed since."""
    project = make_old("HEAD", with_cruft)
    newer = change_template(shutil.copytree(template, tmp_path / "template"))
    address = json.loads(project.read(STATE))["template"]
    for name in (STATE, ".cruft.json") if with_cruft else (STATE,):
        project.change(name, address, str(newer))
    commit(project.path, "the template has moved")
    renamed = BakedProject(tmp_path / "old/team-numbers")
    project.path.rename(renamed.path)
    renamed.write("requirements.in", renamed.read("requirements.in") + "openpyxl\n")
    monkeypatch.delenv("AUTH_PASSWORD")

    def update() -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "manage.py", "update"],
            cwd=renamed.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    ended = update()
    assert "uncommitted changes" in ended.stderr
    commit(renamed.path, "our changes")
    before = renamed.files[".htpasswd"]
    ended = update()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not PASSWORD_LINE.search(ended.stdout + ended.stderr)
    assert renamed.read("apphub/users.py").endswith("# new\n")
    assert renamed.read("config/nginx.conf.erb").endswith("# new\n")
    assert "openpyxl\n" in renamed.read("requirements.in")
    assert renamed.files[".htpasswd"] == before
    assert not find_edited_files(renamed.path / "apphub")
    assert (tmp_path / "old/data-apps").exists() is False
    slug = json.loads(renamed.read(STATE))["cookiecutter"]["project_slug"]
    assert slug == ("data-apps" if with_cruft else "team-numbers")
    assert "python manage.py check" in ended.stdout


def change_template(template: Path) -> Path:
    """Commit a new version of the template, with the one before in its history."""
    source = template / PROJECT
    for name in ("apphub/users.py", "_hook/config/nginx.conf.erb"):
        (source / name).write_text((source / name).read_text("utf-8") + "# new\n", "utf-8")
    subprocess.run([sys.executable, template / "tests/make_history.py"], cwd=template, check=True)
    commit(template, "a new version")
    return template


def test_the_plain_command_of_cookiecutter_needs_no_answers(run, template, tmp_path):
    run("cookiecutter", "--no-input", template, "-o", tmp_path / "old", *GIVEN)
    project = BakedProject(tmp_path / "old/data-apps")
    before = project.files
    run(
        *("cookiecutter", "-f", "-o", "..", "--replay-file", ".cookiecutter.json", template),
        cwd=project.path,
    )
    assert project.files == before
