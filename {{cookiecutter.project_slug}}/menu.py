"""The menu: what apps.json says, read and checked.

The launcher, manage.py and the tests all read the menu here, so they agree on its rules.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import time
import tokenize
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from users import ROOT, is_user

ICON = ROOT / "config" / "icon.svg"  # in the browser's tab
REQUIRED = ("name", "module")
OPTIONAL = {"icon", "description", "section", "users"}
EXAMPLE = '[{"name": "Sales Report", "module": "apps.sales_report"}]'
LONGEST_NAME = 60
LONGEST_DESCRIPTION = 200
MARKDOWN = re.compile(r"[\\`*_\[\]<>~$:]|&(?=#?\w+;)")
LINK = re.compile(r"(?<=www)(?=\.)|(?<=:)(?=//)|(?=@[-\w])", re.IGNORECASE)
MATERIAL = re.compile(r":material/[a-z0-9_]+:")
BEFORE_DOCSTRING = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}


class MenuError(Exception):
    """What is wrong with the menu: a line for each fault, with the rule and the way out."""


@dataclass(frozen=True)
class App:
    """One entry of the menu: an app's name there, its module "apps.<something>", and the rest."""

    name: str
    module: str
    users: tuple[str, ...] = ()  # who may see it; empty: everybody
    icon: str = ""  # an emoji, or :material/name:
    description: str = ""  # empty: the module's docstring says it
    section: str = ""

    def is_for(self, user: str | None) -> bool:
        """Return whether the user may see the app. None is who works on a laptop: they may."""
        return not self.users or user is None or user in self.users

    @property
    def url_path(self) -> str:
        """The app's path in the browser, without slashes: "sales_report"."""
        return self.module.removeprefix("apps.")

    @property
    def summary(self) -> str:
        """What the app does, in a line: its description, or its docstring's first paragraph."""
        if self.description:
            return self.description
        try:
            path = self.find()
            stat = path.stat()
        except (MenuError, OSError):
            return ""
        return docstring(path, stat.st_mtime_ns, stat.st_size)

    def find(self, root: Path = ROOT) -> Path:
        """Return the module's file, without importing it.

        Raises:
            MenuError: the file is not there.
        """
        for path in (f"apps/{self.url_path}.py", f"apps/{self.url_path}/__init__.py"):
            if (root / path).is_file():
                return root / path
        raise MenuError(
            f'"{self.name}": there is no file apps/{self.url_path}.py for the module '
            f"{self.module}. Put the file there, or correct the entry in apps.json."
        )

    def load(self) -> Callable[[], None]:
        """Import the app's module and return its run().

        Raises:
            MenuError: the module is not there or has no run().
            Exception: whatever the module itself raises when it is imported.
        """
        path = self.find()
        run = getattr(importlib.import_module(self.module), "run", None)
        if not callable(run):
            raise MenuError(
                f'"{self.name}": {path.relative_to(ROOT).as_posix()} has no function run(). '
                "The launcher calls it to draw the app: put the app's code into `def run():`."
            )
        return run


@lru_cache(maxsize=1024)
def docstring(path: Path, *_stamp: int) -> str:
    """Return the first paragraph of a module's docstring, as long as a description may be.

    Returns:
        "" where there is none. Nothing of the module is read but that.
    """
    try:
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.STRING:
                    text = ast.literal_eval(token.string)
                    line = " ".join(re.split(r"\n\s*\n", text.strip())[0].split())
                    if len(line) > LONGEST_DESCRIPTION:
                        line = f"{line[: LONGEST_DESCRIPTION - 1].rstrip()}…"
                    return line.encode(errors="replace").decode()  # half a character: "\\ud800"
                if token.type not in BEFORE_DOCSTRING:
                    break
    # A broken app has no line of its own; its page says what is wrong.
    except (OSError, SyntaxError, TypeError, ValueError, LookupError, tokenize.TokenError):
        pass
    return ""


