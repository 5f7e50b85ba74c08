"""The launcher: shows the menu that apps.json describes and runs the app that is open.

It imports no app but the one that is open: a broken one breaks itself alone, and a hundred cost
what one costs.
"""

import os
from collections.abc import Callable
from copy import copy
from functools import cached_property, lru_cache, partial
from urllib.parse import unquote, urlsplit

import streamlit as st

import log
from hub import show_failure, show_fault, show_hub, show_lost, user_name
from menu import ICON, App, MenuError, app_name, load_menu, plain
from users import USER_HEADER


def main() -> None:
    """Show the user's menu, and the page that the browser's address names."""
    log.note_app("")
    title = app_name()
    st.set_page_config(page_title=title, page_icon=ICON if ICON.is_file() else None)
    user = user_name()
    if user is None and "DYNO" in os.environ:
        show_fault(
            "Nobody is logged in",
            f"nginx sent no {USER_HEADER}: see location / in its configuration.",
        )
        return
    try:
        apps = [app for app in load_menu() if app.is_for(user)]
    except MenuError as error:
        show_fault("The menu needs mending", error)
        return
    if not apps:
        whom = f'Whoever looks after apps.json can add {user} to the "users" of an app.'
        show_fault("There is no app for you yet", whom)
        return

    pages = pages_of(title, *apps)
    sections: dict[str, list[st.Page]] = {title: []}
    for page in [*pages, *lost_page(pages)]:
        sections.setdefault(page.section or title, []).append(page)
    # run() notes in the page that it has run, and other browsers have the same pages.
    copy(st.navigation(sections)).run()


class Page(st.Page):
    """A page that knows its section, and works out its hash once: Streamlit asks three times."""

    section = ""

    @cached_property
    def _script_hash(self) -> str:
        return super()._script_hash


@lru_cache(maxsize=256)
def pages_of(title: str, *apps: App) -> list[Page]:
    """Return the first page and those of the apps. Made once, for whoever may see these."""

    def back() -> None:
        show_way_back(first)

    pages = {app: page_of(app, title, back) for app in apps}
    if len(pages) == 1:
        # One app alone opens at once, at "/" as well as at its own address.
        first = page_of(apps[0], title, back, url_path="", default=True)
        return [first, page_of(apps[0], title, back, visibility="hidden")]
    draw = partial(show_hub, title, pages)
    first = Page(draw, title="All apps", icon=":material/apps:", url_path="", default=True)
    return [first, *pages.values()]


def page_of(app: App, title: str, back: Callable[[], None], **options: object) -> Page:
    """Return the app's page: its name in the menu, its address, and how to draw it."""

    def draw() -> None:
        log.note_app(app.url_path)
        st.set_page_config(page_title=f"{app.name} · {title}")
        if not app.icon.startswith(":"):  # Streamlit draws the others black, on any browser's tab
            st.set_page_config(page_icon=app.icon or None)
        try:
            app.load()()
        except MenuError as error:
            show_fault("This app needs mending", error, back)
        except SystemExit:
            # It would end Streamlit's thread and leave the page waiting.
            why = f"{app.module} called exit(). Use st.stop()."
            show_fault("This app ended itself", why, back)
        except Exception as error:
            show_failure(app, error, back)

    page = Page(draw, title=plain(app.name), icon=app.icon, **{"url_path": app.url_path, **options})
    page.section = app.section
    return page


def lost_page(pages: list[Page]) -> list[Page]:
    """Return a page for the browser's address where none of these has it."""
    path = unquote(urlsplit(st.context.url or "").path).strip("/")
    end = path.rpartition("/")[2].strip()  # Streamlit goes by that alone
    if not end or any(page.url_path == end for page in pages):
        return []
    draw = partial(show_lost, path, partial(show_way_back, pages[0]))
    return [Page(draw, title="Not found", url_path=end, visibility="hidden")]


def show_way_back(first: Page) -> None:
    """Draw a link to the first page."""
    st.page_link(first, icon=":material/arrow_back:")
