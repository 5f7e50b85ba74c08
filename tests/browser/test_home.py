"""The home page in a browser: the cards, who sees which, and the pages that lead back to it."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, ROOT, USER, BakedProject
from fake_dyno import FakeDyno
from http_client import HttpClient
from playwright.sync_api import Locator, Page, expect
from streamlit_page import (
    heading,
    logged_in,
    main_of,
    menu,
    wait_until_drawn,
    wait_until_settled,
)

from apphub.accounts import set_password

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a session secret of more than 32 characters"
BOB = "bob"
OWN_PAGES = '''"""Plan, book, and look back."""

import streamlit as st


def plan():
    st.header("The plan")


def book():
    st.header("The books")


PAGES = {"Plan": plan, "Book": book}


def run():
    page = st.segmented_control(
        "Page", PAGES, default="Plan", required=True, key="KEY", bind="query-params"
    )
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
]


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    """The two apps that were asked for, and in two sections some with something to see."""
    set_password(BOB, PASSWORD, baked_project.path)
    baked_project.write("apps/travel.py", OWN_PAGES.replace("KEY", "travel"))
    baked_project.write("apps/payroll.py", OWN_PAGES.replace("KEY", "payroll"))
    baked_project.write("apps/fails.py", FAILS)
    baked_project.add_to_menu(*APPS)
    dyno = FakeDyno(baked_project.path, nginx, SHOW_ERRORS="0", SESSION_SECRET=SECRET)
    yield dyno
    dyno.stop()


@pytest.fixture
def bobs(dyno, chromium) -> Iterator[Page]:
    """A page of the other user."""
    with logged_in(chromium, dyno.url, BOB) as context:
        yield context.new_page()


def cards(page: Page) -> Locator:
    return main_of(page).locator('[class*="st-key-card-"]')


def card(page: Page, name: str) -> Locator:
    return cards(page).filter(has=page.get_by_text(name, exact=True))


def test_a_card_for_each_app(page):
    page.goto("/")
    expect(heading(page, "Data Apps")).to_be_visible()
    expect(page.get_by_text(f"Hello, {USER}")).to_be_visible()
    expect(cards(page)).to_have_count(5)
    # The docstring's first paragraph, and what apps.json says in its place, character by character.
    expect(card(page, "Sales Report")).to_contain_text("Sample app with generated data.")
    expect(card(page, "Travel")).to_contain_text("Plan, book, and look back.")
    expect(card(page, "Travel")).to_contain_text("🧭")
    expect(card(page, "Payroll $5")).to_contain_text("What everybody *earns*, <b>by month</b>")
    for section in ("Money", "In the making"):
        expect(heading(page, section)).to_be_visible()
        expect(menu(page).get_by_text(section)).to_be_visible()
    # Nothing of Streamlit's own.
    for text in ("Deploy", "Made with Streamlit"):
        expect(page.get_by_text(text)).to_have_count(0)
    icon = page.locator('link[rel~="icon"]').first
    assert icon.get_attribute("href").startswith("data:image/svg+xml;base64,")


def test_a_card_is_a_link_as_a_whole(page):
    page.goto("/")
    expect(cards(page)).to_have_count(5)
    wait_until_drawn(page)  # what moves on would not be clicked
    box = card(page, "Travel").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8)
    expect(heading(page, "The plan")).to_be_visible()
    expect(page).to_have_url("/travel")


def test_other_users_see_only_their_own_apps(bobs):
    bobs.goto("/")
    expect(bobs.get_by_text("Hello, bob")).to_be_visible()
    expect(cards(bobs)).to_have_count(4)
    expect(bobs.get_by_text("Payroll")).to_have_count(0)


ADDRESSES = {"/payroll": "/payroll", "/nothing": "/nothing", "/a/b/c": "/c", "/$x$*y*": "/$x$*y*"}


def test_a_page_that_is_not_found(bobs):
    """Another user's app looks like one that does not exist."""
    for address, shown in ADDRESSES.items():
        bobs.goto(address)
        expect(heading(bobs, "Page not found")).to_be_visible()
        expect(main_of(bobs)).to_contain_text(
            f"There is no app at {shown}, or you do not have access."
        )
        expect(bobs.get_by_role("dialog")).to_have_count(0)  # Streamlit has one of its own
    bobs.reload()
    expect(heading(bobs, "Page not found")).to_be_visible()
    main_of(bobs).get_by_role("link", name="All apps").click()
    expect(heading(bobs, "Data Apps")).to_be_visible()
    menu(bobs).get_by_role("link", name="Travel").click()
    expect(heading(bobs, "The plan")).to_be_visible()
    expect(bobs).to_have_url("/travel")


