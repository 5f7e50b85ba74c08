"""How much memory a process and its children use, as Linux counts it in /proc."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROC = Path("/proc")
IS_KNOWN = sys.platform == "linux"  # elsewhere there is no /proc
KB = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


def find_tree(process: int) -> list[int]:
    """Return the numbers of a process and of all that it has started; elsewhere only its own."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat") if IS_KNOWN else ():
        try:
            # The command is in brackets, and may have some of its own.
            parent = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has exited
        children.setdefault(parent, []).append(int(path.parent.name))
    tree = [process]
    for member in tree:
        tree += children.get(member, [])
    return tree


def exceeds(process: int, limit_mb: int) -> bool:
    """Return whether a process and its children use more memory than this, swap included.

    What several of them share is counted once: with fork() they share most of it. Counting so is
    slow, hence it is done only where the simple sum exceeds the limit.
    """
    limit = limit_mb * 1024
    tree = find_tree(process)
    if sum(_read(member, "status", ("VmRSS", "VmSwap")) for member in tree) <= limit:
        return False
    if not (PROC / str(process) / "smaps_rollup").exists():
        return True
    return sum(_read(member, "smaps_rollup", ("Pss", "SwapPss")) for member in tree) > limit


def _read(process: int, file: str, names: tuple[str, str]) -> int:
    """Return the sum of these lines of a file in /proc, in kB."""
    try:
        text = (PROC / str(process) / file).read_text("utf-8", "replace")
    except OSError:
        return 0  # it has exited
    return sum(int(value) for name, value in KB.findall(text) if name in names)
