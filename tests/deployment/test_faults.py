"""What dies, hangs, fills up or is slow: the bound that holds, and what a user's browser shows.

Faults at the start are in test_boot.py and test_shut.py, those of one process among several in
test_replicas.py.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from uuid import uuid4

import pytest
import requests
from baked import AUTH, PASSWORD, USER
from browser import WHERE, Browser
from door import COOKIE, Door, session_number
from dyno import Dyno
from playwright.sync_api import Page, expect

MB = 2**20
SECRET = "a session secret of more than 32 characters"
APPS = {
    "counts": WHERE
    + '    st.button("Again")\n'
    + """
    file = st.file_uploader("A file")
    if file:
        st.text(f"{file.name}, {file.size} bytes")
""",
    "greedy": """
import resource
import streamlit as st

def run():
    if st.button("Take all"):
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (now + 600 * 2**20, resource.RLIM_INFINITY))
        kept = []
        while True:
            kept.append(bytearray(2**20))
""",
    "leaves": """
import sys
import streamlit as st

def run():
    if st.button("Leave"):
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
    threading.Thread(target=time.sleep, args=[3600]).start()
    st.text(f"<process 1, run {threading.active_count()}>")
""",
    "prints": """
import streamlit as st

def run():
    for _ in range(1024):
        print("x" * 2**20)
    st.text("<process 1, run 1>")
""",
    "works": """
import pathlib
import time
import streamlit as st

def run():
    st.text("It works.")
    time.sleep(3)
    pathlib.Path("worked").touch()
""",
    "gives": """
import streamlit as st

def run():
    st.download_button("Take it", bytes(20 * 2**20), "zeros.bin")
""",
}


@pytest.fixture(scope="module")
def hub(baked):
    for name, app in APPS.items():
        baked.write(f"apps/{name}.py", app)
    baked.add_to_menu(*({"name": name.title(), "module": f"apps.{name}"} for name in APPS))
    baked.set_constant("server.py", "LONGEST_SILENCE", 3)
    return baked


@pytest.fixture(scope="module")
def dyno_of_all(hub, nginx) -> Iterator[Dyno]:
    dyno = Dyno(hub.path, nginx, SESSION_SECRET=SECRET)
    yield dyno
    dyno.stop()


@pytest.fixture
def dyno(dyno_of_all: Dyno) -> Dyno:
    """One dyno for this module: as one of Heroku's it is started again when it has ended."""
    dyno_of_all.end()
    dyno_of_all.start().wait()
    return dyno_of_all


@pytest.fixture
def door(dyno) -> Door:
    return Door(dyno.url, {USER: PASSWORD}, router=True)


@pytest.fixture
def browser(door) -> Iterator[Browser]:
    """Somebody who works while something happens to others."""
    browser = Browser(door, "counts")
    yield browser
    browser.close()


@pytest.fixture
def page(dyno, door, chromium) -> Iterator[Page]:
    """A page in Chromium, of somebody who has logged in."""
    context = chromium.new_context(base_url=dyno.url)
    context.add_cookies(
        [{"name": COOKIE, "value": door.session, "url": dyno.url.replace("http", "https")}]
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    yield page
    context.close()


# -- What ends the dyno ------------------------------------------------------------------------

# What happens, in how many seconds the dyno has ended, and the last line of its log. It hangs for
# three seconds here (LONGEST_SILENCE), for sixty on Heroku.
FAULTS = {
    "killed": (
        lambda dyno: os.kill(dyno.replicas[0], signal.SIGKILL),
        2,
        "Streamlit has ended: signal 9 (Killed).",
    ),
    "hung": (
        lambda dyno: os.kill(dyno.replicas[0], signal.SIGSTOP),
        8,
        "Streamlit has not answered for 3 s.",
    ),
    "out of reach": (
        lambda dyno: (dyno.runtime / "streamlit.socket").unlink(),
        5,
        "Streamlit has not answered for 2 s.",
    ),
    "nginx killed": (
        lambda dyno: os.kill(dyno.processes("nginx: master")[0], signal.SIGKILL),
        2,
        "bin/start-nginx has ended: its reason stands above.",
    ),
}


@pytest.mark.parametrize(("fault", "bound", "told"), FAULTS.values(), ids=FAULTS.keys())
def test_the_dyno_ends_and_the_page_comes_back_by_itself(dyno, page, fault, bound, told):
    """The page says that there is no connection, as long as there is none."""
    page.goto("/counts")
    expect(page.get_by_text("run 1>")).to_be_visible()
    before = page.get_by_text("<process").inner_text()
    fault(dyno)
    assert dyno.wait_for_end(bound) != 0
    errors = [line for line in dyno.log().splitlines() if line.startswith("at=error server")]
    assert errors[-1] == f"at=error server: {told}"
    dyno.end()
    expect(page.get_by_role("dialog")).to_contain_text("Connection error", timeout=20_000)
    expect(page.get_by_text(before)).to_be_visible()
    dyno.start().wait()  # as Heroku does
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=20_000)
    page.get_by_role("button", name="Again").click()
    expect(page.get_by_text(before)).to_have_count(0)
    expect(page.get_by_text("run 1>")).to_be_visible()


