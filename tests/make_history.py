#!/usr/bin/env python3
"""Writes what the hook knows of the template's earlier versions, from this repository's history.

An update replaces a file that its user has not edited. To see that, the hook needs the hash of each
text that the file had in any commit: _hook/update/history.json. Run this when _version changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "{{cookiecutter.project_slug}}"
HISTORY = ROOT / PROJECT / "_hook/update/history.json"

sys.path.append(str(ROOT / PROJECT))

from apphub.update.decide import fingerprint, first_line  # noqa: E402


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def list_blobs(revision: str) -> set[tuple[str, str]]:
    """Return path and hash of each text that a file of the project had up to a commit."""
    lines = git("log", "--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "-z", revision)
    fields = lines.decode().split("\0")
    changes = zip(fields[::2], fields[1::2], strict=False)
    blobs = {(path, change.split()[3]) for change, path in changes}
    return {(path, blob) for path, blob in blobs if blob.strip("0") and is_users(path)}


def is_users(path: str) -> bool:
    """Return whether a file of the template becomes the user's, or did before apphub/."""
    folder, _, name = path.partition("/")
    return folder == PROJECT and not name.startswith(("apphub/", "_hook/update/"))


def make_history(revision: str) -> dict[str, dict[str, list[str]]]:
    """Return what history.json says of the commits up to a revision."""
    hashes, first_lines = defaultdict(set), defaultdict(set)
    for path, blob in list_blobs(revision):
        text = git("cat-file", "blob", blob)
        name = path.removeprefix(f"{PROJECT}/").removeprefix("_hook/")
        hashes[name].add(fingerprint(text))
        first_lines[name].add(first_line(text))
    return {
        "first_lines": {name: sorted(first_lines[name]) for name in sorted(first_lines)},
        "hashes": {name: sorted(hashes[name]) for name in sorted(hashes)},
    }


if __name__ == "__main__":
    HISTORY.write_text(
        json.dumps(make_history("HEAD"), ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
