"""Pages for problems: not found, no apps, an app that failed.

No character of a name or a message is interpreted as Markdown or HTML. A visitor of an app reads
nothing of the project's files.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from apphub.settings import shows_errors
from apphub.text import escape_markdown
from apphub.web.user import current_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from apphub.apps import App

WEB = Path(__file__).parent

logger = logging.getLogger("apps")


def show_problem(
    heading: str, details: object, link_home: Callable[[], None] | None = None
) -> None:
    """Log what is wrong, and draw it: the details only where errors are shown."""
    reference = new_reference()
    logger.error("%s: %s (reference %s)", heading, details, reference)
    st.error(heading, icon=":material/build:")
    if shows_errors():
        st.text(details)
    else:
        st.write(f"Something went wrong. The error was logged (reference {reference}).")
    if link_home:
        link_home()


def show_no_apps() -> None:
    """Draw the page of a user who may see no app."""
    st.title("No apps yet", anchor=False)
    user = current_user()
    name = f", {escape_markdown(user)}" if user else ""
    st.write(
        f"You are logged in{name}, but do not have access to any app yet. Ask the person who "
        "maintains the apps."
    )


def show_not_found(path: str, link_home: Callable[[], None]) -> None:
    """Draw the page at an address where the user has no app.

    Missing apps and apps of other users have the same page, so that an address does not reveal
    which apps others have.
    """
    st.title("Page not found", anchor=False)
    st.write(
        f"There is no app at /{escape_markdown(path)}, or you do not have access. Ask the person "
        "who maintains the apps."
    )
    link_home()


def show_failure(app: App, error: Exception, link_home: Callable[[], None]) -> None:
    """Log an app's error with its traceback, and draw what its user may know of it."""
    error.with_traceback(strip_loaders(error.__traceback__))
    reference = new_reference()
    logger.error("%s (%s) failed (reference %s)", app.name, app.source, reference, exc_info=error)
    st.error(f"{escape_markdown(app.name)} failed", icon=":material/report:")
    if shows_errors():
        st.exception(error)
    else:
        st.write(f"Something went wrong in this app. The error was logged (reference {reference}).")
    link_home()


def new_reference() -> str:
    """Return what a page and a line of the log share, so that one leads to the other."""
    return secrets.token_hex(4)


def strip_loaders(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the app."""
    while traceback:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.parent != WEB and "importlib" not in str(file):
            break
        traceback = traceback.tb_next
    return traceback
