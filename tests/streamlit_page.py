"""A Streamlit page in Chromium, driven by Playwright."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from baked import PASSWORD, USER
from http_client import COOKIE, HttpClient
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

expect.set_options(timeout=30_000)  # for a machine that is busy

DESKTOP = {"width": 1280, "height": 800}
# Streamlit's own attributes for its end-to-end tests.
APP = "stApp"
CONNECTION, SCRIPT = "data-test-connection-state", "data-test-script-state"


@contextmanager
def logged_in(
    chromium: Browser,
    url: str,
    user: str = USER,
    client: HttpClient | None = None,
    **options: object,
) -> Iterator[BrowserContext]:
    """Have a browser with a user's session, and a cache of its own. It has no password to send.

    Args:
        chromium: the browser.
        url: the project's address, or the router's.
        user: the user's name.
        client: the client that logs in; a new one where there is none.
        options: more arguments of Browser.new_context().
    """
    client = client or HttpClient(url, {user: PASSWORD}, router=True)
    context = chromium.new_context(base_url=url, **{"viewport": DESKTOP, **options})
    # A Secure cookie is stored for https, and sent to 127.0.0.1 by http as well.
    cookie = {"name": COOKIE, "value": client.session_of(user), "url": client.origin}
    context.add_cookies([cookie])
    yield context
    context.close()


@contextmanager
def open_tab(context: BrowserContext) -> Iterator[Page]:
    """Open a page, and close it afterwards."""
    page = context.new_page()
    yield page
    page.close()


def wait_until_connected(page: Page) -> None:
    """Wait until the page has its WebSocket. Before, Streamlit disables all widgets."""
    expect(page.get_by_test_id(APP)).to_have_attribute(CONNECTION, "CONNECTED")


def wait_until_settled(page: Page) -> None:
    """Wait until the page is connected and its script has run.

    A run that begins may drop what the browser was to be told, such as the address of an upload
    (Streamlit 1.67, ForwardMsgQueue.clear). Just after a click the run may not have begun: wait for
    what it shows first.
    """
    wait_until_connected(page)
    expect(page.get_by_test_id(APP)).to_have_attribute(SCRIPT, "notRunning")


def wait_until_drawn(page: Page) -> None:
    """Wait until the page will look the same from now on: fonts are loaded, nothing moves."""
    wait_until_settled(page)
    page.wait_for_function(
        "document.fonts.status === 'loaded'"
        " && document.getAnimations().every(each => each.playState !== 'running')"
    )


def main_of(page: Page) -> Locator:
    """Return the page's main part."""
    return page.get_by_test_id("stMain")


def heading(page: Page, name: str) -> Locator:
    """Return a heading in the page's main part."""
    return main_of(page).get_by_role("heading", name=name, exact=True)


def menu(page: Page) -> Locator:
    """Return the menu in the sidebar."""
    return page.get_by_test_id("stSidebarNav")


def open_from_menu(page: Page, name: str) -> None:
    """Click an app's name in the menu."""
    menu(page).get_by_role("link", name=name, exact=True).click()


def choose_file(
    page: Page, name: str, content: bytes, kind: str = "application/octet-stream"
) -> None:
    """Give the page's file uploader a file, when no run can begin."""
    wait_until_settled(page)
    file = {"name": name, "mimeType": kind, "buffer": content}
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
