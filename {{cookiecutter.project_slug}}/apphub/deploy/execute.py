"""Executing the steps that are left, each after a confirmation."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

import click

from apphub.deploy.plan import SECRET_PLACEHOLDER, Command, Step
from apphub.deploy.programs import with_path
from apphub.deploy.show import FIX_FIRST, format_command, show_step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def raise_if_blocked(blockers: Sequence[str]) -> None:
    """Raise click.ClickException where something has to be fixed first."""
    if blockers:
        raise click.ClickException("\n".join([FIX_FIRST, *blockers]))


def execute_steps(
    steps: Sequence[Step], first: int, yes: bool, root: Path, to_continue: str
) -> None:
    """Execute those steps that are left, each after a confirmation.

    Args:
        steps: the steps, with those that are done.
        first: the number of the first of them.
        yes: whether to ask for no confirmation.
        root: the project's folder.
        to_continue: a sentence with the command that continues after a stop.

    Raises:
        click.ClickException: a command has failed, or a step has to be done by hand.
        click.exceptions.Exit: the user has stopped it.
    """
    gap = False
    for number, step in enumerate(steps, first):
        click.echo("\n" * gap, nl=False)
        show_step(number, step)
        gap = not step.done
        if step.done:
            continue
        if not step.commands:
            raise click.ClickException(f"Step {number} has to be done by hand. {to_continue}")
        try:
            execute_step(number, step, yes, root, to_continue)
        except (click.Abort, KeyboardInterrupt):
            click.echo(
                f"\nStopped at step {number}; completed steps are kept. {to_continue}", err=True
            )
            raise click.exceptions.Exit(1) from None


def execute_step(number: int, step: Step, yes: bool, root: Path, to_continue: str) -> None:
    """Run a step's commands, after a confirmation.

    Raises:
        click.Abort: the user has declined a step that cannot be skipped.
        click.ClickException: a command of a required step has failed.
    """
    if not yes and not click.confirm("   Run this step?", default=True):
        if not step.can_skip:
            raise click.Abort
        return
    for command in step.commands:
        status = run_command(command, root)
        if status and step.is_required:
            raise click.ClickException(
                f"Step {number} failed: {format_command(command)} exited with status {status}; see "
                f"the output above. {step.hint or to_continue}"
            )


def run_command(command: Command, root: Path) -> int:
    """Run a command on the user's terminal, and return its exit status."""
    secret = f"SESSION_SECRET={secrets.token_hex(32)}"
    words = [secret if word == SECRET_PLACEHOLDER else word for word in command]
    # The CLI repeats what it has set.
    output = subprocess.DEVNULL if SECRET_PLACEHOLDER in command else None
    result = subprocess.run(with_path(words), cwd=root, stdout=output, check=False)
    return result.returncode
