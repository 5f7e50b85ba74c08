"""`python manage.py deploy`: plans the steps from the state, and executes those that are left.

The steps are planned first and executed after, each by commands that one could type as well. So a
dry run shows what a run would do, and a second run continues where the first one stopped.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from apphub.deploy.execute import execute_steps, raise_if_blocked
from apphub.deploy.heroku import get_web_url
from apphub.deploy.plan import LOG_IN, Step, plan
from apphub.deploy.show import show_plan
from apphub.deploy.state import State, inspect
from apphub.paths import ROOT
from apphub.text import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def deploy(
    name: str | None,
    region: str | None,
    team: str | None,
    message: str | None,
    yes: bool,
    dry_run: bool,
    root: Path = ROOT,
) -> None:
    """Execute the steps that are left, each after a confirmation, or list all steps.

    Args:
        name: the name of a new app on Heroku; None for the folder's name.
        region: where a new app runs; None for Heroku's default.
        team: the team on Heroku that a new app belongs to; None for the user's own account.
        message: the message of the commit; None for "Deploy".
        yes: whether to ask for no confirmation.
        dry_run: whether to list the steps, and change nothing.
        root: the project's folder.

    Raises:
        click.ClickException: something blocks the deploy, or a command has failed.
        click.exceptions.Exit: the user has stopped it.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.ClickException(
            "Each step asks for a confirmation, and there is no terminal here. Use --yes to "
            "execute all steps without asking, or --dry-run to list them."
        )
    places = {"--region": region, "--team": team}

    again = _join({"--name": name, **places, "--message": message})
    to_continue = f"To continue: {shlex.join(['python', 'manage.py', 'deploy', *again])}"

    def prepare() -> tuple[State, list[Step]]:
        click.echo("Checking the project, git and Heroku ...\n")
        state = inspect(name, root)
        return state, list(plan(state, _join(places), message or "Deploy"))

    try:
        state, steps = prepare()
        if dry_run:
            show_plan(steps, state)
            return
        raise_if_blocked(state.blockers)
        first = 0
        if not state.account:  # only after the login can one see what is on Heroku
            first = steps.index(LOG_IN) + 1
            execute_steps(steps[:first], 1, yes, root, to_continue)
            click.echo()
            state, steps = prepare()
            raise_if_blocked(state.blockers)
        execute_steps(steps[first:], first + 1, yes, root, to_continue)
        show_result(state, root)
    except KeyboardInterrupt:
        click.echo(f"\nStopped. {to_continue}", err=True)
        raise click.exceptions.Exit(1) from None


def _join(options: Mapping[str, str | None]) -> list[str]:
    """Return the options that have a value, as words of a command."""
    return [word for option, value in options.items() if value for word in (option, value)]


def show_result(state: State, root: Path) -> None:
    """Print where the apps are, and who can log in."""
    click.echo(f"\nThe apps are at {get_web_url(root, state.name)}")
    click.echo(f"Users: {summarize(state.users)}")
