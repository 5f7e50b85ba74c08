"""Compiles Python files at the end of the build, so that no start has to."""

from __future__ import annotations

import compileall
import sysconfig
from pathlib import Path

from apphub.paths import ROOT


def main() -> None:
    """Compile the project, and the packages where their installer has not.

    A file that does not compile is skipped: some packages have files for another Python.
    """
    for folder in ("apphub", "apps"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    for path in ROOT.glob("*.py"):
        compileall.compile_file(path, quiet=2)
    packages = Path(sysconfig.get_path("purelib"))
    if not (packages / "streamlit/__pycache__").is_dir():
        compileall.compile_dir(packages, quiet=2, workers=0)
