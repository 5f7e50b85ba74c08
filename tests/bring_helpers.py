"""What the tests of bring/ share: the files of a project that is to be brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STREAMLIT = "import streamlit as st\n\nst.title('Sales')\n"
MODULE = "import streamlit as st\n\n\ndef run():\n    st.title('Sales')\n"


def write_files(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files in a folder, which need not exist, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
