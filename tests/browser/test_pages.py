"""The whole project in a browser: log in, open each app, use it."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from baked import AUTH, PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, wait_until
from http_client import COOKIE, HttpClient, credentials
from playwright.sync_api import Browser, Page, expect
from streamlit_page import (
    DESKTOP,
    choose_file,
    heading,
    logged_in,
    main_of,
    menu,
    open_from_menu,
    open_tab,
    wait_until_settled,
)

from apphub.accounts import set_password

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a session secret of more than 32 characters"
AUTHORIZATION = credentials(":".join(AUTH))

UPLOAD = """
import streamlit as st

def run():
    st.title("Upload")
    file = st.file_uploader("A file")
    if file:
        st.write(f"{len(file.getvalue())} bytes of {file.name}")
"""
HEADERS = """
import streamlit as st

def run():
    st.title("Headers")
    st.code("\\n".join(f"{name}: {value}" for name, value in st.context.headers.items()))
    st.code(f"client: {st.context.ip_address}")
"""
# One user's own app.
BOB = "bob"
PRIVATE = """
import streamlit as st

def run():
    st.title("Only for anna")
"""
BROKEN = {
    "raises": "def run():\n    raise RuntimeError('no data today')\n",
    "cannot_import": "import a_package_that_is_not_there\n\ndef run():\n    pass\n",
    "no_run": "x = 1\n",
    "not_python": "def run(:\n",
    "exits": "import sys\n\ndef run():\n    sys.exit(1)\n",
}


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    """The two apps that were asked for, one that takes uploads, and some that do not work."""
    own = {"upload": UPLOAD, "headers": HEADERS, "private": PRIVATE}
    set_password(BOB, PASSWORD, baked_project.path)
    for name, source in own.items():
        baked_project.write(f"apps/{name}.py", source)
    baked_project.trust_the_tests()
    log_format = "log_format access '"
    baked_project.change("apphub/nginx/http.conf", log_format, f"{log_format}try=$login_attempt ")
    entries = {name: {"name": name, "module": f"apps.{name}"} for name in own}
    entries["private"]["users"] = [USER]
    baked_project.add_to_menu(*entries.values())
    dyno = FakeDyno(baked_project.path, nginx, SESSION_SECRET=SECRET)
    # The build would refuse these.
    broken = BakedProject(dyno.home)
    for name, source in BROKEN.items():
        broken.write(f"apps/{name}.py", source)
    names = [*BROKEN, "not_there"]
    broken.add_to_menu(*({"name": name, "module": f"apps.{name}"} for name in names))
    yield dyno
    dyno.stop()


@contextmanager
def page_with_password(chromium: Browser, url: str, password: str = PASSWORD) -> Iterator[Page]:
    """Open a page in a browser that answers the password prompt."""
    answer = {"username": USER, "password": password}
    context = chromium.new_context(base_url=url, http_credentials=answer, viewport=DESKTOP)
    yield context.new_page()
    context.close()


def open_sales_report(page: Page) -> None:
    page.goto("/sales_report")
    expect(heading(page, "Sales Report")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()


def move_the_slider(page: Page) -> None:
    """Press a key on the slider and see the app answer."""
    wait_until_settled(page)
    value = page.get_by_test_id("stSliderThumbValue")
    before = int(value.inner_text())
    page.get_by_role("slider").press("ArrowRight")
    expect(value).to_have_text(str(before + 1))
    expect(page.get_by_text(f"The last {before + 1} weeks")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()


# -- Login -------------------------------------------------------------------------------------


def count_streams(dyno: FakeDyno) -> int:
    """Return how many WebSockets are in the log: closed ones. It is the last line of a page."""
    return dyno.log().count('path="/_stcore/stream" status=101')


def test_a_page_costs_one_bcrypt_check(dyno, chromium):
    """Not one per request. nginx's own processor time says so, too."""
    with dyno.restarted():  # with an empty log
        with page_with_password(chromium, dyno.url) as page:
            requested: list[str] = []
            page.on("request", lambda request: requested.append(request.url))
            open_sales_report(page)
            move_the_slider(page)
            page.goto("/churn_explorer")
            expect(heading(page, "Churn Explorer")).to_be_visible()
        assert len(requested) > 50
        wait_until(lambda: count_streams(dyno) == 2)
        assert dyno.log().count("try=attempt ") == 1
        command = ["ps", "-s", str(dyno.session), "-o", "comm=,cputimes="]
        listed = subprocess.run(command, capture_output=True, text=True).stdout
        seconds = [int(line.split()[1]) for line in listed.splitlines() if "nginx" in line]
        assert sum(seconds) < 2  # 50 checks take 9 s of it


def test_the_websocket_opens_with_only_the_cookie(dyno, chromium):
    """As in Safari: these headers go with each request, and not with the WebSocket."""
    context = chromium.new_context(
        base_url=dyno.url, extra_http_headers={"Authorization": AUTHORIZATION}
    )
    page = context.new_page()
    open_sales_report(page)
    move_the_slider(page)
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == COOKIE]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert cookie["expires"] == -1  # it ends with the browser
    assert COOKIE not in page.evaluate("document.cookie")
    context.close()


