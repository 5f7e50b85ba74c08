"""`manage.py add-app`: asks on a terminal, and shows what was done and what is left to do."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from apphub.bring.add import INPUT, Added, Options, add
from apphub.check.packages import compile_command
from apphub.check.project import Project
from apphub.text import summarize

if TYPE_CHECKING:
    from pathlib import Path

    from apphub.bring.merge import Merge


@dataclass(frozen=True)
class Terminal:
    """Asks on the terminal. Without one it takes no choice, and merges what it has shown.

    Attributes:
        yes: whether to merge without asking.
    """

    yes: bool = False

    def choose(self, question: str, answers: list[str]) -> str | None:
        """Return one of the answers, by its number; None where there is no terminal."""
        if not sys.stdin.isatty():
            return None
        click.echo(question)
        for number, answer in enumerate(answers, 1):
            click.echo(f"  {number}  {answer}")
        numbers = click.IntRange(1, len(answers))
        return answers[click.prompt("Number", type=numbers, default=1) - 1]

    def confirm_merge(self, merge: Merge, file: str) -> bool:
        """Show the lines of the app's list, and return whether requirements.in gets them."""
        click.echo(f"{file} asks for these packages, which {INPUT} does not have:")
        for line in merge.added:
            click.echo(f"    {line}")
        for change in merge.changes:
            click.echo(f"  {change}")
        if self.yes or not sys.stdin.isatty():
            return True
        return click.confirm(f"Add them to {INPUT}?", default=True)


def add_and_show(root: Path, name: str, yes: bool, options: Options) -> None:
    """Add an app, and print what was done."""
    show(add(name, Terminal(yes), root, options), root)


def show(added: Added, root: Path) -> None:
    """Print what was added, what the app needs, and what to do next."""
    click.echo(added.action)
    for name, reason in added.left_out.items():
        click.echo(f"Not copied: {name} {reason}.")
    merge = added.merge
    for line, reason in merge.refused.items():
        click.echo(f"Not added to {INPUT}: {line} {reason}.")
    if versions := merge.other_versions:
        click.echo(
            f"Not added to {INPUT}: {summarize(versions, 8)}. The app gets the versions that "
            "requirements.txt has. If it fails with them, add its own."
        )
    for conflict in merge.conflicts:
        click.echo(f"Not added to {INPUT}: {conflict}")
    for note in added.notes:
        click.echo(note)
    if merge.added:
        project = Project(root, os.environ)
        click.echo(f"{INPUT} has new lines. Install them:")
        for command in (compile_command(project.python), "pip install -r requirements.txt"):
            click.echo(f"    {command}")
    app = added.app
    try_it = "python manage.py run" if app.script else "streamlit run app.py"
    click.echo(f"Its address is {app.address}. Try it: {try_it}")
    click.echo(
        "Check it, and deploy to publish it: python manage.py check, python manage.py deploy"
    )
