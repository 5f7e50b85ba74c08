"""Several workers in one dyno: which browser goes to which, and what when one exits.

What a page in a browser shows of it: tests/browser/test_reconnect.py.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from browser_client import WHERE, BrowserClient
from fake_dyno import FakeDyno, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject

WORKER = "apphub/server/worker.py"
WORKER_PROCESS = "apphub/server/worker_process.py"


@pytest.fixture(scope="module")
def project(baked_project: BakedProject) -> BakedProject:
    """The project with an app that shows where it runs."""
    baked_project.write("apps/sales_report.py", WHERE)
    return baked_project


@pytest.fixture(scope="module")
def built(project, nginx) -> Iterator[FakeDyno]:
    """The module's dyno, with two workers."""
    dyno = FakeDyno(project.path, nginx, STREAMLIT_PROCESSES="2")
    yield dyno
    dyno.stop()


def wait_for_another(dyno: FakeDyno, index: int, gone: int) -> int:
    """Wait until another process answers in the place of the one that has gone."""
    wait_until(lambda: dyno.has_replaced(index, gone))
    return dyno.workers[index]


# -- Which worker ------------------------------------------------------------------------------


def test_a_browser_stays_at_its_worker(dyno, browsers):
    workers = dyno.workers
    assert len(workers) == 2
    seen = Counter()
    for browser in browsers(6):
        home, _ = browser.run()
        seen[home] += 1
        assert browser.cookies["__Host-process"] == str(workers.index(home) + 1)
        for _ in range(3):  # other tabs, and what the page loads
            tab = browser.new_tab()
            assert tab.run() == (home, 1)
            tab.close()
        assert not browser.request("/").all("set-cookie")  # it has the right one
        assert browser.run() == (home, 2)
    assert seen == dict.fromkeys(workers, 3)  # they take turns


def test_a_browser_without_a_valid_process_cookie_gets_one(client):
    assert "<process" in client.run("sales_report", f"Cookie: __Host-session={client.session}")
    for forged in ("3", "0", "99999999999999999999", "one", "streamlit", ""):
        cookie = f"Cookie: __Host-process={forged}"
        response = client.request("/", "GET", cookie, session=client.session)
        assert response.status == 200
        [cookie] = [c for c in response.all("set-cookie") if c.startswith("__Host-process=")]
        assert cookie.partition("; ")[2] == "Path=/; Secure; HttpOnly; SameSite=Lax"


def test_only_users_get_the_process_cookie(client):
    assert client.request("/").all("set-cookie") == []


# -- A worker that exits -----------------------------------------------------------------------


def test_fifty_browsers_and_one_worker_is_killed(dyno, browsers):
    """Only the sessions in it are lost, and their browsers go on in the other one at once."""
    first, second = dyno.workers
    homes = {browser: browser.run()[0] for browser in browsers(50)}
    before = dict(homes)
    assert Counter(homes.values()) == {first: 25, second: 25}
    lost = [browser for browser, home in before.items() if home == first]
    # "At once": the next process in its place cannot be there before they are.
    with dyno.held_workers() as gate, ThreadPoolExecutor(len(lost)) as pool:
        os.kill(first, signal.SIGKILL)
        moved = dict(zip(lost, pool.map(BrowserClient.run_again, lost), strict=True))
        assert set(moved.values()) == {(second, 1)}
        gate.open()
        third = wait_for_another(dyno, 0, first)
    homes |= {browser: home for browser, (home, _) in moved.items()}
    # It is for new browsers. Those that moved stay where their session is now.
    assert third in {browser.run()[0] for browser in browsers(2)}
    for browser, home in homes.items():
        assert browser.run() == (home, 2)
    message = "Streamlit 1 of 2 exited: signal 9 (Killed). Restarting Streamlit 1 of 2."
    assert message in dyno.log()


FAULTS = {
    "exited": lambda dyno, worker: os.kill(worker, signal.SIGTERM),
    "unreachable": lambda dyno, _: (dyno.runtime / "streamlit.2.socket").unlink(),
    "hung": lambda dyno, worker: os.kill(worker, signal.SIGSTOP),
}


@pytest.mark.parametrize("fault", FAULTS.keys())
def test_another_process_replaces_a_worker(project, dyno, browsers, fault):
    source = project.read(WORKER_PROCESS)
    assert "HEALTH_TIMEOUT = 60 " in source
    short = source.replace("HEALTH_TIMEOUT = 60 ", "HEALTH_TIMEOUT = 3 ")
    with ExitStack() as stack:
        if fault == "hung":
            stack.enter_context(dyno.changed(WORKER_PROCESS, short))
            stack.enter_context(dyno.restarted())
        before = dyno.workers
        moved = next(browser for browser in browsers(2) if browser.run()[0] == before[1])
        FAULTS[fault](dyno, before[1])
        after = wait_for_another(dyno, 1, before[1])
        assert dyno.workers == [before[0], after]
        moved.close()
        assert moved.run() == (after, 1)
        assert "Restarting Streamlit 2 of 2." in dyno.log()


BREAKS = "import pathlib\nif pathlib.Path('tmp/broken').exists():\n    {}raise ZeroDivisionError\n"


def test_a_worker_that_starts_the_second_time_stays(project, dyno, browsers):
    once = BREAKS.format("pathlib.Path('tmp/broken').unlink()\n    ")
    source = project.read(WORKER).replace("REQUEST_GRACE =", f"{once}REQUEST_GRACE =")
    with dyno.changed(WORKER, source):
        for _ in range(2):  # each failed start is the first one
            gone = dyno.workers[1]
            dyno.forget_log()
            (dyno.runtime / "broken").touch()
            os.kill(gone, signal.SIGKILL)
            new = wait_for_another(dyno, 1, gone)
            name = "Streamlit 2 of 2"
            for reason in ("exited: signal 9 (Killed).", "exited while it started: status 1."):
                assert dyno.log().count(f"{name} {reason} Restarting {name}.") == 1
            assert new in {browser.run()[0] for browser in browsers(2)}


def test_a_worker_that_fails_to_start_twice_in_a_row_ends_the_dyno(project, dyno):
    source = project.read(WORKER).replace("REQUEST_GRACE =", f"{BREAKS.format('')}REQUEST_GRACE =")
    with dyno.changed(WORKER, source):
        dyno.forget_log()
        (dyno.runtime / "broken").touch()
        os.kill(dyno.workers[1], signal.SIGKILL)
        assert dyno.wait_for_end(60) == 1
    log = dyno.log()
    assert log.count("Restarting Streamlit 2 of 2.") == 2
    assert log.count("ZeroDivisionError") >= 2
    assert log.strip().splitlines()[-1] == "ZeroDivisionError"


# -- One worker, or three ----------------------------------------------------------------------


def test_one_worker_needs_no_cookie(dyno, browsers):
    with dyno.restarted(STREAMLIT_PROCESSES="1"):
        [browser] = browsers(1)
        assert set(browser.cookies) <= {"__Host-session", "_streamlit_xsrf"}
        browser.cookies["__Host-process"] = "2"  # from when there were two
        assert browser.run()[1] == 1


def test_three_workers_take_turns(dyno, browsers):
    with dyno.restarted(STREAMLIT_PROCESSES="3"):
        seen = Counter(browser.run()[0] for browser in browsers(6))
        assert seen == dict.fromkeys(dyno.workers, 2)
