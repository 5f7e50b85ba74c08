"""Every app in the menu opens without an error, as in the hub and by itself."""

import os
import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from apphub import app_secrets
from apphub.menu import load_menu
from apphub.paths import ROOT

MENU = load_menu()  # fails with what is wrong in apps.json
MODULES = [app for app in MENU if app.module]
SCRIPTS = [app for app in MENU if app.script]


def each(apps):
    return pytest.mark.parametrize("app", apps, ids=lambda app: app.url_path)


def open_module(module):
    from apphub.menu import load_menu
    from apphub.web.app_loader import run_app

    run_app(next(app for app in load_menu() if app.module == module))


# A script has a process of its own, in which its folder comes first on the import path.
OPEN_SCRIPT = """
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from apphub import app_secrets

script = sys.argv[1]
page = AppTest.from_file(script, default_timeout=60)
page.secrets.update(app_secrets.load() or {})
sys.argv = [script]
sys.path.insert(0, str(Path(script).parent))
page.run()
sys.exit("\\n".join(error.message for error in page.exception) if page.exception else 0)
"""


@each(MODULES)
def test_module_opens_in_the_hub(app):
    page = AppTest.from_function(open_module, default_timeout=60, args=(app.module,)).run()
    assert not page.exception


@each(MODULES)
def test_module_opens_by_itself(app):
    page = AppTest.from_file(app.find(), default_timeout=60).run()
    assert not page.exception


@each(SCRIPTS)
def test_script_opens(app):
    environ = {**app_secrets.environ_for_app(app, os.environ), "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-P", "-c", OPEN_SCRIPT, str(app.find())],
        cwd=ROOT / app.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr


def test_hub_shows_the_menu(monkeypatch):
    monkeypatch.delenv("DYNO", raising=False)  # Heroku CI sets it, and has no nginx
    page = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not page.exception
    assert not page.error
