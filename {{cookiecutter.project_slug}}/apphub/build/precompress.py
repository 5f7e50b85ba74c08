"""Compresses Streamlit's static files at the end of the build, so that nginx need not.

nginx sends x.js.gz where it is next to x.js and the browser accepts it (gzip_static).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from apphub.files import write_atomically
from apphub.paths import find_static_files

if TYPE_CHECKING:
    from pathlib import Path

# Fonts and pictures are compressed already.
COMPRESSIBLE = {".js", ".mjs", ".css", ".json", ".map", ".svg", ".wasm", ".ttf"}


def precompress(folder: Path) -> tuple[int, int]:
    """Write x.gz next to each compressible file, and delete those whose file is gone.

    An x.gz that is up to date is kept.

    Args:
        folder: the folder, with its subfolders.

    Returns:
        The total size of the files, and of what is sent in their place, in bytes.

    Raises:
        OSError: a file cannot be read or written.
    """
    for packed in folder.rglob("*.gz"):
        if not packed.with_suffix("").exists():
            packed.unlink(missing_ok=True)  # another process may do the same
    files = [path for path in folder.rglob("*") if path.suffix in COMPRESSIBLE and path.is_file()]
    with ThreadPoolExecutor() as threads:  # zlib releases Python's lock
        sizes = list(threads.map(_compress, files))
    return sum(path.stat().st_size for path in files), sum(sizes)


def _compress(path: Path) -> int:
    """Write the file's x.gz unless it is right already, and return its size."""
    content = path.read_bytes()
    target = path.with_name(f"{path.name}.gz")
    # gzip's last eight bytes say of what: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
    trailer = struct.pack("<LL", zlib.crc32(content), len(content) % 2**32)
    if not target.exists() or target.read_bytes()[-8:] != trailer:
        write_atomically(target, gzip.compress(content, 9, mtime=0))
    return target.stat().st_size


def main() -> None:
    """Compress the installed Streamlit's static files, and print how large they are.

    Raises:
        OSError: a file cannot be read or written.
    """
    if folder := find_static_files():
        size, compressed = precompress(folder)
        print(f"Static files: {size / 1e6:.1f} MB, compressed {compressed / 1e6:.1f} MB.")
    else:
        print("Streamlit has no folder static/static: it will serve its files itself, slowly.")