def test_without_the_password_there_is_no_page(dyno, chromium):
    with page_with_password(chromium, dyno.url, "wrong one") as page:
        assert page.goto("/").status == 401
        assert "streamlit" not in page.content().lower()


def test_a_page_requests_nothing_twice(dyno, chromium):
    """The first visit connects without asking where; the second one loads nothing it has."""
    with dyno.restarted(), logged_in(chromium, dyno.url) as context:
        for visit in (1, 2):
            before = dyno.log()
            with open_tab(context) as page:
                open_sales_report(page)
            wait_until(lambda visit=visit: count_streams(dyno) == visit)
            requested = re.findall(r' method=GET path="(\S+)" ', dyno.log().removeprefix(before))
            assert not [path for path in requested if path.startswith("/sales_report/")]
            assert len(requested) == len(set(requested))
            if visit == 2:
                assert set(requested) <= {
                    "/sales_report",
                    "/_stcore/health",
                    "/_stcore/host-config",
                    "/_stcore/stream",
                    "/favicon.png",
                }


# -- Apps --------------------------------------------------------------------------------------


def test_the_first_page_has_a_link_to_each_app(page):
    page.goto("/")
    expect(heading(page, "Data Apps")).to_be_visible()
    expect(page).to_have_title("Data Apps")
    links = main_of(page).get_by_role("link")
    expect(links).to_have_count(6 + len(BROKEN))
    links.get_by_text("Churn Explorer").click()
    expect(heading(page, "Churn Explorer")).to_be_visible()


def test_an_app_opens_from_the_menu_and_stays_open(page):
    page.goto("/")
    for name in ("Sales Report", "Churn Explorer"):
        open_from_menu(page, name)
        expect(heading(page, name)).to_be_visible()
        expect(page).to_have_title(f"{name} · Data Apps")
        for _ in range(2):
            move_the_slider(page)
            expect(heading(page, name)).to_be_visible()
        expect(page).to_have_url("/" + name.lower().replace(" ", "_"))


def test_an_app_opens_at_its_address_and_a_reload_stays_there(page):
    open_sales_report(page)
    page.reload()
    expect(heading(page, "Sales Report")).to_be_visible()
    expect(page).to_have_url("/sales_report")
    move_the_slider(page)


def test_a_file_of_5_mb_arrives(page):
    page.goto("/upload")
    expect(heading(page, "Upload")).to_be_visible()
    choose_file(page, "five.bin", b"x" * 5 * 2**20)
    expect(page.get_by_text("5242880 bytes of five.bin")).to_be_visible()


def test_a_second_user_does_not_see_the_first_ones_apps(dyno, chromium, page):
    page.goto("/private")
    expect(heading(page, "Only for anna")).to_be_visible()
    expect(menu(page).get_by_text("private")).to_be_visible()
    with logged_in(chromium, dyno.url, BOB) as context:
        bobs = context.new_page()
        bobs.goto("/private")
        expect(heading(bobs, "Page not found")).to_be_visible()
        expect(menu(bobs).get_by_text("upload")).to_be_visible()
        expect(bobs.get_by_role("link", name="private")).to_have_count(0)
        expect(bobs.get_by_text("Only for anna")).to_have_count(0)
        bobs.goto("/headers")
        code = bobs.get_by_test_id("stCode").first
        expect(code).to_contain_text(f"X-Forwarded-User: {BOB}")


def test_the_app_sees_the_address_that_the_router_saw_and_no_password(dyno, chromium):
    forged = {
        "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
        "Forwarded": "for=6.6.6.6",
        "X-Forwarded-Host": "elsewhere.example",
        "Proxy": "http://elsewhere.example",
    }
    with page_with_password(chromium, dyno.url) as page:
        page.set_extra_http_headers(forged)
        page.goto("/headers")
        expect(heading(page, "Headers")).to_be_visible()
        seen = page.get_by_test_id("stCode").first.inner_text().lower()
    assert f"host: 127.0.0.1:{dyno.port}" in seen
    for value in ("6.6.6.6", "elsewhere.example", "authorization", "basic "):
        assert value not in seen
    # Chromium adds no header of ours to a WebSocket: what the router adds is sent by hand.
    client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
    address = "203.0.113.9"
    assert client.request("/_stcore/health", session=client.session, address=address).status == 200
    log = dyno.log_with(f'fwd="{address}"')
    assert re.search(rf'path="/_stcore/health" status=200 bytes=\d+ fwd="{address}"', log)


# -- What does not work ------------------------------------------------------------------------

# What each shows its user, and what only the log has.
SYMPTOMS = {
    "raises": ("raises failed", "RuntimeError: no data today"),
    "cannot_import": ("cannot_import failed", "No module named 'a_package_that_is_not_there'"),
    "no_run": ("This app could not be loaded", "apps/no_run.py"),
    "not_python": ("not_python failed", "SyntaxError"),
    "not_there": ("This app could not be loaded", "apps/not_there.py"),
    "exits": ("This app called exit()", "apps.exits called exit()"),
}


