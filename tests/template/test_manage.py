"""manage.py of the generated project, as a command and as the hook's library."""

import ast
import os
import stat
import subprocess
import sys

import bcrypt
import pexpect
import pytest
from baked import PASSWORD
from hypothesis import given
from hypothesis import strategies as st

OTHER = "another good password"


@pytest.fixture
def project(bake):
    return bake(auth_user="anna.b", apps="Sales Report")


@pytest.fixture
def manage(project):
    """Run manage.py without a terminal. Returns its exit status and what it printed."""

    def manage(*arguments: str, password: str | None = None):
        environment = {k: v for k, v in os.environ.items() if k != "AUTH_PASSWORD"}
        if password is not None:
            environment["AUTH_PASSWORD"] = password
        ended = subprocess.run(
            [sys.executable, project.path / "manage.py", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return manage


def passwords(project) -> dict[str, bytes]:
    lines = project.read(".htpasswd").splitlines()
    return {user: digest.encode() for user, _, digest in (line.partition(":") for line in lines)}


def test_alone_it_shows_its_commands(manage):
    _, told = manage()
    assert "passwd" in told
    assert "add-app" in told


def test_a_new_user(project, manage):
    status, told = manage("passwd", "bob@example.com", password=OTHER)
    assert status == 0
    assert "Added bob@example.com to .htpasswd." in told
    assert "git push heroku main" in told
    assert list(passwords(project)) == ["anna.b", "bob@example.com"]
    assert bcrypt.checkpw(PASSWORD.encode(), passwords(project)["anna.b"])
    assert bcrypt.checkpw(OTHER.encode(), passwords(project)["bob@example.com"])
    assert stat.S_IMODE((project.path / ".htpasswd").stat().st_mode) == 0o600


def test_a_new_password(project, manage):
    manage("passwd", "bob", password=OTHER)
    status, told = manage("passwd", "anna.b", password=OTHER)
    assert status == 0
    assert "Changed anna.b's line in .htpasswd." in told
    assert list(passwords(project)) == ["anna.b", "bob"]
    assert bcrypt.checkpw(OTHER.encode(), passwords(project)["anna.b"])


def test_a_generated_password_is_shown_once(project, manage):
    status, told = manage("passwd", "bob", "--generate")
    assert status == 0
    [line] = [
        line for line in told.splitlines() if line.startswith("The password, shown this once")
    ]
    assert bcrypt.checkpw(line.split(": ")[1].encode(), passwords(project)["bob"])
    assert "shown this once" in manage("passwd", "bob", "--generate", password=OTHER)[1]


def test_typed_twice_on_a_terminal(project):
    environment = {k: v for k, v in os.environ.items() if k != "AUTH_PASSWORD"}
    command = [str(project.path / "manage.py"), "passwd", "bob"]
    child = pexpect.spawn(sys.executable, command, env=environment, encoding="utf-8", timeout=20)
    for prompt in ("Password for bob", "The same once more"):
        child.expect_exact(prompt)
        child.waitnoecho()
        child.sendline(OTHER)
    child.expect(pexpect.EOF)
    assert OTHER not in child.before
    assert bcrypt.checkpw(OTHER.encode(), passwords(project)["bob"])


def test_lines_of_a_user_who_stands_there_twice_become_one(project, manage):
    project.write(".htpasswd", "anna.b:first\nbob:x\nanna.b:second\n")
    manage("passwd", "anna.b", password=OTHER)
    assert list(passwords(project)) == ["anna.b", "bob"]
    assert project.read(".htpasswd").count("anna.b") == 1


def test_a_file_saved_on_windows(project, manage):
    project.write(".htpasswd", "anna.b:first\r\nbob:x")
    manage("passwd", "carol", password=OTHER)
    assert list(passwords(project)) == ["anna.b", "bob", "carol"]
    assert "\r" not in project.read(".htpasswd")


def test_a_byte_order_mark_makes_no_second_user(project, manage):
    project.write(".htpasswd", "\ufeff" + project.read(".htpasswd"))
    manage("passwd", "anna.b", password=OTHER)
    assert list(passwords(project)) == ["anna.b"]


def test_a_file_that_is_no_utf_8_is_refused(project, manage):
    (project.path / ".htpasswd").write_bytes(b"anna.b:caf\xe9\n")
    status, told = manage("passwd", "anna.b", password=OTHER)
    assert status != 0
    assert ".htpasswd is not UTF-8 text" in told


def test_a_long_name_gives_a_file_name_that_fits(project):
    app = project.load("manage").add_app("\ufdfa" * 60, project.path)
    assert len(f"{app.url_path}.py".encode()) <= 255


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (["passwd", "a:b"], OTHER, "The user name 'a:b' breaks the rule"),
        (["passwd", "ANNA.B"], OTHER, "There is a user 'anna.b' already, and 'ANNA.B' differs in"),
        (["passwd", "bob"], "short", "That password breaks the rule: 12 to 72 bytes"),
        (["passwd", "bob"], None, "A password is typed on a terminal only"),
        (["passwd"], OTHER, "Missing argument 'USER'"),
        (["add-app", "Sales  report"], None, "'Sales  report' is in apps.json already"),
        (["add-app", ""], None, "The app's name '' is empty"),
        (["add-app", "x" * 61], None, "is longer than 60 characters"),
    ],
)
def test_what_breaks_a_rule_changes_nothing(project, manage, arguments, password, said):
    before = project.files
    status, told = manage(*arguments, password=password)
    assert status != 0
    assert said in told
    assert "Traceback" not in told
    assert project.files == before


def test_a_new_app(project, manage):
    status, told = manage("add-app", "Café, 2nd floor")
    assert status == 0
    assert "Wrote apps/cafe_2nd_floor.py and added Café, 2nd floor to apps.json." in told
    assert project.menu[1] == {"name": "Café, 2nd floor", "module": "apps.cafe_2nd_floor"}
    assert 'TITLE = "Café, 2nd floor"' in project.read("apps/cafe_2nd_floor.py")


def test_a_new_app_overwrites_no_module(project, manage):
    project.write("apps/churn.py", "# a module that is in no menu\n")
    manage("add-app", "Churn")
    assert project.read("apps/churn.py") == "# a module that is in no menu\n"
    assert project.menu[1]["module"] == "apps.churn_2"


def test_a_broken_menu_is_not_made_worse(project, manage):
    project.write("apps.json", "[{]")
    before = project.files
    status, told = manage("add-app", "Churn")
    assert status != 0
    assert "apps.json is not JSON" in told
    assert "Traceback" not in told
    assert project.files == before


def test_interrupted_it_leaves_all_as_it_was(project, monkeypatch):
    manage = project.load("manage")
    before = project.files

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(manage.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        manage.set_password("bob", OTHER, project.path)
    with pytest.raises(KeyboardInterrupt):
        manage.add_app("Churn", project.path)
    monkeypatch.undo()
    replaced = []

    def interrupt_the_second(source, target):
        replaced.append(target)
        if len(replaced) == 2:
            raise KeyboardInterrupt
        os.rename(source, target)

    monkeypatch.setattr(manage.os, "replace", interrupt_the_second)
    with pytest.raises(KeyboardInterrupt):
        manage.add_app("Churn", project.path)
    assert len(replaced) == 2
    assert project.files == before


@given(st.text(min_size=1, max_size=60))
def test_any_name_gives_an_identifier_and_a_literal(project_code, name):
    menu, manage = project_code
    module = manage.module_name(name)
    assert module.isidentifier()
    compile(f"import apps.{module}", "an import", "exec")
    if menu.name_fault(name) is None:
        assert ast.literal_eval(manage.python_string(name)) == name
