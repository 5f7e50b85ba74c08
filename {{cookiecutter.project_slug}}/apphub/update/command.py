"""`manage.py update`: runs cruft or cookiecutter again, with the answers that the project keeps."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apphub.finding import InvalidInput
from apphub.paths import ROOT
from apphub.text import validate_heroku_name
from apphub.update.answers import Answers, read_answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CRUFT_STATE = ".cruft.json"
REVIEW = """
Review the changes: git diff HEAD
Then install the packages and check the project:
    pip install -r requirements.txt
    python manage.py check"""


class UpdateError(InvalidInput):
    """The project cannot be updated. The text says why, and how to fix it."""


def update(
    root: Path = ROOT,
    *,
    template: str | None = None,
    checkout: str | None = None,
    force: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Update the project from its template.

    A project with a .cruft.json is updated by cruft, any other by cookiecutter with the answers in
    .cookiecutter.json. What these programs print goes to the terminal.

    Args:
        root: the project's folder.
        template: a path or URL, where it is not the one that the project was made from.
        checkout: a tag, branch or commit of the template; its newest commit without.
        force: update in spite of uncommitted changes.
        environ: where the programs are found, and what they get.

    Returns:
        The text to print at the end; "" where the programs have printed everything.

    Raises:
        UpdateError: there are uncommitted changes, a program is missing or failed, or the folder's
            name is not valid.
        InvalidFile: .cookiecutter.json is missing, or not valid.
    """
    is_cruft = (root / CRUFT_STATE).exists()
    if (is_cruft or not force) and has_uncommitted_changes(root):  # cruft refuses them itself
        raise UpdateError(
            "There are uncommitted changes, and the update would mix with them. Commit them: "
            'git add -A && git commit -m "Before the update"'
            + ("" if is_cruft else ". Or add --force.")
        )
    if is_cruft:
        if template:
            raise UpdateError(f'cruft reads the template from {CRUFT_STATE}: change "template".')
        before = (root / CRUFT_STATE).read_bytes()
        run([*find_program("cruft", environ), *list_cruft_arguments(root, checkout)], environ)
        return "" if (root / CRUFT_STATE).read_bytes() == before else REVIEW
    answers = read_answers(root)
    arguments = list_cookiecutter_arguments(root, answers, template, checkout)
    run([*find_program("cookiecutter", environ), *arguments], environ)
    return ""


def has_uncommitted_changes(root: Path) -> bool:
    """Return whether git sees a change in the project. Without git, nothing is uncommitted."""
    command = ["git", "status", "--porcelain", "--", "."]
    try:
        status = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(status.stdout)


def find_program(name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command that starts cruft or cookiecutter.

    It is looked for next to this Python, then on PATH; uvx runs it without installing it.

    Raises:
        UpdateError: there is none.
    """
    path = environ.get("PATH", "")
    search = os.pathsep.join([str(Path(sys.executable).parent), path])
    if program := shutil.which(name, path=search):
        return [program]
    if uvx := shutil.which("uvx", path=path):
        return [uvx, "--with", "bcrypt", name]
    python = shlex.quote(sys.executable)
    raise UpdateError(f"{name} is not installed. Install it: {python} -m pip install {name}")


def list_cruft_arguments(root: Path, checkout: str | None) -> list[str]:
    """Return the arguments that make cruft update the project without a question."""
    version = ["--checkout", checkout] if checkout else []
    return ["update", "--skip-apply-ask", "--project-dir", str(root), *version]


def list_cookiecutter_arguments(
    root: Path, answers: Answers, template: str | None, checkout: str | None
) -> list[str]:
    """Return the arguments that make cookiecutter write into the project's folder.

    Raises:
        UpdateError: the folder has a name that cookiecutter's project_slug may not have.
    """
    root = root.resolve()
    values = {**answers.values, "project_slug": root.name}
    try:
        validate_heroku_name(root.name)
    except ValueError as error:
        slug = shlex.quote(str(answers.values.get("project_slug", "data-apps")))
        raise UpdateError(
            f"The project's folder is the template's project_slug, and {root.name!r} {error}. "
            f"Rename the folder, for the update at least: mv {shlex.quote(str(root))} {slug}"
        ) from None
    version = ["--checkout", checkout] if checkout else []
    options = ["--overwrite-if-exists", "--no-input", "--output-dir", str(root.parent), *version]
    given = [f"{name}={quote_answer(str(value))}" for name, value in values.items()]
    return [*options, "--", template or answers.template, *given]


def quote_answer(answer: str) -> str:
    """Return what cookiecutter, which renders each answer with Jinja, renders as this answer."""
    if not re.search(r"{[{%#]", answer):
        return answer
    escaped = answer.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{{ "{escaped}" }}}}'


def run(command: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    """Run a program on this terminal.

    Raises:
        UpdateError: it failed.
    """
    try:
        status = subprocess.run(command, env=dict(environ), check=False).returncode
    except OSError as error:
        raise UpdateError(f"{command[0]} cannot be started: {error.strerror}.") from None
    if status:
        raise UpdateError(f"{Path(command[0]).name} exited with {status}; see the output above.")
