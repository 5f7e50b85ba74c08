"""manage.py of the generated project, as a command and as the hook's library."""

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import bcrypt
import pexpect
import pytest
from baked import PASSWORD, BakedProject
from hypothesis import given
from hypothesis import strategies as st

OTHER = "another good password"
FROM_OUTSIDE = {"AUTH_PASSWORD", "HTPASSWD", "SESSION_SECRET"}
HASH = "$2b$12$" + "./AZaz09" * 6 + "abcde"  # of no password


@pytest.fixture(scope="module")
def baked(bake_once) -> Path:
    return bake_once(auth_user="anna.b", apps="Sales Report").path


@pytest.fixture
def project(baked, tmp_path):
    """A copy for each test: to bake each anew would take most of the time."""
    return BakedProject(shutil.copytree(baked, tmp_path / "project"))


@pytest.fixture
def manage(project):
    """Run manage.py without a terminal. Returns its exit status and what it printed."""

    def manage(*arguments: str, password: str | None = None, **environment: str):
        given = {k: v for k, v in os.environ.items() if k not in FROM_OUTSIDE} | environment
        if password is not None:
            given["AUTH_PASSWORD"] = password
        ended = subprocess.run(
            [sys.executable, project.path / "manage.py", *arguments],
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return manage


def passwords(project) -> dict[str, bytes]:
    lines = [line for line in project.read(".htpasswd").splitlines() if ":" in line]
    return {user: digest.encode() for user, _, digest in (line.partition(":") for line in lines)}


def assert_in_order(ended: tuple[int, str]) -> None:
    """`check` has found nothing to mend; what it could not look at depends on the machine."""
    status, told = ended
    assert status == 0, told
    assert "\nIn order: users and menu, Procfile, apps, packages, " in f"\n{told}"


def test_alone_it_shows_its_commands(manage):
    _, told = manage()
    listed = re.findall(r"^  ([a-z-]+)  +\S", told.partition("Commands:")[2], re.MULTILINE)
    commands = "passwd remove-user users add-app remove-app apps check serve deploy"
    assert listed == commands.split()
    assert "..." not in told.partition("Commands:")[2]  # click cuts what is too long


def test_outside_the_environment_it_says_so_without_a_traceback(project, manage):
    alone = [sys.executable, "-S", project.path / "manage.py", "apps"]
    ended = subprocess.run(alone, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"click is not installed for {sys.executable}. Make ")

    project.write("bcrypt.py", "raise ModuleNotFoundError('none', name='bcrypt')\n")
    status, told = manage("passwd", "bob", "--generate")
    assert status == 1
    assert told.startswith(f"Error: bcrypt is not installed for {sys.executable}. Make ")
    assert "pip install -r requirements.txt" in told


def test_a_new_user(project, manage):
    status, told = manage("passwd", "bob@example.com", password=OTHER)
    assert status == 0
    assert "Added bob@example.com to .htpasswd." in told
    assert "It holds from the next deploy on: python manage.py deploy" in told
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


def test_a_new_password_of_the_only_user_needs_no_name(project, manage):
    assert manage("passwd", password=OTHER)[0] == 0
    assert bcrypt.checkpw(OTHER.encode(), passwords(project)["anna.b"])
    manage("passwd", "bob", password=OTHER)
    before = project.files
    status, told = manage("passwd", password=PASSWORD)
    assert status == 1
    assert "Whose password? Name the user: python manage.py passwd anna." in told
    assert "There are: anna.b, bob." in told
    assert project.files == before


def test_a_user_is_removed(project, manage):
    manage("passwd", "bob", password=OTHER)
    project.write(".htpasswd", "# team: us\n" + project.read(".htpasswd"))
    status, told = manage("remove-user", "anna.b")
    assert status == 0
    assert told.startswith("Removed anna.b from .htpasswd.")
    assert "python manage.py deploy" in told
    [comment, line] = project.read(".htpasswd").splitlines()
    assert comment == "# team: us"
    assert line.startswith("bob:$2b$12$")
    assert stat.S_IMODE((project.path / ".htpasswd").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("anna.b", "anna.b is the only user: without one nobody could log in"),
        ("Anna.b", "There is no user 'Anna.b' in .htpasswd. There are: anna.b."),
        ("", "There is no user '' in .htpasswd."),
    ],
)
def test_a_user_who_cannot_be_removed(project, manage, user, said):
    before = project.files
    status, told = manage("remove-user", user)
    assert status == 1
    assert said in told
    assert project.files == before


