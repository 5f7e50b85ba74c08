"""Whatever is wrong with the users or the secret: no build, no boot, nobody inside."""

from __future__ import annotations

import bcrypt
import pytest
import requests
from baked import AUTH, PASSWORD, USER
from door import SESSION
from dyno import BuildFailed, Dyno
from echo import Nginx

SECRET = "0123456789abcdef" * 4


def line(user: str, password: str = PASSWORD, cost: int = 10, prefix: bytes = b"2b") -> str:
    """Return a line of .htpasswd."""
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost, prefix)).decode()}"


GOOD = line("anna.b")
BAD = {
    "no file": (None, ".htpasswd"),
    "an empty file": ("", "no user"),
    "a comment alone": ("# nobody yet\n\n", "no user"),
    "a plain password": (f"{GOOD}\nbob:{{PLAIN}}hunter2-hunter2\n", "line 2"),
    "a password without a hash": (f"{GOOD}\nbob:hunter2-hunter2\n", "line 2"),
    "MD5": (f"bob:$apr1$ab$hunter2-hunter2\n{GOOD}\n", "line 1"),
    "SHA": (f"{GOOD}\nbob:{{SHA}}hunter2-hunter2=\n", "line 2"),
    "the cost of htpasswd -B": (f"{GOOD}\n\n{line('bob', cost=5)}\n", "line 3"),
    "cost 9": (line("bob", cost=9), "line 1"),
    "a hash cut off": (GOOD[:-1], "line 1"),
    "a blank after the hash": (f"{GOOD} \n", "line 1"),
    "a blank before the hash": (GOOD.replace(":", ": "), "line 1"),
    "a byte-order mark": ("\ufeff" + GOOD, "line 1"),
    "a variable": (line("$host"), "line 1"),
    "a pattern": (line("~.*"), "line 1"),
    "a quote": (line('a"; return 200; #'), "line 1"),
    "another script": (line("ånna"), "line 1"),
    "no user": (GOOD.replace("anna.b", ""), "line 1"),
    "no colon": ("hunter2-hunter2", "line 1"),
    "a name of 65": (line("a" * 65), "line 1"),
    "a name twice": (f"{GOOD}\r\n{line('anna.b')}\r\n", "line 2"),
    "a name in capitals": (f"{GOOD}\n{line('Anna.B')}\n", "line 2"),
}


def assert_told(said: str, what: str) -> None:
    """It is named, and what stands there is not repeated."""
    assert what in said
    assert "hunter2" not in said
    assert "$2b$" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("users", "what"), BAD.values(), ids=BAD.keys())
