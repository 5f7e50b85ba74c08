"""The command that the Procfile starts on Heroku, as it runs on this computer."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import click

from apphub.paths import PROCFILE_COMMAND

if TYPE_CHECKING:
    from pathlib import Path

WEB_LINE = f"web: {PROCFILE_COMMAND}"
WEB = re.compile(r"^web:[ \t]*(\S.*)", re.MULTILINE)
START_NGINX = re.compile(r"(?<!\S)(\./)?bin/start-nginx(?!\S)")
PYTHON = re.compile(r"(?<!\S)python3?(?!\S)")


def read_command(root: Path) -> str:
    """Return the Procfile's command, with this Python and without bin/start-nginx.

    Raises:
        click.ClickException: there is none, or it does not start nginx.
    """
    try:
        text = (root / "Procfile").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(
            f"Procfile: the file is missing or cannot be read. Write it: {WEB_LINE}"
        ) from None
    web = WEB.search(text)
    if not web:
        raise click.ClickException(f'Procfile: no line begins with "web:". Add it: {WEB_LINE}')
    command, count = START_NGINX.subn("", web[1])
    if not count:
        raise click.ClickException(
            "Procfile: bin/start-nginx is missing in the web line, so on Heroku nobody would be "
            f"asked for a password. Correct the line: {WEB_LINE}"
        )
    python = shlex.quote(sys.executable)
    return PYTHON.sub(lambda _: python, command).strip()