def test_nobody_can_be_removed_where_nobody_is(project, manage):
    (project.path / ".htpasswd").unlink()
    status, told = manage("remove-user", "bob")
    assert status == 1
    assert "There is no user 'bob' in .htpasswd. There is none yet." in told


def test_a_user_who_is_removed_may_stand_in_the_menu_still(project, manage):
    manage("passwd", "bob", password=OTHER)
    project.add_to_menu({"name": "B", "module": "apps.b", "users": ["bob"]})
    status, told = manage("remove-user", "bob")
    assert status == 0
    assert "A deploy will be refused until this is mended:" in told
    assert """bob, in "users" of 'B', cannot log in by that name.""" in told


def test_the_users_and_what_they_see(project, manage):
    assert manage("users") == (0, "anna.b  every app\n")
    manage("passwd", "bob", password=OTHER)
    manage("passwd", "c", password=OTHER)
    project.write(
        "apps.json",
        json.dumps(
            [
                {"name": "Sales Report", "module": "apps.sales_report", "users": ["anna.b", "bob"]},
                {"name": "B", "module": "apps.b", "users": ["anna.b"]},
            ]
        ),
    )
    listed = "anna.b  every app\nbob     Sales Report\nc       no app\n"
    assert manage("users") == (0, listed)


def test_the_apps(project, manage):
    project.add_to_menu({"name": "B", "module": "apps.b", "users": ["anna.b", "bob"]})
    listed = "Sales Report  /sales_report  everybody\nB             /b             anna.b, bob\n"
    assert manage("apps") == (0, listed)


@pytest.mark.parametrize("name", ["café", "CAFÉ", "cafe", "/cafe", "apps.cafe"])
def test_an_app_is_removed_and_its_module_stays(project, manage, name):
    manage("add-app", "Café")
    status, told = manage("remove-app", name)
    assert status == 0
    assert "Removed Café from apps.json." in told
    assert "apps/cafe.py is still there: delete it, or put the entry back." in told
    assert [entry["name"] for entry in project.menu] == ["Sales Report"]
    assert (project.path / "apps/cafe.py").is_file()


def test_what_else_stands_in_an_entry_stays_when_another_is_removed(project, manage):
    more = {"icon": "🧭", "description": "Ää", "section": "Money", "users": ["anna.b"]}
    project.write(
        "apps.json", json.dumps([{**project.menu[0], **more}, {"name": "B", "module": "apps.b"}])
    )
    before = project.menu[:1]
    assert manage("remove-app", "b") == (
        0,
        "Removed B from apps.json.\nIt is gone from the next deploy on: python manage.py deploy\n",
    )
    assert project.menu == before


def test_an_app_is_removed_with_its_module(project, manage):
    manage("add-app", "Café")
    status, told = manage("remove-app", "Café", "--delete")
    assert status == 0
    assert "Deleted apps/cafe.py." in told
    assert not (project.path / "apps/cafe.py").exists()


