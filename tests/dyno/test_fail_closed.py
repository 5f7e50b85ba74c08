"""Whatever is wrong with the users or the generated files: no build, no start, nobody logs in.

Which users and settings are wrong: tests/unit/server/test_supervisor.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER
from fake_dyno import USER as DYNO_USER
from fake_dyno import BuildFailed, FakeDyno
from http_client import HttpClient, Response
from nginx_probe import hash_fast, make_project, render, running_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from baked import BakedProject

# Heroku kills what is not up by then. A start that hangs fails the test.
STARTUP_TIMEOUT = 60
SECRET = "0123456789abcdef" * 4
BAD_LINE = "bob:{PLAIN}hunter2-hunter2\n"
# What a dyno of before apphub/ had, or a user may write: nginx's script starts the server.
SCRIPT_FIRST = "web: bin/start-nginx python -m apphub.server\n"


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    """The module's dyno, built and not started."""
    dyno = FakeDyno(baked_project.path, nginx)
    yield dyno
    dyno.stop()


@pytest.fixture
def dyno(built: FakeDyno) -> Iterator[FakeDyno]:
    """The same, for one test that starts it."""
    yield built
    built.end()


def assert_refused(dyno: FakeDyno, *words: str) -> None:
    """The start ended by itself, the log says why, and nobody listens."""
    assert dyno.wait_for_end(STARTUP_TIMEOUT) == 1
    log = dyno.log()
    for word in words:
        assert word in log
    assert "hunter2" not in log
    assert "$2b$" not in log
    assert "Traceback" not in log
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", dyno.port))


# -- Users and settings ----------------------------------------------------------------------------


def test_bad_users_are_not_built(project, nginx):
    project.write(".htpasswd", project.read(".htpasswd") + BAD_LINE)
    with pytest.raises(BuildFailed, match=r"\.htpasswd, line 2: ") as refused:
        FakeDyno(project.path, nginx)
    assert "hunter2" not in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_bad_users_are_not_started(dyno):
    with dyno.changed(".htpasswd", f"# ours\n{BAD_LINE}"):
        assert_refused(dyno.start(), "nginx was not started", ".htpasswd, line 2: ")


def test_bad_environment_is_not_started(dyno):
    """`heroku config:set` builds nothing."""
    dyno.start(HTPASSWD=BAD_LINE, SESSION_SECRET="short", FRAME_ANCESTORS="*")
    assert_refused(dyno, "HTPASSWD, line 1: ", "SESSION_SECRET: ", "FRAME_ANCESTORS: ")


@pytest.mark.parametrize("is_script_first", [False, True])
def test_files_of_an_earlier_start_let_nobody_in(dyno, is_script_first):
    """The second start is refused, and nginx may be started all the same."""
    procfile = SCRIPT_FIRST if is_script_first else dyno.read("Procfile")
    with dyno.changed("Procfile", procfile):
        dyno.start().wait()
        generated = dyno.home / "config/generated"
        assert (generated / "htpasswd").exists()
        dyno.end()
        assert (generated / "htpasswd").exists()  # and the next start deletes it
        with dyno.changed(".htpasswd", BAD_LINE):
            assert_refused(dyno.start(), ".htpasswd, line 1: ")
        assert not generated.exists()


def test_files_that_cannot_be_written(dyno):
    config = dyno.home / "config"
    owner = config.stat()
    os.chown(config, os.geteuid(), -1)
    config.chmod(0o555)
    try:
        assert_refused(dyno.start(), "PermissionError: ", "config/generated")
    finally:
        config.chmod(0o755)
        os.chown(config, owner.st_uid, owner.st_gid)


# -- Generated files that are missing or unreadable ------------------------------------------------


