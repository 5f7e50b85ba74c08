"""Decides for each file of an existing project whether an update replaces it.

Outside apphub/ a file is the user's from the moment it was written. A file that the user never
edited is replaced all the same: history.json has the hash of each text that the template had.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from apphub.record import hash_content

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# They start what is in apphub/ now: in an older project, an edited one would start nothing.
ENTRY_POINTS = ("app.py", "bin/post_compile", "manage.py", "tests/test_apps.py")

# Every project from before apphub/ has these in its root folder.
OLD_ENTRY_POINTS = ("app.py", "launcher.py", "manage.py", "menu.py", "server.py")

# Files that a user may have edited, and that have another path now.
RENAMED = {"config/new_app.py": "config/app_template.py"}

MACHINE_WRITTEN = (".cookiecutter.json",)


class Action(Enum):
    """What happens to one file."""

    TAKE = auto()  # the template's file, or none where the template has none
    TAKE_AND_KEEP_OLD = auto()  # the same, and the user's version is kept as <file>.old
    KEEP = auto()  # the user's file
    KEEP_AND_ADD_NEW = auto()  # the user's file, and the template's version as <file>.new


@dataclass(frozen=True)
class History:
    """The texts that the template's files had in its earlier versions.

    Attributes:
        hashes: the first 16 hexadecimal digits of each text's SHA-256, by path.
        first_lines: each first line, by path. A file that begins with one is an edited version of
            the template's.
    """

    hashes: Mapping[str, list[str]]
    first_lines: Mapping[str, list[str]]

    @classmethod
    def load(cls, path: Path) -> History:
        """Read history.json, which tests/make_history.py writes."""
        files: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(**files)

    def is_unedited(self, path: str, text: bytes, answers: Mapping[str, Any]) -> bool:
        """Return whether a file's text is one that the template had, made with these answers."""
        texts = (text, restore_placeholders(text, answers))
        return any(fingerprint(each) in self.hashes.get(path, ()) for each in texts)

    def is_edited_version(self, path: str, text: bytes) -> bool:
        """Return whether a file is the template's with edits, and not another one of that name."""
        return first_line(text) in self.first_lines.get(path, ())


def fingerprint(text: bytes) -> str:
    """Return what history.json keeps of a text."""
    return hash_content(text)[:16]


def first_line(text: bytes) -> str:
    """Return the first line of a text, without blanks at its end."""
    return text.decode("utf-8-sig", "replace").partition("\n")[0].rstrip()


def restore_placeholders(text: bytes, answers: Mapping[str, Any]) -> bytes:
    """Return the template's text from which README.md or app.json was rendered."""
    name, slug = str(answers.get("app_name")), str(answers.get("project_slug"))
    in_json = json.dumps(name)
    for character in "<>&'":  # as Jinja's tojson writes them
        in_json = in_json.replace(character, f"\\u{ord(character):04x}")
    begin, end = "{{", "}}"
    placeholders = {
        f"# {name}\n": f"# {begin} cookiecutter.app_name {end}\n",
        f'"name": {in_json},\n': f'"name": {begin} cookiecutter.app_name | tojson {end},\n',
        f"heroku create {slug} ": f"heroku create {begin} cookiecutter.project_slug {end} ",
    }
    restored = text.replace(b"\r\n", b"\n")
    for rendered, source in placeholders.items():
        restored = restored.replace(rendered.encode(errors="replace"), source.encode(), 1)
    return restored


def is_old_layout(root: Path, history: History) -> bool:
    """Return whether a project is from before apphub/: the template's modules are in its root."""
    return not (root / "apphub").exists() and any(
        (root / path).is_file() and history.is_edited_version(path, (root / path).read_bytes())
        for path in OLD_ENTRY_POINTS
    )


def decide(
    path: str,
    before: bytes | None,
    template: bytes | None,
    history: History,
    answers: Mapping[str, Any],
    old_layout: bool,
) -> Action:
    """Decide what happens to a file outside apphub/.

    Args:
        path: the file, relative to the project.
        before: its text in the project; None where there is none.
        template: its text in the new version; None where the template no longer has it.
        history: the template's earlier versions.
        answers: with which the project is made.
        old_layout: whether the project is from before apphub/.
    """
    if before is None or path in MACHINE_WRITTEN:
        return Action.TAKE
    if template is None:
        return _decide_former(path, before, history, answers, old_layout)
    if hash_content(before) == hash_content(template):
        return Action.KEEP
    if history.is_unedited(path, before, answers):
        return Action.TAKE
    if old_layout and path in ENTRY_POINTS:
        return Action.TAKE_AND_KEEP_OLD
    return Action.KEEP_AND_ADD_NEW


def _decide_former(
    path: str, before: bytes, history: History, answers: Mapping[str, Any], old_layout: bool
) -> Action:
    """Decide what happens to a file that the template no longer has."""
    if not old_layout and "/" not in path:
        return Action.KEEP  # the names of the old root modules are the user's now
    if history.is_unedited(path, before, answers):
        return Action.TAKE
    if old_layout and history.is_edited_version(path, before):
        return Action.TAKE_AND_KEEP_OLD
    return Action.KEEP
