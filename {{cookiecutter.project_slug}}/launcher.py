"""The launcher: shows the menu that apps.json describes and runs the app that is open.

It reads apps.json on each click, and imports no app but the one that is open: a broken one breaks
itself alone, and a hundred cost what one costs.
"""

import os
from copy import copy
from functools import cached_property, lru_cache, partial

import streamlit as st

from menu import App, MenuError, app_name, load_menu, plain, same_name
from users import USER_HEADER

# Each link takes as long as a widget. With more apps than this, they are found by their names.
MOST_LINKS = 20


def main() -> None:
    """Show the user's menu, and the page that the browser's address names."""
    title = app_name()
    st.set_page_config(page_title=title)
    user = st.context.headers.get(USER_HEADER)
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

    page = st.navigation({title: pages_of(title, *apps)})
    # run() notes in the page that it has run, and other browsers have the same pages.
    copy(page).run()


class Page(st.Page):
    """A page that works out its hash once. Streamlit asks each page for it three times a click."""

    @cached_property
    def _script_hash(self) -> str:
        return super()._script_hash


@lru_cache(maxsize=256)
def pages_of(title: str, *apps: App) -> list[Page]:
    """Return the pages of these apps, and a first one. Made once, for whoever may see them."""
    pages = [page_of(app, title) for app in apps]
    if len(pages) == 1:
        # One app alone opens at once, at "/" as well as at its own address.
        first = page_of(apps[0], title, url_path="", default=True)
        return [first, page_of(apps[0], title, visibility="hidden")]
    links = partial(show_apps, title, dict(zip(apps, pages, strict=True)))
    return [Page(links, title="All apps", url_path="", default=True), *pages]


def page_of(app: App, title: str, **options: object) -> Page:
    """Return the app's page: its name in the menu, its address, and how to draw it."""

    def draw() -> None:
        st.set_page_config(page_title=f"{app.name} · {title}")
        try:
            app.load()()
        except MenuError as error:
            show_fault("This app needs mending", error)
        except SystemExit:
            # It would end Streamlit's thread and leave the page waiting.
            show_fault("This app ended itself", f"{app.module} called exit(). Use st.stop().")

    return Page(draw, title=plain(app.name), **{"url_path": app.url_path, **options})


def show_apps(title: str, pages: dict[App, Page]) -> None:
    """Draw the first page: a link to each app, or to the first of them and a way to find the rest."""
    st.title(plain(title), anchor=False)
    found = list(pages)
    if len(found) > MOST_LINKS:
        words = same_name(st.text_input("Find an app", placeholder="A part of its name"))
        found = [app for app in pages if words in same_name(app.name)]
    for app in found[:MOST_LINKS]:
        st.page_link(pages[app])
    if len(found) > MOST_LINKS:
        st.caption(f"And {len(found) - MOST_LINKS} more.")
    elif not found:
        st.caption("No app is called that.")


def show_fault(heading: str, error: MenuError | str) -> None:
    """Draw what is wrong as plain text, so that no character of it is taken for Markdown."""
    st.error(heading, icon=":material/build:")
    st.code(str(error), language=None, wrap_lines=True)
