"""An app of the menu: what apps.json says of it, and where its files are. It is not imported."""

from __future__ import annotations

import ast
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from apphub.finding import Finding, InvalidFile
from apphub.paths import ROOT
from apphub.text import replace_surrogates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_DESCRIPTION_LENGTH = 200
BEFORE_DOCSTRING = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}


class MenuError(InvalidFile):
    """apps.json is not valid, or an app that it lists is not there."""


@dataclass(frozen=True)
class App:
    """One entry of the menu: a module, or a script with a process of its own.

    Attributes:
        name: what the menu shows.
        module: "apps.<something>", a module with a function run(); "" for a script.
        script: the path of any Streamlit app, such as "apps/sales.py" or
            "apps/forecast/streamlit_app.py"; "" for a module.
        users: the names of those who may see it; empty for everybody.
        icon: an emoji, or ":material/name:".
        description: what it does; where it is empty, the file's docstring says it.
        section: the menu's heading that it is under.
        shares_state: whether a module finds the st.session_state of the app that was open before.
        always_on: whether a script's process runs without visitors, too.
        memory_mb: the memory in MB at which a script's process is ended; 0 for no limit.
        processes: how many processes a script has, each with the sessions of its own browsers.
    """

    name: str
    module: str = ""
    script: str = ""
    users: tuple[str, ...] = ()
    icon: str = ""
    description: str = ""
    section: str = ""
    shares_state: bool = False
    always_on: bool = False
    memory_mb: int = 0
    processes: int = 1

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> App:
        """Return the app of an entry that is valid, as JSON represents it."""
        return cls(**{**entry, "users": tuple(entry.get("users", ()))})

    def is_for(self, user: str | None) -> bool:
        """Return whether the user may see the app. None is a workstation, without a login."""
        return not self.users or user is None or user in self.users

    @property
    def url_path(self) -> str:
        """The app's path in the browser, without slashes: "sales_report"."""
        if self.script:
            return PurePosixPath(self.script).parts[1].removesuffix(".py")
        return self.module.removeprefix("apps.")

    @property
    def address(self) -> str:
        """The app's address on the server: "/sales_report", or "/forecast/" of a script."""
        return f"/{self.url_path}/" if self.script else f"/{self.url_path}"

    @property
    def source(self) -> str:
        """What runs: the module's name, or the script's path."""
        return self.script or self.module

    @property
    def folder(self) -> str:
        """The folder of a script that has one, such as "apps/forecast"; "" for a file in apps/."""
        parts = PurePosixPath(self.script).parts
        return "/".join(parts[:2]) if len(parts) > 2 else ""

    @property
    def summary(self) -> str:
        """What the app does, in one line: its description, or its docstring's first paragraph."""
        if self.description:
            return self.description
        try:
            path = self.find()
            stat = path.stat()
        except (MenuError, OSError):
            return ""
        return read_docstring(path, stat.st_mtime_ns, stat.st_size)

    def find(self, root: Path = ROOT) -> Path:
        """Return the path of the module's file, or of the script.

        Raises:
            MenuError: the file is not there.
        """
        module = (f"apps/{self.url_path}.py", f"apps/{self.url_path}/__init__.py")
        for path in (self.script,) if self.script else module:
            if (root / path).is_file():
                return root / path
        of_module = f" for its module {self.module}" if self.module else ""
        raise MenuError(
            [
                Finding(
                    "app-missing",
                    f'"{self.name}" has no file {self.script or module[0]}{of_module}.',
                    "apps.json",
                    "Create the file, or correct the entry.",
                )
            ]
        )


def missing_run(file: str) -> Finding:
    """Return the finding for a module without a function run().

    Args:
        file: its file, relative to the project.
    """
    text = "there is no function run(), which the launcher calls to draw a module."
    hint = f"W{hint_at_script(file)[1:]} Or put its code into `def run():`."
    return Finding("app-no-run", text, file, hint)


def hint_at_script(file: str) -> str:
    """Return how a module becomes a script, which runs unchanged in a process of its own."""
    return (
        f'write "script": "{file}" in place of "module" in apps.json: the app then runs '
        "unchanged, in a process of its own."
    )


@lru_cache(maxsize=1024)
def read_docstring(path: Path, *_stamp: int) -> str:
    """Return the first paragraph of a module's docstring, cut to a description's length.

    Nothing but the docstring is read of the module.

    Args:
        path: the module's file.
        _stamp: the file's time and size, so that a changed file is read again.

    Returns:
        The paragraph on one line, or "" where there is none.
    """
    try:
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.STRING:
                    text = ast.literal_eval(token.string)
                    line = " ".join(re.split(r"\n\s*\n", text.strip())[0].split())
                    if len(line) > MAX_DESCRIPTION_LENGTH:
                        line = f"{line[: MAX_DESCRIPTION_LENGTH - 1].rstrip()}…"
                    return replace_surrogates(line)
                if token.type not in BEFORE_DOCSTRING:
                    break
    # A broken app has no summary; its page says what is wrong.
    except (OSError, SyntaxError, TypeError, ValueError, LookupError, tokenize.TokenError):
        pass
    return ""
