"""All checks at once, on a project with all of the template's files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from check_helpers import APP, TEMPLATE, added, app, file, git, without
from strategies import HASH

import apphub.check
from apphub.check import CHECKS, CheckSkipped, Report, run_checks
from apphub.check.packages import RECOMPILE, install_commands
from apphub.check.project import Project
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject

EVERYWHERE = ["users and menu", "Procfile", "app.py", "module names", "apps"]
EVERYWHERE += ["secrets", "packages"]


@pytest.fixture
def project(template_project: BakedProject) -> BakedProject:
    return template_project


@pytest.fixture
def run(project, programs):
    """Run all checks."""

    def run(**environ: str) -> Report:
        return run_checks(project.path, {"PATH": str(programs), **environ})

    return run


def places(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in findings]


def without_size(names: list[str]) -> list[str]:
    return [re.sub(r" \(about \d+ of 500 MB\)$", "", name) for name in names]


def test_new_project(project, run):
    before = project.files
    report = run()
    assert report.errors == report.warnings == []
    assert without_size(report.passed) == [*EVERYWHERE, "Python version", "slug size", "nginx"]
    assert report.render().split("\n\n")[:-1] == [
        "git, secrets in git: skipped (not a git repository yet)",
        "nginx -t: skipped (nginx is not installed here)",
    ]
    assert project.files == before


def test_new_project_in_git(project, run):
    git(project, "init", "-q")
    git(project, "add", "-A")
    report = run()
    assert report.errors == report.warnings == []
    assert without_size(report.passed) == [
        *EVERYWHERE,
        *("Python version", "git", "secrets in git", "slug size", "nginx"),
    ]
    assert report.render().splitlines()[-1].startswith("All checks passed: users and menu, Proc")


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_herokus_build_says_nothing_of_what_it_lacks(project, run, variable):
    (project.path / "requirements.in").unlink()  # .slugignore may leave it out
    report = run(**variable, PATH="/nothing")
    assert report.errors == report.warnings == []
    assert without_size(report.passed) == [*EVERYWHERE, "slug size", "nginx"]
    assert re.fullmatch(r"All checks passed: .*\.", report.render())


def test_everything_in_one_list(project, run):
    app("import nothing\nimport pip\nasync def run(): pass\n")(project)
    without("Procfile", ".python-version")(project)
    file("secrets.py", "")(project)
    project.change("config/nginx.conf.erb", "include ../apphub/nginx/server.conf;", "")
    report = run(SESSION_SECRET="short")
    assert places(report.errors) == [
        ("settings-secret-length", "SESSION_SECRET"),
        ("procfile-no-web", "Procfile"),
        ("shadowing-module", "secrets.py"),
        ("app-run-async", f"{APP}, line 3"),
        ("package-not-installed", f"{APP}, line 1"),
        ("package-not-listed", f"{APP}, line 2"),
        ("python-version-missing", ".python-version"),
        ("nginx-server-rules-missing", "config/nginx.conf.erb, line 17"),
    ]
    assert report.errors[4].hint.endswith(f"{RECOMPILE}.")
    assert report.errors[5].hint.endswith(
        f"{RECOMPILE}{install_commands(Project(project.path, {}).python)}"
    )
    assert report.render().endswith("\n\n8 problems found.")


def test_errors_in_all_three_access_files(project, run):
    file(".htpasswd", "anna.b:{PLAIN}hunter2-hunter2\n")(project)
    file("apps.json", "[")(project)
    report = run()
    assert places(report.errors) == [
        ("users-not-bcrypt", ".htpasswd, line 1"),
        ("menu-not-json", "apps.json, line 1"),
    ]
    assert "hunter2" not in report.render()


def test_no_check_depends_on_another(project, programs):
    """Alone, each finds what it finds among the others."""
    app("import nothing\nimport lib.gone\nasync def run(): pass\n")(project)
    file("lib/db.py", "")(project)
    git(project, "init", "-q")
    added(".gitignore", f"{APP}\n")(project)
    git(project, "add", "-A")
    environ = {"PATH": str(programs)}
    report = run_checks(project.path, environ)
    alone: dict[str, set[str]] = {}
    for name, check in reversed(CHECKS.items()):
        try:
            for finding in check(Project(project.path, environ)):
                alone.setdefault(name, set()).add(finding.code)
                assert finding in report.errors
        except CheckSkipped:
            assert name in ("nginx", "template files")
    assert alone == {
        "apps": {"app-run-async", "import-missing-module"},
        "packages": {"package-not-installed"},
        "git": {"git-ignored"},
    }


def test_check_that_fails_hides_no_other(run, monkeypatch):
    def fail(project: Project) -> Iterator[Finding]:
        yield Finding("found-before", "is wrong.")
        raise KeyError("x")

    monkeypatch.setitem(CHECKS, "Procfile", fail)
    report = run(SESSION_SECRET="short")
    assert [finding.code for finding in report.errors] == [
        "settings-secret-length",
        "found-before",
        "check-failed",
    ]
    assert report.errors[2].where == "Procfile"
    assert "KeyError: 'x'" in report.errors[2].text
    assert "app.py" in report.passed


def test_environment_is_not_changed(project, programs, monkeypatch):
    """What the tests' own environment has does not count, either."""
    monkeypatch.setenv("SESSION_SECRET", "short")
    monkeypatch.setenv("HTPASSWD", "")
    environ = {"PATH": str(programs), "HTPASSWD": f"anna.b:{HASH}"}
    before, given = dict(os.environ), dict(environ)
    assert run_checks(project.path, environ).errors == []
    assert environ == given
    assert dict(os.environ) == before


