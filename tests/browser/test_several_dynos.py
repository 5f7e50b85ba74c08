"""Several dynos behind Heroku's router, in a browser: files, and a dyno that goes away."""

from __future__ import annotations

import random
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, running_dynos
from fakes.router import COOKIE as AFFINITY
from fakes.router import Router
from http_client import RoutedClient
from playwright.sync_api import Browser, Page, expect
from streamlit_page import choose_file, heading, logged_in, wait_until_connected, wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

# An app that takes a picture, shows it, and gives it back: each is a request of its own.
PICTURES = """
import os
import streamlit as st

def run():
    st.title("Pictures")
    st.text(f"process {os.getpid()}")
    st.text(f"slider at {st.slider('Slider', 0, 9)}")
    file = st.file_uploader("A picture", key="picture")
    if file:
        st.text(f"{file.name} is there")
        st.image(file.getvalue())
        st.download_button(
            f"Take {file.name} back", file.getvalue(), file.name, on_click="ignore"
        )
"""


def picture(number: int) -> bytes:
    """Return a picture that no other number has."""
    return b"P6 %d 1 255\n" % (number + 1) + bytes(3 * (number + 1))


@pytest.fixture(scope="module")
def dynos(baked_project: BakedProject, nginx: str) -> Iterator[list[FakeDyno]]:
    """Two dynos with two workers each, and one secret."""
    baked_project.write("apps/sales_report.py", PICTURES)
    baked_project.trust_the_tests()
    environment = {"STREAMLIT_PROCESSES": "2", "SESSION_SECRET": "s" * 32}
    with running_dynos(baked_project.path, nginx, **environment) as dynos:
        yield dynos


@pytest.fixture
def router(dynos) -> Iterator[Router]:
    """The router before them, with session affinity."""
    with Router(dynos, affinity=True) as router:
        yield router


@contextmanager
def open_page(chromium: Browser, router: Router) -> Iterator[Page]:
    """Open the app for a user who has logged in, and whose browser has no password to send."""
    client = RoutedClient(router, {USER: PASSWORD})
    with logged_in(chromium, router.url, client=client) as context:
        page = context.new_page()
        page.goto("/sales_report")
        expect(heading(page, "Pictures")).to_be_visible()
        yield page


def home_of(page: Page, router: Router) -> FakeDyno:
    """Return the dyno that the page's cookie leads to, and see that its session is there."""
    [cookie] = [each for each in page.context.cookies() if each["name"] == AFFINITY]
    assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
    home = router.dyno_of(cookie["value"])
    shown = page.get_by_text("process ").inner_text()
    assert int(shown.removeprefix("process ")) in home.workers
    return home


def upload(page: Page, number: int) -> int:
    """Give the app a picture, and return the status of the request that brings it."""
    with page.expect_response(
        lambda each: "/_stcore/upload_file/" in each.url and each.request.method == "PUT"
    ) as uploaded:
        choose_file(page, f"{number}.ppm", picture(number), "image/x-portable-pixmap")
    return uploaded.value.status


def upload_and_download(page: Page, number: int) -> None:
    """Upload a picture, see it, and download it."""
    assert upload(page, number) == 204
    expect(page.get_by_text(f"{number}.ppm is there")).to_be_visible()
    expect(page.get_by_test_id("stImage").locator("img")).to_have_js_property(
        "naturalWidth", number + 1
    )
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Take {number}.ppm back").click()
    assert download.value.path().read_bytes() == picture(number)


def move_the_slider(page: Page) -> None:
    """Move the slider by one, once it is enabled, and see the app answer."""
    wait_until_connected(page)
    shown = page.get_by_text("slider at ")
    value = int(shown.inner_text().removeprefix("slider at ")) + 1
    page.get_by_role("slider").press("ArrowRight")
    expect(shown).to_have_text(f"slider at {value}")


def test_files_come_and_go(router, chromium):
    for _ in range(2):
        with open_page(chromium, router) as page:
            for number in range(3):
                upload_and_download(page, number)
            home_of(page, router)


def test_an_open_page_moves_on_by_itself(router, chromium):
    """It is connected to the other dyno at once, and runs there with the next click."""
    with open_page(chromium, router) as page, ExitStack() as stack:
        refused = []
        page.on("response", lambda each: refused.append(each) if each.status == 401 else None)
        home = home_of(page, router)
        upload_and_download(page, 1)
        wait_until_settled(page)
        with page.expect_websocket():
            stack.enter_context(home.shut_down())
        move_the_slider(page)
        assert home_of(page, router) is not home
        upload_and_download(page, 2)
        stack.close()
        upload_and_download(page, 3)
        assert home_of(page, router) is not home
        assert not refused


def test_without_affinity_some_files_fail(dynos, chromium, monkeypatch):
    """What the README warns of: the page works, but its uploads go to any of the dynos."""
    first, second = dynos
    order = [first, second]  # in which the router tries the dynos; Heroku's chooses at random
    monkeypatch.setattr(random, "sample", lambda *_: list(order))
    with Router(dynos, affinity=False) as router, open_page(chromium, router) as page:
        wait_until_settled(page)
        statuses = []
        for number in range(4):
            statuses.append(upload(page, number))
            there = [f"{number}.ppm is there"] if statuses[-1] == 204 else []
            expect(page.get_by_text(" is there")).to_have_text(there)
            order.reverse()
        move_the_slider(page)
    right = [status == 204 for status in statuses]
    assert right == [True, False, True, False], statuses