def test_an_app_that_is_a_folder_is_left_to_its_owner(project, manage):
    (project.path / "apps/big").mkdir()
    project.write("apps/big/__init__.py", "def run():\n    pass\n")
    project.add_to_menu({"name": "Big", "module": "apps.big"})
    status, told = manage("remove-app", "Big", "--delete")
    assert status == 0
    assert "apps/big/ is a folder: look, and delete it." in told
    assert (project.path / "apps/big/__init__.py").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sales Report", "Sales Report is the only app, and a menu has one at least."),
        ("Sales", "No app in apps.json is called 'Sales'. There are: Sales Report."),
        ("", "No app in apps.json is called ''."),
    ],
)
def test_an_app_that_cannot_be_removed(project, manage, name, said):
    before = project.files
    status, told = manage("remove-app", name, "--delete")
    assert status == 1
    assert said in told
    assert project.files == before


@pytest.mark.parametrize("command", [["remove-app", "x"], ["apps"], ["users"]])
def test_with_a_broken_menu_they_say_what_is_wrong_with_it(project, manage, command):
    project.write("apps.json", "[")
    status, told = manage(*command)
    assert status == 1
    assert told.startswith("Error: apps.json is not JSON")


def test_a_generated_password_is_shown_once(project, manage):
    status, told = manage("passwd", "bob", "--generate")
    assert status == 0
    [line] = [
        line for line in told.splitlines() if line.startswith("The password, shown this once")
    ]
    assert bcrypt.checkpw(line.split(": ")[1].encode(), passwords(project)["bob"])
    assert "shown this once" in manage("passwd", "bob", "--generate", password=OTHER)[1]


def test_typed_twice_on_a_terminal(project):
    environment = {k: v for k, v in os.environ.items() if k not in FROM_OUTSIDE}
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


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r\n").rstrip(),
        lambda text: f"\ufeff{text}",
        lambda text: f"\ufeff# Who may come in\r\n{text}",
        lambda text: f"\n# Ünal left\n\n{text}\r\n \n# end",
    ],
    ids=["CRLF", "CRLF but at the end", "mark", "mark before a comment", "comments"],
)
def test_however_an_editor_saved_it_new_users_and_old_ones_can_log_in(project, manage, saved):
    (project.path / ".htpasswd").write_bytes(saved(project.read(".htpasswd")).encode())
    status, told = manage("passwd", "bob", password=OTHER)
    assert status == 0
    assert_in_order(manage("check"))
    assert "A deploy will be refused" not in told
    assert bcrypt.checkpw(PASSWORD.encode(), passwords(project)["anna.b"])
    assert bcrypt.checkpw(OTHER.encode(), passwords(project)["bob"])


def test_comments_and_blank_lines_stay_where_they_are(project, manage):
    before = f"# first\n\nbob:{HASH}\n# anna.b:x\nanna.b:{HASH}\n\n# Ünal left\ncarol:{HASH}\n"
    project.write(".htpasswd", before)
    manage("passwd", "anna.b", password=OTHER)
    digest = passwords(project)["anna.b"].decode()
    assert project.read(".htpasswd") == before.replace(f"anna.b:{HASH}", f"anna.b:{digest}")


def test_without_the_file_it_is_made_anew(project, manage):
    (project.path / ".htpasswd").unlink()
    assert manage("passwd", "bob", password=OTHER)[0] == 0
    assert re.fullmatch(r"bob:\S+\n", project.read(".htpasswd"))
    assert_in_order(manage("check"))


def test_a_stale_line_is_told_of_when_a_user_is_added(project, manage):
    project.write(".htpasswd", f"{project.read('.htpasswd')}bob:{{PLAIN}}hunter2-hunter2\n")
    status, told = manage("passwd", "carol", password=OTHER)
    assert status == 0  # carol is there all the same
    assert "Added carol to .htpasswd." in told
    assert told.endswith(
        "\nA deploy will be refused until this is mended:\n"
        ".htpasswd, line 2: what bob has is not bcrypt of cost 10 or more. "
        "Give a password anew: python manage.py passwd bob\n"
    )
    assert "hunter2" not in told
    _, told = manage("passwd", "bob", password=OTHER)
    assert "A deploy will be refused" not in told
    assert_in_order(manage("check"))


