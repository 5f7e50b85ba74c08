"""What the tests share that run the template as its users do, in processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from baked import PASSWORD, ROOT, commit, git


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a Python module in tmp_path, with a home of its own and no terminal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AUTH_PASSWORD", PASSWORD)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("COOKIECUTTER_CONFIG", raising=False)
    # A repository in a temp folder is no danger here; newer gits ask.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")

    def run(*command: object, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    return run


@pytest.fixture
def template(tmp_path):
    """The template as a git repository of its own, with a commit of what is here now."""
    repository = tmp_path / "template"
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    commit(repository, "init")
    return repository
