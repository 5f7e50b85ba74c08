"""Every app in the menu opens without an error, in the hub and by itself."""

import pytest
from streamlit.testing.v1 import AppTest

from apphub.menu import load_menu
from apphub.paths import ROOT

MENU = load_menu()  # fails with what is wrong in apps.json
each_app = pytest.mark.parametrize("app", MENU, ids=lambda app: app.url_path)


def open_app(module):
    import importlib

    importlib.import_module(module).run()


@each_app
def test_app_opens_in_the_hub(app):
    page = AppTest.from_function(open_app, default_timeout=60, args=(app.module,)).run()
    assert not page.exception


@each_app
def test_app_opens_by_itself(app):
    page = AppTest.from_file(app.find(), default_timeout=60).run()
    assert not page.exception


def test_hub_shows_the_menu(monkeypatch):
    monkeypatch.delenv("DYNO", raising=False)  # Heroku CI sets it, and has no nginx
    page = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not page.exception
    assert not page.error
