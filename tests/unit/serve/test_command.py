"""The order of the start, with fakes of Streamlit, erb and nginx."""

from __future__ import annotations

import os
import re
import socket
import time

import click
import pytest
from fakes.deployments import HASH

from apphub.serve import command, nginx, programs, serve
from apphub.users import UsersError


def test_nginx_may_start_when_the_worker_listens(group):
    with group:
        assert not command.is_ready(group)
        group.ready.touch()  # the supervisor does that when it exits, too
        assert not command.is_ready(group)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(group.socket))
            server.listen()
            assert command.is_ready(group)
        assert not command.is_ready(group)
        os.utime(group.ready, (time.time() - 2,) * 2)
        assert command.is_ready(group)  # for a command that serves elsewhere


def test_the_processes_have_the_environment_of_a_dyno(group, monkeypatch):
    monkeypatch.setenv("MINE", "kept")
    with group:
        environment = command.make_environment(group, 8001)
    assert environment["PORT"] == "8001"
    assert environment["PYTHONPATH"] == str(group.root)
    assert environment["RUNTIME_DIRECTORY"] == str(group.runtime)
    assert environment["MINE"] == "kept"


@pytest.mark.parametrize("supports_bcrypt", [True, False])
def test_the_rules_are_written_for_localhost(group, monkeypatch, supports_bcrypt):
    monkeypatch.setattr(nginx, "SUPPORTS_BCRYPT", supports_bcrypt)
    (group.root / ".htpasswd").write_text(f"anna.b:{HASH}\nbob:{HASH}\n")
    with group:
        environment = {"STREAMLIT_PROCESSES": "2"}
        users, password = command._write_rules(group, environment)
        generated = group.root / "config/generated"
        written = {path.name: path.read_text() for path in generated.iterdir()}
    assert users == ["anna.b", "bob"]
    assert "local-session" in written["settings.conf"]
    assert "Secure" not in written["settings.conf"]
    assert str(group.socket) in written["upstreams.conf"]
    assert str(group.runtime / "streamlit.2.socket") in written["upstreams.conf"]
    assert ("$2b$" in written["htpasswd"]) == supports_bcrypt
    assert bool(password) != supports_bcrypt
    assert not generated.exists()


def test_in_a_frame_of_another_site_the_cookie_is_secure(group):
    """A browser stores no other cookie there."""
    (group.root / ".htpasswd").write_text(f"anna.b:{HASH}\n")
    with group:
        command._write_rules(group, {"FRAME_ANCESTORS": "https://intranet.example.com"})
        text = (group.root / "config/generated/settings.conf").read_text()
    assert "__Host-framed-session" in text
    assert "Secure; HttpOnly; SameSite=None" in text


def test_users_that_are_not_valid_end_the_start(group):
    with group, pytest.raises(UsersError):
        command._write_rules(group, {})


def test_static_files_that_cannot_be_compressed_are_sent_as_they_are(monkeypatch, capsys):
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/venv/index.js.gz")

    monkeypatch.setattr(command.precompress, "main", fail)
    command._precompress()
    assert "Permission denied: /venv/index.js.gz" in capsys.readouterr().out


# What the supervisor does, as far as serve() sees it.
SERVER = """
import os, pathlib, socket, time
runtime = pathlib.Path(os.environ["RUNTIME_DIRECTORY"])
listener = socket.socket(socket.AF_UNIX)
listener.bind(str(runtime / "streamlit.socket"))
listener.listen()
(runtime / "app-initialized").touch()
time.sleep(60)
"""
ERB = "import os; print(f'listen {os.environ[\"PORT\"]};')"
NGINX = """
import pathlib, re, socket, sys, time
if "-v" in sys.argv or "-t" in sys.argv:
    assert "-v" in sys.argv or pathlib.Path("config/generated/sessions.map").exists()
    sys.exit()
text = pathlib.Path("config/nginx.conf").read_text()
listener = socket.create_server(("127.0.0.1", int(re.search(r"127.0.0.1:(\\d+);", text)[1])))
time.sleep(60)
"""


@pytest.fixture
def computer(tmp_path, write_program, monkeypatch, restore_signals):
    """A project and fake programs. serve() is interrupted, as by Ctrl-C, once it is ready."""
    (tmp_path / "config").mkdir()
    (tmp_path / ".htpasswd").write_text(f"anna.b:{HASH}\n")
    (tmp_path / "Procfile").write_text("web: python server.py bin/start-nginx\n")
    (tmp_path / "server.py").write_text(SERVER)
    found = [write_program("nginx", NGINX), write_program("erb", ERB)]
    monkeypatch.setattr(programs, "check_packages", lambda: None)
    monkeypatch.setattr(programs, "find_programs", lambda *names: found)
    monkeypatch.setattr(command.precompress, "main", lambda: print("Static files."))
    show_address = command._show_address

    def show_and_interrupt(port: int, users: list[str], password: str) -> None:
        show_address(port, users, password)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_show_address", show_and_interrupt)
    return tmp_path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def test_the_start_from_the_first_step_to_ctrl_c(computer, capfd):
    before = sorted(computer.rglob("*"))
    port = free_port()
    serve(port, computer)
    output = capfd.readouterr().out
    steps = [
        rf"nginx is {computer}/nginx, erb is {computer}/erb\.",
        r"Static files\.",
        r"Starting Streamlit: \S*python\S* server\.py",
        r"Streamlit is ready after \S+ s\.",
        r"nginx accepts it\.",
        r"nginx is ready\.",
        rf"http://localhost:{port}   Users: anna\.b\n",
        r"Ctrl-C",
        r"Stopped\.",
    ]
    assert re.search(".*".join(steps), output, re.DOTALL), output
    assert sorted(computer.rglob("*")) == before


def test_on_macos_the_password_of_the_run_is_shown(computer, capfd, monkeypatch):
    monkeypatch.setattr(nginx, "SUPPORTS_BCRYPT", False)
    serve(free_port(), computer)
    assert re.search(r"macOS.*: [0-9a-f]{16}\n", capfd.readouterr().out)


def test_a_start_that_fails_stops_all(computer):
    (computer / "server.py").write_text("raise SystemExit(3)")
    before = sorted(computer.rglob("*"))
    with pytest.raises(click.ClickException, match="Streamlit exited with status 3"):
        serve(free_port(), computer)
    assert sorted(computer.rglob("*")) == before


def test_a_streamlit_that_is_not_ready_in_time(computer, monkeypatch):
    monkeypatch.setattr(command, "STARTUP_TIMEOUT", 0.2)
    (computer / "server.py").write_text("import time; time.sleep(60)")
    with pytest.raises(click.ClickException, match="Streamlit is not ready"):
        serve(free_port(), computer)


def test_an_nginx_that_does_not_listen(computer, write_program, monkeypatch):
    monkeypatch.setattr(command, "NGINX_TIMEOUT", 0.2)
    write_program("nginx", NGINX.replace("socket.create_server", "print"))
    with pytest.raises(click.ClickException, match="nginx does not listen"):
        serve(free_port(), computer)
