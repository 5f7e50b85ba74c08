"""The whole of it in a real browser: log in, open each app, use it."""

from __future__ import annotations

import re
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from baked import AUTH, PASSWORD, USER, BakedProject
from door import COOKIE, credentials
from dyno import Dyno
from playwright.sync_api import Page, expect

expect.set_options(timeout=30_000)

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
# One user's own, and what the other sees.
BOB = "bob"
PRIVATE = """
import streamlit as st

def run():
    st.title("For anna alone")
"""
BROKEN = {
    "raises": "def run():\n    raise RuntimeError('no data today')\n",
    "cannot_import": "import a_package_that_is_not_there\n\ndef run():\n    pass\n",
    "no_run": "x = 1\n",
    "not_python": "def run(:\n",
    "exits": "import sys\nimport streamlit as st\n\ndef run():\n    st.title('Exits')\n    sys.exit(1)\n",
}


@pytest.fixture(scope="module")
def dyno(baked: BakedProject, nginx: str):
    """The two apps that were asked for, one that takes uploads, and some that do not work."""
    own = {"upload": UPLOAD, "headers": HEADERS, "private": PRIVATE}
    baked.load("manage").set_password(BOB, PASSWORD, baked.path)
    for name, source in own.items():
        baked.write(f"apps/{name}.py", source)
    baked.trust_the_tests()
    baked.change("config/nginx.conf.erb", "log_format door '", "log_format door 'guess=$guess ")
    entries = {name: {"name": name, "module": f"apps.{name}"} for name in own}
    entries["private"]["users"] = [USER]
    baked.add_to_menu(*entries.values())
    dyno = Dyno(baked.path, nginx)
    # The build would refuse these.
    broken = BakedProject(dyno.home)
    for name, source in BROKEN.items():
        broken.write(f"apps/{name}.py", source)
    names = [*BROKEN, "not_there"]
    broken.add_to_menu(*({"name": name, "module": f"apps.{name}"} for name in names))
    with dyno:
        yield dyno


@pytest.fixture(scope="module")
def page(dyno: Dyno, chromium) -> Page:
    """A page of somebody who has logged in."""
    context = chromium.new_context(
        base_url=dyno.url,
        http_credentials={"username": USER, "password": PASSWORD},
        viewport={"width": 1280, "height": 800},
    )
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="Data Apps")).to_be_visible()
    yield page
    context.close()


