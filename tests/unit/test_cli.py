"""cli.py: what each command prints, and the status it exits with."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType

import bcrypt
import click
import pytest
from baked import PASSWORD
from bring_helpers import write_files
from check_helpers import copy_files
from click.testing import CliRunner, Result
from strategies import HASH

import apphub.bring.command  # noqa: F401 - its parts of apphub.check, before the fake
from apphub import VERSION, cli, passwords
from apphub.check.access import check_access
from apphub.check.report import Report
from apphub.finding import Finding

OTHER = "another good password"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    """The cheapest hashes there are."""
    monkeypatch.setattr(passwords, "BCRYPT_COST", 4)


@pytest.fixture
def checks(monkeypatch) -> ModuleType:
    """A fake of apphub.check that finds nothing, until a test changes what it returns."""
    checks = ModuleType("apphub.check")
    checks.calls = []
    checks.report = Report(passed=["users and menu"])
    checks.findings = []
    checks.check_access = lambda root: checks.calls.append(root) or checks.findings
    checks.run_checks = lambda root: checks.calls.append(root) or checks.report
    monkeypatch.setitem(sys.modules, "apphub.check", checks)
    return checks


@pytest.fixture
def manage(project, checks):
    """Run a command in the project, without a terminal."""

    def manage(*arguments: str, password: str | None = None, **environ: str) -> Result:
        if password is not None:
            environ["AUTH_PASSWORD"] = password
        result = CliRunner().invoke(cli.cli, arguments, obj=project.path, env=environ)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return manage


def hash_of(project, user: str) -> bytes:
    return re.search(rf"^{re.escape(user)}:(.+)$", project.read(".htpasswd"), re.MULTILINE)[
        1
    ].encode()


# -- The group -------------------------------------------------------------------------------------


def test_without_a_command_it_lists_the_commands(manage):
    listed = manage().output.partition("Commands:")[2]
    names = re.findall(r"^  ([a-z-]+)  +\S", listed, re.MULTILINE)
    assert names == [
        *("passwd", "remove-user", "users", "add-app", "remove-app", "apps"),
        *("check", "run", "serve", "deploy", "update"),
    ]
    assert "..." not in listed  # click cuts what is too long


def test_version(manage):
    assert manage("--version").output == f"Made by streamlit-heroku {VERSION}\n"


def test_main_passes_the_projects_folder(monkeypatch):
    given = []
    monkeypatch.setattr(cli, "cli", lambda **options: given.append(options))
    cli.main()
    assert given == [{"obj": cli.ROOT}]


def test_missing_package_is_named_with_the_fix(manage, monkeypatch):
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    result = manage("passwd", "bob", "--generate")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: bcrypt is not installed for {sys.executable}.")
    assert "pip install -r requirements.txt" in result.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "apps.json"), "apps.json: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_error_of_the_system_is_shown_without_a_traceback(manage, monkeypatch, error, message):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli, "load_menu", fail)
    result = manage("apps")
    assert (result.exit_code, result.stderr) == (1, f"Error: {message}\n")


# -- Users -----------------------------------------------------------------------------------------


def test_new_user(project, manage, checks):
    result = manage("passwd", "bob@example.com", password=OTHER)
    assert result.exit_code == 0
    assert "Added bob@example.com" in result.output
    assert "AUTH_PASSWORD" in result.output
    assert "next deploy: python manage.py deploy" in result.output
    assert "Fix this" not in result.output
    assert OTHER not in result.output
    assert bcrypt.checkpw(OTHER.encode(), hash_of(project, "bob@example.com"))
    assert checks.calls == [project.path]


def test_new_password(project, manage):
    result = manage("passwd", "anna.b", password=OTHER)
    assert result.exit_code == 0
    assert "Changed anna.b's password." in result.output
    assert bcrypt.checkpw(OTHER.encode(), hash_of(project, "anna.b"))


def test_new_password_of_the_only_user_needs_no_name(project, manage):
    assert manage("passwd", password=OTHER).exit_code == 0
    assert bcrypt.checkpw(OTHER.encode(), hash_of(project, "anna.b"))


@pytest.mark.parametrize(
    ("htpasswd", "users"), [("anna.b:x\nbob:x\n", "anna.b, bob"), ("# none\n", "no users")]
)
def test_name_is_required_where_there_is_not_one_user(project, manage, htpasswd, users):
    project.write(".htpasswd", htpasswd)
    result = manage("passwd", password=PASSWORD)
    assert result.exit_code == 1
    assert "python manage.py passwd anna" in result.stderr
    assert users in result.stderr
    assert project.read(".htpasswd") == htpasswd


@pytest.mark.parametrize("environ", [{}, {"AUTH_PASSWORD": OTHER}], ids=["", "AUTH_PASSWORD"])
def test_generated_password_is_shown_once(project, manage, environ):
    result = manage("passwd", "bob", "--generate", **environ)
    assert result.exit_code == 0
    [password] = re.findall(r"shown only once: (\S+)", result.output)
    assert bcrypt.checkpw(password.encode(), hash_of(project, "bob"))


def test_password_from_a_prompt(project, manage, monkeypatch):
    monkeypatch.setattr(cli, "prompt_password", lambda user: f"the password of {user}")
    result = manage("passwd", "bob")
    assert result.exit_code == 0
    assert "the password of bob" not in result.output
    assert bcrypt.checkpw(b"the password of bob", hash_of(project, "bob"))


def test_findings_that_stop_a_deploy_are_shown_after_a_change(manage, checks):
    checks.findings = [Finding("x", "it is wrong.", ".htpasswd, line 2", "Fix it.")]
    result = manage("passwd", "carol", password=OTHER)
    assert result.exit_code == 0  # carol is there all the same
    assert "Added carol" in result.output
    assert result.stderr.endswith(".htpasswd, line 2: it is wrong. Fix it.\n")
    assert ".htpasswd, line 2" in manage("remove-user", "carol").stderr


def test_invalid_line_is_shown_until_it_is_replaced(project, manage, checks, monkeypatch):
    checks.check_access = check_access
    monkeypatch.setattr(passwords, "BCRYPT_COST", 10)
    project.write(".htpasswd", f"{project.read('.htpasswd')}bob:{{PLAIN}}hunter2-hunter2\n")
    result = manage("passwd", "carol", password=OTHER)
    assert result.exit_code == 0
    assert ".htpasswd, line 2: " in result.stderr
    assert "hunter2" not in result.output
    assert manage("passwd", "bob", password=OTHER).stderr == ""
    project.add_to_menu({"name": "B", "module": "apps.b", "users": ["bob"]})
    assert "apps.json, entry 3: bob" in manage("remove-user", "bob").stderr


def test_users_in_the_environment_need_the_new_text(manage):
    assert "HTPASSWD" in manage("passwd", password=OTHER, HTPASSWD=f"anna.b:{HASH}").output


def test_removed_user(project, manage):
    project.write(".htpasswd", f"anna.b:{HASH}\nbob:{HASH}\n")
    result = manage("remove-user", "anna.b")
    assert result.exit_code == 0
    assert result.output.startswith("Removed anna.b from .htpasswd.")
    assert "python manage.py deploy" in result.output
    assert project.read(".htpasswd") == f"bob:{HASH}\n"


def test_users_and_what_they_see(project, manage):
    assert manage("users").output == "anna.b  every app\n"
    project.write(".htpasswd", f"anna.b:{HASH}\nbob:{HASH}\nc:{HASH}\n")
    sales, churn = project.menu
    menu = [{**sales, "users": ["anna.b", "bob"]}, {**churn, "users": ["anna.b"]}]
    project.write("apps.json", json.dumps(menu))
    listed = "anna.b  every app\nbob     Sales Report\nc       no app\n"
    assert manage("users").output == listed


# -- Apps ------------------------------------------------------------------------------------------


def test_apps_and_who_sees_them(project, manage):
    project.add_to_menu({"name": "B", "module": "apps.b", "users": ["anna.b", "bob"]})
    assert manage("apps").output.splitlines() == [
        "Sales Report    /sales_report    everybody",
        "Churn Explorer  /churn_explorer  everybody",
        "B               /b               anna.b, bob",
    ]


def test_new_app(project, manage):
    result = manage("add-app", "Café, 2nd floor")
    assert result.exit_code == 0
    assert "Wrote apps/cafe_2nd_floor.py and added Café, 2nd floor" in result.output
    assert "/cafe_2nd_floor" in result.output
    assert (project.path / "apps/cafe_2nd_floor.py").is_file()


def test_removed_app_and_its_module_stays(project, manage):
    result = manage("remove-app", "sales_report")
    assert result.exit_code == 0
    assert "Removed Sales Report from apps.json." in result.output
    assert "apps/sales_report.py is still there" in result.output
    assert "python manage.py deploy" in result.output
    assert [entry["name"] for entry in project.menu] == ["Churn Explorer"]
    assert (project.path / "apps/sales_report.py").is_file()


def test_removed_app_without_a_module(project, manage):
    project.add_to_menu({"name": "B", "module": "apps.b"})
    result = manage("remove-app", "b", "--delete")
    assert result.exit_code == 0
    assert "apps/b" not in result.output


def test_app_is_removed_with_its_module(project, manage):
    result = manage("remove-app", "Sales Report", "--delete")
    assert result.exit_code == 0
    assert "Deleted apps/sales_report.py." in result.output
    assert not (project.path / "apps/sales_report.py").exists()


def test_app_that_is_a_folder_is_left_to_the_user(project, manage):
    (project.path / "apps/big").mkdir()
    project.write("apps/big/__init__.py", "def run():\n    pass\n")
    project.add_to_menu({"name": "Big", "module": "apps.big"})
    result = manage("remove-app", "Big", "--delete")
    assert result.exit_code == 0
    assert "apps/big/ is a folder" in result.output
    assert (project.path / "apps/big/__init__.py").is_file()


# -- Apps that exist -------------------------------------------------------------------------------


@pytest.fixture
def forecast(tmp_path):
    """A Streamlit project with all that is said of one."""
    files = {
        "streamlit_app.py": "import streamlit as st\n\nst.write(st.secrets['api_key'])\n",
        "requirements.txt": "streamlit\nfolium==0.20\nnumpy==1.26.4\npywin32==306\n",
        ".env": "A=b\n",
    }
    return write_files(tmp_path / "forecast", files)


def test_app_that_is_copied(project, manage, forecast):
    copy_files(project, "requirements.in", "requirements.txt", ".python-version")
    result = manage("add-app", "Forecast", "--from", str(forecast))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[:4] == [
        "requirements.txt asks for these packages, which requirements.in does not have:",
        "    folium>=0.20",
        "  folium==0.20: added as folium>=0.20, because other versions of its list differ.",
        f"Copied {forecast} to apps/forecast/ (2 files), and added Forecast to apps.json, as the "
        "script apps/forecast/streamlit_app.py.",
    ]
    for line in (
        "Not copied: .env contains secrets.",
        "Not added to requirements.in: numpy==1.26.4. The app gets the versions that",
        "Not added to requirements.in: pywin32==306 works on one system only",
        'It reads st.secrets["api_key"].',
        "    uv pip compile requirements.in --universal --python-version 3.1",
        "Its address is /forecast/. Try it: python manage.py run",
        "python manage.py deploy",
    ):
        assert any(each.strip().startswith(line.strip()) or line in each for each in lines), line
    assert project.menu[-1] == {"name": "Forecast", "script": "apps/forecast/streamlit_app.py"}
    assert "folium>=0.20\n" in project.read("requirements.in")


def test_app_that_is_copied_needs_no_name(project, manage, forecast):
    assert manage("add-app", "--from", str(forecast)).exit_code == 0
    assert project.menu[-1]["name"] == "Forecast"


def test_app_that_is_there(project, manage):
    project.write("apps/churn.py", "import streamlit as st\n\nst.title('Churn')\n")
    result = manage("add-app", "Churn")
    assert "Added Churn to apps.json, as the script apps/churn.py." in result.output
    assert "Its address is /churn/." in result.output
    assert "requirements" not in result.output


def test_part_of_a_folder_and_its_script(project, manage, tmp_path):
    write_files(tmp_path / "tools", {"a/x.py": "import streamlit", "a/y.py": "import streamlit"})
    command = ["add-app", "A", "--from", str(tmp_path / "tools"), "--subdirectory", "a"]
    result = manage(*command)
    assert (result.exit_code, "x.py and y.py" in result.stderr) == (1, True)
    assert manage(*command, "--script", "y.py").exit_code == 0
    assert project.menu[-1] == {"name": "A", "script": "apps/a/y.py"}


def test_app_without_a_name(project, manage):
    before = project.files
    result = manage("add-app")
    assert (result.exit_code, result.stderr.startswith("Error: Name the app: ")) == (1, True)
    assert project.files == before


def test_scripts_in_the_list_of_apps(project, manage):
    project.add_to_menu({"name": "B", "script": "apps/b/app.py"})
    assert manage("apps").output.splitlines()[-1].split() == ["B", "/b/", "everybody"]


@pytest.mark.parametrize("delete", [True, False])
def test_removed_script_in_a_folder_stays(project, manage, forecast, delete):
    manage("add-app", "Forecast", "--from", str(forecast))
    result = manage("remove-app", "/forecast/", *(["--delete"] if delete else []))
    assert result.exit_code == 0
    assert ("apps/forecast/ is a folder" if delete else "apps/forecast is still") in result.output
    assert (project.path / "apps/forecast/streamlit_app.py").is_file()


def test_removed_script_is_deleted(project, manage):
    project.write("apps/b.py", "import streamlit")
    manage("add-app", "B")
    assert "Deleted apps/b.py." in manage("remove-app", "B", "--delete").output
    assert not (project.path / "apps/b.py").exists()


# -- What breaks a rule ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "password", "reason"),
    [
        (["passwd", "a:b"], OTHER, "'a:b' is not valid"),
        (["passwd", "ANNA.B"], OTHER, "differs only in case"),
        (["passwd", "bob"], "short", "12 to 72 bytes"),
        (["passwd", "bob"], None, "A password is typed on a terminal"),
        (["remove-user", "anna.b"], None, "only user"),
        (["remove-user", "bob"], None, "no user 'bob'"),
        (["add-app", "Sales  report"], None, "in apps.json already"),
        (["add-app", ""], None, "is empty"),
        (["add-app", "x" * 61], None, "60 characters"),
        (["remove-app", "Sales", "--delete"], None, "no app 'Sales'"),
        (["remove-app", ""], None, "no app ''"),
    ],
)
def test_input_that_breaks_a_rule_changes_nothing(project, manage, arguments, password, reason):
    before = project.files
    result = manage(*arguments, password=password)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert project.files == before


@pytest.mark.parametrize(
    "command", [["remove-app", "x"], ["add-app", "x"], ["apps"], ["users"]], ids=" ".join
)
def test_invalid_menu_is_reported(project, manage, command):
    project.write("apps.json", "[{]")
    before = project.files
    result = manage(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: apps.json, line 1: ")
    assert project.files == before


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["passwd", "bob"], ".htpasswd"),
        (["remove-user", "bob"], ".htpasswd"),
        (["add-app", "Churn"], "apps.json"),
        (["apps"], "apps.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_folder_in_place_of_a_file(project, manage, command, file):
    for name in (".htpasswd", "apps.json"):
        (project.path / name).unlink()
        (project.path / name).mkdir()
    result = manage(*command, password=OTHER)
    assert result.exit_code == 1
    assert file in result.stderr
    assert "Is a directory" in result.stderr


def test_users_that_are_not_valid_are_reported(project, manage):
    project.write(".htpasswd", "anna.b:x\n")
    assert ".htpasswd, line 1" in manage("users").stderr


# -- check, serve and deploy -----------------------------------------------------------------------


def test_check_that_finds_nothing(project, manage, checks):
    result = manage("check")
    assert result.exit_code == 0
    assert "users and menu" in result.output
    assert checks.calls == [project.path]


def test_check_that_finds_something(manage, checks):
    checks.report = Report(errors=[Finding("x", "it is wrong.", "Procfile")])
    result = manage("check")
    assert result.exit_code == 1
    assert "Procfile: it is wrong." in result.output
    assert "1 problem" in result.output


def test_warning_does_not_fail_the_check(manage, checks):
    checks.report = Report(warnings=[Finding("x", "it is odd.", severity="warning")])
    result = manage("check")
    assert result.exit_code == 0
    assert "it is odd." in result.output


@pytest.fixture
def fake_package(monkeypatch):
    """Put a function that records its arguments in the place of a package's only one."""

    def fake_package(name: str, result: object = None) -> list[tuple]:
        calls = []

        def function(*args: object, **options: object) -> object:
            calls.append((args, options))
            return result

        package = ModuleType(f"apphub.{name}")
        setattr(package, name, function)
        monkeypatch.setitem(sys.modules, f"apphub.{name}", package)
        return calls

    return fake_package


