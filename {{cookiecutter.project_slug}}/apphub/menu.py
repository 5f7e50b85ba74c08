"""The menu: apps.json, read and checked. No app is imported here."""

from __future__ import annotations

import ast
import json
import re
import time
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apphub.finding import Finding, InvalidFile
from apphub.paths import ROOT
from apphub.text import name_key, replace_surrogates, validate_line
from apphub.users import is_user_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUIRED = ("name", "module")
OPTIONAL = ("icon", "description", "section", "users")
EXAMPLE = '[{"name": "Sales Report", "module": "apps.sales_report"}]'
MAX_NAME_LENGTH = 60
MAX_DESCRIPTION_LENGTH = 200
MATERIAL_ICON = re.compile(r":material/[a-z0-9_]+:")
BEFORE_DOCSTRING = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}


class MenuError(InvalidFile):
    """apps.json is not valid, or an app that it lists is not there."""


@dataclass(frozen=True)
class App:
    """One entry of the menu.

    Attributes:
        name: what the menu shows.
        module: "apps.<something>", a module with a function run().
        users: the names of those who may see it; empty for everybody.
        icon: an emoji, or ":material/name:".
        description: what it does; where it is empty, the module's docstring says it.
        section: the menu's heading that it is under.
    """

    name: str
    module: str
    users: tuple[str, ...] = ()
    icon: str = ""
    description: str = ""
    section: str = ""

    def is_for(self, user: str | None) -> bool:
        """Return whether the user may see the app. None is a workstation, without a login."""
        return not self.users or user is None or user in self.users

    @property
    def url_path(self) -> str:
        """The app's path in the browser, without slashes: "sales_report"."""
        return self.module.removeprefix("apps.")

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
        """Return the path of the module's file.

        Raises:
            MenuError: the file is not there.
        """
        for path in (f"apps/{self.url_path}.py", f"apps/{self.url_path}/__init__.py"):
            if (root / path).is_file():
                return root / path
        raise MenuError(
            [
                Finding(
                    "app-missing",
                    f'"{self.name}" has no file apps/{self.url_path}.py for its module '
                    f"{self.module}.",
                    "apps.json",
                    "Create the file, or correct the entry.",
                )
            ]
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


def is_icon(icon: object) -> bool:
    """Return whether Streamlit draws this icon; without Streamlit, whether it looks like one."""
    if not isinstance(icon, str):
        return False
    try:
        from streamlit.errors import StreamlitAPIException
        from streamlit.string_util import validate_icon_or_emoji
    except ImportError:
        return bool(MATERIAL_ICON.fullmatch(icon)) or (0 < len(icon) < 16 and not icon.isascii())
    try:
        return bool(validate_icon_or_emoji(icon)) and icon != "spinner"
    except StreamlitAPIException:
        return False


def load_menu(root: Path = ROOT) -> list[App]:
    """Read and check apps.json.

    Returns:
        The apps in the order of the menu, at least one.

    Raises:
        MenuError: with a finding for each thing that is wrong.
    """
    try:
        stat = (root / "apps.json").stat()
    except OSError:
        return _load_menu(root)
    if time.time_ns() - stat.st_mtime_ns < 2e9:
        return _load_menu(root)  # a change within the clock's tick would not show
    return list(_load_cached(root, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=8)
def _load_cached(root: Path, *_stamp: int) -> list[App]:
    """Return what was read before, as long as the file has not changed."""
    return _load_menu(root)


def _load_menu(root: Path) -> list[App]:
    entries = read_entries(root)
    findings = [
        found for number, entry in enumerate(entries, 1) for found in _check_entry(number, entry)
    ]
    if not findings:
        findings = list(_find_duplicates(entries))
    if not entries:
        findings = [
            Finding("menu-empty", "it lists no apps.", "apps.json", f"List at least one: {EXAMPLE}")
        ]
    if findings:
        raise MenuError(findings)
    return [App(**{**entry, "users": tuple(entry.get("users", ()))}) for entry in entries]


def read_entries(root: Path = ROOT) -> list[Any]:
    """Return the list in apps.json, its entries unchecked.

    Raises:
        MenuError: the file is missing, cannot be read, or is not a list in JSON.
    """
    looks_like = f"It looks like this: {EXAMPLE}"
    try:
        entries = json.loads((root / "apps.json").read_text("utf-8-sig"))
    except FileNotFoundError:
        code, text, hint = "menu-missing", "the file is missing.", f"It is the menu. {looks_like}"
    except OSError as error:
        code, text, hint = "menu-unreadable", f"cannot be read: {error.strerror}.", ""
    except UnicodeDecodeError:
        code, text, hint = "menu-encoding", "it is not UTF-8 text.", "Save it as UTF-8."
    except json.JSONDecodeError as error:
        code, text = "menu-not-json", f"it is not JSON: {error.msg} at column {error.colno}."
        hint = (
            "Look there and at the end of the line above for a missing or an extra comma or quote. "
            f"{looks_like}"
        )
        raise MenuError([Finding(code, text, f"apps.json, line {error.lineno}", hint)]) from None
    except (ValueError, RecursionError):  # a number of 5,000 digits, a thousand brackets
        code, text, hint = "menu-not-a-list", "it is not a menu.", looks_like
    else:
        if isinstance(entries, list):
            return entries
        code, text, hint = "menu-not-a-list", "it is not a list.", looks_like
    raise MenuError([Finding(code, text, "apps.json", hint)])


def _check_entry(number: int, entry: object) -> Iterator[Finding]:
    """Yield what is wrong with one entry by itself."""
    where = f"apps.json, entry {number}"
    keys = (
        'An entry needs "name" and "module", may have "icon", "description", "section" and '
        f'"users", and nothing else: {EXAMPLE}'
    )
    if not isinstance(entry, dict):
        yield Finding("menu-not-an-object", f"{entry!r} is not an object.", where, keys)
        return
    missing = [key for key in REQUIRED if key not in entry]
    unknown = [key for key in entry if key not in (*REQUIRED, *OPTIONAL)]
    for key in missing:
        yield Finding("menu-missing-key", f'"{key}" is missing.', where, keys)
    for key in unknown:
        yield Finding("menu-unknown-key", f"unknown key {key!r}.", where, keys)
    if not missing and not unknown:
        yield from _check_values(where, entry)


def _check_values(where: str, entry: dict[str, Any]) -> Iterator[Finding]:
    limits = {
        "name": MAX_NAME_LENGTH,
        "description": MAX_DESCRIPTION_LENGTH,
        "section": MAX_NAME_LENGTH,
    }
    for key, max_length in limits.items():
        try:
            if key in entry:
                validate_line(entry[key], max_length)
        except ValueError as error:
            rule = f"A {key} has 1 to {max_length} characters on one line"
            ending = ', like "Sales Report".' if key == "name" else ". Without one, omit the key."
            yield Finding(
                f"menu-{key}", f"the {key} {entry[key]!r} {error}.", where, f"{rule}{ending}"
            )
    module = entry["module"]
    folder, _, stem = module.partition(".") if isinstance(module, str) else ("", "", "")
    if folder != "apps" or not stem.isidentifier():
        yield Finding(
            "menu-module",
            f"the module {module!r} is not in apps/.",
            where,
            "It is the word apps, a dot and the name of a file in apps/ without its .py, like "
            '"apps.sales_report".',
        )
    if "icon" in entry and not is_icon(entry["icon"]):
        yield Finding(
            "menu-icon",
            f"{entry['icon']!r} is not an icon.",
            where,
            "Use one emoji, or a name from https://fonts.google.com/icons like "
            '":material/payments:".',
        )
    users = entry.get("users")
    is_valid = isinstance(users, list) and users and all(map(is_user_name, users))
    if "users" in entry and not is_valid:
        yield Finding(
            "menu-users",
            f'"users" is {users!r}.',
            where,
            'It is a list of at least one user name, like ["anna", "bob"]. Without it, every user '
            "sees the app.",
        )


def _find_duplicates(entries: list[dict[str, Any]]) -> Iterator[Finding]:
    """Yield a finding for each name and each module that is in more than one entry."""
    for key in ("name", "module"):
        first_entries: dict[str, int] = {}
        for number, entry in enumerate(entries, 1):
            first = first_entries.setdefault(name_key(entry[key]), number)
            if first != number:
                yield Finding(
                    "menu-duplicate",
                    f"the {key} {entry[key]!r} is in entry {first} already.",
                    f"apps.json, entry {number}",
                    "Change one of the two.",
                )
