"""Every app in the menu opens without an error, in the launcher and alone."""

import pytest
from streamlit.testing.v1 import AppTest

from menu import ROOT, app_name, load_menu

MENU = load_menu()  # fails with what is wrong in apps.json
each_app = pytest.mark.parametrize("app", MENU, ids=lambda app: app.url_path)


@each_app
def test_the_module_has_a_run(app):
    assert callable(app.load())


@each_app
def test_the_app_runs_alone(app):
    page = AppTest.from_file(app.find(), default_timeout=60).run()
    assert not page.exception


def test_the_launcher_shows_the_menu():
    page = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not page.exception
    assert not page.error
    if len(MENU) > 1:
        assert page.title[0].value.replace("\\", "") == app_name().replace("\\", "")
