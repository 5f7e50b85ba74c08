"""web/launcher.py: who sees which page, and what is shown in the place of an app that fails."""

from __future__ import annotations

import json
import logging
import re

import pytest

from apphub import logfmt
from apphub.menu import load_menu
from apphub.web import launcher
from apphub.web.launcher import build_pages

SALES = "import streamlit as st\n\ndef run():\n    st.text('sales of the year')\n"


# -- Which page ------------------------------------------------------------------------------------


def test_several_apps_have_a_home_page(hub):
    page = hub.open()
    assert page.title[0].value == "Data Apps"
    assert not page.exception
    assert not page.error


def test_only_app_opens_at_once(hub):
    hub.only(SALES)
    for path in ("", "sales"):
        assert hub.open(path).text[0].value == "sales of the year"


def test_only_app_of_this_user_opens_at_once(hub):
    hub.write("sales", SALES, users=["anna"])
    hub.write("mine", SALES.replace("sales of the year", "for bob"), users=["bob"])
    menu = [{"users": ["carol"], **entry} for entry in hub.project.menu]
    hub.project.write("apps.json", json.dumps(menu))
    assert hub.open(user="anna").text[0].value == "sales of the year"
    assert hub.open(user="bob").text[0].value == "for bob"
    assert hub.open(user="carol").title[0].value == "Data Apps"


def test_user_without_apps(hub, texts):
    hub.only(SALES, users=["anna"])
    page = hub.open(user="bob")
    assert page.title[0].value == "No apps yet"
    assert "bob" in page.markdown[0].value
    assert "sales" not in "".join(texts(page)).lower()


def test_on_a_dyno_without_a_user_nobody_sees_an_app(hub, texts, monkeypatch):
    """The request did not come through nginx."""
    hub.only(SALES)
    monkeypatch.setenv("DYNO", "web.1")
    page = hub.open()
    assert page.error[0].value == "Not logged in"
    assert "sales of the year" not in texts(page)
    assert hub.open(user="anna").text[0].value == "sales of the year"


def test_workstation_shows_every_app_without_a_user(hub):
    hub.only(SALES, users=["anna"])
    assert hub.open().text[0].value == "sales of the year"


@pytest.mark.parametrize("path", ["nothing", "a/nothing", "%E5%A3%B2", "sales%20report"])
def test_page_not_found(hub, path):
    page = hub.open(path, user="bob")
    assert page.title[0].value == "Page not found"
    assert not page.error


def test_app_of_another_user_is_not_found_either(hub, texts):
    """The page is the same, but for the address."""
    hub.write("secret", SALES, users=["anna"])
    missing, forbidden = hub.open("nothing", "bob"), hub.open("secret", "bob")
    assert texts(forbidden) == [text.replace("nothing", "secret") for text in texts(missing)]
    assert hub.open("secret", "anna").text[0].value == "sales of the year"


@pytest.mark.parametrize("path", ["sales_report", "a/sales_report", "sales_report%20"])
def test_address_of_an_app(hub, path):
    hub.project.write("apps/sales_report.py", SALES)
    assert hub.open(path).text[0].value == "sales of the year"


def test_address_that_looks_like_markdown_is_shown_as_it_is(hub):
    page = hub.open("*a*%20%3Cb%3E")
    assert r"/\*a\* \<b\>" in page.markdown[0].value


def test_menu_has_sections_and_escaped_names(hub):
    hub.write("sales", SALES, section="Money")
    hub.write("costs", SALES, name="Cost in $ *now*", icon="🧭")
    hub.open()
    pages = build_pages("Data Apps", *load_menu(hub.project.path))
    assert launcher.build_pages.cache_info().hits == 1
    assert [page.section for page in pages] == ["", "", "", "Money", ""]
    assert [page.url_path for page in pages][3:] == ["sales", "costs"]
    assert [page.title for page in pages][3:] == ["Sales", r"Cost in \$ \*now\*"]
    assert [page.icon for page in pages][3:] == ["", "🧭"]