def test_nginxs_workers_are_replaced(dyno, page):
    """The page is connected again before its user sees anything, in the session that it had."""
    page.goto("/counts")
    expect(page.get_by_text("run 1>")).to_be_visible()
    with page.expect_websocket():
        for worker in dyno.processes("nginx: worker"):
            os.kill(worker, signal.SIGKILL)
    page.get_by_role("button", name="Again").click()
    expect(page.get_by_text("run 2>")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(dyno.processes("nginx: worker")) == 8


# -- What an app may do ------------------------------------------------------------------------


def test_who_takes_all_memory_takes_it_from_nobody_else(dyno, page, browser):
    """The app fails, and gives back what it had. Where Heroku takes the process, it is killed."""
    _, first = browser.run()
    [replica] = dyno.replicas
    before = taken(replica, "VmRSS")
    page.goto("/greedy")
    page.get_by_role("button", name="Take all").click()
    expect(page.get_by_test_id("stMain")).to_contain_text("Greedy has failed")
    assert browser.run() == (replica, first + 1)
    assert "app=greedy apps: MemoryError" in dyno.log_with("MemoryError")
    assert taken(replica, "VmRSS") < before + 100 * MB


def test_an_app_that_leaves_ends_its_run_and_nothing_else(dyno, page, browser):
    home, run = browser.run()
    page.goto("/leaves")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_test_id("stMain")).to_contain_text("This app ended itself")
    assert browser.run() == (home, run + 1)


def test_an_app_that_loops_for_ever_leaves_the_others_their_turn(dyno, page, browser):
    browser.run()
    page.goto("/loops")
    expect(page.get_by_text("It loops.")).to_be_visible()
    took = [seconds(browser.run) for _ in range(5)]
    assert max(took) < 5
    assert dyno.server  # it is no silence
    os.killpg(dyno.session, signal.SIGTERM)
    dyno.wait_for_end(25)
    assert nothing_left(dyno)


def test_threads_that_never_end(dyno, browser, door):
    """They cost memory until the dyno ends, which they do not hold up."""
    browser.run()
    leaks = Browser(door, "leaks")
    for _ in range(200):
        _, threads = leaks.run()
    assert threads > 200
    assert seconds(browser.run) < 2
    leaks.close()
    os.killpg(dyno.session, signal.SIGTERM)
    dyno.wait_for_end(25)
    assert nothing_left(dyno)


def test_an_app_that_prints_a_gigabyte(dyno, browser, door):
    [replica] = dyno.replicas
    browser.run()
    before = taken(replica, "VmRSS")
    prints = Browser(door, "prints")
    thread = threading.Thread(target=prints.run)
    thread.start()
    took = []
    while thread.is_alive():
        took.append(seconds(browser.run))
    dyno.forget_log()
    assert max(took) < 2
    assert taken(replica, "VmRSS") < before + 50 * MB
    prints.close()


# -- What a dyno may run out of ----------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a disk of 64 kB in a folder's place."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*root, "mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "small", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mount wants root: {mounted.stderr.strip()}")
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


def test_a_full_disk_stops_neither_pages_nor_files(dyno, page):
    """Nothing goes by way of the disk, and what nginx cannot log is lost."""
    dyno.end()
    (dyno.home / "logs").mkdir(exist_ok=True)
    with small_disk(dyno.runtime), small_disk(dyno.home / "logs"):
        dyno.start().wait()
        for folder in (dyno.runtime, dyno.home / "logs"):
            fill(folder)
        page.goto("/counts")
        expect(page.get_by_text("run 1>")).to_be_visible()
        file = {"name": "a.bin", "mimeType": "application/octet-stream", "buffer": bytes(5 * MB)}
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
        expect(page.get_by_text("a.bin, 5242880 bytes")).to_be_visible()
        page.goto("/gives")
        with page.expect_download() as download:
            page.get_by_role("button", name="Take it").click()
        assert download.value.path().stat().st_size == 20 * MB
        dyno.end()