def test_whatever_else_would_stop_a_deploy_is_told_too(project, manage):
    project.write("apps.json", "[]")
    status, told = manage("passwd", "bob", password=OTHER)
    assert status == 0
    assert "A deploy will be refused until this is mended:\napps.json lists no app." in told


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


def test_a_new_app_leaves_who_may_see_the_others(project, manage):
    project.write("apps.json", json.dumps([{**project.menu[0], "users": ["anna.b"]}]))
    assert manage("add-app", "Churn")[0] == 0
    assert project.menu == [
        {"name": "Sales Report", "module": "apps.sales_report", "users": ["anna.b"]},
        {"name": "Churn", "module": "apps.churn"},
    ]


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


@pytest.fixture
def check(manage):
    """Run `manage.py check` on a project that has faults, and return a text for each."""

    def check(**environment: str) -> list[str]:
        status, told = manage("check", **environment)
        assert status == 1
        things = told.rstrip("\n").split("\n\n")
        number = int(re.fullmatch(r"(\d+) things? to mend\.", things[-1])[1])
        return things[:number]

    return check


def see(project, *users: object) -> None:
    """Write a menu with an app for each of the given lists of users."""
    for number, _ in enumerate(users, 1):
        project.write(f"apps/app_{number}.py", "def run():\n    pass\n")
    apps = [
        {"name": f"App {number}", "module": f"apps.app_{number}", "users": names}
        for number, names in enumerate(users, 1)
    ]
    project.write("apps.json", json.dumps(apps))


def unknown(entry: int, user: str, hint: str) -> str:
    return (
        f"apps.json, entry {entry}: {user}, in \"users\" of 'App {entry}', cannot log in by that "
        f"name. {hint}, or take the name out."
    )


SHORT_SECRET = (
    "SESSION_SECRET is shorter than 32 characters. Make one: "
    'python -c "import secrets; print(secrets.token_hex(32))"'
)


def test_a_fresh_project_is_in_order(project, manage):
    before = project.files
    assert_in_order(manage("check"))
    assert project.files == before


def test_users_of_the_menu_who_can_log_in(project, manage):
    project.write(".htpasswd", f"anna.b:{HASH}\nBob:{HASH}\n")
    see(project, ["anna.b"], ["Bob", "anna.b"])
    assert_in_order(manage("check"))


def test_users_of_the_menu_who_cannot_log_in(project, check):
    see(project, ["anna.b", "carol"], ["anna.b"], ["dave@example.com", "carol"])
    assert check() == [
        unknown(1, "carol", "Add them: python manage.py passwd carol"),
        unknown(3, "dave@example.com", "Add them: python manage.py passwd dave@example.com"),
        unknown(3, "carol", "Add them: python manage.py passwd carol"),
    ]


def test_users_of_the_menu_in_other_capitals(project, check):
    """passwd refuses a name that differs in capitals alone, so there is one hint only."""
    see(project, ["Anna.B", "anna.b"])
    assert check() == [unknown(1, "Anna.B", "Write anna.b")]


def test_users_in_the_environment_are_those_who_can_log_in(project, manage, check):
    see(project, ["anna.b"], ["bob"])
    assert check() == [unknown(2, "bob", "Add them: python manage.py passwd bob")]
    there = f"anna.b:{HASH}\nbob:{HASH}"
    assert_in_order(manage("check", HTPASSWD=there))
    assert check(HTPASSWD=f"bob:{HASH}") == [
        unknown(1, "anna.b", "Add them: python manage.py passwd anna.b")
    ]


def test_a_bad_file_harms_nothing_where_the_environment_has_the_users(project, manage, check):
    project.write(".htpasswd", "anna.b:{PLAIN}x\n")
    assert_in_order(manage("check", HTPASSWD=f"anna.b:{HASH}"))
    assert check(HTPASSWD="") == [
        "HTPASSWD holds no user, so nobody could log in. Write a line a user."
    ]


