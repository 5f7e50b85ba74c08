"""What exits, hangs, fills up or is slow: the dyno ends, or nobody else is affected.

Faults at the start are in test_startup.py and test_fail_closed.py, those of one worker among
several in test_workers.py. What a page in a browser shows: tests/browser/test_reconnect.py.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from browser_client import WHERE, BrowserClient
from fake_dyno import FakeDyno, wait_until
from http_client import COOKIE, HttpClient, session_number
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject

MB = 2**20
SHUTDOWN_TIMEOUT = 30  # seconds; then Heroku kills what is left
SECRET = "a session secret of more than 32 characters"
APPS = {
    "counts": WHERE,
    "greedy": """
import resource

def run():
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 2**20, resource.RLIM_INFINITY))
    kept = []
    while True:
        kept.append(bytearray(2**20))
""",
    "exits": """
import sys

def run():
    sys.exit(3)
""",
    "loops": """
import streamlit as st

def run():
    st.text("It loops.")
    while True:
        pass
""",
    "leaks": """
import threading
import time
import streamlit as st

def run():
    for _ in range(200):
        threading.Thread(target=time.sleep, args=[3600]).start()
    st.text(f"<{threading.active_count()} threads>")
""",
    "prints": """
import pathlib
import streamlit as st

def run():
    st.text("It prints.")
    for _ in range(1024):
        if pathlib.Path("tmp/stop").exists():
            break
        print("x" * 2**20)
""",
    "works": """
import pathlib
import time
import streamlit as st

def run():
    st.text("It works.")
    while not pathlib.Path("tmp/stop").exists():
        time.sleep(0.01)
    pathlib.Path("tmp/worked").touch()
""",
    "gives": """
import streamlit as st

def run():
    st.download_button("Take it", bytes(20 * 2**20), "zeros.bin")
""",
}


@pytest.fixture(scope="module")
def project(baked_project: BakedProject) -> BakedProject:
    for name, app in APPS.items():
        baked_project.write(f"apps/{name}.py", app)
    entries = [{"name": name.title(), "module": f"apps.{name}"} for name in APPS]
    baked_project.add_to_menu(*entries)
    return baked_project


@pytest.fixture(scope="module")
def built(project, nginx) -> Iterator[FakeDyno]:
    """The module's dyno. As on Heroku, it is started again when it has ended."""
    dyno = FakeDyno(project.path, nginx, SESSION_SECRET=SECRET)
    yield dyno
    dyno.stop()


@pytest.fixture
def open_app(request, client):
    """Open apps, each in a browser of its own. They are closed after the test."""

    def open_app(name: str) -> BrowserClient:
        browser = BrowserClient(client, name)
        request.addfinalizer(browser.close)
        browser.connect()
        return browser

    return open_app


@pytest.fixture
def other(open_app) -> BrowserClient:
    """Another user, who works while something happens."""
    return open_app("counts")


@pytest.fixture
def stop(dyno) -> Iterator[Path]:
    """A file that ends the apps which wait for it."""
    path = dyno.runtime / "stop"
    yield path
    path.unlink(missing_ok=True)


def shown_by(browser: BrowserClient, until: str | None = None) -> str:
    """Run the browser's app, to its end or until it shows a text; return what Streamlit sends."""
    return browser.client.run_in(browser.websocket, browser.page, until)


def set_constant(dyno: FakeDyno, file: str, name: str, value: int) -> str:
    """Return the file's text with another value of a constant."""
    text, count = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value}", dyno.read(file))
    assert count == 1
    return text


def nothing_is_left(dyno: FakeDyno) -> bool:
    """Wait until none of its processes runs."""
    wait_until(lambda: not dyno.processes(""), SHUTDOWN_TIMEOUT)
    return True


# -- What ends the dyno ------------------------------------------------------------------------

