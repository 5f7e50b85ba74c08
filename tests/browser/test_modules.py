"""Modules, which share the hub's process: nothing of one app or user is seen by another."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import requests
from baked import USER, BakedProject
from fake_dyno import FakeDyno, free_port, python_environment, wait_until
from playwright.sync_api import expect
from streamlit_page import (
    DESKTOP,
    heading,
    logged_in,
    main_of,
    open_from_menu,
    open_tab,
    wait_until_settled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

STATE = """
import streamlit as st

def run():
    st.title("{name}")
    st.text(f"found {{sorted(map(str, st.session_state.to_dict().items()))}}")
    st.session_state["secret of {name}"] = 1
"""
PASSWORD_PAGE = """
import streamlit as st

def entered():
    st.session_state["password_correct"] = st.session_state["pw"] == "for-{name}"

def run():
    st.title("{name}")
    if not st.session_state.get("password_correct"):
        st.text_input("Password", type="password", key="pw", on_change=entered)
        st.stop()
    st.text("inside {name}")
"""
APPS = {
    "notes": """
import streamlit as st

notes = []

def run():
    st.title("notes")
    if text := st.text_input("Note"):
        notes.append(text)
    st.text(f"noted {notes}")
""",
    "toplevel": """
import streamlit as st

st.sidebar.header("Filters of the top level")
if "count" not in st.session_state:
    st.session_state.count = 0

def run():
    st.title("toplevel")
    st.button("Add", on_click=add)
    st.text(f"count {st.session_state.count}")
    part()

def add():
    st.session_state.count += 1

@st.fragment
def part():
    st.session_state.parts = st.session_state.get("parts", 0) + 1
    st.button("Again")
    st.text(f"part {st.session_state.parts} of {st.session_state.count}")
""",
    "wide": """
import streamlit as st

st.set_page_config("My wide app", "🚀", "wide", "collapsed", {"About": "About the wide app"})

def run():
    st.title("wide")
    st.button("Again")
""",
    "magic": """
import streamlit as st

def run():
    st.title("magic")
    "## A heading by magic"
    numbers = [1, 2]
    numbers
""",
    "door_a": PASSWORD_PAGE.format(name="door_a"),
    "door_b": PASSWORD_PAGE.format(name="door_b"),
    "state_a": STATE.format(name="state_a"),
    "state_b": STATE.format(name="state_b"),
    "shared": STATE.format(name="shared"),
    "query": """
import streamlit as st

def run():
    st.title("query")
    year = st.number_input("Year", 2000, 2100, 2020, key="year", bind="query-params")
    st.text(f"year {year} of {st.query_params.get('region')}")
""",
    "moves": """
import logging.config
import os
import streamlit as st

os.chdir("apps")
logging.config.dictConfig({"version": 1})

def run():
    st.title("moves")
    st.text(f"in {os.path.basename(os.getcwd())}")
""",
    "reads": """
import argparse
import os
import streamlit as st

def run():
    st.title("reads")
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5)
    st.text(f"{parser.prog} {parser.parse_args().rows} {os.path.isfile('apps.json')}")
""",
    "fails": "def run():\n    raise RuntimeError('no data today')\n",
    "links": """
import streamlit as st

def run():
    st.title("links")
    st.page_link("apps/magic.py", label="To magic")
    st.page_link("apps/forecast.py", label="To forecast", query_params={"year": "2030"})
    if st.button("Switch to magic"):
        st.switch_page("apps/magic.py")
    if st.button("Switch to forecast"):
        st.switch_page("apps/forecast.py")
""",
}
FORECAST = """
import streamlit as st

