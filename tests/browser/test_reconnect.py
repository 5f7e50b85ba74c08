"""What a page shows when its dyno, its worker or nginx exits, and how it continues."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_client import WHERE
from fake_dyno import FakeDyno, wait_until
from playwright.sync_api import Page, expect
from streamlit_page import choose_file, logged_in, wait_until_connected, wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject

SECRET = "a session secret of more than 32 characters"
COUNTS = WHERE + '    st.button("Again")\n'
# The download does not run the app again.
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


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    baked_project.write("apps/sales_report.py", COUNTS)
    baked_project.write("apps/churn_explorer.py", FILES)
    environment = {"STREAMLIT_PROCESSES": "2", "SESSION_SECRET": SECRET}
    with FakeDyno(baked_project.path, nginx, **environment) as dyno:
        yield dyno


@pytest.fixture
def dyno(built: FakeDyno) -> FakeDyno:
    """The module's dyno with two workers, running."""
    return built.ensure_up()


@pytest.fixture
def page(dyno, chromium) -> Iterator[Page]:
    with logged_in(chromium, dyno.url) as context:
        yield context.new_page()


def test_a_dyno_ends_and_the_page_comes_back_by_itself(dyno, page):
    """The page says that there is no connection, as long as there is none.

    Which faults end a dyno: tests/dyno/test_resilience.py.
    """
    page.goto("/sales_report")
    expect(page.get_by_text("run 1>")).to_be_visible()
    before = page.get_by_text("<process").inner_text()
    dyno.end()
    expect(page.get_by_role("dialog")).to_contain_text("Connection error")
    expect(page.get_by_text(before)).to_be_visible()
    dyno.start().wait()  # as Heroku does
    expect(page.get_by_role("dialog")).to_have_count(0)
    wait_until_connected(page)
    page.get_by_role("button", name="Again").click()
    expect(page.get_by_text(before)).to_have_count(0)
    expect(page.get_by_text("run 1>")).to_be_visible()


def test_nginxs_workers_are_replaced(dyno, page):
    """The page is connected again before its user sees anything, in the session that it had."""
    page.goto("/sales_report")
    expect(page.get_by_text("run 1>")).to_be_visible()
    wait_until_settled(page)
    wait_until(lambda: len(dyno.processes("nginx: worker")) == 8)
    workers = dyno.processes("nginx: worker")
    with page.expect_websocket():
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
    wait_until_connected(page)
    page.get_by_role("button", name="Again").click()
    expect(page.get_by_text("run 2>")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    wait_until(lambda: len({*dyno.processes("nginx: worker")} - {*workers}) == 8)


def test_a_page_whose_worker_is_killed_continues_in_another(dyno, page):
    """What was shown and filled in stays, and the next click runs elsewhere."""
    page.goto("/churn_explorer")

    def fill_in(name: str) -> int:
        """Fill in the name, and return the number of the process that has greeted it."""
        page.get_by_label("Name").fill(name)
        page.get_by_label("Name").press("Enter")
        page.get_by_text(f"Hello {name}.").wait_for()
        return int(page.get_by_text(re.compile(r"^Process \d+$")).inner_text().split()[1])

    def upload_and_download(content: bytes) -> None:
        name = f"{len(content)}.bin"
        choose_file(page, name, content)
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Give {name} back").click()
        assert Path(download.value.path()).read_bytes() == content

    first = fill_in("Ann")
    upload_and_download(b"one" * 9999)
    wait_until_settled(page)
    workers = dyno.workers
    with dyno.held_workers() as gate:  # or else the next process might be there before the page
        with page.expect_websocket():
            os.kill(first, signal.SIGKILL)
        wait_until_connected(page)
        expect(page.get_by_text("Hello Ann.")).to_be_visible()
        expect(page.get_by_text("29997.bin", exact=True)).to_be_visible()
        second = fill_in("Ann Again")
        assert {first, second} == set(workers)
        expect(page.get_by_role("button", name="back")).to_have_count(0)  # the file was there
        # The next process in the first one's place does not take the page back.
        gate.open()
        wait_until(lambda: dyno.has_replaced(workers.index(first), first))
    for number in range(3):
        upload_and_download(b"two" * (9999 + number))
    assert fill_in("Bob") == second