def app_name(root: Path = ROOT) -> str:
    """Return what people call the whole of it: "name" in app.json, or else "Apps"."""
    try:
        name = json.loads((root / "app.json").read_text("utf-8-sig"))["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return "Apps"
    if not isinstance(name, str) or not name.strip():
        return "Apps"
    return name.encode(errors="replace").decode()  # half a character, written as \\udc00


def name_fault(name: object, longest: int = LONGEST_NAME) -> str | None:
    """Return what is wrong with an app's name, or None. The rule: 1 to 60 visible characters."""
    if not isinstance(name, str):
        return "is not text"
    if not name or name != name.strip():
        return "is empty, or begins or ends with a blank"
    if len(name) > longest:
        return f"is longer than {longest} characters"
    # Control characters, lone surrogates and line breaks; a joiner inside an emoji is welcome.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        return "holds a control character or a line break"
    return None


def is_icon(icon: object) -> bool:
    """Return whether Streamlit would draw the icon; where it is not installed, whether it may."""
    if not isinstance(icon, str):
        return False
    try:
        from streamlit.errors import StreamlitAPIException
        from streamlit.string_util import validate_icon_or_emoji
    except ImportError:
        return bool(MATERIAL.fullmatch(icon)) or (0 < len(icon) < 16 and not icon.isascii())
    try:
        return bool(validate_icon_or_emoji(icon)) and icon != "spinner"
    except StreamlitAPIException:
        return False


def same_name(name: str) -> str:
    """Return a key that is equal for names that people would take for the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def plain(text: str) -> str:
    """Return Markdown that shows the text as it is: "Cost in $" is no formula."""
    # What looks like a link becomes one, escaped or not, unless something unseen is in it.
    return MARKDOWN.sub(r"\\\g<0>", LINK.sub("\u2060", text))


def load_menu(root: Path = ROOT) -> list[App]:
    """Read and check apps.json. No app is imported.

    Returns:
        The apps in the order of the menu, one at least.

    Raises:
        MenuError: with a line for each thing that is wrong.
    """
    try:
        stat = (root / "apps.json").stat()
    except OSError:
        return _load_menu(root)
    if time.time_ns() - stat.st_mtime_ns < 2e9:
        return _load_menu(root)  # a change within the clock's tick would not show
    return list(_menu_of(root, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=8)
def _menu_of(root: Path, *_stamp: int) -> list[App]:
    """Return what was read before, as long as nobody has touched the file."""
    return _load_menu(root)


def _load_menu(root: Path) -> list[App]:
    """Read and check apps.json, as load_menu() says."""
    entries = read_entries(root)
    faults = [fault for number, entry in enumerate(entries, 1) for fault in _faults(number, entry)]
    if not faults:
        faults = _repeats(entries)
    if not entries:
        faults = [f"apps.json lists no app. Write one at least: {EXAMPLE}"]
    if faults:
        raise MenuError("\n".join(faults))
    return [App(**{**entry, "users": tuple(entry.get("users", ()))}) for entry in entries]


def read_entries(root: Path = ROOT) -> list:
    """Return the list in apps.json as it stands there, its entries unchecked.

    Raises:
        MenuError: the file is not there, cannot be read, or is not a list in JSON.
    """
    try:
        entries = json.loads((root / "apps.json").read_text("utf-8-sig"))
    except FileNotFoundError:
        raise MenuError(f"apps.json is not there. It is the menu; write one: {EXAMPLE}") from None
    except OSError as error:
        raise MenuError(f"apps.json cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise MenuError("apps.json is not UTF-8 text. Save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise MenuError(
            f"apps.json is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Look there and at the end of the line above for a comma or a quote too few or too "
            f"many. It looks like this: {EXAMPLE}"
        ) from None
    except (ValueError, RecursionError):  # a number of 5,000 digits, a thousand brackets
        raise MenuError(f"apps.json is no menu. It looks like this: {EXAMPLE}") from None
    if not isinstance(entries, list):
        raise MenuError(f"apps.json is not a list. It looks like this: {EXAMPLE}")
    return entries


def _faults(number: int, entry: object) -> list[str]:
    """Return what is wrong with one entry by itself."""
    where = f"apps.json, entry {number}"
    if not isinstance(entry, dict):
        wrong = [f"{entry!r} is no entry"]
    else:
        wrong = [f'"{key}" is missing' for key in REQUIRED if key not in entry]
        wrong += [f"{key!r} is no key" for key in entry if key not in {*REQUIRED, *OPTIONAL}]
    if wrong:
        return [
            f'{where}: {", ".join(wrong)}. An entry needs "name" and "module", may have "icon", '
            f'"description", "section" and "users", and nothing else: {EXAMPLE}'
        ]
    faults = []
    if fault := name_fault(entry["name"]):
        faults.append(
            f"{where}: the name {entry['name']!r} {fault}. A name has 1 to {LONGEST_NAME} "
            'characters on one line, like "Sales Report".'
        )
    module = entry["module"]
    folder, _, stem = module.partition(".") if isinstance(module, str) else ("", "", "")
    if folder != "apps" or not stem.isidentifier():
        faults.append(
            f"{where}: the module {module!r} is outside apps/, or misspelt. It is the word apps, a "
            'dot and the name of a file in apps/ without its .py, like "apps.sales_report".'
        )
    if "icon" in entry and not is_icon(entry["icon"]):
        faults.append(
            f"{where}: the icon {entry['icon']!r} is none. It is one emoji, or a name from "
            'https://fonts.google.com/icons like ":material/payments:".'
        )
    for key, longest in (("description", LONGEST_DESCRIPTION), ("section", LONGEST_NAME)):
        if key in entry and (fault := name_fault(entry[key], longest)):
            faults.append(
                f"{where}: the {key} {entry[key]!r} {fault}. It has 1 to {longest} characters on "
                "one line; without it, leave the key out."
            )
    users = entry.get("users")
    listed = isinstance(users, list) and users and all(map(is_user, users))
    if "users" in entry and not listed:
        faults.append(
            f'{where}: "users" is {users!r}. It is a list of user names, one at least, like '
            '["anna", "bob"]; without it, everybody sees the app.'
        )
    return faults


def _repeats(entries: list[dict]) -> list[str]:
    """Return a line for each name and each module that stands in more than one entry."""
    faults = []
    for key in ("name", "module"):
        first: dict[str, int] = {}
        for number, entry in enumerate(entries, 1):
            earlier = first.setdefault(same_name(entry[key]), number)
            if earlier != number:
                faults.append(
                    f"apps.json, entry {number}: the {key} {entry[key]!r} stands in entry "
                    f"{earlier} already. Every app has its own: change one of the two."
                )
    return faults