st.title("Forecast by itself")
st.text(f"year {st.query_params.get('year')}")
"""


@pytest.fixture(scope="module")
def project(bake_once) -> BakedProject:
    project = bake_once(auth_user=USER)
    menu = [{"name": name, "module": f"apps.{name}"} for name in APPS]
    menu[list(APPS).index("shared")]["shares_state"] = True
    menu.append({"name": "Forecast", "script": "apps/forecast.py"})
    project.write("apps.json", json.dumps(menu))
    for name, source in {**APPS, "forecast": FORECAST}.items():
        project.write(f"apps/{name}.py", source)
    return project


@contextmanager
def running(
    project: Path, script: str, port: int, *options: str, **environment: str
) -> Iterator[str]:
    """Run a script by `streamlit run`, and give its address."""
    python = python_environment(project / "requirements.txt")
    process = subprocess.Popen(
        [
            *(python / "streamlit", "run", script, "--server.port", str(port)),
            *("--server.headless", "true", *options),
        ],
        cwd=project,
        env={**os.environ, **environment},
    )
    try:
        address = f"http://localhost:{port}"
        wait_until(lambda: is_up(address))
        yield address
    finally:
        process.kill()
        process.wait()


def is_up(address: str) -> bool:
    """Return whether a server answers there, whatever it says."""
    with suppress(requests.ConnectionError):
        requests.get(address, timeout=30)
        return True
    return False


@pytest.fixture(scope="module")
def hub(project) -> Iterator[str]:
    """The address of the hub, with a script in a process of its own as the supervisor has it."""
    port = free_port()
    address = f"http://localhost:{port}/forecast/"
    with ExitStack() as stack:
        stack.enter_context(
            running(project.path, "apps/forecast.py", port, "--server.baseUrlPath", "forecast")
        )
        scripts = json.dumps({"forecast": address})
        yield stack.enter_context(
            running(project.path, "app.py", free_port(), APPHUB_SCRIPTS=scripts)
        )


@pytest.fixture
def page(hub, chromium) -> Iterator[Page]:
    context = chromium.new_context(base_url=hub, viewport=DESKTOP)
    with open_tab(context) as page:
        yield page
    context.close()


@pytest.fixture
def other_page(hub, chromium) -> Iterator[Page]:
    """A page of another browser."""
    context = chromium.new_context(base_url=hub, viewport=DESKTOP)
    with open_tab(context) as page:
        yield page
    context.close()


def open_app(page: Page, name: str) -> None:
    """Open an app at its address, and wait for its title."""
    page.goto(f"/{name}")
    expect(heading(page, name)).to_be_visible()
    wait_until_settled(page)


def switch(page: Page, name: str, title: str | None = None) -> None:
    """Open an app from the menu, all of which is shown, in the same session."""
    view = page.get_by_test_id("stSidebarNavViewButton")
    if view.count() and "more" in view.inner_text():
        view.click()
    open_from_menu(page, name)
    expect(heading(page, title or name)).to_be_visible()
    wait_until_settled(page)


def enter(page: Page, label: str, text: str) -> None:
    """Type a text into a field."""
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Enter")


def expect_text(page: Page, text: str) -> None:
    """Wait for a text of the app, all of it."""
    expect(main_of(page).get_by_text(text, exact=True)).to_be_visible()


# -- One user and another ---------------------------------------------------------------------


def test_variables_of_the_top_level_are_not_shared(page, other_page):
    for each, text in ((page, "100"), (other_page, "200")):
        open_app(each, "notes")
        enter(each, "Note", text)
        expect_text(each, f"noted ['{text}']")
    # As in a script, they are new in each run.
    enter(page, "Note", "300")
    expect_text(page, "noted ['300']")


def test_top_level_is_executed_in_each_session_and_run(page, other_page):
    for each in (page, other_page):
        open_app(each, "toplevel")
        for count in (1, 2):
            each.get_by_role("button", name="Add").click()
            expect_text(each, f"count {count}")
        expect(each.get_by_test_id("stSidebarUserContent")).to_have_text("Filters of the top level")


def test_fragment_and_callback_have_the_state(page):
    open_app(page, "toplevel")
    expect_text(page, "part 1 of 0")
    page.get_by_role("button", name="Again").click()
    expect_text(page, "part 2 of 0")
    page.get_by_role("button", name="Add").click()
    expect_text(page, "part 3 of 1")


def test_magic(page):
    open_app(page, "magic")
    expect(heading(page, "A heading by magic")).to_be_visible()
    expect(page.get_by_test_id("stJson")).to_be_visible()


# -- The page ----------------------------------------------------------------------------------


def layout(page: Page) -> str:
    """Return how wide the app's part of the page may be."""
    block = page.get_by_test_id("stMainBlockContainer")
    width: str = block.evaluate("block => getComputedStyle(block).maxWidth")
    return width


def test_page_config_counts_on_every_view_and_only_for_its_app(page):
    centered = "736px"
    open_app(page, "wide")
    for _ in range(2):
        expect(page).to_have_title("My wide app")
        expect(page.get_by_test_id("stMainMenu")).to_be_visible()
        expect(page.get_by_test_id("stSidebarNav")).not_to_be_visible()
        assert layout(page) != centered
        page.get_by_role("button", name="Again").click()
        wait_until_settled(page)
        page.reload()
        expect(heading(page, "wide")).to_be_visible()
    page.get_by_test_id("stExpandSidebarButton").click()
    switch(page, "magic")
    expect(page).to_have_title("magic · Data Apps")
    wait_until(lambda: layout(page) == centered)
    expect(page.get_by_test_id("stMainMenu")).to_have_count(0)
    switch(page, "wide")
    expect(page).to_have_title("My wide app")
    wait_until(lambda: layout(page) != centered)


