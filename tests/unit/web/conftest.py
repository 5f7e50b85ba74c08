"""The hub with the project of a test, in Streamlit's own test runner."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from apphub.apps import App
from apphub.menu import load_menu
from apphub.paths import ROOT
from apphub.settings import project_name
from apphub.web import app_loader, launcher, process_state, reload

if TYPE_CHECKING:
    from collections.abc import Callable

    from baked import BakedProject

PATIENCE = 60  # seconds for a run, on any machine


class Hub:
    """The project's hub, opened by a user in a browser."""

    def __init__(self, project: BakedProject, patch: pytest.MonkeyPatch) -> None:
        self.project = project
        self._patch = patch

    def write(self, module: str, source: str, **entry: object) -> None:
        """Write an app, and its entry at the end of the menu."""
        self.project.write(f"apps/{module}.py", source)
        self.project.add_to_menu({"name": module.title(), "module": f"apps.{module}", **entry})

    def only(self, source: str, **entry: object) -> None:
        """Write an app that is the only one, so that it opens at once."""
        self.project.write("apps.json", "[]")
        self.write("sales", source, **entry)

    def open(self, path: str = "", user: str | None = None) -> AppTest:
        """Open an address as a user, or on a workstation, and return what is shown."""
        headers = {} if user is None else {"X-Forwarded-User": user}
        self._patch.setattr(type(st.context), "headers", property(lambda _: headers))
        self._patch.setattr(
            type(st.context), "url", property(lambda _: f"http://localhost:8501/{path}")
        )
        page = AppTest.from_file(self.project.path / "app.py", default_timeout=PATIENCE)
        if end := unquote(path).rpartition("/")[2].strip():  # as a browser asks for it
            page._page_hash = calc_hash(end)
        return page.run()


@pytest.fixture
def hub(project, monkeypatch) -> Hub:
    for function in (load_menu, project_name, App.find):
        monkeypatch.setattr(function, "__defaults__", (project.path,))
    for module in (app_loader, process_state, reload):
        monkeypatch.setattr(module, "ROOT", project.path)
    # A run changes these.
    monkeypatch.setattr(reload, "_stamps", {})
    monkeypatch.chdir(project.path)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    project.write("app.py", (ROOT / "app.py").read_text("utf-8"))
    # It reads about each installed package at each run, for ten times as long as the rest takes.
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)
    project.write("app.json", json.dumps({"name": "Data Apps"}))
    monkeypatch.syspath_prepend(project.path)
    forget_apps()
    launcher.build_pages.cache_clear()
    yield Hub(project, monkeypatch)
    forget_apps()
    launcher.build_pages.cache_clear()


def forget_apps() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "apps"]:
        del sys.modules[name]


@pytest.fixture
def texts() -> Callable[[AppTest], list[str]]:
    """Return all texts of a page."""

    def texts(page: AppTest) -> list[str]:
        kinds = ("title", "subheader", "markdown", "caption", "text", "error")
        return [element.value for kind in kinds for element in getattr(page, kind)]

    return texts
