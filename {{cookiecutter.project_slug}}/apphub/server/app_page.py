"""The index page of a script app, which nginx sends itself while the app's process starts.

It is Streamlit's index.html with absolute addresses: a browser loads Streamlit's scripts from the
hub's /static/, which nginx has on the disk, and runs them once the process answers.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from apphub.paths import find_static_files

if TYPE_CHECKING:
    from apphub.apps import App

HERE = Path(__file__).resolve().parent
FONT = re.compile(r'<link[^>]*\bas="font"[^>]*>\s*')
MAIN = re.compile(r'<script type="module"[^>]*\bsrc="([^"]+)"[^>]*></script>')
EMOJI = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><text y=".9em" font-size="90">'
)


def read_index_html() -> str:
    """Return Streamlit's index.html, or "" where it is not there."""
    folder = find_static_files()
    try:
        return (folder.parent / "index.html").read_text("utf-8") if folder else ""
    except OSError:
        return ""


def read_icon(path: Path) -> bytes:
    """Return the project's icon: SVG, or nothing where it has none."""
    return path.read_bytes() if path.is_file() else b""


def build_app_page(page: str, app: App, name: str, icon: bytes) -> str:
    """Return an app's index page.

    Where Streamlit has changed so much that its script is not found, it runs at once.

    Args:
        page: Streamlit's index.html.
        app: the script app.
        name: the project's name, which the link to the hub shows.
        icon: the project's icon: SVG, or nothing. An app's emoji replaces it.
    """
    path = f"/{quote(app.url_path)}"
    page = page.replace('"./static/', '"/static/').replace('"./_stcore/', f'"{path}/_stcore/')
    main = MAIN.search(page)
    if main:
        preload = f'<link rel="modulepreload" crossorigin href="{main[1]}">'
        page = page.replace(main[0], preload, 1)
    if app.icon and not app.icon.startswith(":"):
        icon = f"{EMOJI}{escape(app.icon)}</text></svg>".encode()
    settings = {"name": app.name, "path": path, "main": main[1] if main else ""}
    page = set_title_and_icon(load_font_last(page), app.name, icon)
    link = render("home_link.html", {"name": name, "always": True})
    return page.replace("</body>", f"{render('app_page.html', settings)}{link}</body>", 1)


def load_font_last(page: str) -> str:
    """Move the font after the scripts.

    A browser loads in the page's order. Without the font there is text; without scripts, nothing.
    """
    font = FONT.search(page)
    return page.replace(font[0], "", 1).replace("</head>", f"{font[0]}</head>", 1) if font else page


def set_title_and_icon(page: str, title: str, icon: bytes) -> str:
    """Set what the browser's tab shows until the app sets it.

    Args:
        page: Streamlit's index.html.
        title: the title.
        icon: SVG, or nothing. In the page itself it is one request less.
    """
    page = page.replace("<title>Streamlit</title>", f"<title>{escape(title)}</title>", 1)
    if icon:
        address = f"data:image/svg+xml;base64,{b64encode(icon).decode()}"
        page = page.replace('href="./favicon.png"', f'href="{address}"', 1)
    return page


def render(file: str, settings: dict[str, object]) -> str:
    """Return a fragment of HTML with the settings that its script reads."""
    return (HERE / file).read_text("utf-8").replace("{settings}", escape(json.dumps(settings)))