def run_nginx(root: Path, nginx: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Start nginx, which has to exit by itself, and return how."""
    command = [nginx, "-p", str(root), "-c", "config/nginx.conf", "-e", "stderr"]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=STARTUP_TIMEOUT, **options
    )


@pytest.fixture
def root(tmp_path, nginx) -> Path:
    """A project as a start has written it."""
    root = make_project(tmp_path / "project", users={USER: PASSWORD})
    render(root)
    return root


def test_generated_folder_is_missing(root, nginx):
    for path in (root / "config/generated").iterdir():
        path.unlink()
    (root / "config/generated").rmdir()
    ended = run_nginx(root, nginx)
    assert ended.returncode == 1
    assert "config/generated/" in ended.stderr
    assert "No such file or directory" in ended.stderr


INCLUDED = [
    *("settings.conf", "upstreams.conf", "limits.conf"),
    *("users.map", "sessions.map", "new_sessions.map"),
]


@pytest.mark.parametrize("name", INCLUDED)
def test_included_file_is_missing(root, nginx, name):
    (root / "config/generated" / name).unlink()
    ended = run_nginx(root, nginx)
    assert ended.returncode == 1
    assert f"config/generated/{name}" in ended.stderr


@pytest.mark.parametrize("name", INCLUDED)
def test_included_file_is_unreadable(root, nginx, name):
    # nginx runs as the dyno's user: where the tests are root's, that is another one.
    given = {"user": DYNO_USER, "extra_groups": []} if os.geteuid() == 0 else {}
    if given:
        subprocess.run(["chown", "-R", f"{DYNO_USER}:", root], check=True)
        for folder in (*root.parents, root):
            if folder.stat().st_mode & 0o077 == 0 and folder.owner() != DYNO_USER:
                folder.chmod(0o711)
        os.chown(root / "config/generated" / name, 0, 0)
    else:
        (root / "config/generated" / name).chmod(0)
    ended = run_nginx(root, nginx, **given)
    assert ended.returncode == 1
    assert f"config/generated/{name}" in ended.stderr
    assert "Permission denied" in ended.stderr


@pytest.mark.parametrize("is_missing", [True, False])
def test_htpasswd_that_nginx_cannot_read_lets_nobody_in(root, nginx, is_missing):
    """nginx opens it only when a password comes."""
    with running_nginx(root, nginx) as probe:
        client = HttpClient(probe.url, {USER: PASSWORD}, router=True)
        path = root / "config/generated/htpasswd"
        path.unlink()
        if not is_missing:
            path.mkdir()
        for headers in ([], [client.password_of()]):
            response = client.request("/", "GET", *headers)
            assert response.status in (401, 403, 500)
            assert not response.session
        assert not probe.upstream.paths


# -- Sessions --------------------------------------------------------------------------------------


BOB = ("bob", "bob's long password")


@pytest.fixture
def serve(tmp_path, nginx):
    """Send requests to one dyno's nginx after the other, each with its own users."""
    root = make_project(tmp_path / "sessions")

    def serve(users: dict[str, str], **environ: str):
        lines = "".join(f"{name}:{digest}\n" for name, digest in users.items())
        (root / ".htpasswd").write_text(lines)
        return running_nginx(root, nginx, **environ)

    return serve


@pytest.fixture(scope="module")
def hashes() -> dict[str, str]:
    return {USER: hash_fast(PASSWORD), BOB[0]: hash_fast(BOB[1])}


def log_in(url: str, user: str = USER, password: str = PASSWORD) -> str:
    return HttpClient(url, {user: password}, router=True).session


def use(url: str, session: str) -> Response:
    return HttpClient(url, {USER: PASSWORD}, router=True).request("/", session=session)


def test_session_ends_with_its_dyno(serve, hashes):
    with serve(hashes) as first:
        session = log_in(first.url)
        assert use(first.url, session).status == 200
    with serve(hashes) as second:
        assert use(second.url, session).status == 401
    with serve(hashes, SESSION_SECRET="") as third:  # the same as none
        assert log_in(third.url) != session
        assert use(third.url, session).status == 401


def test_dynos_with_one_secret_accept_each_others_sessions(serve, hashes):
    with serve(hashes, SESSION_SECRET=SECRET) as first:
        annas, bobs = log_in(first.url), log_in(first.url, *BOB)
    with serve(hashes, SESSION_SECRET=SECRET) as second:
        assert use(second.url, annas).status == use(second.url, bobs).status == 200
    # A new hash ends the session, even of the same password; bob's is still valid.
    with serve({**hashes, USER: hash_fast(PASSWORD)}, SESSION_SECRET=SECRET) as third:
        assert (use(third.url, annas).status, use(third.url, bobs).status) == (401, 200)
    # So does removing the user.
    with serve({USER: hashes[USER]}, SESSION_SECRET=SECRET) as fourth:
        assert (use(fourth.url, annas).status, use(fourth.url, bobs).status) == (200, 401)
    # Another secret logs everybody out.
    with serve(hashes, SESSION_SECRET=SECRET[::-1]) as fifth:
        assert use(fifth.url, log_in(fifth.url)).status == 200
        assert use(fifth.url, annas).status == 401


def test_users_in_the_environment_replace_the_file(serve, hashes):
    users = f"# ours\r\nbob:{hashes['bob']}\r\ncarol:{hashes['bob'].replace('$2b$', '$2a$')}\r\n"
    with serve(hashes, HTPASSWD=users) as probe:
        for user in ("bob", "carol"):
            assert log_in(probe.url, user, BOB[1])
        client = HttpClient(probe.url, {USER: PASSWORD}, router=True)
        assert client.request("/", "GET", client.password_of()).status == 401
