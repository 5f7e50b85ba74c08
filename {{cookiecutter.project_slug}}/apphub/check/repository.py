"""Asking git about the project's files. Nothing is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In a git hook they point to the index that is being committed, and to paths from elsewhere.
HOOK_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


def list_paths(
    root: Path, environ: Mapping[str, str], *arguments: str, stdin: str = ""
) -> list[str]:
    """Run git and return the paths that it lists, each relative to the project's folder.

    Args:
        root: the project's folder.
        environ: the environment.
        arguments: git's, among them -z.
        stdin: what git reads.

    Raises:
        CheckSkipped: git is missing, there is no repository, or git refuses to read it.
    """
    git = shutil.which("git", path=environ.get("PATH"))
    if not git:
        raise CheckSkipped("git is not installed here")
    variables = {name: value for name, value in environ.items() if name not in HOOK_VARIABLES}
    process = subprocess.run(
        [git, *arguments],
        cwd=root,
        env=variables | {"LC_ALL": "C"},
        input=os.fsencode(stdin),
        capture_output=True,
        check=False,
    )
    stderr = process.stderr.decode(errors="replace").strip()
    if "not a git repository" in stderr:
        raise CheckSkipped("not a git repository yet")
    if process.returncode > 1:  # 1: check-ignore has nothing to list
        raise CheckSkipped(f"git says: {stderr.splitlines()[0] if stderr else 'nothing'}")
    return [os.fsdecode(name) for name in process.stdout.split(b"\0") if name]
