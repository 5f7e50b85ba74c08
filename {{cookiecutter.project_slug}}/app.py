"""The launcher: shows the menu that apps.json describes and runs the app that is open.

Streamlit runs this file again on each click. It reads apps.json each time, and imports
no app but the one that is open: a broken one breaks itself alone.
"""

import streamlit as st

from menu import App, MenuError, app_name, load_menu, plain


def main() -> None:
    """Show the menu and the page that the browser's address names."""
    title = app_name()
    try:
        apps = load_menu()
    except MenuError as error:
        show_fault("The menu needs mending", error)
        return

    pages = [page_of(app) for app in apps]
    if len(pages) == 1:
        # One app alone opens at once, at "/" as well as at its own address.
        menu = [page_of(apps[0], default=True), page_of(apps[0], visibility="hidden")]
    else:
        menu = [st.Page(lambda: show_apps(title, pages), title="All apps", default=True), *pages]

    chosen = st.navigation({title: menu})
    name = next((app.name for app in apps if app.url_path == chosen.url_path), None)
    st.set_page_config(page_title=f"{name} · {title}" if name else title)
    chosen.run()


def page_of(app: App, **options: object) -> st.Page:
    """Return the app's page: its name in the menu, its address, and how to run it."""

    def run() -> None:
        try:
            draw = app.load()
        except MenuError as error:
            show_fault("This app needs mending", error)
        else:
            draw()

    return st.Page(run, title=plain(app.name), url_path=app.url_path, **options)


def show_apps(title: str, pages: list[st.Page]) -> None:
    """Draw the first page: a link to each app."""
    st.title(plain(title), anchor=False)
    for page in pages:
        st.page_link(page)


def show_fault(heading: str, error: MenuError) -> None:
    """Draw what is wrong as plain text, so that no character of it is taken for Markdown."""
    st.error(heading, icon=":material/build:")
    st.code(str(error), language=None, wrap_lines=True)


main()
