"""The home page: one card per app, and a search box above many of them.

No character of a name or a description is interpreted as Markdown or HTML.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from apphub.text import escape_markdown, name_key
from apphub.web.user import current_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apphub.apps import App

STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text('utf-8')}</style>"
DEFAULT_ICON = ":material/web_asset:"
SEARCH_FROM = 12  # more apps than this have a search box
MAX_CARDS = 60  # a card takes as long as three widgets: the rest is found by searching


def show_home(title: str, pages: Mapping[App, st.Page]) -> None:
    """Draw a card for each app, by section, and a search box above many of them."""
    st.set_page_config(layout="wide")
    st.html(STYLE)
    with st.container(key="hub"):
        st.title(escape_markdown(title), anchor=False)
        if user := current_user():
            st.caption(f"Hello, {escape_markdown(user)}")
        found = list(pages)
        if len(pages) > SEARCH_FROM:
            words = st.text_input(
                "Search apps",
                placeholder="Search apps by name or description",
                icon=":material/search:",
                label_visibility="collapsed",
            )
            if words:
                found = [app for app in pages if matches(app, words)]
        for section, apps in group_by_section(found[:MAX_CARDS]).items():
            if section:
                st.subheader(escape_markdown(section), anchor=False)
            with st.container(key=f"cards-{section}"):
                for app in apps:
                    show_card(app, pages[app])
        if len(found) > MAX_CARDS:
            st.caption(f"{len(found) - MAX_CARDS} more. Use search to find them.")
        elif not found:
            st.caption("No matching apps.")


def show_card(app: App, page: st.Page) -> None:
    """Draw a card: icon, name, and one line on what the app does. The whole card is the link."""
    with st.container(border=True, key=f"card-{app.url_path}"):
        label = f":primary[{app.icon or DEFAULT_ICON}] **{escape_markdown(app.name)}**"
        st.page_link(page, label=label, icon="")
        if summary := app.summary:  # read from a file
            st.caption(escape_markdown(summary))


def group_by_section(apps: Iterable[App]) -> dict[str, list[App]]:
    """Return the apps of each section, in the menu's order; "" has those that are in none."""
    sections: dict[str, list[App]] = {}
    for app in apps:
        sections.setdefault(app.section, []).append(app)
    return sections


def matches(app: App, words: str) -> bool:
    """Return whether each of the words is in the app's name, section or summary."""
    text = name_key(f"{app.name} {app.section} {app.summary}")
    return all(word in text for word in name_key(words).split())