def test_pages_are_built_once_for_all_users_who_see_the_same(hub):
    hub.open(user="anna")
    hub.open(user="bob")
    assert launcher.build_pages.cache_info().misses == 1


@pytest.mark.parametrize("icon", ["🧭", ":material/payments:"])
def test_icon_of_an_app(hub, icon):
    hub.only(SALES, icon=icon)
    assert hub.open().text[0].value == "sales of the year"


def test_missing_icon_of_the_project(hub, monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, "ICON", tmp_path / "icon.svg")
    assert hub.open().title[0].value == "Data Apps"


def test_menu_that_is_not_valid(hub, texts, monkeypatch):
    hub.project.write("apps.json", "[")
    page = hub.open(user="anna")
    assert page.error[0].value == "The menu could not be loaded"
    assert any("apps.json, line 1" in text for text in texts(page))
    monkeypatch.setenv("DYNO", "web.1")
    page = hub.open(user="anna")
    assert page.error[0].value == "The menu could not be loaded"
    assert not any("apps.json" in text for text in texts(page))


def test_process_without_a_session_shows_nothing(monkeypatch):
    """multiprocessing executes app.py in the processes that an app starts."""
    monkeypatch.setattr(launcher, "load_menu", None)
    launcher.main()


# -- An app that fails -----------------------------------------------------------------------------


@pytest.fixture
def visitor(monkeypatch) -> str:
    """A visitor of a dyno, to whom no error is shown."""
    monkeypatch.setenv("DYNO", "web.1")
    return "anna"


def test_exception_is_shown_on_a_workstation(hub, caplog):
    hub.only("def run():\n    raise RuntimeError('no data today')\n")
    page = hub.open()
    assert page.error[0].value == "Sales failed"
    assert page.exception[0].message == "no data today"
    # Its traceback begins in the app.
    assert [line for line in page.exception[0].stack_trace if "apphub" in line] == []
    assert any("apps/sales.py" in line for line in page.exception[0].stack_trace)


def test_visitor_reads_nothing_of_an_exception(hub, texts, visitor, caplog):
    hub.only("def run():\n    raise RuntimeError('no data today')\n")
    page = hub.open(user=visitor)
    assert page.error[0].value == "Sales failed"
    assert not page.exception
    assert not any("apps" in text or "no data" in text for text in texts(page))
    [record] = [record for record in caplog.records if record.name == "apps"]
    assert record.levelno == logging.ERROR
    assert "apps.sales" in record.getMessage()
    assert str(record.exc_info[1]) == "no data today"


@pytest.mark.parametrize("source", ["def run():\n    1 / 0\n", "def run():\n    exit()\n", ""])
def test_page_and_log_share_a_reference(hub, visitor, caplog, source):
    hub.only(source)
    [text] = [element.value for element in hub.open(user=visitor).markdown]
    reference = re.search(r"The error was logged \(reference ([0-9a-f]{8})\)\.$", text)[1]
    [record] = [record for record in caplog.records if record.name == "apps"]
    assert f"(reference {reference})" in record.getMessage()


def test_error_in_a_fragment_is_drawn_once(hub):
    """Streamlit draws and logs it where it is."""
    hub.only(
        "import streamlit as st\n"
        "@st.fragment\n"
        "def part():\n    1 / 0\n"
        "def run():\n    st.text('above')\n    part()\n"
    )
    page = hub.open()
    assert page.text[0].value == "above"
    assert len(page.exception) == 1
    assert not page.error


def test_show_errors_shows_them_on_a_dyno(hub, visitor, monkeypatch):
    monkeypatch.setenv("SHOW_ERRORS", "1")
    hub.only("def run():\n    raise RuntimeError('no data today')\n")
    assert hub.open(user=visitor).exception[0].message == "no data today"


@pytest.mark.parametrize(
    "source",
    ["1 / 0\ndef run():\n    pass\n", "def run(:\n", "import nothing\ndef run():\n    pass\n"],
)
def test_module_that_cannot_be_imported(hub, visitor, source):
    hub.only(source)
    for _ in range(2):
        page = hub.open(user=visitor)
        assert page.error[0].value == "Sales failed"


