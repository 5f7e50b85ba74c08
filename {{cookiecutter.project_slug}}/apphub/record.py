"""apphub/RECORD: what the template wrote into apphub/, so that edits are found later.

Its lines are like those of sha256sum: a hash, two blanks, and a path relative to apphub/.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "RECORD"


def hash_content(content: bytes) -> str:
    """Return the SHA-256 of a text. On Windows git may have written its lines with CRLF."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def compute_hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each file in a folder but RECORD, caches and hidden files, by its path."""
    paths = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    return {
        name: hash_content(path.read_bytes())
        for name, path in sorted(paths.items())
        if "__pycache__" not in path.parts and name != NAME and path.name[0] != "."
    }


def write_record(folder: Path) -> None:
    """Write RECORD into a folder."""
    lines = [f"{digest}  {name}\n" for name, digest in compute_hashes(folder).items()]
    (folder / NAME).write_bytes("".join(lines).encode())


def read_record(folder: Path) -> dict[str, str]:
    """Return the hashes that RECORD lists, by path.

    Raises:
        OSError: there is no RECORD, or it cannot be read.
    """
    lines = (folder / NAME).read_text("utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def find_edited_files(folder: Path) -> list[str]:
    """Return the paths of the files that were edited or added since RECORD was written.

    Raises:
        OSError: there is no RECORD, or a file cannot be read.
    """
    recorded = read_record(folder)
    return [name for name, digest in compute_hashes(folder).items() if recorded.get(name) != digest]
