"""SECRETS on Heroku: set from .streamlit/secrets.toml, and no value is shown anywhere."""

from __future__ import annotations

import re

import click
import pytest
from fakes.deployments import ALL, BY_HAND, OPEN, nothing, pushed
from fakes.heroku_api import run_heroku_api

from apphub.app_secrets import parse
from apphub.deploy import set_secrets
from apphub.deploy.execute import run_command
from apphub.deploy.state import SecretsChange, compare_secrets

VALUE = "hunter2-hunter2"
FILE = ".streamlit/secrets.toml"
TEXT = f'# staging\nAPI_KEY = "{VALUE}"\n\n[db]\npassword = "{VALUE}"\n'
PATCH = "PATCH SECRETS"
SENT = "Set SECRETS on data-apps. No value was shown.\n"


@pytest.fixture
def workstation(workstation, heroku_module, monkeypatch):
    """A workstation with secrets, and Heroku's API."""
    write(workstation, TEXT)
    monkeypatch.setattr(set_secrets, "ROOT", workstation.project.path)
    with run_heroku_api(workstation, heroku_module.TOKEN) as address:
        monkeypatch.setattr(set_secrets, "API", address)
        yield workstation


def write(workstation, text: str) -> None:
    path = workstation.project.path / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    workstation.project.write(".gitignore", f"logs/\n{FILE}\n")


def set_on_heroku(workstation, text: str) -> None:
    config = {**workstation.app["config"], "SECRETS": text}
    workstation.set(apps={"data-apps": {**workstation.app, "config": config}})


def title(output: str) -> str:
    [line] = re.findall(r"^\d+\. (Set SECRETS .*)", output, re.MULTILINE)
    return line


@pytest.mark.parametrize("prepare", [nothing, pushed(*BY_HAND)])
def test_secrets_are_set_once_and_never_shown(workstation, prepare):
    prepare(workstation)
    is_new = prepare is nothing
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert workstation.changes == ([*ALL[:-1], PATCH, OPEN] if is_new else [PATCH])
    assert workstation.app["config"]["SECRETS"] == TEXT
    assert title(output) == f"Set SECRETS to what is in {FILE} (new or changed: API_KEY and db)"
    assert "       python -m apphub.deploy.set_secrets --app data-apps\n" in output
    assert SENT in output
    assert VALUE not in output
    # The fake API notes only names: what is in "calls" beside them are the CLI's arguments.
    assert VALUE not in str(workstation.state["calls"])

    workstation.set(calls=[])
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert workstation.changes == []
    assert title(output) == f"Set SECRETS to what is in {FILE}: already done"


def test_a_dry_run_shows_names_only(workstation):
    output = workstation.deploy(dry_run=True).output
    assert title(output) == f"Set SECRETS to what is in {FILE} (new or changed: API_KEY and db)"
    assert VALUE not in output
    assert workstation.changes == []


def test_the_title_says_what_changes(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, f'API_KEY = "{VALUE}"\nold_key = "{VALUE}"\n[db]\npassword = "x"\n')
    output = workstation.deploy(dry_run=True).output
    assert title(output).endswith("(new or changed: db; removed: old_key)")
    assert VALUE not in output


def test_a_comment_is_no_change(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, TEXT.removeprefix("# staging\n").strip())
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes == []


def test_a_user_with_other_secrets_may_decline(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, "production = 1")
    workstation.project.write("apps/churn.py", "def run():\n    pass\n")
    status, output = workstation.deploy("y\n", "n\n", "y\n", "y\n")
    assert status == 0, output
    assert workstation.changes == [OPEN]
    assert workstation.app["config"]["SECRETS"] == "production = 1"


def test_without_a_file_heroku_keeps_its_secrets(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, TEXT)
    (workstation.project.path / FILE).unlink()
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert "SECRETS" not in output.replace("SESSION_SECRET", "")
    assert workstation.app["config"]["SECRETS"] == TEXT


def test_the_folder_of_an_app_may_have_a_file(workstation):
    folder = workstation.project.path / "apps/forecast"
    (folder / ".streamlit").mkdir(parents=True)
    (folder / "app.py").write_text("")
    (folder / FILE).write_text(f'key = "{VALUE}"')
    workstation.project.add_to_menu({"name": "Forecast", "script": "apps/forecast/app.py"})
    workstation.project.write(".gitignore", "secrets.toml\n")
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert "(new or changed: API_KEY, db and forecast)" in title(output)
    secrets = parse(workstation.app["config"]["SECRETS"], "SECRETS")
    assert secrets["forecast"] == {"key": VALUE}
    assert secrets["db"] == {"password": VALUE}


