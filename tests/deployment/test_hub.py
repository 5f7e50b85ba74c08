"""The hub in a real browser: the cards, who sees which, and the pages that lead back to them."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager

import pytest
from baked import PASSWORD, ROOT, USER, BakedProject
from dyno import Dyno
from playwright.sync_api import Browser, Page, expect

expect.set_options(timeout=30_000)

BOB = "bob"
OWN_PAGES = '''"""Plan, book, and look back."""

import streamlit as st


def plan():
    st.header("The plan")


def book():
    st.header("The books")


PAGES = {"Plan": plan, "Book": book}


def run():
    page = st.segmented_control("Page", PAGES, default="Plan", required=True, key="KEY", bind="query-params")
    PAGES[page]()
'''
FAILS = '''"""Fails, each in its own way."""

import streamlit as st


@st.fragment
def part():
    if st.button("Fail in a part"):
        raise RuntimeError("no parts today")


def run():
    part()
    if st.button("Fail"):
        raise RuntimeError("no data today")
'''
APPS = [
    {"name": "Travel", "module": "apps.travel", "icon": "🧭", "section": "Money"},
    {
        "name": "Payroll $5",
        "module": "apps.payroll",
        "icon": ":material/payments:",
        "description": "What everybody *earns*, <b>by month</b>",
        "section": "Money",
        "users": [USER],
    },
    {"name": "Fails", "module": "apps.fails", "section": "In the making"},
    {"name": "Not Python", "module": "apps.not_python", "section": "In the making"},
]


@pytest.fixture(scope="module")
def hub(baked: BakedProject) -> BakedProject:
    """The two apps that were asked for, and in two sections some with something to see."""
    baked.load("manage").set_password(BOB, PASSWORD, baked.path)
    baked.write("apps/travel.py", OWN_PAGES.replace("KEY", "travel"))
    baked.write("apps/payroll.py", OWN_PAGES.replace("KEY", "payroll"))
    baked.write("apps/fails.py", FAILS)
    baked.write("apps/not_python.py", "def run():\n    pass\n")
    baked.add_to_menu(*APPS)
    return baked


@pytest.fixture(scope="module")
def dyno(hub, nginx):
    with Dyno(hub.path, nginx, SHOW_ERRORS="0") as dyno:
        # The build would refuse it.
        (dyno.home / "apps/not_python.py").write_text("def run(:\n")
        yield dyno


@contextmanager
def logged_in(chromium: Browser, dyno: Dyno, user: str = USER, **options: object):
    """A page of somebody who is logged in."""
    context = chromium.new_context(
        base_url=dyno.url,
        http_credentials={"username": user, "password": PASSWORD},
        **{"viewport": {"width": 1280, "height": 800}, **options},
    )
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def page(dyno, chromium):
    with logged_in(chromium, dyno) as page:
        yield page


def cards(page: Page):
    return page.get_by_test_id("stMain").locator('[class*="st-key-card-"]')


def card(page: Page, name: str):
    return cards(page).filter(has=page.get_by_text(name, exact=True))


def heading(page: Page, name: str):
    return page.get_by_test_id("stMain").get_by_role("heading", name=name, exact=True)


def test_a_card_for_each_app(page):
    page.goto("/")
    expect(heading(page, "Data Apps")).to_be_visible()
    expect(page.get_by_text(f"Hello, {USER}")).to_be_visible()
    expect(cards(page)).to_have_count(6)
    # The docstring's first paragraph, and what apps.json says in its place, as it stands there.
    expect(card(page, "Sales Report")).to_contain_text("A first sketch with made-up numbers")
    expect(card(page, "Travel")).to_contain_text("Plan, book, and look back.")
    expect(card(page, "Travel")).to_contain_text("🧭")
    expect(card(page, "Payroll $5")).to_contain_text("What everybody *earns*, <b>by month</b>")
    for section in ("Money", "In the making"):
        expect(heading(page, section)).to_be_visible()
        expect(page.get_by_test_id("stSidebarNav").get_by_text(section)).to_be_visible()


def test_a_card_is_a_link_as_a_whole(page):
    page.goto("/")
    box = card(page, "Travel").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8)
    expect(heading(page, "The plan")).to_be_visible()
    expect(page).to_have_url("/travel")


def test_others_see_their_own_apps_alone(dyno, chromium):
    with logged_in(chromium, dyno, BOB) as page:
        page.goto("/")
        expect(page.get_by_text("Hello, bob")).to_be_visible()
        expect(cards(page)).to_have_count(5)
        expect(page.get_by_text("Payroll")).to_have_count(0)


ADDRESSES = {"/payroll": "/payroll", "/nothing": "/nothing", "/a/b/c": "/c", "/$x$*y*": "/$x$*y*"}
LINKS = ("www.evil.example", "at%20mail@evil.example")


@pytest.mark.parametrize(("path", "told"), ADDRESSES.items())
def test_where_there_is_no_app_for_somebody_a_page_says_so(dyno, chromium, path, told):
    """What is not theirs looks like what is not there."""
    with logged_in(chromium, dyno, BOB) as page:
        page.goto(path)
        expect(heading(page, "There is no app here")).to_be_visible()
        expect(page.get_by_test_id("stMain")).to_contain_text(f"At {told} there is none for bob")
        expect(page.get_by_text("Page not found")).to_have_count(0)
        page.reload()
        page.get_by_test_id("stMain").get_by_role("link", name="All apps").click()
        expect(heading(page, "Data Apps")).to_be_visible()
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Travel").click()
        expect(heading(page, "The plan")).to_be_visible()
        expect(page).to_have_url("/travel")


@pytest.mark.parametrize("address", LINKS)
def test_what_stands_in_an_address_is_no_link(page, address):
    page.goto(f"/{address}")
    expect(heading(page, "There is no app here")).to_be_visible()
    links = page.get_by_test_id("stMain").get_by_role("link")
    expect(links.filter(has_text="All apps")).to_be_visible()
    expect(links).to_have_count(1)


def test_a_long_way_to_an_app_ends_there(page):
    page.goto("/apps/travel?travel=Book")
    expect(heading(page, "The books")).to_be_visible()
    expect(page).to_have_url("/travel?travel=Book")


def test_an_app_may_have_pages_of_its_own(page):
    page.goto("/travel")
    page.get_by_role("radio", name="Book").or_(page.get_by_role("button", name="Book")).click()
    expect(heading(page, "The books")).to_be_visible()
    expect(page).to_have_url("/travel?travel=Book")
    page.reload()
    expect(heading(page, "The books")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Payroll").click()
    expect(heading(page, "The plan")).to_be_visible()


def test_an_app_that_fails_tells_its_user_no_more_than_that(page, dyno):
    page.goto("/fails")
    page.get_by_role("button", name="Fail", exact=True).click()
    main = page.get_by_test_id("stMain")
    expect(main).to_contain_text("Fails has failed")
    expect(main).not_to_contain_text("no data today")
    log = dyno.log_with("no data today")
    begin = f"at=error user={USER} app=fails apps: "
    told = log[log.index(f"{begin}Fails (apps.fails) has failed\n{begin}Traceback (most recent") :]
    assert "launcher.py" not in told.partition("no data today")[0]
    page.get_by_test_id("stMain").get_by_role("link", name="All apps").click()
    expect(heading(page, "Data Apps")).to_be_visible()


def test_nor_does_one_that_fails_in_a_part(page, dyno):
    page.goto("/fails")
    page.get_by_role("button", name="Fail in a part").click()
    expect(page.get_by_test_id("stException")).to_be_visible()
    expect(page.get_by_test_id("stMain")).not_to_contain_text("no parts today")
    assert "no parts today" in dyno.log_with("no parts today")


def test_nor_one_that_is_no_python(page, dyno):
    page.goto("/not_python")
    expect(page.get_by_test_id("stMain")).to_contain_text("Not Python has failed")
    expect(page.get_by_test_id("stMain")).not_to_contain_text("SyntaxError")
    assert "app=not_python apps: Not Python (apps.not_python) has failed" in dyno.log_with(
        "SyntaxError"
    )


def test_nothing_of_streamlits_own_is_in_the_way(page):
    page.goto("/")
    expect(cards(page)).to_have_count(6)
    for text in ("Deploy", "Made with Streamlit"):
        expect(page.get_by_text(text)).to_have_count(0)
    icon = page.locator('link[rel~="icon"]').first
    assert icon.get_attribute("href").startswith("data:image/svg+xml;base64,")


def test_the_tab_has_its_name_before_anything_runs(dyno, hub):
    import requests

    answer = requests.get(dyno.url, auth=(USER, PASSWORD))
    assert "<title>Data Apps</title>" in answer.text
    assert "favicon.png" not in answer.text


def test_with_show_errors_the_page_has_the_traceback(hub, dyno, nginx, chromium):
    dyno.stop()
    with Dyno(hub.path, nginx, SHOW_ERRORS="1") as shows, logged_in(chromium, shows) as page:
        page.goto("/fails")
        page.get_by_role("button", name="Fail", exact=True).click()
        expect(page.get_by_test_id("stException")).to_contain_text("RuntimeError: no data today")
        expect(page.get_by_test_id("stException")).not_to_contain_text("launcher.py")
        page.get_by_role("button", name="Fail in a part").click()
        expect(page.get_by_test_id("stMain")).to_contain_text("no parts today")


SHOWCASE = [
    ("Sales Report", "Sales", ":material/payments:", "What was sold where, week by week"),
    (
        "Churn Explorer",
        "Sales",
        ":material/group_remove:",
        "Who leaves, when, and what came before it, by plan and by region",
    ),
    ("Forecast", "Sales", ":material/trending_up:", "The next quarter, with its bounds"),
    (
        "Stock",
        "Operations",
        ":material/inventory_2:",
        "What is in which warehouse, and for how long",
    ),
    ("Deliveries", "Operations", ":material/local_shipping:", "On time or not, by carrier"),
    ("Payroll", "People", ":material/badge:", "Pay by month and grade"),
]
SCREENS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


def test_it_fits_each_screen_and_is_worth_a_picture(bake, nginx, chromium, dyno, request, tmp_path):
    """Nothing sticks out at the side, whatever the screen. These are the README's pictures."""
    dyno.stop()
    project = bake(auth_user=USER, app_name="Data Apps", apps=", ".join(a[0] for a in SHOWCASE))
    more = [{"section": s, "icon": icon, "description": line} for _, s, icon, line in SHOWCASE]
    entries = [{**entry, **rest} for entry, rest in zip(project.menu, more, strict=True)]
    project.write("apps.json", json.dumps(entries))
    with Dyno(project.path, nginx) as showcase:
        for width, scheme in SCREENS:
            viewport = {"width": width, "height": 800}
            options = {"viewport": viewport, "color_scheme": scheme}
            with logged_in(chromium, showcase, **options) as page:
                page.goto("/")
                expect(cards(page)).to_have_count(6)
                page.wait_for_timeout(1000)  # fonts, and the sidebar's slide
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                boxes = [each.bounding_box() for each in cards(page).all()]
                for box in boxes:
                    assert box["x"] >= 0
                    assert box["x"] + box["width"] <= width
                assert len({round(box["x"]) for box in boxes}) == (1 if width < 500 else 3)
                assert width < 500 or len({round(box["height"]) for box in boxes[:3]}) == 1
                colour = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
                dark = sum(map(int, re.findall(r"\d+", page.evaluate(colour))[:3])) < 200
                assert dark == (scheme == "dark")
                page.screenshot(path=tmp_path / f"hub-{width}-{scheme}.png")
                if scheme == "light" and width > 500:
                    page.goto("/sales_report")
                    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
                    page.wait_for_timeout(1000)
                    page.screenshot(path=tmp_path / "app-1440-light.png")
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == len(SCREENS) + 1
    if request.config.getoption("--screenshots"):
        for picture in pictures:
            shutil.copy(picture, ROOT / "docs")