@pytest.mark.parametrize("secret", ["x", "x" * 31])
def test_a_short_secret(check, secret):
    assert check(SESSION_SECRET=secret) == [SHORT_SECRET]


@pytest.mark.parametrize("secret", ["", "x" * 32, "x" * 64])
def test_a_secret_that_will_do(manage, secret):
    assert_in_order(manage("check", SESSION_SECRET=secret))


def test_a_short_secret_is_not_shown(check):
    assert "hunter2" not in "".join(check(SESSION_SECRET="hunter2"))


def test_all_that_is_wrong_in_one_list(project, check):
    project.write(".htpasswd", f"anna.b:{{PLAIN}}x\r\n$host:{HASH}\r\n")
    see(project, [], "anna")
    assert [re.split(r": | is ", line)[0] for line in check(SESSION_SECRET="short")] == [
        ".htpasswd, line 1",
        ".htpasswd, line 2",
        "apps.json, entry 1",
        "apps.json, entry 2",
        "SESSION_SECRET",
    ]


def test_users_of_the_menu_and_a_short_secret_in_one_list(project, check):
    see(project, ["carol"])
    assert check(SESSION_SECRET="short") == [
        unknown(1, "carol", "Add them: python manage.py passwd carol"),
        SHORT_SECRET,
    ]


def test_nobody_of_the_menu_is_missed_while_it_is_unknown_who_can_log_in(project, check):
    """Whose line is broken stands in .htpasswd: to add them would be wrong advice."""
    project.write(".htpasswd", "anna.b:{PLAIN}x\n")
    see(project, ["anna.b", "carol"])
    assert [line.partition(":")[0] for line in check()] == [".htpasswd, line 1"]


def test_what_is_not_there(project, check):
    (project.path / ".htpasswd").unlink()
    (project.path / "apps.json").unlink()
    assert [line.split(" is not there")[0] for line in check()] == [
        ".htpasswd",
        "apps.json",
    ]


@pytest.mark.parametrize(
    "command", [["check"], ["passwd", "bob"], ["add-app", "Churn"]], ids=lambda words: words[0]
)
def test_what_cannot_be_read_is_told_without_a_traceback(project, manage, command):
    for name in (".htpasswd", "apps.json"):
        (project.path / name).unlink()
        (project.path / name).mkdir()
    status, told = manage(*command, password=OTHER)
    assert status == 1
    assert "Traceback" not in told
    assert (".htpasswd cannot be read: Is a directory." in told) == (command[0] != "add-app")
    assert ("apps.json cannot be read: Is a directory." in told) == (command[0] != "passwd")


def build(project, path: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the end of Heroku's build."""
    given = {k: v for k, v in os.environ.items() if k not in FROM_OUTSIDE}
    return subprocess.run(
        [shutil.which("bash"), "-c", "bin/post_compile"],
        cwd=project.path,
        env={**given, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_a_build_of_a_project_in_order(project):
    ended = build(project, PATH)
    assert_in_order((ended.returncode, ended.stdout))


def test_a_build_with_a_bad_line_fails_and_names_it(project):
    project.write(".htpasswd", f"{project.read('.htpasswd')}bob:{{PLAIN}}hunter2-hunter2\n")
    ended = build(project, PATH)
    assert ended.returncode == 1
    assert ".htpasswd, line 2: what bob has is not bcrypt of cost 10 or more." in ended.stdout
    assert "hunter2" not in ended.stdout


def test_a_build_knows_the_environment(project):
    assert build(project, PATH, SESSION_SECRET="short").returncode == 1
    project.write(".htpasswd", "")
    assert build(project, PATH).returncode == 1
    assert build(project, PATH, HTPASSWD=f"anna.b:{HASH}").returncode == 0


def test_a_build_that_cannot_check_fails(project, tmp_path):
    """No verdict is no good one."""
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    assert build(project, str(tmp_path)).returncode == 127  # there is no python
    project.write("users.py", "raise ImportError('half a file')\n")
    assert build(project, PATH).returncode != 0


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
