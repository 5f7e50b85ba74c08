"""The report that cookiecutter prints when the project has been made or updated."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from apphub.paths import PROCFILE_COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OTHER_VERSION = re.compile(r"\.(new|old)(/|$)")


class Report(NamedTuple):
    """What was done.

    Attributes:
        name: the project's name.
        folder: the project's folder.
        start: the folder that the user is in.
        password: what there is to say of the password, line by line.
        written: the files that were written, relative to the project.
        foreign: the user's files that the template had other files of the same name for.
        is_update: whether the project is an existing one.
    """

    name: str
    folder: Path
    start: Path
    password: Sequence[str]
    written: Sequence[Path]
    foreign: Sequence[str]
    is_update: bool

    def __str__(self) -> str:
        """Return it as the user reads it."""
        return "\n".join(self._list_lines())

    def _list_lines(self) -> Iterator[str]:
        yield from ("", f"{self.name} is in {self.folder}", "", *self.password)
        if self.is_update:
            yield "Your apps are unchanged. A file that you have edited is kept, or saved as .old."
            yield "Another app: python manage.py add-app NAME"
        if self.foreign:
            yield from ("", "These are yours; the template no longer has files of these names:")
            yield from _indent(self.foreign)
        paths = (path.as_posix() for path in self.written)
        review = {path for path in paths if OTHER_VERSION.search(path)}
        if review:
            yield from ("", "Review these, then delete them:", *_indent(sorted(review)))
            yield "<file>.new is the template's version, .old is yours."
        if "server.py" in map(str, self.written) and (self.folder / "server.py").exists():
            yield from ("", "Procfile starts server.py, which works for this version only. Write:")
            yield f"    web: {PROCFILE_COMMAND}"
        yield from ("", "Next:", *_indent(self._list_commands()), "")
        yield from ("README.md has the next steps: your own apps, more users, Heroku.", "")

    def _list_commands(self) -> Iterator[str]:
        if self.folder != self.start:
            is_inside = self.folder.is_relative_to(self.start)
            path = self.folder.relative_to(self.start) if is_inside else self.folder
            yield f"cd {shlex.quote(str(path))}"
        if not self.is_update:
            activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
            yield f"python3 -m venv .venv && {activate}"
        yield "pip install -r requirements.txt"
        yield "python manage.py check" if self.is_update else "streamlit run app.py"


def _indent(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def describe_users(root: Path, user: str) -> list[str]:
    """Return the report's lines on the users where there is a .htpasswd already.

    Args:
        root: the project's folder.
        user: the answer to auth_user.
    """
    lines = ["The users and passwords in .htpasswd are unchanged."]
    names = [line.partition(":")[0] for line in _read(root / ".htpasswd").splitlines()]
    # Where the project knows the answer, the user has been removed since.
    if user not in names and f'"auth_user": "{user}"' not in _read(root / ".cookiecutter.json"):
        lines.append(f"{user} is not one of them. Add the user: python manage.py passwd {user}")
    return lines


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