@pytest.mark.parametrize("address", ["www.evil.example", "at%20mail@evil.example"])
def test_no_address_is_shown_as_a_link(page, address):
    page.goto(f"/{address}")
    expect(heading(page, "Page not found")).to_be_visible()
    links = main_of(page).get_by_role("link")
    expect(links.filter(has_text="All apps")).to_be_visible()
    expect(links).to_have_count(1)


def test_a_longer_address_of_an_app_leads_to_it(page):
    page.goto("/apps/travel?travel=Book")
    expect(heading(page, "The books")).to_be_visible()
    expect(page).to_have_url("/travel?travel=Book")


def test_an_app_may_have_pages_of_its_own(page):
    page.goto("/travel")
    expect(heading(page, "The plan")).to_be_visible()
    wait_until_settled(page)
    page.get_by_role("radio", name="Book").or_(page.get_by_role("button", name="Book")).click()
    expect(heading(page, "The books")).to_be_visible()
    expect(page).to_have_url("/travel?travel=Book")
    page.reload()
    expect(heading(page, "The books")).to_be_visible()
    menu(page).get_by_role("link", name="Payroll").click()
    expect(heading(page, "The plan")).to_be_visible()


def test_an_app_that_fails_shows_no_details(page, dyno):
    page.goto("/fails")
    page.get_by_role("button", name="Fail", exact=True).click()
    expect(main_of(page)).to_contain_text("Fails failed")
    shown = re.search(r"\(reference [0-9a-f]{8}\)", main_of(page).inner_text())
    assert shown
    expect(main_of(page)).not_to_contain_text("no data today")
    log = dyno.log_with("no data today")
    begin = f"at=error user={USER} app=fails apps: "
    first = f"{begin}Fails (apps.fails) failed {shown[0]}\n"
    logged = log[log.index(f"{first}{begin}Traceback (most recent") :]
    for file in ("launcher.py", "app_loader.py"):
        assert file not in logged.partition("no data today")[0]
    main_of(page).get_by_role("link", name="All apps").click()
    expect(heading(page, "Data Apps")).to_be_visible()


def test_nor_does_one_that_fails_in_a_fragment(page, dyno):
    page.goto("/fails")
    page.get_by_role("button", name="Fail in a part").click()
    expect(page.get_by_test_id("stException")).to_be_visible()
    expect(main_of(page)).not_to_contain_text("no parts today")
    assert "no parts today" in dyno.log_with("no parts today")


def test_the_tab_has_its_name_before_anything_runs(dyno):
    client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
    html = client.request(session=client.session).body.decode()
    assert "<title>Data Apps</title>" in html
    assert "favicon.png" not in html


def test_with_show_errors_the_page_has_the_traceback(dyno, page):
    with dyno.restarted(SHOW_ERRORS="1"):
        page.goto("/fails")
        page.get_by_role("button", name="Fail", exact=True).click()
        exception = page.get_by_test_id("stException")
        expect(exception).to_contain_text("RuntimeError: no data today")
        expect(exception).not_to_contain_text("launcher.py")
        page.get_by_role("button", name="Fail in a part").click()
        expect(main_of(page)).to_contain_text("no parts today")


SHOWCASE = [
    ("Sales Report", "Sales", ":material/payments:", "What was sold where, week by week"),
    (
        "Churn Explorer",
        "Sales",
        ":material/group_remove:",
        "Which customers leave, when, and what came before it, by plan and by region",
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


@pytest.fixture(scope="module")
def showcase(bake_once, nginx) -> Iterator[FakeDyno]:
    """A project for the README's pictures."""
    project = bake_once(
        auth_user=USER, app_name="Data Apps", apps=", ".join(a[0] for a in SHOWCASE)
    )
    more = [{"section": s, "icon": icon, "description": line} for _, s, icon, line in SHOWCASE]
    entries = [{**entry, **rest} for entry, rest in zip(project.menu, more, strict=True)]
    project.write("apps.json", json.dumps(entries))
    with FakeDyno(project.path, nginx) as dyno:
        yield dyno


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_it_fits_the_screen_and_is_worth_a_picture(
    showcase, chromium, request, tmp_path, width, scheme
):
    """Nothing sticks out at the side. These are the README's pictures."""
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with logged_in(chromium, showcase.url, **options) as context:
        page = context.new_page()
        page.goto("/")
        expect(cards(page)).to_have_count(len(SHOWCASE))
        wait_until_drawn(page)
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
        page.screenshot(path=tmp_path / f"hub-{width}-{scheme}.png", animations="disabled")
        if scheme == "light" and width > 500:
            page.goto("/sales_report")
            expect(page.get_by_test_id("stVegaLiteChart").get_by_role("img")).to_be_visible()
            wait_until_drawn(page)
            page.screenshot(path=tmp_path / "app-1440-light.png", animations="disabled")
    if request.config.getoption("--screenshots"):
        for picture in tmp_path.glob("*.png"):
            shutil.copy(picture, ROOT / "docs")
