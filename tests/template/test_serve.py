"""`python manage.py serve` without nginx: what it refuses, and how it ends what it started."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from baked import BakedProject

WEB = "web: python server.py bin/start-nginx"


@pytest.fixture(scope="module")
def serve(code):
    return code.load("serve")


@pytest.fixture
def project(tmp_path) -> BakedProject:
    return BakedProject(tmp_path)


@pytest.mark.parametrize(
    ("procfile", "command"),
    [
        (f"{WEB}\n", "{} server.py"),
        ("web: bin/start-nginx python server.py\n", "{} server.py"),
        ("worker: python x.py\nweb:exec ./bin/start-nginx gunicorn a:b", "exec  gunicorn a:b"),
        ("web: A=1 python3 -u server.py bin/start-nginx\r\n", "A=1 {} -u server.py"),
        ("web: my-python bin/start-nginx python.py", "my-python  python.py"),
    ],
)
def test_it_runs_what_the_procfile_says(serve, project, monkeypatch, procfile, command):
    monkeypatch.setattr(sys, "executable", r"/my \1/python")
    (project.path / "Procfile").write_bytes(procfile.encode())
    assert serve.command_of(project.path) == command.format(shlex.quote(r"/my \1/python"))


@pytest.mark.parametrize(
    ("procfile", "told"),
    [
        (None, "There is no Procfile to read."),
        (b"\xff", "There is no Procfile to read."),
        (b"worker: python x.py\n", 'No line of the Procfile begins with "web:".'),
        (b"web:\nworker: bin/start-nginx", 'No line of the Procfile begins with "web:".'),
        (b"web: streamlit run app.py", "bin/start-nginx is not in the web line"),
        (b"web: python server.py bin/start-nginx-solo", "bin/start-nginx is not in the web line"),
    ],
)
def test_a_procfile_that_starts_no_nginx_is_refused(serve, project, procfile, told):
    if procfile is not None:
        (project.path / "Procfile").write_bytes(procfile)
    with pytest.raises(click.ClickException) as refused:
        serve.command_of(project.path)
    assert told in refused.value.message
    assert WEB in refused.value.message  # the way out


@pytest.fixture
def computer(serve, tmp_path, monkeypatch):
    """A computer with these programs and no others."""

    def computer(*programs: str, user: int = 1000) -> None:
        for name in programs:
            (tmp_path / name).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(serve, "FOLDERS", [])
        monkeypatch.setattr(os, "geteuid", lambda: user)

    return computer


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        (["apt-get"], "no nginx and no erb on this computer (erb comes with Ruby). "),
        (["apt-get"], "Install: sudo apt-get install nginx-light ruby\n"),
        (["apt-get", "nginx"], "There is no erb on"),
        (["apt-get", "nginx"], "Install: sudo apt-get install ruby\n"),
        (["apt-get", "brew", "erb"], "Install: sudo apt-get install nginx-light\n"),
        (["brew", "erb"], "Install: brew install nginx\n"),
        (["dnf"], "Install: sudo dnf install nginx /usr/bin/erb\n"),
        (["pacman"], "Install: sudo pacman -S nginx ruby-default-gems\n"),
        (["apk"], "Install: sudo apk add nginx ruby-full\n"),
        (["zypper"], "Install: sudo zypper install nginx ruby\n"),
        ([], "Install: https://nginx.org/en/docs/install.html"),
        ([], "streamlit run app.py"),
    ],
)
def test_what_is_missing_and_how_to_get_it_here(serve, computer, programs, told):
    computer(*programs)
    with pytest.raises(click.ClickException) as refused:
        serve.find("nginx", "erb")
    assert told in refused.value.message


def test_root_needs_no_sudo(serve, computer):
    computer("apt-get", user=0)
    with pytest.raises(click.ClickException, match="Install: apt-get install nginx-light ruby"):
        serve.find("nginx", "erb")


def test_it_finds_nginx_where_path_does_not_lead(serve, computer, tmp_path, monkeypatch):
    computer("erb")
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/nginx").touch(0o755)
    monkeypatch.setattr(serve, "FOLDERS", [str(tmp_path / "sbin")])
    assert serve.find("nginx", "erb") == [str(tmp_path / "sbin/nginx"), str(tmp_path / "erb")]


def test_on_windows_it_names_the_ways_out(serve, monkeypatch):
    monkeypatch.setattr(serve, "os", SimpleNamespace(name="nt"))
    with pytest.raises(click.ClickException, match=r"WSL.*streamlit run app\.py"):
        serve.serve(8000)


def test_packages_that_are_not_installed(serve, monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: name != "streamlit")
    with pytest.raises(click.ClickException) as refused:
        serve.check_packages()
    assert f"{sys.executable} has no streamlit. " in refused.value.message
    assert "pip install -r requirements.txt" in refused.value.message
    monkeypatch.setattr(serve, "find_spec", lambda name: True)
    serve.check_packages()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken(serve, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            click.ClickException, match=f"Port {port} is taken .* --port {port + 1}"
        ):
            serve.check_free(port)
    serve.check_free(port)


def test_nginx_is_ready_to_start_when_somebody_listens(serve, dyno):
    with dyno:
        assert not serve.is_ready(dyno)
        dyno.ready.touch()  # as server.py does when it ends, too
        assert not serve.is_ready(dyno)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(dyno.socket))
            server.listen()
            assert serve.is_ready(dyno)
        assert not serve.is_ready(dyno)
        os.utime(dyno.ready, (time.time() - 2,) * 2)
        assert serve.is_ready(dyno)  # somebody who serves elsewhere


def test_a_folder_is_served_once(serve, dyno):
    with dyno:
        with pytest.raises(click.ClickException, match="serve` runs in this folder already"):
            serve.Dyno(dyno.root).__enter__()
        assert dyno.runtime.stat().st_mode & 0o777 == 0o700
    with serve.Dyno(dyno.root):
        pass


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("    listen 8000;", "    listen 127.0.0.1:8000;"),
        ("listen  8000 default_server;", "listen  127.0.0.1:8000 default_server;"),
        ("listen 80001;", "listen 80001;"),
        ("# listen 8000;", "# listen 8000;"),
        (
            "server unix:/tmp/streamlit.socket fail_timeout=0;",
            "server unix:/run/1/streamlit.socket fail_timeout=0;",
        ),
        ("error_log logs/nginx/error.log alert;", "error_log stderr alert;"),
        ("access_log logs/nginx/access.log door;", "access_log logs/nginx/access.log door;"),
        (
            'default "__Host-session=$new_session; Path=/; Secure; HttpOnly; SameSite=Lax";',
            'default "door-session=$new_session; Path=/; HttpOnly; SameSite=Lax";',
        ),
        # In a frame of another site a browser takes no cookie that is not Secure.
        (
            "__Host-framed-session=$new_session; Path=/; Secure; HttpOnly; SameSite=None",
            "__Host-framed-session=$new_session; Path=/; Secure; HttpOnly; SameSite=None",
        ),
    ],
)
def test_what_is_not_as_on_a_dyno(serve, line, here):
    assert serve.for_here(f"a\n{line}\nb\n", 8000, Path("/run/1")) == f"a\n{here}\nb\n"


def test_one_password_for_everybody(serve, tmp_path):
    users = tmp_path / "htpasswd"
    users.touch(0o600)
    users.write_text("anna.b:$2b$12$abc\nbob:$2b$12$def\n")
    password = serve.one_password(users)
    assert len(password) == 16
    salts = set()
    for user, line in zip(("anna.b", "bob"), users.read_text().splitlines(), strict=True):
        name, _, hashed = line.partition(":{SSHA}")
        digest = base64.b64decode(hashed)
        salts.add(digest[20:])
        assert name == user
        assert digest[:20] == hashlib.sha1(password.encode() + digest[20:]).digest()
    assert len(salts) == 2
    assert users.stat().st_mode & 0o777 == 0o600
    assert serve.one_password(users) != password


@pytest.fixture
def dyno(serve, tmp_path):
    """The processes of one serve; the test's own signals are as before after it."""
    before = {number: signal.getsignal(number) for number in (1, 2, 15)}
    yield serve.Dyno(tmp_path)
    for number, handler in before.items():
        signal.signal(number, handler)


