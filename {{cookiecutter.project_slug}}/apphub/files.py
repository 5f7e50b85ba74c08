"""Writing files so that a reader sees the old text or the new one, and never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file in one step. Its folder is created where it is missing.

    Args:
        path: the file. It need not exist.
        content: text is written as UTF-8 with LF.
        mode: the file's permissions afterwards.

    Raises:
        OSError: the file cannot be written. What was there is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    # A name of its own: two processes may write the same file.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
