"""The page of a script app: while the process starts, where it cannot run, and the way back."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, wait_until
from login_attempts import remove_rate_limits
from nginx_probe import Echo, NginxProbe, Upstream, make_project, running_echo, running_nginx
from playwright.sync_api import Locator, Page, expect
from streamlit_page import (
    DESKTOP,
    choose_file,
    heading,
    logged_in,
    main_of,
    open_from_menu,
    open_tab,
    wait_until_drawn,
    wait_until_settled,
)

from apphub.paths import app_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

SECRET = "a session secret of more than 32 characters"
PHONE = {"width": 390, "height": 780}
HEALTH = "/forecast/_stcore/health"
START = f"{HEALTH}?start"
SETTINGS = {"allowedOrigins": [], "useExternalAuthToken": False}


# -- An app's process that does as it is told ---------------------------------------------------


class Answers(Echo):
    """Answers a health check as the test says, and has no WebSocket."""

    protocol_version = "HTTP/1.0"  # nginx keeps no connection to the app of an earlier test

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        status, body = 404, b""
        if self.path.startswith(HEALTH):
            self.server.may_answer.wait(60)
            status, body = self.server.health
        elif self.path == "/forecast/_stcore/host-config":
            status, body = 200, json.dumps(SETTINGS).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        with suppress(BrokenPipeError):  # the page may not wait any longer
            self.end_headers()
            self.wfile.write(body)


class FakeApp(Upstream):
    """The process of the app Forecast.

    Attributes:
        health: the status and the body of a health check's answer.
        may_answer: set while health checks are answered.
    """

    def __init__(self, path: Path) -> None:
        self.health = (200, b"ok")
        self.may_answer = threading.Event()
        self.may_answer.set()
        super().__init__(path)
        self.RequestHandlerClass = Answers

    def refuse(self, message: str, reference: str = "5f0c9b1e") -> None:
        """Answer 503 as the supervisor does."""
        answer = {"message": message, "reference": reference}
        self.health = (503, json.dumps(answer).encode())


@pytest.fixture(scope="module")
def probe(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxProbe]:
    root = make_project(tmp_path_factory.mktemp("project"), users={USER: PASSWORD})
    app = {"name": "Forecast <b>", "script": "apps/forecast.py"}
    (root / "apps.json").write_text(json.dumps([app]), "utf-8")
    (root / "app.json").write_text('{"name": "Data Apps"}', "utf-8")
    remove_rate_limits(root)
    with running_nginx(root, nginx) as probe:
        yield probe


@pytest.fixture(scope="module")
def probe_context(probe: NginxProbe, chromium: Browser) -> Iterator[BrowserContext]:
    with logged_in(chromium, probe.url) as context:
        yield context


@pytest.fixture
def app(probe: NginxProbe) -> Iterator[FakeApp]:
    with running_echo(app_socket("forecast", 1, probe.runtime), FakeApp) as app:
        yield app
        app.may_answer.set()
    app_socket("forecast", 1, probe.runtime).unlink()


@pytest.fixture
def tab(app: FakeApp, probe_context: BrowserContext) -> Iterator[Page]:
    """A page that is closed before the app is."""
    with open_tab(probe_context) as page:
        yield page


def status_of(page: Page) -> Locator:
    return page.locator("apphub-status").get_by_role("status")


def test_it_says_that_the_app_starts_and_loads_the_scripts_meanwhile(tab, app):
    app.may_answer.clear()
    requested: list[str] = []
    sockets: list[str] = []
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("websocket", lambda websocket: sockets.append(websocket.url))
    tab.goto("/forecast/")
    expect(status_of(tab)).to_contain_text("Starting Forecast <b> …")
    expect(tab).to_have_title("Forecast <b>")
    wait_until(lambda: any("/static/js/index." in url for url in requested))
    wait_until(lambda: START in app.paths)
    assert sockets == []
    with tab.expect_websocket() as opened:
        app.may_answer.set()
    assert opened.value.url.endswith("/forecast/_stcore/stream")
    expect(status_of(tab)).to_have_count(0)


def test_a_slow_start_is_asked_for_again_before_the_router_gives_up(tab, app):
    """The router answers after 30 s. The page waits for 20 s: here for a hundredth of that."""
    script = "const timeout = AbortSignal.timeout; AbortSignal.timeout = ms => timeout.call("
    tab.add_init_script(f"{script}AbortSignal, ms / 100)")
    app.may_answer.clear()
    tab.goto("/forecast/")
    wait_until(lambda: app.paths.count(START) >= 3)
    expect(status_of(tab)).to_contain_text("Starting Forecast <b> …")
    app.health = (502, b"<html>the router's</html>")  # which is not the server's word either
    before = app.paths.count(START)
    app.may_answer.set()
    wait_until(lambda: app.paths.count(START) >= before + 2)
    with tab.expect_websocket():
        app.health = (200, b"ok")


def test_it_shows_why_the_app_cannot_run_and_asks_no_more(tab, app):
    app.refuse("It could not be <i>started</i>.")
    tab.clock.install()
    tab.goto("/forecast/")
    expect(status_of(tab)).to_contain_text("It could not be <i>started</i>.")
    expect(status_of(tab)).to_contain_text("Reference 5f0c9b1e")
    expect(tab.get_by_role("link", name="Data Apps")).to_be_visible()
    before = list(app.paths)
    tab.clock.run_for(120_000)
    assert app.paths == before
    assert before.count(START) == 1
    app.health = (200, b"ok")
    with tab.expect_websocket():
        tab.get_by_role("button", name="Try again").click()


def test_a_page_that_is_open_shows_why_the_app_was_ended_and_does_not_start_it(tab, app):
    app.may_answer.clear()
    tab.goto("/forecast/")
    wait_until(lambda: START in app.paths)
    app.may_answer.set()
    wait_until(lambda: HEALTH in app.paths)  # Streamlit's, as there is no WebSocket
    app.refuse("It needed too much memory.")
    expect(status_of(tab)).to_contain_text("It needed too much memory.")
    assert app.paths.count(START) == 1
    app.health = (200, b"ok")
    with tab.expect_websocket():
        tab.reload()
    assert app.paths.count(START) == 2


def test_streamlits_scripts_never_connect_to_the_hub(tab, app, probe):
    """They look for a server at "/", too, where the hub is."""
    before = len(probe.upstream.paths)
    tab.goto("/forecast/")
    wait_until(lambda: START in app.paths)
    app.health = (500, b"")
    wait_until(lambda: app.paths.count(HEALTH) >= 3)
    assert [path for path in probe.upstream.paths[before:] if "_stcore" in path] == []


# -- Real apps -----------------------------------------------------------------------------------

TWO_PAGES = """
import streamlit as st
from helper import TEXT

