"""Several processes of Streamlit in one dyno: who goes to which, and what when one is gone."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from baked import PASSWORD, USER
from browser import WHERE, Browser
from door import Door
from dyno import BuildFailed, Dyno
from playwright.sync_api import expect


@pytest.fixture
def start(project, nginx):
    """Start the project with an app that says where it runs; it is gone after the test."""
    with ExitStack() as stack:

        def start(processes: int = 2, app: str = WHERE, **changes: str) -> Dyno:
            project.write("apps/sales_report.py", app)
            for name, value in changes.items():
                project.set_constant("server.py", name, value)
            dyno = Dyno(project.path, nginx, STREAMLIT_PROCESSES=str(processes))
            return stack.enter_context(dyno)

        yield start


@pytest.fixture
def browsers(request):
    """Make browsers; they are closed after the test."""

    def browsers(dyno: Dyno, count: int) -> list[Browser]:
        door = Door(dyno.url, {USER: PASSWORD}, router=True)
        made = [Browser(door) for _ in range(count)]
        for browser in made:
            request.addfinalizer(browser.close)
        return made

    return browsers


def wait_for_another(dyno: Dyno, index: int, gone: int, seconds: float = 20) -> int:
    """Wait until another process answers in the place of the one that has gone."""
    until = time.monotonic() + seconds
    path = dyno.runtime / ("streamlit.2.socket" if index else "streamlit.socket")
    while time.monotonic() < until:
        time.sleep(0.05)
        replicas = dyno.replicas
        if gone in replicas or len(replicas) < 2:
            continue  # what is connected to now would be the old one
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return replicas[index]
    raise TimeoutError(dyno.log())


def test_alone_it_needs_no_cookie(start, browsers):
    [browser] = browsers(start(processes=1), 1)
    assert set(browser.cookies) == {"__Host-session", "_streamlit_xsrf"} & set(browser.cookies)
    browser.cookies["__Host-process"] = "1"  # from a day when there were two
    assert browser.run()[1] == 1


def test_a_browser_stays_where_its_session_is(start, browsers):
    dyno = start(processes=3)
    replicas = dyno.replicas
    assert len(replicas) == 3
    seen = Counter()
    for browser in browsers(dyno, 12):
        home, _ = browser.run()
        seen[home] += 1
        assert browser.cookies["__Host-process"] == str(replicas.index(home) + 1)
        for _ in range(4):  # other tabs, and what the page loads
            tab = browser.new_tab()
            assert tab.run() == (home, 1)
            tab.close()
        assert browser.run() == (home, 2)
    assert seen == {replica: 4 for replica in replicas}  # each has its turn


def test_who_keeps_no_cookie_gets_in_as_well(start, browsers):
    dyno = start()
    door = Door(dyno.url, {USER: PASSWORD}, router=True)
    assert "<process" in door.run("sales_report", door.password_of())
    for forged in ("3", "0", "99999999999999999999", "one", "streamlit", ""):
        answer = door.ask("/", "GET", door.password_of(), f"Cookie: __Host-process={forged}")
        assert answer.status == 200
        assert [c for c in answer.all("set-cookie") if c.startswith("__Host-process=")]


def test_the_cookie_is_for_those_inside(start):
    dyno = start()
    door = Door(dyno.url, {USER: PASSWORD}, router=True)
    assert door.ask("/").all("set-cookie") == []
    [cookie] = [c for c in door.ask(session=door.session).all("set-cookie") if "process" in c]
    assert cookie.partition("; ")[2] == "Path=/; Secure; HttpOnly; SameSite=Lax"


def test_fifty_browsers_and_one_process_is_killed(start, browsers):
    """No session is lost but those that were in it, and these are back within three seconds."""
    dyno = start()
    first, second = dyno.replicas
    homes = {browser: browser.run()[0] for browser in browsers(dyno, 50)}
    before = dict(homes)
    assert Counter(homes.values()) == {first: 25, second: 25}
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    lost = [browser for browser, home in before.items() if home == first]
    with ThreadPoolExecutor(len(lost)) as pool:
        for browser, (home, run) in zip(
            lost, pool.map(lambda b: b.run_again(3), lost), strict=True
        ):
            homes[browser] = home
            assert run == 1
    assert time.monotonic() - killed < 3
    for browser, home in before.items():
        if home == second:
            assert browser.run() == (second, 2)
    # The next one in its place is for those who come. Who had to move stays where the session is.
    third = wait_for_another(dyno, 0, first)
    assert third in {browser.run()[0] for browser in browsers(dyno, 2)}
    for browser, home in homes.items():
        assert browser.run() == (home, 2 if before[browser] == first else 3)
    log = dyno.log()
    assert (
        "Streamlit 1 of 2 has ended: signal 9 (Killed). Streamlit 1 of 2 is started again." in log
    )


FAULTS = {
    "killed": lambda dyno, replica: os.kill(replica, signal.SIGKILL),
    "ended": lambda dyno, replica: os.kill(replica, signal.SIGTERM),
    "hung": lambda dyno, replica: os.kill(replica, signal.SIGSTOP),
    "out of reach": lambda dyno, replica: (dyno.runtime / "streamlit.2.socket").unlink(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_happens_to_one_another_takes_its_place(start, browsers, fault):
    dyno = start(LONGEST_SILENCE="3")
    before = dyno.replicas
    moved = next(browser for browser in browsers(dyno, 2) if browser.run()[0] == before[1])
    fault(dyno, before[1])
    after = wait_for_another(dyno, 1, before[1])
    assert dyno.replicas == [before[0], after]
    moved.close()
    assert moved.run() == (after, 1)
    assert "Streamlit 2 of 2 is started again." in dyno.log()


BREAKS = "import pathlib\nif pathlib.Path('broken').exists():\n    {}raise ZeroDivisionError\n"


def test_one_that_will_not_start_twice_in_a_row_ends_the_dyno(project, start):
    project.change("replica.py", "ROOT =", BREAKS.format("") + "ROOT =")
    dyno = start()
    (dyno.home / "broken").touch()
    os.kill(dyno.replicas[1], signal.SIGKILL)
    assert dyno.wait_for_end(10) == 1
    log = dyno.log()
    assert log.count("Streamlit 2 of 2 is started again.") == 2
    assert log.count("ZeroDivisionError") >= 2
    assert log.strip().splitlines()[-1] == "ZeroDivisionError"


def test_one_that_starts_the_second_time_stays(project, start, browsers):
    once = BREAKS.format("pathlib.Path('broken').unlink()\n    ")
    project.change("replica.py", "ROOT =", once + "ROOT =")
    dyno = start()
    for _ in range(3):
        gone = dyno.replicas[1]
        (dyno.home / "broken").touch()
        os.kill(gone, signal.SIGKILL)
        new = wait_for_another(dyno, 1, gone)
        assert new in {browser.run()[0] for browser in browsers(dyno, 2)}


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5", "100", " 2", "²", ""])
def test_a_number_that_is_none(project, nginx, given):
    with pytest.raises(BuildFailed, match="STREAMLIT_PROCESSES is no whole number"):
        Dyno(project.path, nginx, STREAMLIT_PROCESSES=given)
    dyno = Dyno(project.path, nginx)
    try:
        dyno._environment["STREAMLIT_PROCESSES"] = given
        assert dyno.start().wait_for_end(5) == 1
        assert f"STREAMLIT_PROCESSES is {given!r}: it must be a number from 1 to 99." in dyno.log()
    finally:
        dyno.stop()


# The download does not run the app again: a run that begins may lose the next upload (test_dynos).
FILES = """
import os
import streamlit as st