def alive(group: int) -> list[str]:
    """Return the processes of a group, but for the dead that nobody has asked after."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True)
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if int(row[0]) == group and row[1][0] != "Z"]


def test_the_end_is_everybodys(serve, dyno, tmp_path):
    """Of what a process has started, too; and of what was written."""
    for name in ("config", "logs/nginx"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("config/nginx.conf", "config/htpasswd", "config/mine", "logs/nginx/access.log"):
        (tmp_path / name).touch()
    with dyno:
        group = dyno._guard.pid
        dyno.start("one", ["sh", "-c", "sleep 99 & sleep 98"], {**os.environ})
        dyno.wait(lambda: {"sleep 98", "sleep 99"} <= set(alive(group)), 5, "no sleep")
        dyno.ready.touch()
    assert not alive(group)
    assert not dyno.runtime.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["config", "mine"]


def test_what_does_not_mind_sigterm_is_killed(serve, dyno, monkeypatch):
    monkeypatch.setattr(serve, "LONGEST_END", 0.5)
    with dyno:
        group = dyno._guard.pid
        stubborn = "trap '' TERM; echo > stubborn; while :; do sleep 1; done"
        dyno.start("one", ["sh", "-c", stubborn], {**os.environ})
        dyno.wait((dyno.root / "stubborn").exists, 5, "no sh")
    assert not alive(group)


ANOTHER = """
import os, pathlib, time, serve
try:
    with serve.Dyno(pathlib.Path()) as dyno:
        dyno.start("one", ["sh", "-c", "sleep 99 & sleep 98"], {**os.environ})
        print(dyno._guard.pid, flush=True)
        os.kill(os.getpid(), NUMBER)
        time.sleep(5)
