"""web/script_page.py: the hub's page of a script leads to the script's process."""

from __future__ import annotations

import json

import pytest

from apphub.apps import App
from apphub.web.script_page import find_address

FORECAST = App("Forecast", script="apps/forecast/main.py")
SCRIPT = "import streamlit as st\nst.text('drawn')\n"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, ""),
        ({"APPHUB_SCRIPTS": "1"}, "/forecast/"),
        ({"DYNO": "web.1"}, "/forecast/"),
        (
            {"APPHUB_SCRIPTS": '{"forecast": "http://localhost:8502/forecast/"}'},
            "http://localhost:8502/forecast/",
        ),
        ({"APPHUB_SCRIPTS": '{"other": "http://localhost:8502/other/"}'}, ""),
        ({"APPHUB_SCRIPTS": "yes"}, ""),
        ({"APPHUB_SCRIPTS": "2"}, ""),
    ],
)
def test_address(environ, address):
    assert find_address(FORECAST, environ) == address


def test_name_is_encoded_in_the_address():
    app = App("Sales", script="apps/売上.py")
    assert find_address(app, {"APPHUB_SCRIPTS": "1"}) == "/%E5%A3%B2%E4%B8%8A/"


@pytest.fixture
def forecast(hub):
    """A script in the menu, beside the modules."""
    hub.project.write("apps/forecast.py", SCRIPT)
    hub.project.add_to_menu({"name": "<Forecast>", "script": "apps/forecast.py"})
    return hub


def test_without_the_supervisor_the_page_says_how_to_start_it(forecast):
    page = forecast.open("forecast")
    assert page.title[0].value == r"\<Forecast\>"
    assert page.code[0].value == "python manage.py run"
    assert not page.text
    assert len(page.get("page_link")) == 1


def test_behind_nginx_the_page_leads_to_the_process(forecast, monkeypatch):
    monkeypatch.setenv("APPHUB_SCRIPTS", "1")
    page = forecast.open("forecast")
    assert not page.text
    [html] = page.get("html")
    assert html.proto.unsafe_allow_javascript
    assert 'new URL("/forecast/", location.origin)' in html.proto.body
    assert '<a href="/forecast/">&lt;Forecast&gt;</a>' in html.proto.body


def test_script_of_another_user_is_not_found(forecast, monkeypatch):
    monkeypatch.setenv("APPHUB_SCRIPTS", "1")
    menu = [{"users": ["anna"], **entry} for entry in forecast.project.menu[-1:]]
    forecast.project.write("apps.json", json.dumps([*forecast.project.menu[:-1], *menu]))
    page = forecast.open("forecast", user="bob")
    assert page.title[0].value == "Page not found"
    assert not page.get("html")
    assert forecast.open("forecast", user="anna").get("html")


def test_script_has_a_card(forecast):
    links = [link.proto for link in forecast.open().get("page_link")]
    assert [link.page for link in links] == ["sales_report", "churn_explorer", "forecast"]
