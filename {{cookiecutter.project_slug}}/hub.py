"""The first page: a card for each app. And the pages that say why there is no app to see.

What they say is plain text: no character of a name or a message is taken for Markdown or HTML.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

import streamlit as st

from menu import ROOT, App, plain, same_name
from users import USER_HEADER

STYLE = f"<style>{(ROOT / 'hub.css').read_text('utf-8')}</style>"
NO_ICON = ":material/web_asset:"  # an app that has none
MANY = 12  # more apps than this are searched, too
MOST_CARDS = 60  # a card takes as long as three widgets: the rest is found by searching

log = logging.getLogger("apps")


def user_name() -> str | None:
    """Return who is logged in, as nginx says it. None on a laptop."""
    return st.context.headers.get(USER_HEADER)


def show_hub(title: str, pages: Mapping[App, st.Page]) -> None:
    """Draw a card for each app, by sections, and above many of them a search box."""
    st.set_page_config(layout="wide")
    st.html(STYLE)
    with st.container(key="hub"):
        st.title(plain(title), anchor=False)
        if user := user_name():
            st.caption(f"Hello, {plain(user)}")
        found = list(pages)
        if len(pages) > MANY:
            words = st.text_input(
                "Find an app",
                placeholder="A word of its name or of what it does",
                icon=":material/search:",
                label_visibility="collapsed",
            )
            if words:
                found = [app for app in pages if matches(app, words)]
        for section, apps in by_section(found[:MOST_CARDS]).items():
            if section:
                st.subheader(plain(section), anchor=False)
            with st.container(key=f"cards-{section}"):
                for app in apps:
                    show_card(app, pages[app])
        if len(found) > MOST_CARDS:
            st.caption(f"And {len(found) - MOST_CARDS} more. Search for them.")
        elif not found:
            st.caption("No app is called that, or does that.")


def show_card(app: App, page: st.Page) -> None:
    """Draw a card: icon, name, and a line on what the app does. All of it is the link."""
    with st.container(border=True, key=f"card-{app.url_path}"):
        st.page_link(page, label=f":primary[{app.icon or NO_ICON}] **{plain(app.name)}**", icon="")
        if summary := app.summary:  # read from a file
            st.caption(plain(summary))


def by_section(apps: Iterable[App]) -> dict[str, list[App]]:
    """Return the apps of each section, in the menu's order: "" for those that are in none."""
    sections: dict[str, list[App]] = {}
    for app in apps:
        sections.setdefault(app.section, []).append(app)
    return sections


def matches(app: App, words: str) -> bool:
    """Return whether each of the words is in the app's name, section or summary."""
    text = same_name(f"{app.name} {app.section} {app.summary}")
    return all(word in text for word in same_name(words).split())


def show_fault(heading: str, why: object, back: Callable[[], None] | None = None) -> None:
    """Draw what is wrong and what to do, and the way back where there is one."""
    st.error(heading, icon=":material/build:")
    st.code(str(why), language=None, wrap_lines=True)
    if back:
        back()


def show_lost(path: str, back: Callable[[], None]) -> None:
    """Draw what stands at an address where the user has no app.

    One page for what is not there and for what is not theirs: an address tells nobody which apps
    others have.
    """
    st.title("There is no app here", anchor=False)
    user = user_name()
    mine = f" for {plain(user)}" if user else ""
    st.write(
        f"At /{plain(path)} there is none{mine}: the address may be misspelt, the app may have "
        "moved, or it is for others. Whoever looks after apps.json knows."
    )
    back()


def show_failure(app: App, error: Exception, back: Callable[[], None]) -> None:
    """Write an app's error to the log, and draw what its user may know of it."""
    error.with_traceback(from_the_app(error.__traceback__))
    log.error("%s (%s) has failed", app.name, app.module, exc_info=error)
    st.error(f"{plain(app.name)} has failed", icon=":material/report:")
    if errors_are_shown():
        st.exception(error)
    else:
        st.write("It is not your fault. Whoever looks after this app finds the reason in its log.")
    back()


def errors_are_shown() -> bool:
    """Return whether a page may show a traceback: on a laptop, or where SHOW_ERRORS is 1."""
    return "DYNO" not in os.environ or os.environ.get("SHOW_ERRORS") == "1"


def from_the_app(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the app: how it got there is ours."""
    ours = {"launcher.py", "menu.py"}
    while traceback:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if not (file.parent == ROOT and file.name in ours) and "importlib" not in str(file):
            break
        traceback = traceback.tb_next
    return traceback
