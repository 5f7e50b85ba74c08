"""The launcher: builds the navigation from apps.json and runs the selected app.

It executes no app but the selected one: a broken app does not affect the others, and a hundred apps
cost what one costs.
"""

import logging
import os
from collections.abc import Callable
from copy import copy
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import streamlit as st
from streamlit.errors import FragmentHandledException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from apphub import logfmt
from apphub.apps import App, MenuError
from apphub.menu import load_menu
from apphub.paths import ICON
from apphub.settings import on_dyno, project_name
from apphub.text import escape_markdown
from apphub.web.app_loader import run_app
from apphub.web.home import show_home
from apphub.web.problem_pages import show_failure, show_no_apps, show_not_found, show_problem
from apphub.web.script_page import show_script
from apphub.web.session_state import open_page
from apphub.web.user import current_user

logger = logging.getLogger("apps")


def main() -> None:
    """Show the user's menu, and the page at the browser's address."""
    if not get_script_run_ctx(suppress_warning=True):
        return  # a process that an app has started by multiprocessing, which executes app.py, too
    logfmt.set_current_app("")
    title = project_name()
    st.set_page_config(page_title=title, page_icon=ICON if ICON.is_file() else None)
    user = current_user()
    if user is None and on_dyno():
        # nginx always sends a user: without one this is not behind it, and nobody sees an app.
        show_problem("Not logged in", "The request did not come through the login.")
        return
    try:
        apps = [app for app in load_menu() if app.is_for(user)]
    except MenuError as error:
        show_problem("The menu could not be loaded", error)
        return
    if not apps:
        show_no_apps()
        return

    pages = build_pages(title, *apps)
    sections: dict[str, list[AppPage]] = {title: []}
    for page in [*pages, *not_found_page(pages)]:
        sections.setdefault(page.section or title, []).append(page)
    st.navigation(sections).run()


class AppPage(st.Page):  # type: ignore[misc,valid-type,unused-ignore]
    """A page that knows its app, and computes its hash once: Streamlit asks three times."""

    def __init__(self, draw: Callable[[], None], *, app: App | None = None, **options: Any) -> None:
        """Create a page.

        Args:
            draw: draws it.
            app: its app; None for a page of the hub itself.
            options: more arguments of st.Page.
        """
        super().__init__(draw, **options)
        self.draw = draw
        self.app = app
        self.section = app.section if app else ""
        if app:
            self._register(app)

    def _register(self, app: App) -> None:
        """Have st.page_link() and st.switch_page() take the path of the app's file."""
        try:
            path = app.find()
        except MenuError:
            return  # its page says so
        if hasattr(self, "_page"):  # private API
            self._page = Path(os.path.realpath(path))
        else:
            logger.warning("This version of Streamlit has no links to the path of an app's file.")

    def run(self) -> None:
        """Draw the page, as Streamlit runs it."""
        # Streamlit notes in the page that it has run, and other browsers have the same pages.
        page = copy(self)
        page._page = self.draw
        if open_page(self.app):
            # What the page before has set would stay. A title and an icon follow.
            st.set_page_config(
                layout="centered",
                initial_sidebar_state="auto",
                menu_items={"Get help": None, "Report a bug": None, "About": None},
            )
        super(AppPage, page).run()

    @cached_property
    def _script_hash(self) -> str:
        script_hash: str = super()._script_hash
        return script_hash


@lru_cache(maxsize=256)
def build_pages(title: str, *apps: App) -> list[AppPage]:
    """Return the first page and those of the apps, built once for all users who see these apps.

    Args:
        title: the project's name.
        apps: those that the user may see, at least one.
    """

    def link_home() -> None:
        show_home_link(first)

    pages = {app: build_page(app, title, link_home) for app in apps}
    if len(pages) == 1:
        # An only app opens at once, at "/" as well as at its own address.
        first = build_page(apps[0], title, link_home, url_path="", default=True)
        return [first, build_page(apps[0], title, link_home, visibility="hidden")]
    draw = partial(show_home, title, pages)
    first = AppPage(draw, title="All apps", icon=":material/apps:", url_path="", default=True)
    return [first, *pages.values()]


def build_page(app: App, title: str, link_home: Callable[[], None], **options: Any) -> AppPage:
    """Return the app's page.

    Args:
        app: the app.
        title: the project's name, for the browser's tab.
        link_home: draws a link to the first page, below a problem.
        options: more arguments of st.Page, in place of the app's own.
    """

    def draw() -> None:
        logfmt.set_current_app(app.url_path)
        st.set_page_config(page_title=f"{app.name} · {title}")
        if not app.icon.startswith(":"):  # Streamlit draws the others black, on any browser's tab
            st.set_page_config(page_icon=app.icon or None)
        try:
            if app.script:
                show_script(app, link_home)
            else:
                run_app(app)
        except MenuError as error:
            show_problem("This app could not be loaded", error, link_home)
        except SystemExit:
            # It would end Streamlit's thread and leave the page waiting.
            hint = f"{app.module} called exit(). Use st.stop()."
            show_problem("This app called exit()", hint, link_home)
        except FragmentHandledException:
            raise  # Streamlit has drawn and logged the error, in the fragment
        except Exception as error:  # noqa: BLE001 - whatever an app raises
            show_failure(app, error, link_home)

    arguments = {"url_path": app.url_path, **options}
    return AppPage(draw, app=app, title=escape_markdown(app.name), icon=app.icon, **arguments)


def not_found_page(pages: list[AppPage]) -> list[AppPage]:
    """Return a page for the browser's address where none of these has it, or nothing."""
    path = unquote(urlsplit(st.context.url or "").path).strip("/")
    end = path.rpartition("/")[2].strip()  # Streamlit looks only at this part
    if not end or any(page.url_path == end for page in pages):
        return []
    draw = partial(show_not_found, path, partial(show_home_link, pages[0]))
    return [AppPage(draw, title="Not found", url_path=end, visibility="hidden")]


def show_home_link(first: AppPage) -> None:
    """Draw a link to the first page."""
    st.page_link(first, icon=":material/arrow_back:")