except KeyboardInterrupt:
    print("as by Ctrl-C")
"""


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 0, "as by Ctrl-C\n"),
        (signal.SIGTERM, 0, "as by Ctrl-C\n"),
        (signal.SIGHUP, 0, "as by Ctrl-C\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_whatever_ends_it_ends_all(code, number, status, told):
    ended = subprocess.run(
        [sys.executable, "-B", "-c", ANOTHER.replace("NUMBER", str(int(number)))],
        cwd=code.path,
        stdout=subprocess.PIPE,
        text=True,
    )
    group, _, rest = ended.stdout.partition("\n")
    assert (ended.returncode, rest) == (status, told)
    until = time.monotonic() + 5
    while alive(int(group)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(int(group))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exit 3", "one has ended with status 3: its reason stands above."),
        ("kill -9 $$", "one was ended by signal 9."),
        ("sleep 9", "too late"),
    ],
)
def test_waiting_for_what_does_not_come(dyno, command, told):
    with pytest.raises(click.ClickException) as refused, dyno:
        dyno.start("one", ["sh", "-c", command], {**os.environ})
        dyno.wait(lambda: False, 0.5, "too late")
    assert refused.value.message == told


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--port", "80"], 2, "80 is not in the range 1024<=x<=65535"),
        (["--port", "x"], 2, "'x' is not a valid integer"),
        ([], 1, "Error: apps.json lists no app."),
    ],
)
def test_what_is_refused_changes_nothing(bake, arguments, status, told):
    project = bake()
    project.write("apps.json", "[]")
    before = project.files
    ended = subprocess.run(
        [sys.executable, "-B", "manage.py", "serve", *arguments],
        cwd=project.path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert ended.returncode == status
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert project.files == before
