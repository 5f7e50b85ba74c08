"""server/app_process.py and app_listener.py, with small programs in the place of the worker."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from fake_dyno import wait_until

from apphub.apps import App
from apphub.server import app_process, app_processes, process_memory
from apphub.server.app_processes import AppProcesses
from apphub.server.child_process import describe_exit

PATIENCE = 60  # seconds for what takes a fraction of one, on any machine
NEVER = 3600
SALES = App("Sales Report", script="apps/sales.py")

PRELUDE = """
import json, os, signal, socket, sys, time
listener, pipe = socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3])
listener.setblocking(True)

def ready():
    os.write(pipe, b"R")

def answer(count=10 ** 9):
    for _ in range(count):
        client, _ = listener.accept()
        client.recv(65536)
        text = f"process {os.getpid()}".encode()
        head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n"
        client.sendall(head + b"Content-Length: %d\\r\\n\\r\\n%b" % (len(text), text))
        client.close()
"""
SERVES = "ready(); answer()"
CRASHES = "ready(); answer(1); os._exit(5)"


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.host)


class Harness:
    """Runs an app's processes, which are programs of the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.starts = root / "starts"
        self._apps: list[AppProcesses] = []
        (root / "apphub/server").mkdir(parents=True)
        (root / "apps").mkdir()
        (root / "apps/sales.py").touch()

    def open(self, *programs: str, app: App = SALES, minutes: int = 15) -> AppProcesses:
        """Have an app whose first process runs the first program, and so on."""
        source = f"{PRELUDE}\nwith open({str(self.starts)!r}, 'a+') as file:\n"
        source += "    file.write('x'); file.flush(); file.seek(0); start = len(file.read())\n"
        source += f"exec({list(programs)!r}[start - 1])\n"
        (self.root / "apphub/server/app_worker.py").write_text(source)
        apps = AppProcesses(minutes, self.root)
        self._apps.append(apps)
        threading.Thread(target=apps.run, daemon=True).start()
        apps.open([app])
        return apps

    def count_starts(self) -> int:
        return len(self.starts.read_text()) if self.starts.exists() else 0

    def request(
        self, path: str = "/sales/_stcore/health", method: str = "GET", number: int = 1, body=b""
    ) -> tuple[int, dict[str, str], str]:
        """Return the answer's status, headers and body."""
        connection = Connection(str(app_processes.app_socket("sales", number, self.root)))
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def process(self, number: int = 1) -> int:
        """Return the process that answers."""
        status, _, text = self.request(number=number)
        assert status == 200
        return int(text.removeprefix("process "))

    def stop(self) -> None:
        for apps in self._apps:
            apps.terminate()
            apps.join(time.monotonic() + PATIENCE)


@pytest.fixture
def log(monkeypatch):
    """Return the log once a text is in it.

    capfd would lose what is written just while it is read.
    """
    lines: list[str] = []

    def log(text: str = "") -> str:
        wait_until(lambda: text in "".join(lines))
        return "".join(lines)

    def write(line: str, **_: object) -> None:
        lines.append(f"{line}\n")

    for module in (app_process, app_processes):
        monkeypatch.setattr(module, "print", write, raising=False)
    return log


@pytest.fixture
def harness(tmp_path, monkeypatch, log):
    monkeypatch.setattr(app_process, "ROOT", tmp_path)
    for name in ("STARTUP_TIMEOUT", "HEALTH_TIMEOUT", "RETRY_DELAY"):
        monkeypatch.setattr(app_process, name, NEVER)
    harness = Harness(tmp_path)
    yield harness
    harness.stop()


def is_gone(process: int) -> bool:
    """Return whether a process has exited."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


# -- Start and end ---------------------------------------------------------------------------------


def test_first_visitor_starts_the_process(harness, log):
    harness.open(SERVES)
    assert harness.count_starts() == 0
    assert harness.process() == harness.process()
    assert harness.count_starts() == 1
    assert log() == "at=info app=sales server: Starting sales.\n"


def test_visitors_of_a_slow_start_wait(harness):
    harness.open(f"time.sleep(0.5); {SERVES}")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(harness.process())) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(answers) == 20
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("script", "folder"), [("apps/sales.py", ""), ("apps/sales/src/main.py", "apps/sales")]
)
def test_what_the_process_is_given(harness, monkeypatch, script, folder):
    """The folder of `streamlit run`, and none of the server's secrets."""
    seen = harness.root / "seen"
    (harness.root / script).parent.mkdir(parents=True, exist_ok=True)
    (harness.root / script).touch()
    for name in ("HTPASSWD", "SESSION_SECRET", "DATABASE_URL"):
        monkeypatch.setenv(name, "its value")
    monkeypatch.setenv("SECRETS", 'all = 1\n[sales]\nown = "2"\n')
    report = "[os.getcwd(), sys.argv[1], sys.argv[4], dict(os.environ), sys.flags.safe_path]"
    harness.open(
        f"open({str(seen)!r}, 'w').write(json.dumps({report})); {SERVES}",
        app=App("Sales", script=script),
        minutes=7,
    )
    harness.process()
    cwd, argument, minutes, environ, is_safe_path = json.loads(seen.read_text())
    assert (cwd, argument) == (str(harness.root / folder), script)
    assert (minutes, is_safe_path) == ("7", True)
    assert environ["DATABASE_URL"] == "its value"
    assert {"HTPASSWD", "SESSION_SECRET"}.isdisjoint(environ)
    assert ("all" in environ["SECRETS"]) == (not folder)
    assert "own" in environ["SECRETS"]