def test_default_is_this_project_and_environment(monkeypatch):
    seen = []

    def check(project: Project) -> Iterator[Finding]:
        seen.append((project.root, project.environ))
        yield from ()

    monkeypatch.setattr(apphub.check, "CHECKS", {"a check": check})
    run_checks()
    assert seen == [(TEMPLATE, os.environ)]


def test_one_finding_of_two_checks(run, monkeypatch):
    def check(project: Project) -> Iterator[Finding]:
        yield Finding("a-code", "is wrong.", "a.py")

    monkeypatch.setattr(apphub.check, "CHECKS", {"one": check, "two": check})
    assert len(run().errors) == 1


def run_python(project: BakedProject, *command: str) -> tuple[int, list[str]]:
    """Run Python in a project, as in Heroku's build. Return the exit status and the paragraphs."""
    process = subprocess.run(
        [sys.executable, *command],
        cwd=project.path,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "STACK": "heroku-24"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stderr == ""
    return process.returncode, process.stdout.rstrip("\n").split("\n\n")


def test_command(project):
    status, [result] = run_python(project, "manage.py", "check")
    assert status == 0
    assert result.startswith("All checks passed: users and menu, Procfile, ")


@pytest.mark.parametrize(
    "command",
    [["manage.py", "check"], ["-P", "apphub/build/__main__.py"]],
    ids=["manage.py check", "build"],
)
def test_shadowing_modules_break_no_check(project, command):
    """They are reported, without a traceback."""
    names = ["json.py", "logging.py", "numpy/", "packaging.py", "secrets.py"]
    for name in names:
        path = f"{name}__init__.py" if name.endswith("/") else name
        file(path, "raise SystemExit('imported in place of another module')\n")(project)
    status, [*findings, result] = run_python(project, *command)
    assert status == 1
    assert [text.partition(": ")[0] for text in findings] == names
    assert result == "5 problems found."


@pytest.mark.parametrize("package", ["packaging", "crossplane"])
def test_without_a_package_that_checks_need(project, run, monkeypatch, package):
    """Where the packages are not installed, the other checks run all the same."""
    for name in (package, *(name for name in sys.modules if name.startswith(f"{package}."))):
        monkeypatch.setitem(sys.modules, name, None)
    report = run()
    assert report.errors == []
    reason = "the packages are not installed here: pip install -r requirements.txt"
    skipped = {skip.name for skip in report.skipped if skip.reason == reason}
    assert skipped == {"packaging": {"packages", "slug size"}, "crossplane": {"nginx"}}[package]
    assert set(without_size(report.passed)) >= {"users and menu", "Procfile", "apps"}


def test_users_own_modules_with_the_first_editions_names(project, run):
    for name in ("users", "log", "menu", "page", "server", "check"):
        file(f"{name}.py", "import nothing_that_the_hub_imports\n")(project)
        file(f"apps/{name}.py", "def run():\n    pass\n")(project)
    assert run().errors == []


def test_no_module_is_longer_than_300_lines():
    for path in (TEMPLATE / "apphub/check").rglob("*.py"):
        assert path.read_text("utf-8").count("\n") <= 300, path.name


def test_each_check_has_a_file_and_a_docstring():
    folder = Path(apphub.check.__file__).parent
    for check in CHECKS.values():
        path = folder / f"{check.__module__.rpartition('.')[2]}.py"
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))).startswith("Checks ")
        assert check.__doc__