def test_a_menu_half_written(dyno, page):
    """The page says so, and goes on with the next click when the file is whole."""
    menu = dyno.home / "apps.json"
    whole = menu.read_text("utf-8")
    page.goto("/counts")
    expect(page.get_by_text("run 1>")).to_be_visible()
    menu.write_text(whole[: len(whole) // 2])
    try:
        page.get_by_role("button", name="Again").click()
        expect(page.get_by_test_id("stMain")).to_contain_text("The menu needs mending")
    finally:
        menu.write_text(whole)
    page.reload()
    expect(page.get_by_text("run 1>")).to_be_visible()


# -- Beginning and end -------------------------------------------------------------------------


def test_a_start_of_fifty_seconds(hub, nginx):
    """Nobody is answered before it is ready, so nobody by a 5xx; Heroku's router waits as well."""
    hub.change("replica.py", "import asyncio\n", "import asyncio\nimport time as t; t.sleep(49)\n")
    dyno = Dyno(hub.path, nginx)
    try:
        dyno.start()
        answers = []
        while time.monotonic() - dyno.started < 60 and len(answers) < 20:
            with suppress(requests.ConnectionError):
                answers.append(requests.get(dyno.url, auth=AUTH).status_code)
            time.sleep(0.05)
        assert set(answers) == {200}
        assert time.monotonic() - dyno.started > 49
    finally:
        dyno.stop()
        hub.change("replica.py", "import time as t; t.sleep(49)\n", "")


def test_users_who_cannot_be_read(dyno):
    """The door stays shut, and the log says why."""
    dyno.end()
    users = dyno.home / ".htpasswd"
    users.chmod(0)
    try:
        assert dyno.start().wait_for_end(10) == 1
        assert "The door stays shut: Permission denied" in dyno.log()
        with pytest.raises(requests.ConnectionError):
            requests.get(dyno.url)
    finally:
        users.chmod(0o644)


def test_sigterm_to_all_gives_scripts_their_seconds(dyno, page):
    """To each process at once, as Heroku sends it. Whoever waits for the script is cut off."""
    page.goto("/works")
    expect(page.get_by_text("It works.")).to_be_visible()
    os.killpg(dyno.session, signal.SIGTERM)
    begun = time.monotonic()
    assert dyno.wait_for_end(20) != 0
    assert time.monotonic() - begun < 10
    assert (dyno.home / "worked").exists()
    assert nothing_left(dyno)


def test_sigterm_to_all_cuts_an_upload_which_is_then_sent_anew(dyno, door, browser):
    """nginx hangs up at once, and nothing can make it wait: the signal is its own."""
    with upload(door, browser, 20 * MB) as connection:
        connection.sendall(bytes(10 * MB))
        os.killpg(dyno.session, signal.SIGTERM)
        with pytest.raises(OSError):
            for _ in range(100):
                connection.sendall(bytes(MB // 10))
                time.sleep(0.02)
    dyno.wait_for_end(20)
    assert nothing_left(dyno)
    dyno.start().wait()
    browser.close()
    with upload(door, browser, 20 * MB) as connection:
        connection.sendall(bytes(20 * MB) + LAST)
        assert connection.recv(12) == b"HTTP/1.1 204"


# -- Slow clients ------------------------------------------------------------------------------


def test_slow_clients_by_the_hundred(dyno, door, browser):
    """Headers a byte a second, bodies that stall, readers that stop: the others notice nothing."""
    browser.run()
    file = re.search(r"/media/\w+\.bin", door.run("gives", f"Cookie: {COOKIE}={door.session}"))[0]
    before = memory(dyno)
    with ExitStack() as stack:
        headers = [stack.enter_context(door.connection()) for _ in range(100)]
        for connection in headers:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(100):
            stack.enter_context(upload(door, browser, 20 * MB)).sendall(bytes(10_000))
        for _ in range(100):
            reader = stack.enter_context(door.connection())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(request(door, f"GET {file}"))
        took = []
        for _ in range(10):
            for connection in headers:
                connection.sendall(b"x")
            until = time.monotonic() + 1
            took.append(seconds(browser.run))
            took.append(seconds(lambda: door.ask("/", session=door.session)))
            time.sleep(max(0, until - time.monotonic()))
        assert median(took) < 0.2
        assert max(took) < 3
        assert memory(dyno) < before + 50 * MB


LAST = b"\r\n--part--\r\n"  # of an upload


# -- Words -------------------------------------------------------------------------------------


def request(door: Door, line: str, *headers: str) -> bytes:
    """Return the head of a request of somebody who has logged in."""
    lines = [f"{line} HTTP/1.1", f"Host: {door.host}", f"Cookie: {COOKIE}={door.session}"]
    return "\r\n".join([*lines, *door.routed(), *headers, "", ""]).encode()


def upload(door: Door, browser: Browser, size: int) -> socket.socket:
    """Begin to upload a file of so many bytes: all of it is still to be sent."""
    if not browser.websocket:
        browser.connect()
    shown = door.run_in(browser.websocket, browser.page)
    number = session_number(shown)
    first = (
        b'--part\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    xsrf = browser.cookies["_streamlit_xsrf"]
    head = request(
        door,
        f"PUT /_stcore/upload_file/{number}/{uuid4()}",
        f"Cookie: _streamlit_xsrf={xsrf}",
        f"X-Xsrftoken: {xsrf}",
        "Content-Type: multipart/form-data; boundary=part",
        f"Content-Length: {len(first) + size + len(LAST)}",
    )
    connection = door.connection()
    connection.sendall(head + first)
    return connection


def seconds(act: Callable[[], object]) -> float:
    """Return how long it takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def taken(process: int, field: str) -> int:
    """Return the bytes that a process takes, by the name in /proc."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


def memory(dyno: Dyno) -> int:
    """Return the bytes that Streamlit and nginx take."""
    return sum(taken(each, "RssAnon") for each in [*dyno.replicas, *dyno.processes("nginx: ")])


def nothing_left(dyno: Dyno) -> bool:
    """Say whether none of its processes runs, half a second later."""
    time.sleep(0.5)
    return not dyno.processes("")