def test_bad_users_are_neither_built_nor_started(project, nginx, users, what):
    dyno = Dyno(project.path, nginx)
    try:
        for folder in (project.path, dyno.home):
            (folder / ".htpasswd").unlink()
            if users is not None:
                (folder / ".htpasswd").write_bytes(users.encode())
        with pytest.raises(BuildFailed) as refused:
            Dyno(project.path, nginx)
        assert_told(str(refused.value), what)
        assert dyno.start().wait_for_end(10) == 1
        log = dyno.log()
        assert_told(log, what)
        assert "The door stays shut" in log
        assert "bin/start-nginx has ended" in log
        with pytest.raises(requests.ConnectionError):
            requests.get(dyno.url)
    finally:
        dyno.stop()


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"HTPASSWD": ""}, "HTPASSWD holds no user"),
        ({"HTPASSWD": f"{GOOD}\nbob:hunter2-hunter2"}, "HTPASSWD, line 2"),
        ({"SESSION_SECRET": "short"}, "SESSION_SECRET is shorter than 32"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_environment_is_neither_built_nor_started(project, nginx, environment, what):
    with pytest.raises(BuildFailed) as refused:
        Dyno(project.path, nginx, **environment)
    assert_told(str(refused.value), what)
    dyno = Dyno(project.path, nginx)
    try:
        dyno._environment.update(environment)  # `heroku config:set` builds nothing
        assert dyno.start().wait_for_end(10) == 1
        assert_told(dyno.log(), what)
    finally:
        dyno.stop()


@pytest.mark.parametrize(
    "site", ["elsewhere.example", "https://a; script-src *", "*", "https://a/b", "'none'", "é"]
)
def test_a_bad_frame_is_neither_built_nor_started(project, nginx, site):
    with pytest.raises(BuildFailed) as refused:
        Dyno(project.path, nginx, FRAME_ANCESTORS=site)
    assert "in FRAME_ANCESTORS is no site" in str(refused.value)
    dyno = Dyno(project.path, nginx)
    try:
        dyno._environment["FRAME_ANCESTORS"] = site
        assert dyno.start().wait_for_end(10) == 1
        assert "in FRAME_ANCESTORS is no site" in dyno.log()
    finally:
        dyno.stop()


def test_users_who_can_only_be_told_apart_by_capitals_in_the_menu(project, nginx):
    project.write(
        "apps.json",
        '[{"name": "Sales Report", "module": "apps.sales_report", "users": ["Anna.B", "eve"]}]',
    )
    with pytest.raises(BuildFailed) as refused:
        Dyno(project.path, nginx)
    assert "Write anna.b" in str(refused.value)
    assert "python manage.py passwd eve" in str(refused.value)


def test_users_in_the_environment_stand_in_for_the_file(project, nginx):
    (project.path / ".htpasswd").unlink()
    users = f"# ours\r\n{line('bob')}\r\n{line('carol', prefix=b'2a')}\r\n"
    with Nginx(project.path, nginx, HTPASSWD=users) as alone:
        for user, status in (("bob", 200), ("carol", 200), (USER, 401)):
            assert requests.get(alone.url, auth=(user, PASSWORD)).status_code == status
        assert (alone.home / "config/htpasswd").stat().st_mode & 0o777 == 0o600


def session_of(dyno: Dyno, auth: tuple[str, str]) -> str:
    return SESSION.search(requests.get(dyno.url, auth=auth).headers["Set-Cookie"])[0]


def status_of(dyno: Dyno, session: str) -> int:
    return requests.get(dyno.url, headers={"Cookie": session}).status_code


def test_a_session_ends_with_its_dyno(project, nginx):
    with Nginx(project.path, nginx) as first:
        session = session_of(first, AUTH)
        assert status_of(first, session) == 200
    with Nginx(project.path, nginx) as second:
        assert status_of(second, session) == 401
    with Nginx(project.path, nginx, SESSION_SECRET="") as third:  # as good as none
        assert session_of(third, AUTH) != session


def test_dynos_with_one_secret_accept_each_others_sessions(project, nginx):
    manage = project.load("manage")
    bob = ("bob", "bob's long password")
    manage.set_password(*bob, project.path)
    with Nginx(project.path, nginx, SESSION_SECRET=SECRET) as first:
        annas, bobs = session_of(first, AUTH), session_of(first, bob)
    with Nginx(project.path, nginx, SESSION_SECRET=SECRET) as second:
        assert status_of(second, annas) == status_of(second, bobs) == 200
    # A new password ends the session, be it the same one; bob's goes on.
    manage.set_password(*AUTH, project.path)
    with Nginx(project.path, nginx, SESSION_SECRET=SECRET) as third:
        assert (status_of(third, annas), status_of(third, bobs)) == (401, 200)
    # So does the end of the line.
    lines = project.read(".htpasswd").splitlines()
    project.write(".htpasswd", "\n".join(line for line in lines if not line.startswith("bob:")))
    with Nginx(project.path, nginx, SESSION_SECRET=SECRET) as fourth:
        assert status_of(fourth, bobs) == 401
    # Another secret logs everybody out.
    with Nginx(project.path, nginx, SESSION_SECRET=SECRET[::-1]) as fifth:
        assert status_of(fifth, session_of(fifth, AUTH)) == 200
        assert status_of(fifth, annas) == 401
