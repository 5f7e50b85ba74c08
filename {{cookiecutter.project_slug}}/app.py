"""The launcher: shows the menu that apps.json describes and runs the app that is open.

Streamlit runs this file again on each click. It reads apps.json each time, and imports
no app but the one that is open: a broken one breaks itself alone.
"""

import os
from functools import partial

import streamlit as st

from menu import App, MenuError, app_name, load_menu, plain
from users import USER_HEADER


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

    pages = [page_of(app, title) for app in apps]
    if len(pages) == 1:
        # One app alone opens at once, at "/" as well as at its own address.
        first = page_of(apps[0], title, url_path="", default=True)
        pages = [first, page_of(apps[0], title, visibility="hidden")]
    else:
        links = partial(show_apps, title, pages)
        pages = [st.Page(links, title="All apps", url_path="", default=True), *pages]
    st.navigation({title: pages}).run()


def page_of(app: App, title: str, **options: object) -> st.Page:
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

    return st.Page(draw, title=plain(app.name), **{"url_path": app.url_path, **options})


def show_apps(title: str, pages: list[st.Page]) -> None:
    """Draw the first page: a link to each app."""
    st.title(plain(title), anchor=False)
    for page in pages:
        st.page_link(page)


def show_fault(heading: str, error: MenuError | str) -> None:
    """Draw what is wrong as plain text, so that no character of it is taken for Markdown."""
    st.error(heading, icon=":material/build:")
    st.code(str(error), language=None, wrap_lines=True)


main()