def test_serve(project, manage, fake_package):
    calls = fake_package("serve")
    assert manage("serve").exit_code == 0
    assert manage("serve", "--port", "9000").exit_code == 0
    assert calls == [((8000, project.path), {}), ((9000, project.path), {})]


def test_serve_does_not_start_what_a_deploy_would_refuse(manage, checks, fake_package):
    calls = fake_package("serve")
    checks.report = Report(errors=[Finding("x", "it is wrong.", "Procfile")])
    result = manage("serve")
    assert result.exit_code == 1
    assert "Procfile: it is wrong." in result.stderr
    assert not calls


@pytest.mark.parametrize("port", ["80", "65536", "x"])
def test_port_that_serve_refuses(manage, fake_package, port):
    assert not fake_package("serve")
    assert manage("serve", "--port", port).exit_code == 2


def test_deploy(project, manage, fake_package):
    calls = fake_package("deploy")
    options = {"name": None, "region": None, "team": None, "message": None, "yes": False}
    options |= {"dry_run": False, "root": project.path}
    assert manage("deploy").exit_code == 0
    given = ["--name", "a", "--region", "eu", "--team", "t", "-m", "New", "--yes", "--dry-run"]
    assert manage("deploy", *given).exit_code == 0
    more = {"name": "a", "region": "eu", "team": "t", "message": "New", "yes": True}
    assert calls == [((), options), ((), {**options, **more, "dry_run": True})]


def test_update(project, manage, fake_package):
    calls = fake_package("update")
    assert manage("update").output == ""
    given = ["--template", "/template", "--checkout", "main", "--force"]
    assert manage("update", *given).exit_code == 0
    options = {"template": "/template", "checkout": "main", "force": True}
    assert calls == [
        ((project.path,), dict.fromkeys(options, None) | {"force": False}),
        ((project.path,), options),
    ]


def test_update_shows_what_it_returns(manage, fake_package):
    fake_package("update", "Up to date.")
    assert manage("update").output == "Up to date.\n"


def test_clicks_own_errors_stay(manage, monkeypatch):
    def fail(*_):
        raise click.ClickException("as it is")

    monkeypatch.setattr(cli, "load_menu", fail)
    assert manage("apps").stderr == "Error: as it is\n"
