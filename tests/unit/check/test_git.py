"""What is in git: no Python environment, and everything that Heroku needs."""

from __future__ import annotations

import pytest
from baked import BakedProject
from check_helpers import (
    APP,
    RUN,
    Change,
    add_to_git,
    added,
    all_of,
    app,
    copy_files,
    file,
    git,
)

from apphub.check import git as git_check
from apphub.check.project import Project
from apphub.check.report import CheckSkipped

NO_USERS = ("git-no-users", ".htpasswd")


@pytest.fixture(autouse=True)
def templates_gitignore(project):
    copy_files(project, ".gitignore", "Procfile", "requirements.txt", ".python-version")


ENVIRONMENTS: dict[str, tuple[Change, str]] = {
    ".venv": (all_of(file(".venv/pyvenv.cfg", ""), file(".venv/lib/a.py", "")), ".venv"),
    "a part of venv": (file("venv/bin/python", ""), "venv"),
    "elsewhere": (
        all_of(file("tools/env/pyvenv.cfg", ""), file("tools/env/lib/a.py", "")),
        "tools/env",
    ),
}


@pytest.mark.parametrize(("change", "folder"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_environment(project, findings, change, folder):
    change(project)
    add_to_git(project)
    [finding] = findings(git_check.check)
    assert (finding.code, finding.where) == ("git-environment", f"{folder}/")
    assert finding.hint.endswith(f"\n    git rm -r --cached -q {folder}")


def test_new_project(project, found):
    git(project, "init", "-q")
    git(project, "add", "-A")
    assert found(git_check.check) == []


def test_environment_that_git_ignores(project, found):
    git(project, "init", "-q")
    git(project, "add", "-A")
    file(".venv/pyvenv.cfg", "")(project)
    assert found(git_check.check) == []


def test_module_that_git_ignores(project, findings):
    add_to_git(project)
    all_of(added(".gitignore", "lib/\n"), file("lib/db.py", ""), app(f"import lib.db\n{RUN}"))(
        project
    )
    [finding] = findings(git_check.check)
    assert (finding.code, finding.where) == ("git-ignored", "lib/db.py")
    assert finding.hint.endswith("git add -f lib/db.py")


def test_templates_code_that_git_ignores(template_project, found):
    """GitHub's own .gitignore for Python has "build/"."""
    git(template_project, "init", "-q")
    added(".gitignore", "build/\n*.conf\n")(template_project)
    git(template_project, "add", "-A")
    ignored = found(git_check.check)
    assert {code for code, _ in ignored} == {"git-ignored"}
    assert {"apphub/build/__main__.py", "apphub/nginx/server.conf"} <= {name for _, name in ignored}


def test_file_that_heroku_needs_and_git_ignores(project, found):
    git(project, "init", "-q")
    added(".gitignore", "requirements.txt\n")(project)
    git(project, "add", "-A")
    assert found(git_check.check) == [("git-ignored", "requirements.txt")]


def test_users_that_are_not_in_git(project, findings, found):
    git(project, "init", "-q")
    git(project, "add", "Procfile")
    [finding] = findings(git_check.check)
    assert (finding.code, finding.where) == NO_USERS
    assert finding.severity == "warning"
    added(".gitignore", ".htpasswd\n")(project)
    assert found(git_check.check) == [NO_USERS]
    assert found(git_check.check, HTPASSWD=project.read(".htpasswd")) == []


def test_name_that_a_shell_would_split(project, findings):
    file("my env/pyvenv.cfg", "")(project)
    add_to_git(project)
    [finding] = findings(git_check.check)
    assert finding.hint.endswith("'my env'")


def test_project_in_a_larger_repository(project, found):
    above = BakedProject(project.path.parent)
    file("venv/pyvenv.cfg", "")(above)
    file("project/venv/pyvenv.cfg", "")(above)
    git(above, "init", "-q")
    git(above, "add", "-A", "-f", "venv", "project")
    assert found(git_check.check) == [("git-environment", "venv/")]


def test_inside_a_hook_of_another_repository(project, found):
    file("venv/pyvenv.cfg", "")(project)
    add_to_git(project)
    hook = {"GIT_DIR": "/nothing/at/all", "GIT_INDEX_FILE": "/nothing/at/all/index"}
    assert found(git_check.check, **hook) == [("git-environment", "venv/")]


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_on_heroku(project, findings, variable):
    file("venv/pyvenv.cfg", "")(project)
    add_to_git(project)
    with pytest.raises(CheckSkipped, match=r"^$"):
        findings(git_check.check, **variable)


def test_not_a_repository(project, findings):
    with pytest.raises(CheckSkipped, match=r"^not a git repository yet$"):
        findings(git_check.check)


def test_nothing_in_git(project, findings):
    git(project, "init", "-q")
    with pytest.raises(CheckSkipped, match=r"^nothing is in git yet$"):
        findings(git_check.check)


def test_without_git(project, findings):
    add_to_git(project)
    with pytest.raises(CheckSkipped, match=r"^git is not installed here$"):
        findings(git_check.check, PATH="/nothing")


def test_git_that_refuses(project, findings):
    add_to_git(project)
    project.write(".git/config", "[core")
    with pytest.raises(CheckSkipped, match=r"^git says: fatal: bad config line "):
        findings(git_check.check)


def test_environment_is_passed_on_and_not_changed(project, monkeypatch):
    """git reads its settings there."""
    add_to_git(project)
    monkeypatch.setenv("GIT_DIR", "/nothing/at/all")
    monkeypatch.delenv("PATH")
    environ = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "x", "GIT_CONFIG_VALUE_0": "y"}
    with pytest.raises(CheckSkipped, match="git says: error: key does not contain a section"):
        Project(project.path, {"PATH": "/usr/bin:/bin", **environ}).git("ls-files", "-z")
    assert APP in Project(project.path, {"PATH": "/usr/bin:/bin"}).tracked_files


@pytest.fixture
def forecast(project):
    """A script in a folder with data, and what must not be counted as data."""
    entry = '[{"name": "Forecast", "script": "apps/forecast/app.py"}]'
    for name in ("app.py", "data/a.csv", "data/b.csv", ".streamlit/secrets.toml", ".env"):
        file(f"apps/forecast/{name}", "")(project)
    for name in (".venv/pyvenv.cfg", "__pycache__/app.pyc", "x.pyc", ".DS_Store"):
        file(f"apps/forecast/{name}", "")(project)
    file("apps.json", entry)(project)
    return project


def test_data_of_a_script_that_git_ignores(forecast, findings):
    file("apps/forecast/.gitignore", "data/\n.venv/\n.DS_Store\n.env\nsecrets.toml\n")(forecast)
    git(forecast, "init", "-q")
    git(forecast, "add", "-A")
    [finding] = findings(git_check.check)
    assert (finding.code, finding.where) == ("git-ignored-data", "apps/forecast/")
    assert finding.text.startswith("git ignores data/a.csv and data/b.csv,")
    assert finding.hint.endswith("git add -f apps/forecast/data/a.csv")
    assert finding.severity == "warning"


def test_data_of_a_script_that_is_in_git(forecast, found):
    file("apps/forecast/.gitignore", ".venv/\n")(forecast)
    git(forecast, "init", "-q")
    git(forecast, "add", "-A")
    assert found(git_check.check) == []


def test_code_of_a_script_that_git_ignores(forecast, findings):
    file("apps/forecast/app.py", "import helpers")(forecast)
    file("apps/forecast/helpers.py", "")(forecast)
    added(".gitignore", "helpers.py\n.venv/\n")(forecast)
    git(forecast, "init", "-q")
    git(forecast, "add", "-A")
    [finding] = findings(git_check.check)
    assert (finding.code, finding.where) == ("git-ignored", "apps/forecast/helpers.py")
