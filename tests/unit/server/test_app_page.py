"""app_page.py: a script app's index page. What it does in a browser: tests/browser."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from html import unescape

import pytest

from apphub.apps import App
from apphub.server import app_page
from apphub.server.app_page import build_app_page, read_index_html

INDEX = """<!DOCTYPE html>
<html>
  <head>
    <link rel="shortcut icon" href="./favicon.png" />
    <link rel="preload" href="./static/media/font.woff2" as="font" crossorigin />
    <title>Streamlit</title>
    <link rel="service-desc" href="./_stcore/agent/openapi.json" />
    <script type="module" crossorigin src="./static/js/index.js"></script>
    <link rel="modulepreload" crossorigin href="./static/js/other.js">
  </head>
  <body><div id="root"></div></body>
</html>"""
APP = App("R&D </script>", script="apps/café/app.py")


def build(app: App = APP, index: str = INDEX, icon: bytes = b"<svg/>") -> str:
    return build_app_page(index, app, 'Data "Apps"', icon)


def settings_of(page: str) -> list[dict[str, object]]:
    return [json.loads(unescape(text)) for text in re.findall(r'data-settings="([^"]*)"', page)]


def icon_of(page: str) -> str:
    return b64decode(re.search(r'href="data:image/svg\+xml;base64,([^"]*)"', page)[1]).decode()


def test_addresses_are_absolute():
    page = build()
    assert "./static" not in page
    assert 'href="/static/js/other.js"' in page
    assert 'href="/caf%C3%A9/_stcore/agent/openapi.json"' in page


def test_streamlits_script_is_loaded_and_not_run():
    page = build()
    assert '<link rel="modulepreload" crossorigin href="/static/js/index.js">' in page
    assert 'type="module"' not in page
    assert page.index("index.js") < page.index('as="font"') < page.index("</head>")


def test_its_script_is_told_what_it_needs():
    assert settings_of(build()) == [
        {"name": "R&D </script>", "path": "/caf%C3%A9", "main": "/static/js/index.js"},
        {"name": 'Data "Apps"', "always": True},
    ]


def test_nothing_in_a_name_ends_the_script():
    page = build()
    assert page.count("</script>") == 2
    assert "<title>R&amp;D &lt;/script&gt;</title>" in page


def test_where_streamlits_script_is_not_found_it_runs_at_once():
    other = INDEX.replace("module", "other")
    page = build(index=other)
    assert '<script type="other" crossorigin src="/static/js/index.js">' in page
    assert settings_of(page)[0]["main"] == ""


@pytest.mark.parametrize(
    ("icon", "shown"),
    [("", "<svg/>"), (":material/bolt:", "<svg/>"), ("📈", "📈"), ("<", "&lt;")],
)
def test_icon_of_the_tab(icon, shown):
    app = App("Forecast", script="apps/forecast.py", icon=icon)
    assert shown in icon_of(build(app))
    assert 'href="./favicon.png"' in build(icon=b"")


def test_streamlits_own_page_matches():
    """A new Streamlit may have another one."""
    page = build(index=read_index_html())
    assert "./static/" not in page
    assert settings_of(page)[0]["main"].startswith("/static/js/index.")
    assert page.count("data-settings=") == 2
    assert "<title>R&amp;D" in page


def test_without_streamlit_there_is_no_page(monkeypatch, tmp_path):
    monkeypatch.setattr(app_page, "find_static_files", lambda: None)
    assert read_index_html() == ""
    monkeypatch.setattr(app_page, "find_static_files", lambda: tmp_path / "static")
    assert read_index_html() == ""