def test_first_view_with_query_parameters(page):
    page.goto("/query?year=2030&region=North")
    expect_text(page, "year 2030 of North")
    enter(page, "Year", "2031")
    expect_text(page, "year 2031 of North")


# -- One app and another -----------------------------------------------------------------------


def test_password_of_one_app_does_not_open_another(page):
    open_app(page, "door_a")
    enter(page, "Password", "for-door_a")
    expect_text(page, "inside door_a")
    for name in ("door_b", "door_a"):
        switch(page, name)
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
        expect(page.get_by_text("inside")).to_have_count(0)


def test_state_is_empty_on_coming_in_from_another_app(page):
    open_app(page, "state_a")
    for name in ("state_b", "state_a"):
        switch(page, name)
        expect_text(page, "found []")
    switch(page, "All apps", "Data Apps")
    switch(page, "state_a")
    expect_text(page, "found []")


def test_app_that_shares_state_finds_that_of_the_app_before(page):
    open_app(page, "state_a")
    switch(page, "shared")
    expect_text(page, "found [\"('secret of state_a', 1)\"]")
    switch(page, "state_b")
    expect_text(page, "found []")
    switch(page, "All apps", "Data Apps")
    switch(page, "shared")
    expect_text(page, "found [\"('secret of state_b', 1)\"]")


def test_process_is_restored(page):
    open_app(page, "moves")
    expect_text(page, "in apps")
    for name in ("reads", "moves", "reads"):
        switch(page, name)
        expect_text(page, "in apps" if name == "moves" else "reads.py 5 True")


# -- Links -------------------------------------------------------------------------------------


def test_link_and_switch_to_a_module_keep_the_session(page):
    open_app(page, "links")
    page.evaluate("window.loaded = 'once'")
    page.get_by_test_id("stPageLink").get_by_text("To magic").click()
    expect(heading(page, "magic")).to_be_visible()
    switch(page, "links")
    page.get_by_role("button", name="Switch to magic").click()
    expect(heading(page, "magic")).to_be_visible()
    expect(page).to_have_url("/magic")
    assert page.evaluate("window.loaded") == "once"


def test_link_and_switch_to_a_script_load_its_page(page):
    open_app(page, "links")
    page.get_by_test_id("stPageLink").get_by_text("To forecast").click()
    expect(heading(page, "Forecast by itself")).to_be_visible()
    expect_text(page, "year 2030")
    page.go_back()
    expect(heading(page, "links")).to_be_visible()
    page.get_by_role("button", name="Switch to forecast").click()
    expect(heading(page, "Forecast by itself")).to_be_visible()


def test_script_opens_from_its_card(page):
    page.goto("/")
    main_of(page).get_by_role("link").get_by_text("Forecast").click()
    expect(heading(page, "Forecast by itself")).to_be_visible()


# -- Saved files -------------------------------------------------------------------------------

USES_HELPER = """
import streamlit as st
from apps.helper import NAME

def run():
    st.title(NAME)
"""


def test_saved_module_counts_on_the_next_view_without_a_tab(project, chromium):
    """Nor does anything of its own modules stay."""
    project.write("apps/uses_helper.py", USES_HELPER)
    project.write("apps/helper.py", 'NAME = "first"\n')
    menu = [{"name": "Uses", "module": "apps.uses_helper"}, *project.menu]
    project.write("apps.json", json.dumps(menu))
    with running(project.path, "app.py", free_port()) as url:

        def view(name: str) -> None:
            context = chromium.new_context(base_url=url)
            with open_tab(context) as page:
                page.goto("/uses_helper")
                expect(heading(page, name)).to_be_visible()
                wait_until_settled(page)
            context.close()

        view("first")
        project.write("apps/helper.py", 'NAME = "second"\n')
        view("second")
        project.write("apps/uses_helper.py", USES_HELPER.replace("(NAME)", '("third")'))
        view("third")


# -- On a dyno ---------------------------------------------------------------------------------


def test_failure_has_a_reference_on_the_page_and_in_the_log(project, nginx, chromium):
    """In the log of an app's failure, even after another app has configured the logging."""
    with (
        FakeDyno(project.path, nginx) as dyno,
        logged_in(chromium, dyno.url) as context,
        open_tab(context) as page,
    ):
        open_app(page, "moves")
        open_from_menu(page, "fails")
        expect(main_of(page)).to_contain_text("fails failed")
        [text] = page.get_by_text("(reference ").all_inner_texts()
        reference = text.partition("(reference ")[2].rstrip(").")
        log = dyno.log_with(f"app=fails apps: fails (apps.fails) failed (reference {reference})")
        assert "app=fails apps: RuntimeError: no data today" in log