def test_next_visitor_after_an_idle_end_starts_it_again(harness, log):
    harness.open("ready(); answer(1); os.write(pipe, b'I')", SERVES)
    first = harness.process()
    assert "at=info app=sales server: Stopped sales: no visitors for 15 min.\n" in log("Stopped")
    assert harness.count_starts() == 1
    assert harness.process() != first


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("os._exit(0)", "status 0"),
        ("os._exit(5)", "status 5"),
        ("os.kill(os.getpid(), 9)", describe_exit(-9)),
        ("os.fork() and os._exit(5); time.sleep(1)", "status 5"),  # a child has the pipe open
    ],
)
def test_next_visitor_after_a_crash_starts_it_again(harness, log, program, how):
    harness.open(f"ready(); answer(1); {program}", SERVES)
    first = harness.process()
    assert f"at=error app=sales server: sales exited: {how}.\n" in log("exited")
    assert harness.count_starts() == 1
    assert harness.process() != first


def test_visitors_who_wait_while_it_crashes_are_served_by_the_next_process(harness):
    harness.open("ready(); time.sleep(0.5); os._exit(5)", SERVES)
    assert harness.process() > 0
    assert harness.count_starts() == 2


def test_each_of_several_processes_is_on_its_own(harness, log):
    harness.open(*[SERVES] * 3, app=App("Sales", script="apps/sales.py", processes=3))
    first, third = harness.process(1), harness.process(3)
    assert first != third
    assert harness.count_starts() == 2
    os.kill(first, signal.SIGKILL)
    log("sales 1 of 3 exited")
    assert harness.process(3) == third
    assert "Starting sales 3 of 3." in log()


# -- Starts that fail ------------------------------------------------------------------------------


def check_refused(answer: tuple[int, dict[str, str], str], message: str, logged: str) -> None:
    status, headers, body = answer
    assert status == 503
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    content = json.loads(body)
    assert set(content) == {"message", "reference"}
    assert message in content["message"]
    assert re.fullmatch(r"[0-9a-f]{8}", content["reference"])
    assert f"(reference {content['reference']})" in logged


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("sys.exit(3)", "exited while it started: status 3"),
        ("1 / 0", "exited while it started: status 1"),
        ("sys.exit(0)", "exited while it started: status 0"),
        ("os.abort()", f"exited while it started: {describe_exit(-6)}"),
    ],
)
def test_failed_start_is_not_repeated(harness, log, program, how):
    harness.open(program)
    for path in ("/sales/_stcore/health?start", "/sales/_stcore/stream", "/sales/"):
        answer = harness.request(path)
        logged = log("reference")
        check_refused(answer, "Sales Report could not be started.", logged)
        assert f"at=error app=sales server: sales {how} (reference " in logged
    assert harness.count_starts() == 1


def test_request_after_a_while_starts_it_again(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "RETRY_DELAY", 0)
    harness.open("sys.exit(3)", SERVES)
    # The delay is over as soon as it has failed: the visitor who waits is the next one.
    harness.process()
    assert harness.count_starts() == 2
    log("exited while it started")


def test_start_that_takes_too_long(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "STARTUP_TIMEOUT", 0.2)
    harness.open("time.sleep(3600)")
    check_refused(harness.request(), "could not be started", log("sales is not ready after 0.2 s"))


def test_script_that_is_not_there(harness, log):
    (harness.root / "apps/sales.py").unlink()
    harness.open(SERVES)
    check_refused(harness.request(), "could not be started", log("has no file apps/sales.py"))
    assert harness.count_starts() == 0