def test_a_broken_app_does_not_affect_the_others(page, dyno):
    """Its user reads that it failed, and the log has the reason."""
    dyno.forget_log()
    page.goto("/")
    for name, (shown, logged) in SYMPTOMS.items():
        open_from_menu(page, name)
        expect(page).to_have_url(f"/{name}")
        expect(main_of(page)).to_contain_text(shown)
        expect(main_of(page)).to_contain_text("The error was logged (reference ")
        expect(main_of(page)).not_to_contain_text(logged)
        assert logged in dyno.log_with(logged)
        open_from_menu(page, "Sales Report")
        expect(heading(page, "Sales Report")).to_be_visible()
    move_the_slider(page)


def test_a_broken_menu_is_shown_and_logged(page, dyno):
    """apps.json is read on each run: the page recovers by itself."""
    good = dyno.read("apps.json")
    with dyno.changed("apps.json", good.replace(",", "", 1)):
        page.goto("/sales_report")
        expect(main_of(page)).to_contain_text("The menu could not be loaded")
        expect(main_of(page)).not_to_contain_text("apps.json")
        assert "apps.json" in dyno.log_with("The menu could not be loaded: ")
    page.reload()
    expect(heading(page, "Sales Report")).to_be_visible()


# -- Other menus -------------------------------------------------------------------------------


def entry(name: str, module: str, **more: object) -> dict[str, object]:
    return {"name": name, "module": f"apps.{module}", **more}


def test_many_apps_are_found_by_their_names(page, dyno):
    reports = [entry(f"Report {number}", f"report_{number}") for number in range(65)]
    with dyno.changed("apps.json", json.dumps([entry("Café Sales", "sales_report"), *reports])):
        page.goto("/")
        links = main_of(page).get_by_role("link")
        expect(links).to_have_count(60)
        expect(page.get_by_text("6 more. Use search to find them.")).to_be_visible()
        search = page.get_by_label("Search apps")
        for words, count in (("ORT 2", 16), ("no such", 0), ("CAFÉ", 1)):  # 2, 12, 20 to 29 ...
            search.fill(words)
            search.press("Enter")
            expect(links).to_have_count(count)
            expect(page.get_by_text("No matching apps.")).to_have_count(0 if count else 1)
        links.get_by_text("Café Sales").click()
        expect(heading(page, "Sales Report")).to_be_visible()


def test_an_only_app_opens_at_once(page, dyno):
    with dyno.changed("apps.json", json.dumps([entry("Café", "upload")])):
        for path in ("/", "/upload"):
            page.goto(path)
            expect(heading(page, "Upload")).to_be_visible()
            expect(page).to_have_title("Café · Data Apps")
            expect(page.get_by_text("Page not found")).to_have_count(0)


def test_a_user_without_any_app_reads_that(page, dyno):
    only = entry("Sales Report", "sales_report", users=[BOB])
    with dyno.changed("apps.json", json.dumps([only])):
        for path in ("/", "/sales_report"):
            page.goto(path)
            expect(heading(page, "No apps yet")).to_be_visible()
            expect(page.get_by_text("do not have access to any app yet")).to_be_visible()
            expect(page.get_by_text("Sales Report")).to_have_count(0)


# -- Other settings ----------------------------------------------------------------------------


def test_without_a_user_name_nothing_is_shown(dyno, page):
    """The line that sends it to Streamlit is missing."""
    rules = "apphub/nginx/server.conf"
    without = dyno.read(rules).replace("proxy_set_header X-Forwarded-User $user;", "")
    with dyno.changed(rules, without), dyno.restarted():
        for path in ("/", "/sales_report"):
            page.goto(path)
            expect(page.get_by_text("Not logged in")).to_be_visible()
            expect(page.get_by_text("Sales Report")).to_have_count(0)


class Frame(BaseHTTPRequestHandler):
    """A page of another site, with a frame that has the address in its query string."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        address = self.path.partition("?")[2]
        self.wfile.write(f'<iframe src="{address}" width=900 height=700>'.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_site() -> Iterator[str]:
    """localhost and 127.0.0.1 are two sites to a browser."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Frame)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_site_may_show_it_in_a_frame_only_where_it_is_named(dyno, chromium, other_site):
    # These headers go with each request, but not with the WebSocket: that one needs the cookie.
    with_password = {"extra_http_headers": {"Authorization": AUTHORIZATION}}
    address = f"{other_site}/?{dyno.url}/sales_report"
    page = chromium.new_page(**with_password)
    with page.expect_event("requestfailed") as blocked:
        page.goto(address)
    assert blocked.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
    page.close()

    with dyno.restarted(FRAME_ANCESTORS=other_site):
        page = chromium.new_page(**with_password)
        page.goto(address)
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="Sales Report")).to_be_visible()
        [cookie] = [each for each in page.context.cookies() if "session" in each["name"]]
        assert cookie["name"] == "__Host-framed-session"
        assert cookie["partitionKey"] == "http://localhost"
        page.close()