@pytest.mark.parametrize("source", ["", "run = 1\n", "def main():\n    pass\n"])
def test_module_without_run(hub, texts, source):
    hub.only(source)
    page = hub.open()
    assert page.error[0].value == "This app could not be loaded"
    assert any("apps/sales.py" in text and "def run()" in text for text in texts(page))


def test_module_that_is_missing(hub, texts, visitor):
    hub.only(SALES)
    (hub.project.path / "apps/sales.py").unlink()
    page = hub.open(user=visitor)
    assert page.error[0].value == "This app could not be loaded"
    assert not any("apps/sales.py" in text for text in texts(page))


@pytest.mark.parametrize("call", ["exit()", "sys.exit(1)", "raise SystemExit"])
def test_app_that_exits(hub, texts, call):
    hub.only(f"import sys\n\ndef run():\n    {call}\n")
    page = hub.open()
    assert page.error[0].value == "This app called exit()"
    assert any("st.stop()" in text for text in texts(page))


def test_app_that_stops_has_not_failed(hub):
    hub.only("import streamlit as st\n\ndef run():\n    st.text('so far')\n    st.stop()\n")
    page = hub.open()
    assert page.text[0].value == "so far"
    assert not page.error


def test_broken_app_does_not_affect_the_others(hub):
    hub.write("broken", "def run():\n    1 / 0\n")
    hub.project.write("apps/sales_report.py", SALES)
    assert not hub.open().error
    assert hub.open("broken").error[0].value == "Broken failed"
    assert hub.open("sales_report").text[0].value == "sales of the year"


@pytest.mark.parametrize("source", ["def run():\n    1 / 0\n", "def run():\n    exit()\n", ""])
def test_link_home_below_a_problem(hub, source):
    hub.write("broken", source)
    assert len(hub.open("broken").get("page_link")) == 1


def test_name_is_not_interpreted_as_markdown(hub):
    hub.only("def run():\n    1 / 0\n", name="*R&D* <b>")
    assert hub.open().error[0].value == r"\*R&D\* \<b\> failed"


def test_log_has_the_app_that_is_open(hub, monkeypatch):
    opened = []
    monkeypatch.setattr(logfmt, "set_current_app", opened.append)
    hub.project.write("apps/sales_report.py", SALES)
    hub.open("sales_report")
    assert opened == ["", "sales_report"]


# -- Links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "address"),
    [("apps/churn_explorer.py", "churn_explorer"), ("apps/forecast/main.py", "forecast")],
)
def test_link_to_the_path_of_an_app(hub, path, address):
    (hub.project.path / "apps/forecast").mkdir()
    hub.project.write("apps/forecast/main.py", "")
    hub.project.add_to_menu({"name": "Forecast", "script": "apps/forecast/main.py"})
    hub.write("links", f"import streamlit as st\n\ndef run():\n    st.page_link('{path}')\n")
    [link] = hub.open("links").get("page_link")
    assert link.proto.page == address


def test_link_to_the_only_app(hub):
    hub.only("import streamlit as st\n\ndef run():\n    st.page_link('apps/sales.py')\n")
    [link] = hub.open("sales").get("page_link")
    assert link.proto.page == ""


def test_link_to_an_app_of_another_user_fails(hub):
    hub.write("secret", SALES, users=["anna"])
    source = "import streamlit as st\n\ndef run():\n    st.page_link('apps/secret.py', label='x')\n"
    hub.write("links", source)
    assert not hub.open("links", "anna").error
    assert hub.open("links", "bob").error


def test_streamlit_without_links_to_paths_draws_the_apps(hub, monkeypatch, caplog):
    """As if it kept a page's file under another name."""
    monkeypatch.setattr(launcher, "hasattr", lambda *_: False, raising=False)
    hub.only(SALES)
    assert hub.open().text[0].value == "sales of the year"
    assert any("has no links" in record.getMessage() for record in caplog.records)
