"""server/supervisor.py: nothing is opened before all is right, and the first exit ends it all."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import bcrypt
import pytest
from strategies import HASH

from apphub.check import check_access
from apphub.server import gateway, supervisor
from apphub.server.supervisor import load_access, run_nginx, supervise
from apphub.server.worker_process import LOG_PREFIX, Report
from apphub.settings import Settings
from apphub.users import User

if TYPE_CHECKING:
    from collections.abc import Callable

USERS = [User("anna.b", HASH)]
GOOD = f"anna.b:{HASH}"


# -- Fail closed -----------------------------------------------------------------------------------


def line(user: str, cost: int = 12) -> str:
    return f"{user}:{HASH.replace('$12$', f'${cost:02}$')}"


BAD_USERS = {
    "no file": (None, ".htpasswd: "),
    "an empty file": ("", ".htpasswd: "),
    "only a comment": ("# nobody yet\n\n", ".htpasswd: "),
    "a plain password": (f"{GOOD}\nbob:{{PLAIN}}hunter2-hunter2\n", "line 2"),
    "a password without a hash": (f"{GOOD}\nbob:hunter2-hunter2\n", "line 2"),
    "MD5": (f"bob:$apr1$ab$hunter2-hunter2\n{GOOD}\n", "line 1"),
    "SHA": (f"{GOOD}\nbob:{{SHA}}hunter2-hunter2=\n", "line 2"),
    "the cost of htpasswd -B": (f"{GOOD}\n\n{line('bob', cost=5)}\n", "line 3"),
    "cost 9": (line("bob", cost=9), "line 1"),
    "a shortened hash": (GOOD[:-1], "line 1"),
    "a blank after the hash": (f"{GOOD} \n", "line 1"),
    "a blank before the hash": (GOOD.replace(":", ": "), "line 1"),
    "a byte-order mark": ("\ufeff" + GOOD, "line 1"),
    "a variable": (line("$host"), "line 1"),
    "a pattern": (line("~.*"), "line 1"),
    "a quote": (line('a"; return 200; #'), "line 1"),
    "another script": (line("ånna"), "line 1"),
    "no user": (GOOD.replace("anna.b", ""), "line 1"),
    "no colon": ("hunter2-hunter2", "line 1"),
    "a name of 65 characters": (line("a" * 65), "line 1"),
    "a duplicate name": (f"{GOOD}\r\n{line('anna.b')}\r\n", "line 2"),
    "a name in capitals": (f"{GOOD}\n{line('Anna.B')}\n", "line 2"),
    "a folder": (Path, ".htpasswd: "),
}
BAD_ENVIRONMENTS = [
    ({"HTPASSWD": ""}, "HTPASSWD: "),
    ({"HTPASSWD": "# nobody"}, "HTPASSWD: "),
    ({"HTPASSWD": "hunter2-hunter2"}, "HTPASSWD, line 1"),
    ({"HTPASSWD": f"{GOOD}\nbob:hunter2-hunter2"}, "HTPASSWD, line 2"),
    ({"HTPASSWD": f"{GOOD}\nA{GOOD[1:]}"}, "HTPASSWD, line 2"),
    ({"HTPASSWD": "https://b\udcff"}, "HTPASSWD, line 1"),
    ({"SESSION_SECRET": "short"}, "SESSION_SECRET"),
    ({"SESSION_SECRET": "https://b\udcff"}, "SESSION_SECRET"),
    ({"SESSION_SECRET": "x" * 31}, "SESSION_SECRET"),
    ({"SESSION_SECRET": " "}, "SESSION_SECRET"),
    ({"NGINX_WORKERS": "1; user root"}, "NGINX_WORKERS"),
    ({"APP_IDLE_MINUTES": "0"}, "APP_IDLE_MINUTES"),
    ({"SECRETS": 'key = "hunter2'}, "SECRETS, end of document: "),
    ({"STREAMLIT_PROCESSES": "0"}, "STREAMLIT_PROCESSES"),
    *(
        ({"FRAME_ANCESTORS": site}, "FRAME_ANCESTORS")
        for site in (
            *("elsewhere.example", "https://a; script-src *", "*", "https://a/b", "'none'", "é"),
            "https://b\udcff",
        )
    ),
]


def refusal(project, **environ: str) -> str:
    """Return why the start is refused. The build has to be refused for the same."""
    with pytest.raises(SystemExit) as exited:
        load_access(project.path, environ)
    message = str(exited.value.code)
    findings = check_access(project.path, environ)
    assert sorted(message.split("\n")[1:]) == sorted(
        f"{LOG_PREFIX}{text}" for text in "\n".join(map(str, findings)).split("\n")
    )
    assert message.startswith(f"{LOG_PREFIX}nginx was not started. Fix this first:\n")
    assert "hunter2" not in message
    assert "$2b$" not in message
    return message


@pytest.mark.parametrize(("users", "what"), BAD_USERS.values(), ids=BAD_USERS.keys())
def test_bad_users_are_neither_built_nor_started(project, users, what):
    path = project.path / ".htpasswd"
    path.unlink()
    if users is Path:
        path.mkdir()
    elif users is not None:
        path.write_bytes(users.encode())
    assert what in refusal(project)


@pytest.mark.parametrize(
    ("environ", "what"), BAD_ENVIRONMENTS, ids=[repr(environ) for environ, _ in BAD_ENVIRONMENTS]
)
def test_bad_environment_is_neither_built_nor_started(project, environ, what):
    assert what in refusal(project, **environ)


def test_all_that_is_wrong_is_in_the_log(project):
    project.write(".htpasswd", f"{GOOD}\nbob:x\n$host:x\n")
    lines = refusal(project, SESSION_SECRET="x", FRAME_ANCESTORS="*").split("\n")
    assert len(lines) == 5
    assert all(line.startswith(LOG_PREFIX) for line in lines)


def test_valid_access(project):
    settings, users = load_access(project.path, {"SESSION_SECRET": "x" * 32})
    assert settings == Settings("x" * 32)
    assert users == USERS
    for version in (b"2a", b"2b"):
        digest = bcrypt.hashpw(b"a good password", bcrypt.gensalt(10, version)).decode()
        users = f"# ours\r\nbob:{digest}\r\ncarol:{digest}\r\n"
        assert len(load_access(project.path, {"HTPASSWD": users})[1]) == 2


# -- Supervising -----------------------------------------------------------------------------------


class FakeWorker:
    """A worker without a process. The last one plays what happens to all of them."""

    workers: list[FakeWorker]
    play: Callable[[list[FakeWorker]], None]
    failures: list[BaseException]

    def __init__(self, number: int, count: int, exits: SimpleQueue[int | str]) -> None:
        self.is_last = number == count
        self.exits = exits
        self.ready: SimpleQueue[Report] = SimpleQueue()
        self.started = threading.Event()
        self.calls: list[str] = []
        self.workers.append(self)

    def run(self) -> None:
        self.started.set()
        if self.is_last:
            try:
                type(self).play(self.workers)
            except BaseException as error:  # noqa: BLE001 - the test's own failure
                self.failures.append(error)
                self.exits.put("the test failed")

    def terminate(self) -> None:
        self.calls.append("terminate")

    def join(self, deadline: float) -> None:
        self.calls.append("join")


@pytest.fixture
def generated(project, tmp_path, monkeypatch) -> Path:
    """config/generated/ of the project, which is the supervisor's."""
    monkeypatch.setattr(gateway, "write_rules", partial(gateway.write_rules, root=project.path))
    monkeypatch.setattr(gateway, "write_limits", partial(gateway.write_limits, root=project.path))
    monkeypatch.setattr(gateway, "write_apps", partial(gateway.write_apps, root=project.path))
    monkeypatch.setattr(gateway, "clear", partial(gateway.clear, project.path))
    monkeypatch.setattr(supervisor, "READY", tmp_path / "app-initialized")
    return project.path / "config/generated"


