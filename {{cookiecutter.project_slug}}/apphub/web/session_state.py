"""st.session_state is an app's own: it is empty when the user comes in from another app."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from apphub.apps import App

NO_APP = ""

# The app that each session has open. A fragment and a callback run without the launcher, in the
# app that is open.
_open_apps: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def open_page(app: App | None) -> bool:
    """Remember which app the session has open, and clear its state where that is another one.

    Nothing is cleared in a session's first run: what is there comes from the browser, which may
    have lost its connection.

    Args:
        app: the app, or None for a page of the hub itself. That clears nothing: an app that shares
            its state finds it on the way over the home page, too.

    Returns:
        Whether the page before was another app's, or the hub's.
    """
    run = get_script_run_ctx(suppress_warning=True)
    if not run:
        return False
    session = run.pages_manager
    name = app.url_path if app else NO_APP
    before = _open_apps.get(session)
    if app and before is not None and before != name and not app.shares_state:
        # A click may interrupt it: then no app is open, and the next one clears the rest.
        _open_apps[session] = NO_APP
        for key in list(st.session_state):
            del st.session_state[key]
    _open_apps[session] = name
    return before is not None and before != name