# What is wrong with them.


def test_a_file_that_is_not_valid_blocks_the_deploy(workstation):
    write(workstation, f"key = {VALUE}")
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert f"{FILE}, line 1, column 7: the secrets are not valid TOML." in output
    assert VALUE not in output
    assert workstation.changes == []


def test_secrets_on_heroku_that_are_not_valid_are_replaced(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, f"key = {VALUE}")
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert workstation.app["config"]["SECRETS"] == TEXT
    assert VALUE not in output


def test_secrets_on_heroku_that_are_not_valid_block_where_nothing_replaces_them(workstation):
    pushed(*BY_HAND)(workstation)
    set_on_heroku(workstation, f"key = {VALUE}")
    (workstation.project.path / FILE).unlink()
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "SECRETS, line 1, column 7: the secrets are not valid TOML." in output
    assert VALUE not in output


def test_the_workstations_variable_does_not_count(workstation, monkeypatch):
    pushed(*BY_HAND)(workstation)
    monkeypatch.setenv("SECRETS", f"key = {VALUE}")
    assert workstation.deploy(yes=True).status == 0
    assert workstation.app["config"]["SECRETS"] == TEXT


@pytest.mark.parametrize("status", [400, 401, 403, 422, 500])
def test_heroku_refuses_them(workstation, status):
    pushed(*BY_HAND)(workstation)
    workstation.set(api=status)
    result = workstation.deploy(yes=True)
    assert result.status == 1
    assert f"SECRETS was not set: Heroku answered {status} (" in result.output
    assert "https://dashboard.heroku.com/apps/data-apps/settings" in result.output
    assert "set_secrets --app data-apps exited with status 1" in result.output
    assert VALUE not in result.output
    assert "SECRETS" not in workstation.app["config"]


def test_heroku_does_not_answer(workstation, monkeypatch):
    pushed(*BY_HAND)(workstation)
    monkeypatch.setattr(set_secrets, "API", "http://127.0.0.1:9")
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "SECRETS was not set: Heroku does not answer (" in output
    assert VALUE not in output


def test_heroku_closes_the_connection(workstation):
    pushed(*BY_HAND)(workstation)
    workstation.set(api=0)
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "SECRETS was not set: Heroku did not answer (RemoteDisconnected)." in output


def test_a_token_that_is_refused_is_not_shown(workstation, heroku_module, monkeypatch):
    pushed(*BY_HAND)(workstation)
    monkeypatch.setattr(heroku_module, "TOKEN", "HRKU-expired")
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "Heroku answered 401" in output
    assert "HRKU-" not in output


@pytest.mark.parametrize("token", ["", " \n"])
def test_no_token(workstation, heroku_module, monkeypatch, token):
    monkeypatch.setattr(heroku_module, "TOKEN", token)
    with pytest.raises(click.ClickException, match="Log in: heroku login"):
        set_secrets.set_secrets("data-apps", workstation.project.path)


def test_the_command_without_a_file_and_with_a_bad_one(workstation):
    (workstation.project.path / FILE).unlink()
    with pytest.raises(click.ClickException, match=rf"^{re.escape(FILE)} is missing\. Create it"):
        set_secrets.set_secrets("data-apps", workstation.project.path)
    write(workstation, f"key = {VALUE}")
    with pytest.raises(click.ClickException) as caught:
        set_secrets.set_secrets("data-apps", workstation.project.path)
    assert "line 1, column 7" in str(caught.value)
    assert VALUE not in str(caught.value)


def test_the_command_is_the_one_that_is_shown(workstation, capfd):
    pushed(*BY_HAND)(workstation)
    command = ["python", "-m", "apphub.deploy.set_secrets", "--app", "data-apps"]
    assert run_command(command, workstation.project.path) == 0
    assert capfd.readouterr().out == SENT
    assert workstation.changes == [PATCH]


def test_what_differs(workstation):
    root = workstation.project.path
    assert compare_secrets(root, TEXT) == SecretsChange(True)
    assert compare_secrets(root, "") == SecretsChange(True, ("API_KEY", "db"))
    assert compare_secrets(root, "a = 1") == SecretsChange(True, ("API_KEY", "db"), ("a",))
    workstation.project.write("apps.json", "[")
    assert compare_secrets(root, "") == SecretsChange()
