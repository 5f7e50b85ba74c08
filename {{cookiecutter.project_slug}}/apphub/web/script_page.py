"""The hub's page of a script: it leads to the address where the script's process answers."""

from __future__ import annotations

import json
import os
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import streamlit as st

from apphub.settings import SCRIPT_ADDRESSES, on_dyno
from apphub.text import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apphub.apps import App

# Where nothing sends the script's address to the script, the hub answers there, by a redirect to
# this page, which would lead there again and again.
REDIRECT = """
const target = new URL(%s, location.origin);
const [loaded] = performance.getEntriesByType("navigation");
if (loaded?.redirectCount && `${loaded.name.split(/[?#]/)[0]}/` === target.href) {
  document.getElementById("opening").hidden = true;
  document.getElementById("unreachable").hidden = false;
} else {
  location.replace(target.href + location.search + location.hash);
}
"""


def show_script(app: App, link_home: Callable[[], None]) -> None:
    """Send the browser to the script's process, or draw how to start it."""
    address = find_address(app)
    if not address:
        st.title(escape_markdown(app.name), anchor=False)
        st.info("This app runs in a process of its own. To start it, together with the hub:")
        st.code("python manage.py run", language=None)
        link_home()
        return
    name = escape(app.name)
    st.html(
        f'<p id="opening">Opening <a href="{escape(address)}">{name}</a> …</p>'
        f'<p id="unreachable" hidden>{name} cannot be reached. If it was added just now, the '
        f"server has to be restarted.</p><script>{REDIRECT % json.dumps(address)}</script>",
        unsafe_allow_javascript=True,
    )


def find_address(app: App, environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of a script's process; "" where there is none, without the supervisor."""
    value = environ.get(SCRIPT_ADDRESSES) or ("1" if on_dyno(environ) else "")
    if value == "1":
        return quote(app.address)
    try:
        addresses = json.loads(value or "{}")
    except ValueError:
        return ""
    return str(addresses.get(app.url_path, "")) if isinstance(addresses, dict) else ""