def open_by_menu(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()


def heading(page: Page, name: str):
    return page.get_by_test_id("stMain").get_by_role("heading", name=name, exact=True)


def move_the_slider(page: Page) -> None:
    """Press a key on the slider and see the app answer."""
    value = page.get_by_test_id("stSliderThumbValue")
    before = int(value.inner_text())
    page.get_by_role("slider").press("ArrowRight")
    expect(value).to_have_text(str(before + 1))
    expect(page.get_by_text(f"The last {before + 1} weeks")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()


def checks_in(log: str) -> int:
    """Return how many requests came with a password and without a session: bcrypt's work."""
    return log.count("guess=guess ")


def test_a_page_costs_one_bcrypt_check(dyno, chromium):
    """It used to be one a request. nginx's own processor time says so, too."""

    def seconds() -> float:
        columns = ["-o", "comm=,cputimes="]
        listed = subprocess.run(
            ["ps", "-s", str(dyno.session), *columns], capture_output=True, text=True
        )
        return sum(int(line.split()[1]) for line in listed.stdout.splitlines() if "nginx" in line)

    dyno.log_with("GET", 1)
    checks, spent = checks_in(dyno.log()), seconds()
    credentials = {"username": USER, "password": PASSWORD}
    context = chromium.new_context(base_url=dyno.url, http_credentials=credentials)
    page = context.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto("/sales_report")
    expect(heading(page, "Sales Report")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    move_the_slider(page)
    page.goto("/churn_explorer")
    expect(heading(page, "Churn Explorer")).to_be_visible()
    assert len(requested) > 50
    dyno.log_with('GET path="/churn_explorer"')
    assert checks_in(dyno.log()) == checks + 1
    assert seconds() - spent < 2  # 50 checks are 9 s
    context.close()


def test_the_websocket_opens_with_the_cookie_alone(dyno, chromium):
    """As in Safari: these headers go with each request, and not with the WebSocket."""
    context = chromium.new_context(
        base_url=dyno.url, extra_http_headers={"Authorization": AUTHORIZATION}
    )
    page = context.new_page()
    page.goto("/sales_report")
    expect(heading(page, "Sales Report")).to_be_visible()
    move_the_slider(page)
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == COOKIE]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert cookie["expires"] == -1  # it ends with the browser
    assert COOKIE not in page.evaluate("document.cookie")
    context.close()

    # And without any password from now on.
    context = chromium.new_context(base_url=dyno.url)
    context.add_cookies([cookie])
    page = context.new_page()
    page.goto("/sales_report")
    expect(heading(page, "Sales Report")).to_be_visible()
    context.close()


def test_a_page_asks_for_nothing_twice(dyno, chromium):
    """The first visit connects without asking where; the second one loads nothing it has."""
    context = chromium.new_context(
        base_url=dyno.url, extra_http_headers={"Authorization": AUTHORIZATION}
    )
    for visit in (1, 2):
        before = dyno.log_with("what came before is written by now", 1)
        page = context.new_page()
        page.goto("/sales_report")
        expect(heading(page, "Sales Report")).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
        page.close()
        log = dyno.log_with("the stream is closed by now", 2)
        asked = re.findall(r' method=GET path="(\S+)" ', log.removeprefix(before))
        assert not [path for path in asked if path.startswith("/sales_report/")]
        assert len(asked) == len(set(asked))
        if visit == 2:
            assert set(asked) <= {
                "/sales_report",
                "/_stcore/health",
                "/_stcore/host-config",
                "/_stcore/stream",
                "/favicon.png",
            }
    context.close()


def test_a_second_user_does_not_see_the_first_ones_apps(dyno, chromium, page):
    page.goto("/private")
    expect(heading(page, "For anna alone")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav").get_by_text("private")).to_be_visible()

    credentials = {"username": BOB, "password": PASSWORD}
    context = chromium.new_context(base_url=dyno.url, http_credentials=credentials)
    bobs = context.new_page()
    bobs.goto("/private")
    expect(bobs.get_by_text("There is no app here")).to_be_visible()
    expect(bobs.get_by_test_id("stSidebarNav").get_by_text("upload")).to_be_visible()
    expect(bobs.get_by_role("link", name="private")).to_have_count(0)
    expect(bobs.get_by_text("For anna alone")).to_have_count(0)
    bobs.goto("/headers")
    expect(bobs.get_by_test_id("stCode").first).to_contain_text(f"X-Forwarded-User: {BOB}")
    context.close()


def test_without_the_password_there_is_no_page(dyno, chromium):
    context = chromium.new_context(http_credentials={"username": USER, "password": "wrong one"})
    page = context.new_page()
    assert page.goto(dyno.url).status == 401
    assert "streamlit" not in page.content().lower()
    context.close()


def test_the_first_page_has_a_link_to_each_app(page):
    page.goto("/")
    expect(heading(page, "Data Apps")).to_be_visible()
    expect(page).to_have_title("Data Apps")
    links = page.get_by_test_id("stMain").get_by_role("link")
    expect(links).to_have_count(6 + len(BROKEN))
    links.get_by_text("Churn Explorer").click()
    expect(heading(page, "Churn Explorer")).to_be_visible()


@pytest.mark.parametrize("name", ["Sales Report", "Churn Explorer"])
def test_an_app_opens_by_the_menu_and_stays_open(page, name):
    open_by_menu(page, name)
    expect(heading(page, name)).to_be_visible()
    expect(page).to_have_title(f"{name} · Data Apps")
    for _ in range(2):
        move_the_slider(page)
        expect(heading(page, name)).to_be_visible()
    assert page.url.endswith("/" + name.lower().replace(" ", "_"))


@pytest.mark.parametrize("name", ["Sales Report", "Churn Explorer"])
def test_an_app_opens_by_its_address_and_a_reload_stays_there(page, name):
    address = "/" + name.lower().replace(" ", "_")
    page.goto(address)
    expect(heading(page, name)).to_be_visible()
    page.reload()
    expect(heading(page, name)).to_be_visible()
    assert page.url.endswith(address)
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    move_the_slider(page)


def test_a_file_of_5_mb_arrives(page):
    open_by_menu(page, "upload")
    expect(heading(page, "Upload")).to_be_visible()
    file = {"name": "five.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 5 * 2**20}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("5242880 bytes of five.bin")).to_be_visible()


def test_the_app_sees_the_address_that_the_router_saw_and_no_password(dyno, chromium):
    context = chromium.new_context(
        http_credentials={"username": USER, "password": PASSWORD},
        extra_http_headers={
            "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
            "Forwarded": "for=6.6.6.6",
            "X-Forwarded-Host": "elsewhere.example",
            "Proxy": "http://elsewhere.example",
        },
    )
    page = context.new_page()
    page.goto(f"{dyno.url}/headers")
    expect(heading(page, "Headers")).to_be_visible()
    seen = page.get_by_test_id("stCode").first.inner_text().lower()
    assert f"host: 127.0.0.1:{dyno.port}" in seen
    for forged in ("6.6.6.6", "elsewhere.example", "authorization", "basic "):
        assert forged not in seen
    context.close()
    # Chromium adds no header of ours to a WebSocket: what the router adds is sent by hand.
    address = requests.get(
        f"{dyno.url}/_stcore/health",
        auth=AUTH,
        headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"},
    )
    assert address.status_code == 200
    log = dyno.log_with('fwd="203.0.113.9"')
    assert re.search(r'path="/_stcore/health" status=200 bytes=\d+ fwd="203\.0\.113\.9"', log)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "raises has failed"),
        ("cannot_import", "cannot_import has failed"),
        ("no_run", "apps/no_run.py has no function run()"),
        ("not_python", "not_python has failed"),
        ("not_there", "there is no file apps/not_there.py"),
    ],
)
def test_an_app_that_does_not_work_breaks_itself_alone(page, name, said):
    open_by_menu(page, name)
    expect(page.get_by_test_id("stMain")).to_contain_text(said)
    open_by_menu(page, "Sales Report")
    expect(heading(page, "Sales Report")).to_be_visible()
    move_the_slider(page)


def test_an_app_that_calls_exit_ends_its_own_run_alone(page):
    open_by_menu(page, "exits")
    expect(heading(page, "Exits")).to_be_visible()
    expect(page.get_by_text("apps.exits called exit(). Use st.stop().")).to_be_visible()
    open_by_menu(page, "Sales Report")
    expect(heading(page, "Sales Report")).to_be_visible()
    move_the_slider(page)


def test_a_broken_menu_says_what_is_wrong(page, dyno):
    """apps.json is read on each run: the page mends itself."""
    menu = dyno.home / "apps.json"
    good = menu.read_text("utf-8")
    try:
        menu.write_text(re.sub(",", "", good, count=1), "utf-8")
        page.goto("/sales_report")
        main = page.get_by_test_id("stMain")
        expect(main).to_contain_text("apps.json is not JSON")
        expect(main).to_contain_text("Look there and at the end of the line above for a comma")
    finally:
        menu.write_text(good, "utf-8")
    page.reload()
    expect(heading(page, "Sales Report")).to_be_visible()


@pytest.fixture
def visit(dyno, nginx, chromium):
    """Start a project in the place of this file's dyno, and log in. For the last tests here."""

    @contextmanager
    def visit(project: BakedProject, **environment: str):
        dyno.stop()
        credentials = {"username": USER, "password": PASSWORD}
        with Dyno(project.path, nginx, **environment) as another:
            context = chromium.new_context(base_url=another.url, http_credentials=credentials)
            page = context.new_page()
            page.set_viewport_size({"width": 1280, "height": 800})
            page.base_url = another.url
            yield page
            context.close()

    return visit


def test_many_apps_are_found_by_their_names(bake, visit):
    names = ["Café Sales", *(f"Report {number}" for number in range(65))]
    project = bake(auth_user=USER, apps=", ".join(names))
    with visit(project) as page:
        page.goto("/")
        links = page.get_by_test_id("stMain").get_by_role("link")
        expect(links).to_have_count(60)
        expect(page.get_by_text("And 6 more.")).to_be_visible()
        page.get_by_label("Find an app").fill("ORT 2")
        page.keyboard.press("Enter")
        expect(links).to_have_count(16)  # 2, 12, 20 to 29 ...
        page.get_by_label("Find an app").fill("no such")
        page.keyboard.press("Enter")
        expect(page.get_by_text("No app is called that, or does that.")).to_be_visible()
        page.get_by_label("Find an app").fill("CAFÉ")
        page.keyboard.press("Enter")
        links.get_by_text("Café Sales").click()
        expect(page.get_by_role("heading", name="Café Sales")).to_be_visible()


def test_one_app_alone_opens_at_once(bake, visit):
    with visit(bake(app_name="Data Apps", auth_user=USER, apps="Café")) as page:
        for path in ("/", "/cafe"):
            page.goto(path)
            expect(heading(page, "Café")).to_be_visible()
            expect(page).to_have_title("Café · Data Apps")
            expect(page.get_by_text("Page not found")).to_have_count(0)


def test_an_app_that_is_not_for_the_only_user(project, visit):
    project.load("manage").set_password(BOB, PASSWORD, project.path)
    entry = '{"name": "Sales Report", "module": "apps.sales_report", "users": ["bob"]}'
    project.write("apps.json", f"[{entry}]")
    with visit(project) as page:
        for path in ("/", "/sales_report"):
            page.goto(path)
            expect(page.get_by_text("There is no app for you yet")).to_be_visible()
            expect(page.get_by_text("Sales Report")).to_have_count(0)


def test_where_no_name_arrives_nothing_is_shown(project, visit):
    """Somebody has edited the configuration and lost the line."""
    project.change("config/nginx.conf.erb", "proxy_set_header X-Forwarded-User $user;", "")
    with visit(project) as page:
        for path in ("/", "/sales_report"):
            page.goto(path)
            expect(page.get_by_text("Nobody is logged in")).to_be_visible()
            expect(page.get_by_text("Sales Report")).to_have_count(0)


def test_in_the_frame_of_a_named_site_it_works(project, visit):
    """localhost and 127.0.0.1 are two sites to a browser."""

    class Frame(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            address = self.path.partition("?")[2]
            self.wfile.write(f'<iframe src="{address}" width=900 height=700>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Frame)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    outside = f"http://localhost:{server.server_port}"
    # These headers go with each request, but not with the WebSocket: that one needs the cookie.
    logged_in = {"extra_http_headers": {"Authorization": AUTHORIZATION}}
    with visit(project, FRAME_ANCESTORS=outside) as page:
        framing = page.context.browser.new_page(**logged_in)
        framing.goto(f"{outside}/?{page.base_url}/sales_report")
        frame = framing.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="Sales Report")).to_be_visible()
        [cookie] = [each for each in framing.context.cookies() if "session" in each["name"]]
        assert cookie["name"] == "__Host-framed-session"
        assert cookie["partitionKey"] == "http://localhost"
        framing.close()
    with visit(project) as page:  # where it is not named, there is nothing in the frame
        framing = page.context.browser.new_page(**logged_in)
        with framing.expect_event("requestfailed") as blocked:
            framing.goto(f"{outside}/?{page.base_url}/sales_report")
        assert blocked.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
        framing.close()
    server.shutdown()
    server.server_close()
