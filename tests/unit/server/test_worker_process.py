"""server/worker_process.py, with small programs in the place of the worker."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from apphub.apps import App
from apphub.server import worker_process
from apphub.server.worker_process import LOG_PREFIX, Report, WorkerProcess, describe_exit

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60  # seconds for what takes a fraction of one, on any machine
NEVER = 3600

PRELUDE = """
import contextlib, os, signal, socket, sys, time
address, pipe = sys.argv[1], int(sys.argv[2])

def ready(text='{"max_upload_mb": 7, "scripts": []}'):
    os.write(pipe, text.encode() + b"\\n")

def listen():
    if os.path.exists(address):
        os.unlink(address)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    return listener

def answer(listener):
    while True:
        client, _ = listener.accept()
        request = client.recv(1000)
        assert request.startswith(b"GET /_stcore/health HTTP/1.1\\r\\nHost: localhost\\r\\n")
        with contextlib.suppress(OSError):  # a health check that took too long has hung up
            client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        client.close()
"""
SERVES = "listener = listen(); ready(); answer(listener)"
HANGS_UP = """
listener = listen()
ready()
while True:
    client, _ = listener.accept()
    client.recv(1000)
    client.close()
"""
HANGS = "listener = listen(); ready(); time.sleep(3600)"


class Harness:
    """Runs a WorkerProcess whose process is a program of the test."""

    def __init__(self, root: Path, threads: ThreadPoolExecutor) -> None:
        self.root = root
        self.exits: SimpleQueue[int | str] = SimpleQueue()
        self._threads = threads
        self._workers: list[WorkerProcess] = []
        package = root / "apphub/server"
        package.mkdir(parents=True)
        for folder in (package.parent, package):
            (folder / "__init__.py").touch()

    def start(self, *programs: str, number: int = 1, count: int = 1) -> WorkerProcess:
        """Run a worker. Its first process runs the first program, and so on."""
        path = self.root / "apphub/server/worker.py"
        starts = self.root / "starts"
        source = f"{PRELUDE}\nwith open({str(starts)!r}, 'a+') as file:\n"
        source += "    file.write('x'); file.flush(); file.seek(0); start = len(file.read())\n"
        source += f"exec({list(programs)!r}[start - 1])\n"
        path.write_text(source)
        worker = WorkerProcess(number, count, self.exits)
        self._workers.append(worker)
        self.running = self._threads.submit(worker.run)
        return worker

    def stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join(time.monotonic() + PATIENCE)


@pytest.fixture
def harness(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_process, "ROOT", tmp_path)
    monkeypatch.setattr(worker_process, "STARTUP_TIMEOUT", NEVER)
    monkeypatch.setattr(worker_process, "HEALTH_TIMEOUT", NEVER)
    monkeypatch.setattr(worker_process, "worker_socket", lambda number: tmp_path / f"{number}.s")
    with ThreadPoolExecutor() as threads:
        harness = Harness(tmp_path, threads)
        yield harness
        harness.stop()


@pytest.fixture
def probes_often(monkeypatch):
    monkeypatch.setattr(worker_process, "PROBE_INTERVAL", 0.05)


def test_ready_worker_reports_the_largest_upload(harness):
    worker = harness.start(SERVES)
    assert worker.ready.get(timeout=PATIENCE) == Report(7)
    assert worker.name == "Streamlit"
    worker.terminate()
    assert harness.running.result(PATIENCE) is None
    assert harness.exits.empty()


def test_ready_worker_reports_the_scripts(harness):
    """However many there are: a pipe passes on 4096 bytes at once, and no more."""
    apps = [
        App(f"App {n}", script=f"apps/app_{n}.py", users=("anna", "bob"), memory_mb=300)
        for n in range(500)
    ]
    report = json.dumps({"max_upload_mb": 7, "scripts": [asdict(app) for app in apps]})
    worker = harness.start(f"listener = listen(); ready({report!r}); answer(listener)")
    assert worker.ready.get(timeout=PATIENCE) == Report(7, tuple(apps))


def test_worker_that_exits_within_its_report_is_not_ready(harness):
    harness.start("""os.write(pipe, b'{"max_upload'); sys.exit(3)""")
    assert harness.exits.get(timeout=PATIENCE) == 3


def test_worker_is_stopped_before_its_first_process(harness):
    worker = WorkerProcess(1, 1, harness.exits)
    worker.terminate()
    worker.run()
    worker.join(time.monotonic())
    assert not (harness.root / "starts").exists()


def test_worker_that_ignores_sigterm_is_killed_at_the_deadline(harness):
    worker = harness.start(f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}")
    worker.ready.get(timeout=PATIENCE)
    worker.terminate()
    worker.join(time.monotonic())
    assert harness.running.result(PATIENCE) is None
    assert harness.exits.empty()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("sys.exit(3)", 3),  # Python has said why
        ("1 / 0", 1),
        ("sys.exit(0)", "Streamlit exited while it started: status 0."),
        ("os.kill(os.getpid(), 9)", f"Streamlit exited while it started: {describe_exit(-9)}."),
    ],
)
def test_failed_start_of_the_only_worker(harness, program, reason):
    harness.start(program)
    assert harness.exits.get(timeout=PATIENCE) == reason
    assert (harness.root / "starts").read_text() == "x"


def test_worker_that_is_never_ready(harness, probes_often, monkeypatch):
    monkeypatch.setattr(worker_process, "STARTUP_TIMEOUT", 0.2)
    harness.start("time.sleep(3600)")
    assert harness.exits.get(timeout=PATIENCE) == "Streamlit is not ready after 0.2 s."


@pytest.mark.parametrize(
    ("program", "how"), [("sys.exit(5)", "status 5"), ("os.abort()", describe_exit(-6))]
)
def test_only_worker_is_not_started_again(harness, program, how):
    worker = harness.start(f"ready(); {program}")
    assert worker.ready.get(timeout=PATIENCE) == Report(7)
    assert harness.exits.get(timeout=PATIENCE) == f"Streamlit exited: {how}."
    assert (harness.root / "starts").read_text() == "x"


def test_one_of_several_is_started_again(harness, capfd):
    program = "ready(); sys.exit(5)"
    worker = harness.start(program, program, SERVES, number=2, count=3)
    for _ in range(3):
        assert worker.ready.get(timeout=PATIENCE) == Report(7)
    assert harness.exits.empty()
    line = f"{LOG_PREFIX}Streamlit 2 of 3 exited: status 5. Restarting Streamlit 2 of 3.\n"
    assert capfd.readouterr().err == line * 2


def test_second_failed_start_in_a_row_ends_the_server(harness, capfd):
    worker = harness.start("ready(); sys.exit(5)", "sys.exit(3)", "sys.exit(4)", count=2)
    assert worker.ready.get(timeout=PATIENCE) == Report(7)
    assert harness.exits.get(timeout=PATIENCE) == 4
    assert capfd.readouterr().err.count("Restarting Streamlit 1 of 2") == 2


def test_failed_starts_are_counted_only_in_a_row(harness):
    programs = ["sys.exit(3)", "ready(); sys.exit(5)"] * 3
    worker = harness.start(*programs, SERVES, count=2)
    for _ in range(4):
        assert worker.ready.get(timeout=PATIENCE) == Report(7)
    assert harness.exits.empty()


def test_worker_that_does_not_answer_is_killed(harness, probes_often, monkeypatch):
    monkeypatch.setattr(worker_process, "HEALTH_TIMEOUT", 0.3)
    harness.start(HANGS)
    assert harness.exits.get(timeout=PATIENCE) == "Streamlit has not answered for 0.3 s."


def test_worker_that_hangs_up_has_not_answered(harness, probes_often, monkeypatch):
    monkeypatch.setattr(worker_process, "HEALTH_TIMEOUT", 0.3)
    harness.start(HANGS_UP)
    assert harness.exits.get(timeout=PATIENCE) == "Streamlit has not answered for 0.3 s."


@pytest.mark.parametrize(
    "program",
    ["ready(); time.sleep(3600)", "listen().close(); ready(); time.sleep(3600)"],
    ids=["no socket", "nobody listens"],
)
def test_worker_that_nobody_can_reach_is_killed_soon(harness, probes_often, program):
    harness.start(program)
    assert harness.exits.get(timeout=PATIENCE) == "Streamlit has not answered for 0.1 s."


def test_worker_that_answers_is_left_alone(harness, probes_often):
    worker = harness.start(SERVES)
    worker.ready.get(timeout=PATIENCE)
    time.sleep(0.5)  # ten health checks
    assert harness.exits.empty()
    assert not harness.running.done()


def test_exit_is_noticed_while_another_process_holds_the_pipe(harness, probes_often):
    harness.start("ready(); os.fork() and os._exit(5); time.sleep(1)")
    assert harness.exits.get(timeout=PATIENCE) == "Streamlit exited: status 5."


def test_stopped_worker_need_not_answer(harness, probes_often, monkeypatch):
    """It finishes running scripts, and its socket is closed by then."""
    monkeypatch.setattr(worker_process, "HEALTH_TIMEOUT", 0.1)
    waits = (
        "signal.signal(signal.SIGTERM, lambda *_: (listener.close(), time.sleep(0.5), os._exit(0)))"
    )
    worker = harness.start(f"listener = listen(); {waits}; ready(); answer(listener)")
    worker.ready.get(timeout=PATIENCE)
    worker.terminate()
    worker.join(time.monotonic() + PATIENCE)
    assert harness.running.result(PATIENCE) is None
    assert harness.exits.empty()


@pytest.mark.parametrize(
    ("status", "text"),
    [(0, "status 0"), (3, "status 3"), (-9, f"signal 9 ({signal.strsignal(9)})")],
)
def test_description_of_an_exit(status, text):
    assert describe_exit(status) == text


def test_the_worker_is_a_module_of_apphub(harness, monkeypatch, tmp_path):
    """It runs in the project's folder, with the socket's path and the pipe's number."""
    monkeypatch.chdir("/")
    path = tmp_path / "apphub/server/worker.py"
    path.write_text(
        "import json, os, sys\n"
        "seen = [os.getcwd(), sys.argv[1], os.environ['APPHUB_SCRIPTS']]\n"
        "os.fstat(int(sys.argv[2]))\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(json.dumps(seen))\n"
    )
    WorkerProcess(1, 1, harness.exits).run()
    assert json.loads((tmp_path / "seen").read_text()) == [
        str(tmp_path),
        str(tmp_path / "1.s"),
        "1",  # nginx leads to the scripts
    ]