st.title("First page")
st.text(TEXT)
st.page_link("pages/two.py", label="To page two")
file = st.file_uploader("A file")
if file:
    st.text(f"{len(file.getvalue())} bytes")
"""
PAGE_TWO = "import streamlit as st\n\nst.title('Second page')\n"
HIDE = 'st.markdown("<style>{}</style>", unsafe_allow_html=True)'.format
UGLY = "header {visibility: hidden} a {display: none !important; color: red !important}"
HIDDEN = f"import streamlit as st\n\n{HIDE(UGLY)}\nst.title('Hidden')\n"
HIDDEN_MODULE = f"""
import streamlit as st

def run():
    {HIDE("header {visibility: hidden}")}
    st.title("Hidden module")
"""


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    files = {
        "apps/two_pages/app.py": TWO_PAGES,
        "apps/two_pages/helper.py": "TEXT = 'of a module beside it'\n",
        "apps/two_pages/pages/two.py": PAGE_TWO,
        "apps/hidden.py": HIDDEN,
        "apps/hidden_module.py": HIDDEN_MODULE,
    }
    for name, text in files.items():
        (baked_project.path / name).parent.mkdir(parents=True, exist_ok=True)
        baked_project.write(name, text)
    baked_project.add_to_menu(
        {"name": "Two Pages", "script": "apps/two_pages/app.py"},
        {"name": "Hidden", "script": "apps/hidden.py"},
        {"name": "Hidden Module", "module": "apps.hidden_module"},
    )
    baked_project.trust_the_tests()
    remove_rate_limits(baked_project.path)
    dyno = FakeDyno(baked_project.path, nginx, SESSION_SECRET=SECRET)
    yield dyno
    dyno.stop()


@pytest.fixture(scope="module")
def phone(built: FakeDyno, chromium: Browser) -> Iterator[BrowserContext]:
    url = built.ensure_up().url
    with logged_in(chromium, url, viewport=PHONE, has_touch=True, is_mobile=True) as context:
        yield context


def way_back(page: Page) -> Locator:
    return page.locator("apphub-home-link").get_by_role("link", name="Data Apps")


def test_a_script_is_as_alone_at_its_own_address(page):
    page.goto("/two_pages/")
    expect(heading(page, "First page")).to_be_visible()
    expect(main_of(page).get_by_text("of a module beside it")).to_be_visible()
    choose_file(page, "a.txt", b"x" * 1000)
    expect(main_of(page).get_by_text("1000 bytes")).to_be_visible()
    main_of(page).get_by_role("link", name="To page two").click()
    expect(heading(page, "Second page")).to_be_visible()
    assert page.url.endswith("/two_pages/two")
    page.reload()
    expect(heading(page, "Second page")).to_be_visible()


def test_the_way_back_leads_to_the_hub(page):
    page.goto("/two_pages/")
    wait_until_settled(page)
    page.keyboard.press("Tab")  # the first that is reached
    expect(way_back(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    assert page.url.removesuffix("/").count("/") == 2


def test_the_way_back_has_no_place_in_the_layout(page):
    page.goto("/two_pages/")
    wait_until_drawn(page)
    expect(way_back(page)).to_be_visible()
    assert page.get_by_test_id("stApp").bounding_box() == {"x": 0, "y": 0, **DESKTOP}
    assert "Data Apps" not in page.locator("body").inner_text()


def test_an_embedded_page_has_no_way_back(page):
    page.goto("/two_pages/?embed=true")
    wait_until_drawn(page)
    expect(way_back(page)).to_have_count(0)


@pytest.mark.parametrize("address", ["/hidden/", "/hidden_module"])
def test_there_is_a_way_back_on_a_phone_where_an_app_hides_the_header(phone, address):
    with open_tab(phone) as page:
        page.goto(address)
        wait_until_drawn(page)
        expect(page.get_by_test_id("stExpandSidebarButton")).not_to_be_visible()
        expect(way_back(page)).to_be_visible()
        box = way_back(page).bounding_box()
        assert box["height"] >= 32  # for a finger
        assert box["y"] + box["height"] <= PHONE["height"]
        assert way_back(page).evaluate("link => getComputedStyle(link).color") == (
            "rgb(255, 255, 255)"  # whatever style the app has for its links
        )
        way_back(page).click()
        expect(heading(page, "Data Apps")).to_be_visible()


def test_a_page_of_the_hub_has_its_menu_and_no_other_way_back(page, phone):
    page.goto("/sales_report")
    wait_until_drawn(page)
    expect(way_back(page)).not_to_be_visible()
    with open_tab(phone) as page_on_phone:
        page_on_phone.goto("/sales_report")
        wait_until_drawn(page_on_phone)
        expect(page_on_phone.get_by_test_id("stExpandSidebarButton")).to_be_visible()
        expect(way_back(page_on_phone)).not_to_be_visible()
    open_from_menu(page, "Hidden Module")
    expect(heading(page, "Hidden module")).to_be_visible()
    expect(way_back(page)).not_to_be_visible()  # the menu is open