def test_interpreter_that_is_not_there(harness, log, monkeypatch):
    monkeypatch.setattr(app_process.sys, "executable", "/no/such/python")
    harness.open(SERVES)
    answer = harness.request()
    logged = log("reference")
    check_refused(answer, "could not be started", logged)
    assert "/no/such/python" in logged
    assert "/no/such/python" not in answer[2]


def test_secrets_that_are_not_valid_are_not_logged(harness, log, monkeypatch):
    (harness.root / "apps/sales").mkdir()
    (harness.root / "apps/sales/main.py").touch()
    monkeypatch.setenv("SECRETS", 'key = "hunter2')
    harness.open(SERVES, app=App("Sales", script="apps/sales/main.py"))
    check_refused(harness.request(), "could not be started", log("reference"))
    assert "hunter2" not in log()


def test_app_that_crashes_again_and_again_is_refused_for_a_while(harness, log, monkeypatch):
    """A page that is open connects again each time."""
    monkeypatch.setattr(app_process, "MAX_CRASHES", 3)
    monkeypatch.setattr(app_process, "deque", partial(app_process.deque, maxlen=3))
    harness.open(*[CRASHES] * 9)
    for _ in range(3):
        assert harness.process()
        wait_until(lambda: log().count("exited") == harness.count_starts())
    check_refused(harness.request(), "ended several times", log("reference"))
    assert harness.count_starts() == 3


def test_refusal_of_a_large_upload_is_read(harness):
    """Who sends still reads the answer."""
    harness.open("sys.exit(3)")
    harness.request()
    for _ in range(5):
        status, _, body = harness.request("/sales/_stcore/upload_file/x", "PUT", body=bytes(10**7))
        assert status == 503
        assert "could not be started" in body


def test_refusal_of_head_has_no_body(harness):
    harness.open("sys.exit(3)")
    harness.request()
    status, headers, body = harness.request(method="HEAD")
    assert (status, body) == (503, "")
    assert int(headers["Content-Length"]) > 0


def test_connections_without_a_request_keep_nobody_waiting(harness, monkeypatch):
    harness.open("sys.exit(3)")
    harness.request()
    address = str(app_processes.app_socket("sales", 1, harness.root))
    silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for client in silent:
        client.connect(address)
    silent[0].sendall(b"GET / HT")
    silent[1].close()
    assert harness.request()[0] == 503
    silent[0].sendall(b"TP/1.1\r\n\r\n")
    assert silent[0].recv(12) == b"HTTP/1.1 503"
    for client in silent:
        client.close()


# -- What is monitored -----------------------------------------------------------------------------


def test_process_that_hangs_is_killed(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "HEALTH_TIMEOUT", 0.3)
    monkeypatch.setattr(app_process, "PROBE_INTERVAL", 0.05)
    harness.open("ready(); answer(1); time.sleep(3600)", SERVES)
    first = harness.process()
    assert "sales has not answered for 0.3 s. It was killed." in log("killed")
    assert is_gone(first)


def test_killed_process_leaves_no_children(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "HEALTH_TIMEOUT", 0.3)
    monkeypatch.setattr(app_process, "PROBE_INTERVAL", 0.05)
    children = harness.root / "children"
    program = f"child = os.fork(); open({str(children)!r}, 'a').write(f'{{os.getpid()}} ')"
    harness.open(f"ready(); {program}; time.sleep(3600)")
    address = str(app_processes.app_socket("sales", 1, harness.root))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        log("killed")
    numbers = [int(number) for number in children.read_text().split()]
    assert len(numbers) == 2
    wait_until(lambda: all(map(is_gone, numbers)))


@pytest.mark.skipif(not process_memory.IS_KNOWN, reason="only Linux has /proc")
def test_too_much_memory_ends_it_until_somebody_opens_the_page(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "RETRY_DELAY", 0)
    eats = "kept = bytearray(b'x') * 2**28; time.sleep(3600)"
    app = App("Sales Report", script="apps/sales.py", memory_mb=128)
    harness.open(f"ready(); answer(1); {eats}", SERVES, app=app)
    first = harness.process()
    logged = log("reference")
    assert 'sales used more than its "memory_mb" of 128. It was killed (reference ' in logged
    assert is_gone(first)
    for path in ("/sales/_stcore/health", "/sales/_stcore/stream", "/sales/?start"):
        check_refused(harness.request(path), "used too much memory", logged)
    assert harness.count_starts() == 1
    start = "/sales/_stcore/health?start"
    status, headers, _ = harness.request(start)
    assert (status, headers["Location"]) == (307, start)
    assert harness.count_starts() == 1
    assert harness.request(start)[0] == 200
    assert harness.count_starts() == 2