@pytest.fixture
def run(generated, monkeypatch):
    """Run the supervisor while a function plays what happens to its workers."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(supervisor, "WorkerProcess", FakeWorker)

    def run(play, start_nginx=(), count: int = 1, function=supervise) -> int | str:
        FakeWorker.workers, FakeWorker.failures, FakeWorker.play = [], [], staticmethod(play)
        settings = Settings(streamlit_processes=count)
        monkeypatch.setattr(supervisor, "load_access", lambda: (settings, USERS))
        try:
            return function(settings, USERS, start_nginx)
        finally:
            assert not FakeWorker.failures, FakeWorker.failures

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run_main(_settings, _users, start_nginx) -> None:
    supervisor.main(start_nginx)


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        threading.Event().wait(0.01)
    raise TimeoutError(path)


def test_nginx_starts_when_all_workers_are_ready(run, generated, tmp_path):
    nginx = tmp_path / "start-nginx"
    nginx.write_text(f'#!/bin/sh\nls {generated} > {tmp_path}/seen; echo "$@" >> {tmp_path}/seen\n')
    nginx.chmod(0o755)

    def play(workers) -> None:
        assert len(workers) == 3
        for worker in workers:
            assert worker.started.wait(60)
        workers[0].ready.put(Report(50))
        workers[2].ready.put(Report(50))
        assert not (tmp_path / "app-initialized").exists()
        assert not generated.exists()
        workers[1].ready.put(Report(50))

    reason = run(play, [str(nginx)], count=3)
    assert reason == f"{nginx} exited; see the output above."
    *files, arguments = (tmp_path / "seen").read_text().splitlines()
    assert {"htpasswd", "limits.conf", "sessions.map"} <= set(files)
    # The buildpack's script ends nginx when the command ends that it was given.
    assert arguments == f"tail --pid={os.getpid()} -f /dev/null"
    assert "51m" in (generated / "limits.conf").read_text()
    assert [worker.calls for worker in FakeWorker.workers] == [["terminate", "join"]] * 3


def test_without_a_command_something_else_starts_nginx(run, tmp_path):
    def play(workers) -> None:
        workers[0].ready.put(Report(200))
        wait_for(tmp_path / "app-initialized")
        workers[0].exits.put("Streamlit exited: status 1.")

    assert run(play) == "Streamlit exited: status 1."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it(run, number):
    assert run(lambda workers: os.kill(os.getpid(), number)) == 128 + number
    assert FakeWorker.workers[0].calls == ["terminate", "join"]


def test_failed_start_of_a_worker_ends_it(run, generated, tmp_path):
    assert run(lambda workers: workers[1].exits.put(3), ["never"], count=2) == 3
    assert not generated.exists()
    assert not (tmp_path / "app-initialized").exists()


def test_files_that_cannot_be_written(run, generated, tmp_path):
    generated.parent.mkdir()
    generated.write_text("not a folder")
    reason = run(lambda workers: workers[0].ready.put(Report(200)), ["never"])
    assert reason.startswith("FileExistsError: ")
    assert str(generated) in reason
    assert not (tmp_path / "app-initialized").exists()


def test_missing_start_script_is_named():
    assert run_nginx(["bin/no-such-script"]) == "bin/no-such-script: No such file or directory."


# -- The whole program -----------------------------------------------------------------------------


def test_main_exits_with_the_reason(run, generated, tmp_path):
    def play(workers) -> None:
        assert not (tmp_path / "app-initialized").exists()  # of an earlier start
        assert not generated.exists()
        workers[0].exits.put("Streamlit exited: status 1.")

    (tmp_path / "app-initialized").touch()
    generated.mkdir(parents=True)
    with pytest.raises(SystemExit) as exited:
        run(play, ["never"], function=run_main)
    assert exited.value.code == f"{LOG_PREFIX}Streamlit exited: status 1."
    assert (tmp_path / "app-initialized").exists()


def test_main_exits_with_the_status(run):
    with pytest.raises(SystemExit) as exited:
        run(lambda workers: workers[0].exits.put(3), function=run_main)
    assert exited.value.code == 3


def test_refused_start_leaves_no_files_of_an_earlier_one(generated, tmp_path, monkeypatch):
    """And bin/start-nginx, which may wait for the file, goes on and fails."""

    def refuse() -> None:
        raise SystemExit("refused")

    monkeypatch.setattr(supervisor, "load_access", refuse)
    generated.mkdir(parents=True)
    (generated / "htpasswd").touch()
    with pytest.raises(SystemExit, match="refused"):
        supervisor.main([])
    assert not generated.exists()
    assert (tmp_path / "app-initialized").exists()
