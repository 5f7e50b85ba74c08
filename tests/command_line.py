"""Fixtures that run the template as its users do: in processes, with a home of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from baked import PASSWORD, ROOT, commit, git

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["copy_template", "run", "run_merged", "run_module", "set_environment", "template"]


def set_environment(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Give what is run a home of its own, with no answers remembered."""
    patch.setenv("HOME", str(home))
    patch.setenv("AUTH_PASSWORD", PASSWORD)
    patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    patch.delenv("COOKIECUTTER_CONFIG", raising=False)
    # Newer gits ask about a repository in a temporary folder.
    patch.setenv("GIT_CONFIG_COUNT", "1")
    patch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    patch.setenv("GIT_CONFIG_VALUE_0", "*")


def run_module(*command: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run a Python module without a terminal. Returns what it printed."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *map(str, command)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def run_merged(*command: object, cwd: Path, **options: Any) -> tuple[int, str]:
    """Run a command without a terminal, and return its exit status and all that it printed."""
    ended = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    return ended.returncode, ended.stdout


def copy_template(repository: Path) -> Path:
    """Make the template a git repository of its own, with a commit of what is here now."""
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    commit(repository, "init")
    return repository


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a Python module in tmp_path, without a terminal. Returns what it printed."""
    set_environment(monkeypatch, tmp_path)

    def run(*command: object, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        return run_module(*command, cwd=cwd)

    return run


@pytest.fixture
def template(tmp_path) -> Path:
    """The template as a git repository of its own, with a commit of what is here now."""
    return copy_template(tmp_path / "template")
