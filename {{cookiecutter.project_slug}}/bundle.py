"""Compresses Streamlit's own bundle at the end of the build, so that nginx need not.

nginx sends x.js.gz where it stands beside x.js and the browser takes it (gzip_static).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

# Fonts and pictures are compressed by nature.
TEXT = {".js", ".mjs", ".css", ".json", ".map", ".svg", ".wasm", ".ttf"}


def streamlit_bundle() -> Path | None:
    """Return the folder that Streamlit serves at /static, or None. Streamlit is not imported."""
    streamlit = find_spec("streamlit")
    for package in (streamlit and streamlit.submodule_search_locations) or ():
        if (folder := Path(package) / "static" / "static").is_dir():
            return folder
    return None


def compress(folder: Path) -> tuple[int, int]:
    """Write x.gz beside each text of the folder, and delete those whose text is gone.

    What an earlier run has written and still fits stays.

    Returns:
        The bytes of the texts, and of what is sent in their place.
    """
    for packed in folder.rglob("*.gz"):
        if not packed.with_suffix("").exists():
            packed.unlink()
    texts = [path for path in folder.rglob("*") if path.suffix in TEXT and path.is_file()]
    with ThreadPoolExecutor() as threads:  # zlib lets go of Python's lock
        sizes = list(threads.map(_compress, texts))
    return sum(path.stat().st_size for path in texts), sum(sizes)


def _compress(path: Path) -> int:
    """Return the size of the text's x.gz, which is written unless it fits the text already."""
    text = path.read_bytes()
    target = path.with_name(f"{path.name}.gz")
    # gzip's last eight bytes tell of which text it is: RFC 1952, section 2.3.1.
    trailer = struct.pack("<LL", zlib.crc32(text), len(text) % 2**32)
    if not target.exists() or target.read_bytes()[-8:] != trailer:
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_bytes(gzip.compress(text, 9, mtime=0))
        unfinished.replace(target)
    return target.stat().st_size


def main() -> None:
    """Compress it, and say how much that is."""
    if folder := streamlit_bundle():
        plain, packed = compress(folder)
        print(f"Streamlit's bundle: {plain / 1e6:.1f} MB, compressed {packed / 1e6:.1f} MB.")
    else:
        print("Streamlit has no folder static/static: it will serve its bundle itself, slowly.")


if __name__ == "__main__":
    main()