# What happens, and the last line of the log that the server writes.
FAULTS = {
    "killed": (
        lambda dyno: os.kill(dyno.workers[0], signal.SIGKILL),
        "Streamlit exited: signal 9 (Killed).",
    ),
    "hung": (
        lambda dyno: os.kill(dyno.workers[0], signal.SIGSTOP),
        "Streamlit has not answered for 3 s.",
    ),
    "unreachable": (
        lambda dyno: (dyno.runtime / "streamlit.socket").unlink(),
        "Streamlit has not answered for 2 s.",
    ),
    "nginx killed": (
        lambda dyno: os.kill(dyno.processes("nginx: master")[0], signal.SIGKILL),
        "bin/start-nginx exited; see the output above.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_dyno_ends_and_the_log_says_why(dyno, name):
    """And Heroku starts it again."""
    fault, reason = FAULTS[name]
    file = "apphub/server/worker_process.py"
    with ExitStack() as stack:
        if name == "hung":  # for three seconds here, for sixty on Heroku
            text = set_constant(dyno, file, "HEALTH_TIMEOUT", 3)
            stack.enter_context(dyno.changed(file, text))
            stack.enter_context(dyno.restarted())
        fault(dyno)
        assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) == 1
    errors = [line for line in dyno.log().splitlines() if line.startswith("at=error server")]
    assert errors[-1] == f"at=error server: {reason}"


# -- What an app may do ------------------------------------------------------------------------


def test_an_app_that_takes_all_memory_affects_no_other(dyno, other, open_app):
    """It fails, and gives back what it had. Where Heroku kills the process, that is "killed"."""
    _, first = other.run()
    [worker] = dyno.workers
    before = memory(worker, "VmRSS")
    assert "Greedy failed" in shown_by(open_app("greedy"))
    assert other.run() == (worker, first + 1)
    assert "app=greedy apps: MemoryError" in dyno.log_with("MemoryError")
    wait_until(lambda: memory(worker, "VmRSS") < before + 50 * MB)
    dyno.end()  # the limit would stay


def test_an_app_that_exits_ends_its_own_run_only(other, open_app):
    home, run = other.run()
    assert "This app called exit()" in shown_by(open_app("exits"))
    assert other.run() == (home, run + 1)


def test_an_app_that_loops_leaves_the_others_their_turn(dyno, other, open_app):
    """The dyno goes on, and ends when it has to."""
    file = "apphub/server/worker.py"
    short = set_constant(dyno, file, "SCRIPT_GRACE", 1)
    with dyno.changed(file, short), dyno.restarted():
        other.close()
        home, run = other.run()
        shown_by(open_app("loops"), "It loops.")
        for number in range(1, 4):
            assert other.run() == (home, run + number)
        os.killpg(dyno.session, signal.SIGTERM)
        assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0
        assert nothing_is_left(dyno)


def test_threads_that_never_end_do_not_delay_the_end(dyno, other, open_app):
    """Until then they cost memory."""
    home, run = other.run()
    [threads] = re.findall(r"<(\d+) threads>", shown_by(open_app("leaks")))
    assert int(threads) > 200
    assert other.run() == (home, run + 1)
    os.killpg(dyno.session, signal.SIGTERM)
    assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0
    assert nothing_is_left(dyno)


def test_an_app_that_prints_without_end(dyno, other, open_app, stop):
    """Others run meanwhile, and the output does not wait in memory."""
    [worker] = dyno.workers
    home, run = other.run()
    before = memory(worker, "VmRSS")
    shown_by(open_app("prints"), "It prints.")
    for number in range(1, 4):
        assert other.run() == (home, run + number)
    assert memory(worker, "VmRSS") < before + 50 * MB
    stop.touch()
    dyno.forget_log()


# -- What a dyno may run out of ----------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a disk of 64 kB in a folder's place."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*root, "mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "small", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mount requires root: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([*root, "umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write there until nothing more can be written."""
    full = pytest.raises(OSError, match="No space left on device")
    with (folder / "filler").open("wb", buffering=0) as file, full:
        while True:
            file.write(bytes(512))


def test_a_full_disk_stops_neither_pages_nor_files(dyno, client, request):
    """Nothing goes by way of the disk, and what nginx cannot log is lost."""
    dyno.end()
    (dyno.home / "logs").mkdir(exist_ok=True)
    with small_disk(dyno.runtime), small_disk(dyno.home / "logs"):
        dyno.start().wait()
        for folder in (dyno.runtime, dyno.home / "logs"):
            fill(folder)
        open_app = request.getfixturevalue("open_app")
        assert open_app("counts").run()[1] == 1
        gives = open_app("gives")
        shown = shown_by(gives)
        with upload(gives, session_number(shown), 5 * MB) as connection:
            connection.sendall(bytes(5 * MB) + LAST)
            assert connection.recv(12) == b"HTTP/1.1 204"
        response = client.request(find_media(shown), session=client.session)
        assert len(response.body) == 20 * MB
        dyno.end()


def test_a_menu_half_written(dyno, other):
    """The page says so, and continues when the file is whole."""
    assert "<process" in shown_by(other)
    menu = dyno.read("apps.json")
    with dyno.changed("apps.json", menu[: len(menu) // 2]):
        shown = shown_by(other)
    assert "The menu could not be loaded" in shown
    assert "apps.json" not in shown  # it is none of the visitor's business
    assert "The menu could not be loaded: apps.json" in dyno.log_with("The menu could")
    assert "<process" in shown_by(other)


# -- Beginning and end -------------------------------------------------------------------------


def test_users_that_cannot_be_read(dyno):
    """nginx is not started, and the log says why."""
    dyno.end()
    users = dyno.home / ".htpasswd"
    mode = users.stat().st_mode
    users.chmod(0)
    try:
        assert dyno.start().wait_for_end(SHUTDOWN_TIMEOUT) == 1
        assert "nginx was not started" in dyno.log()
        assert "Permission denied" in dyno.log()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", dyno.port))
    finally:
        users.chmod(mode)


def test_sigterm_gives_scripts_their_seconds(dyno, open_app, stop):
    """To each process at once, as Heroku sends it. The page that waits is disconnected."""
    file, line = "apphub/server/worker.py", "    deadline = time.monotonic() + SCRIPT_GRACE\n"
    source = dyno.read(file)
    assert line in source
    mark = "    (ROOT / 'tmp/waits').touch()\n"
    with dyno.changed(file, source.replace(line, mark + line)), dyno.restarted():
        works = open_app("works")
        shown_by(works, "It works.")
        os.killpg(dyno.session, signal.SIGTERM)
        with suppress(ConnectionClosed):
            while True:
                works.websocket.recv(timeout=SHUTDOWN_TIMEOUT)
        wait_until((dyno.runtime / "waits").exists)  # everything else has ended by now
        assert not (dyno.runtime / "worked").exists()
        stop.touch()
        assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0
        assert (dyno.runtime / "worked").exists()
        assert nothing_is_left(dyno)


def test_sigterm_cuts_an_upload_which_is_then_sent_again(dyno, other):
    """nginx closes all connections at once, and nothing can make it wait: the signal is its own."""
    number = session_number(shown_by(other))
    with upload(other, number, 20 * MB) as connection:
        connection.sendall(bytes(10 * MB))
        os.killpg(dyno.session, signal.SIGTERM)
        assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0
        assert nothing_is_left(dyno)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            connection.sendall(bytes(100 * MB))  # more than any buffer takes
    dyno.start().wait()
    other.close()
    other.connect()
    with upload(other, session_number(shown_by(other)), 20 * MB) as connection:
        connection.sendall(bytes(20 * MB) + LAST)
        assert connection.recv(12) == b"HTTP/1.1 204"


# -- Slow clients ------------------------------------------------------------------------------


def test_slow_clients_by_the_hundred(dyno, client, other, open_app):
    """Headers byte by byte, bodies that stall, readers that stop: the others are served."""
    home, run = other.run()
    media = find_media(shown_by(open_app("gives")))
    number = session_number(shown_by(other))
    before = memory_of(dyno)
    with ExitStack() as stack:
        headers = [stack.enter_context(client.connection()) for _ in range(100)]
        for connection in headers:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        bodies = [stack.enter_context(upload(other, number, 20 * MB)) for _ in range(100)]
        for connection in bodies:
            connection.sendall(bytes(10_000))
        readers = [stack.enter_context(client.connection()) for _ in range(100)]
        for connection in readers:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head(client, f"GET {media}"))
        for number in range(2, 5):
            for connection in headers:
                connection.sendall(b"x")
            assert other.run() == (home, run + number)
            assert client.request("/", session=client.session).status == 200
        assert all(is_open(connection) for connection in [*headers, *bodies, *readers])
        assert memory_of(dyno) < before + 50 * MB


def is_open(connection: socket.socket) -> bool:
    """Return whether the other side has not closed the connection."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True


# -- Requests ----------------------------------------------------------------------------------

LAST = b"\r\n--part--\r\n"  # of an upload


def head(client: HttpClient, line: str, *headers: str) -> bytes:
    """Return the head of a request of a user who has logged in."""
    lines = [f"{line} HTTP/1.1", f"Host: {client.host}", f"Cookie: {COOKIE}={client.session}"]
    return "\r\n".join([*lines, *client.routed(), *headers, "", ""]).encode()


def upload(browser: BrowserClient, session: str, size: int) -> socket.socket:
    """Begin to upload a file of so many bytes, all of which are still to be sent."""
    first = (
        b'--part\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    xsrf = browser.cookies["_streamlit_xsrf"]
    connection = browser.client.connection()
    connection.sendall(
        head(
            browser.client,
            f"PUT /_stcore/upload_file/{session}/{uuid4()}",
            f"Cookie: _streamlit_xsrf={xsrf}",
            f"X-Xsrftoken: {xsrf}",
            "Content-Type: multipart/form-data; boundary=part",
            f"Content-Length: {len(first) + size + len(LAST)}",
        )
        + first
    )
    return connection


def find_media(shown: str) -> str:
    """Return the path of the file that a page offers."""
    return re.search(r"/media/\w+\.bin", shown)[0]


# -- Memory ------------------------------------------------------------------------------------


def memory(process: int, field: str) -> int:
    """Return the bytes that a process takes, by the name in /proc."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


def memory_of(dyno: FakeDyno) -> int:
    """Return the bytes that Streamlit and nginx take."""
    return sum(memory(each, "RssAnon") for each in [*dyno.workers, *dyno.processes("nginx: ")])
