"""The whole of it in a real browser: log in, open each app, use it."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager

import pytest
import requests
from baked import AUTH, PASSWORD, ROOT, USER, BakedProject
from dyno import Dyno
from playwright.sync_api import Page, expect

expect.set_options(timeout=60_000)  # nginx asks bcrypt for each of a page's 80 requests

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
    own = {"upload": UPLOAD, "headers": HEADERS, **BROKEN}
    for name, source in own.items():
        baked.write(f"apps/{name}.py", source)
    # Behind this dyno's nginx, the tests are Heroku's router.
    configuration = baked.read("config/nginx.conf.erb")
    assert "set_real_ip_from 10.0.0.0/8;" in configuration
    baked.write("config/nginx.conf.erb", configuration.replace("10.0.0.0/8", "127.0.0.0/8"))
    entries = [f'{{"name": "{name}", "module": "apps.{name}"}}' for name in [*own, "not_there"]]
    menu = baked.read("apps.json").rstrip("]\n")
    baked.write("apps.json", ",\n".join([menu, *entries]) + "]")
    with Dyno(baked.path, nginx) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def page(dyno: Dyno, chromium) -> Page:
    """A page of somebody who has logged in."""
    context = chromium.new_context(
        base_url=dyno.url,
        http_credentials={"username": USER, "password": PASSWORD},
        viewport={"width": 1280, "height": 800},
    )
    context.set_default_timeout(60_000)
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
    expect(links).to_have_count(5 + len(BROKEN))
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
        headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"},
    )
    assert address.status_code == 200
    assert "203.0.113.7 GET /_stcore/health 200" in dyno.log_with("203.0.113.7")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "no data today"),
        ("cannot_import", "No module named 'a_package_that_is_not_there'"),
        ("no_run", "apps/no_run.py has no function run()"),
        ("not_python", "SyntaxError"),
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


def test_a_page_that_is_not_there_says_so(page):
    page.goto("/nothing_here")
    expect(page.get_by_text("Page not found")).to_be_visible()


def test_a_broken_menu_says_what_is_wrong(page, dyno):
    """apps.json is read on each run: the page mends itself."""
    menu = dyno.home / "apps.json"
    good = menu.read_text("utf-8")
    try:
        menu.write_text(re.sub(",", "", good, count=1), "utf-8")
        page.goto("/sales_report")
        main = page.get_by_test_id("stMain")
        expect(main).to_contain_text("apps.json is not JSON")
        expect(main).to_contain_text("Look for a comma")
    finally:
        menu.write_text(good, "utf-8")
    page.reload()
    expect(heading(page, "Sales Report")).to_be_visible()


@pytest.fixture
def visit(dyno, nginx, chromium):
    """Start a project in the place of this file's dyno, and log in. For the last tests here."""

    @contextmanager
    def visit(project: BakedProject):
        dyno.stop()
        credentials = {"username": USER, "password": PASSWORD}
        with Dyno(project.path, nginx) as another:
            context = chromium.new_context(base_url=another.url, http_credentials=credentials)
            page = context.new_page()
            page.set_viewport_size({"width": 1280, "height": 800})
            yield page
            context.close()

    return visit


def test_one_app_alone_opens_at_once(bake, visit):
    with visit(bake(app_name="Data Apps", auth_user=USER, apps="Café")) as page:
        for path in ("/", "/cafe"):
            page.goto(path)
            expect(heading(page, "Café")).to_be_visible()
            expect(page).to_have_title("Café · Data Apps")
            expect(page.get_by_text("Page not found")).to_have_count(0)


def test_a_fresh_project_is_worth_a_picture(project, visit, request, tmp_path):
    with visit(project) as page:
        page.goto("/sales_report")
        move_the_slider(page)
        page.mouse.move(640, 790)
        page.wait_for_timeout(1000)  # until the slider's number has faded
        page.screenshot(path=tmp_path / "screenshot.png")
    assert (tmp_path / "screenshot.png").stat().st_size > 10_000
    if request.config.getoption("--screenshots"):
        shutil.copy(tmp_path / "screenshot.png", ROOT / "docs/screenshot.png")
