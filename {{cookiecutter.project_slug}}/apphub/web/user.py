"""The user who is logged in."""

from __future__ import annotations

import streamlit as st

from apphub.users import USER_HEADER


def current_user() -> str | None:
    """Return the name of the user who is logged in, as nginx sends it. None on a workstation."""
    name: str | None = st.context.headers.get(USER_HEADER)
    return name
