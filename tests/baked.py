"""A baked project, and the answers that more than one test gives."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
USER = "anna.b"
PASSWORD = "correct horse battery"
AUTH = (USER, PASSWORD)

# Whatever is in an answer, it is data. Each of these is a legal name.
NASTY = {
    "quotes": '"It\'s" \'\'\'a\'\'\' """b"""',
    "backslashes": r"C:\new\table \u0041 \N{DASH}",
    "braces": "{{ 7 * 7 }} {% raise %} {# no",
    "erb": '<%= system("id") %> <% end',
    "nginx": "$host; } $remote_user #",
    "shell": "`id` $(id) && ; | > x",
    "emoji": "👩‍👩‍👧 🇫🇮 ✊🏽",
    "off": "off",
    "scripts": "Отчёт עברית हिन्दी ไทย",
    "markdown": "*a* _b_ [c](d) <b> $x$ :smile:",
}


@dataclass(frozen=True)
class BakedProject:
    """A project that cookiecutter made."""

    path: Path

    def read(self, name: str) -> str:
        return (self.path / name).read_text("utf-8")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, "utf-8")

    @property
    def menu(self) -> list[dict[str, str]]:
        return json.loads(self.read("apps.json"))

    @property
    def files(self) -> dict[str, bytes]:
        """Every file's path and content, but for what Python keeps when it imports one."""
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file() and path.parent.name != "__pycache__"
        }

    def load(self, name: str) -> ModuleType:
        """Import a module of the project: menu, users or manage."""
        for module in ("menu", "manage", "users"):
            sys.modules.pop(module, None)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(self.path)
            return importlib.import_module(name)