def run():
    st.text(f"Process {os.getpid()}")
    st.text(f"Hello {st.text_input('Name')}.")
    file = st.file_uploader("A file")
    if file:
        st.download_button(
            f"Give {file.name} back", file.getvalue(), file.name, on_click="ignore"
        )
"""


def test_a_page_whose_process_is_gone_goes_on_in_another(start, chromium):
    """In a real browser: what was shown and filled in stays, and the next click runs elsewhere."""
    dyno = start(app=FILES)
    context = chromium.new_context(
        base_url=dyno.url, http_credentials={"username": USER, "password": PASSWORD}
    )
    page = context.new_page()
    page.goto("/sales_report")

    def fill_in(name: str) -> int:
        """Fill in the name, and return the number of the process that has greeted it."""
        page.get_by_label("Name").fill(name)
        page.get_by_label("Name").press("Enter")
        page.get_by_text(f"Hello {name}.").wait_for()
        return int(page.get_by_text(re.compile(r"^Process \d+$")).inner_text().split()[1])

    def take_a_file_there_and_back(content: bytes) -> None:
        name = f"{len(content)}.bin"
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Give {name} back").click()
        assert Path(download.value.path()).read_bytes() == content

    first = fill_in("Ann")
    take_a_file_there_and_back(b"one" * 9999)
    with page.expect_websocket(timeout=3000):
        os.kill(first, signal.SIGKILL)
    expect(page.get_by_text("Hello Ann.")).to_be_visible()
    expect(page.get_by_text("29997.bin", exact=True)).to_be_visible()
    second = fill_in("Ann Again")
    assert second != first
    expect(page.get_by_role("button", name="back")).to_have_count(0)  # the file was there
    wait_for_another(dyno, 0 if dyno.replicas[0] != second else 1, first)
    for number in range(3):
        take_a_file_there_and_back(b"two" * (9999 + number))
    assert fill_in("Bob") == second
    context.close()
