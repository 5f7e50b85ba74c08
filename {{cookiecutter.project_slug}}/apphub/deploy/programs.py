"""Running git and the Heroku CLI to read the state. Nothing here changes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Where to get each program that a deploy needs.
DOWNLOADS = {
    "git": "https://git-scm.com/downloads",
    "heroku": "https://devcenter.heroku.com/articles/heroku-cli",
}
NOT_FOUND = 127  # the shell's exit status for a command that is not there


def find_missing_programs() -> list[str]:
    """Return the names of the programs that a deploy needs and that are not installed."""
    return [program for program in DOWNLOADS if not shutil.which(program)]


def with_path(command: Sequence[str]) -> list[str]:
    """Return the command with its program's path: on Windows heroku is heroku.cmd."""
    if command[0] == "python":  # the one with the project's packages, which PATH may not have
        return [sys.executable, *command[1:]]
    return [shutil.which(command[0]) or command[0], *command[1:]]


def run_readonly(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that changes nothing, without a terminal.

    Args:
        root: the project's folder, in which it runs.
        command: the program's name and its arguments.

    Returns:
        Its exit status and output. The status is 127 where the program is not installed.
    """
    if not shutil.which(command[0]):
        return subprocess.CompletedProcess(
            command, NOT_FOUND, "", f"{command[0]} is not installed."
        )
    return subprocess.run(
        with_path(command),
        cwd=root,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def output_or_raise(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed, without the blanks at its end.

    Raises:
        click.ClickException: it has failed. The text is what it printed to stderr.
    """
    if result.returncode:
        raise click.ClickException(result.stderr.strip() or f"{result.args} failed.")
    return result.stdout.rstrip()


def query(root: Path, *command: str) -> str:
    """Return what a command prints that changes nothing.

    Raises:
        click.ClickException: it has failed.
    """
    return output_or_raise(run_readonly(root, *command))