def test_memory_is_not_checked_without_a_limit(harness, monkeypatch):
    monkeypatch.setattr(process_memory, "exceeds", lambda *_: 1 / 0)
    monkeypatch.setattr(app_process, "PROBE_INTERVAL", 0.01)
    harness.open("ready(); answer(1); time.sleep(0.3); answer()")
    assert harness.process() == harness.process()


def test_system_without_proc_is_said_once(harness, log, monkeypatch):
    monkeypatch.setattr(process_memory, "IS_KNOWN", False)
    harness.open(SERVES, app=App("Sales", script="apps/sales.py", memory_mb=128, processes=2))
    assert log().count('"memory_mb" has no effect') == 1


# -- Always on -------------------------------------------------------------------------------------

ALWAYS = App("Sales", script="apps/sales.py", always_on=True)


def test_always_on_needs_no_visitor(harness):
    seen = harness.root / "seen"
    harness.open(f"open({str(seen)!r}, 'w').write(sys.argv[4]); {SERVES}", app=ALWAYS)
    wait_until(lambda: seen.exists() and seen.read_text())
    assert seen.read_text() == "0"  # it does not end itself


def test_always_on_is_started_again_after_a_crash(harness, log, monkeypatch):
    monkeypatch.setattr(app_process, "RETRY_DELAY", 0)
    harness.open("ready(); os._exit(5)", SERVES, app=ALWAYS)
    wait_until(lambda: log().count("Starting sales.") == 2)
    assert "exited: status 5" in log()


@pytest.mark.parametrize("program", ["ready(); os._exit(5)", "sys.exit(3)"])
def test_always_on_is_not_started_in_a_loop(harness, log, program):
    harness.open(program, SERVES, app=ALWAYS)
    log("exited")
    harness.request()
    assert harness.count_starts() == (2 if "ready" in program else 1)


# -- The end of the server -------------------------------------------------------------------------


def test_all_end_by_sigterm(harness, log):
    program = f"signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); {SERVES}"
    apps = harness.open(program, program, app=App("Sales", script="apps/sales.py", processes=2))
    processes = harness.process(1), harness.process(2)
    apps.terminate()
    apps.join(time.monotonic() + PATIENCE)
    assert all(map(is_gone, processes))
    assert "exited" not in log()


def test_process_that_ignores_sigterm_is_killed_at_the_deadline(harness):
    apps = harness.open(f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}")
    process = harness.process()
    apps.terminate()
    assert harness.process() == process
    apps.join(time.monotonic())
    assert is_gone(process)


def test_stopped_process_is_not_killed_before_the_deadline(harness, log, monkeypatch):
    """It finishes running scripts, and reports nothing by then."""
    monkeypatch.setattr(app_process, "HEALTH_TIMEOUT", 0.1)
    monkeypatch.setattr(app_process, "PROBE_INTERVAL", 0.05)
    done = harness.root / "done"
    finish = f"(time.sleep(0.5), open({str(done)!r}, 'w').close(), os._exit(0))"
    beats = "os.write(pipe, b'.'); time.sleep(0.01)"
    apps = harness.open(
        f"signal.signal(signal.SIGTERM, lambda *_: {finish}); ready(); answer(1)\n"
        f"while True: {beats}"
    )
    harness.process()
    apps.terminate()
    apps.join(time.monotonic() + PATIENCE)
    assert done.exists()
    assert "killed" not in log()


def test_nothing_is_started_after_the_end(harness):
    apps = harness.open(SERVES)
    apps.terminate()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(app_processes.app_socket("sales", 1, harness.root)))
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert harness.count_starts() == 0


# -- The sockets -----------------------------------------------------------------------------------


def test_socket_of_an_earlier_start_is_replaced(tmp_path):
    path = tmp_path / "app.socket"
    app_processes.bind(path).close()
    assert path.exists()
    with app_processes.bind(path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        listener.accept()[0].close()
    assert path.stat().st_mode & 0o777 == 0o666  # nginx may run as another user


def test_socket_that_cannot_be_bound(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        app_processes.bind(tmp_path / "missing/app.socket")


def test_fifty_sockets_are_one_thread(harness):
    before = threading.active_count()
    apps = AppProcesses(15, harness.root)
    thread = threading.Thread(target=apps.run, daemon=True)
    thread.start()
    apps.open(App(f"App {n}", script=f"apps/app_{n}.py") for n in range(50))
    assert len(list(harness.root.glob("app.*.socket"))) == 50
    assert threading.active_count() == before + 1
