"""What a deploy shows of its plan."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apphub.deploy.plan import Command, Step
    from apphub.deploy.state import State

FIX_FIRST = "Fix these first:"


def show_plan(steps: Sequence[Step], state: State) -> None:
    """Print all the steps, and what has to be fixed before the first one."""
    for number, step in enumerate(steps, 1):
        show_step(number, step)
    if state.repository.heroku_app and not state.app:
        click.echo(
            "\nOnly after the login can deploy see which steps are done on Heroku; until then, all "
            "are listed."
        )
    if state.blockers:
        click.echo("\n".join(["", FIX_FIRST, *state.blockers]))
    click.echo("\nThis was a dry run: nothing was changed.")


def show_step(number: int, step: Step) -> None:
    """Print a step, with its commands where it is left to do."""
    if step.done:
        click.echo(f"{number}. {step.title}: {step.done}")
        return
    click.echo(f"{number}. {step.title}")
    for command in step.commands:
        click.echo(f"       {format_command(command)}")


def format_command(command: Command) -> str:
    """Return a command as one would type it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
