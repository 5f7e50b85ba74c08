"""The menu: apps.json, read and checked. No app is imported here."""

from __future__ import annotations

import json
import re
import time
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from apphub.apps import MAX_DESCRIPTION_LENGTH, App, MenuError
from apphub.finding import Finding
from apphub.paths import ROOT
from apphub.text import name_key, validate_line
from apphub.users import is_user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# An entry has exactly one of these keys, and may have the others that are listed with it.
KINDS = {"module": ["shares_state"], "script": ["always_on", "memory_mb", "processes"]}
OPTIONAL = ["icon", "description", "section", "users"]
EXAMPLE = '[{"name": "Sales Report", "module": "apps.sales_report"}]'
KEYS = (
    'An entry needs "name" and either "module" or "script", may have "icon", "description", '
    '"section" and "users"; a "module" also "shares_state", a "script" also "always_on", '
    f'"memory_mb" and "processes"; and nothing else: {EXAMPLE}'
)
MAX_NAME_LENGTH = 60
MATERIAL_ICON = re.compile(r":material/[a-z0-9_]+:")
# The first part of an address that is Streamlit's own, or the login's.
RESERVED_PATHS = {
    *("_stcore", "app", "auth", "component", "media", "oauth2callback", "static", "vendor"),
    *("login", "logout"),
}
MIN_MEMORY_MB = 128  # Streamlit alone takes half of it
MAX_MEMORY_MB = 1_000_000
MAX_PROCESSES = 99


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
    if not entries:
        findings = [
            Finding("menu-empty", "it lists no apps.", "apps.json", f"List at least one: {EXAMPLE}")
        ]
    if findings:
        raise MenuError(findings)
    apps = [*map(App.from_entry, entries)]
    if findings := list(_find_duplicates(apps)):
        raise MenuError(findings)
    return apps


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
    if not isinstance(entry, dict):
        yield Finding("menu-not-an-object", f"{entry!r} is not an object.", where, KEYS)
        return
    kinds = [kind for kind in KINDS if kind in entry]
    findings = []
    if "name" not in entry:
        findings.append(Finding("menu-missing-key", '"name" is missing.', where, KEYS))
    if not kinds:
        text = '"module" or "script" is missing.'
        findings.append(Finding("menu-missing-key", text, where, KEYS))
    if len(kinds) > 1:
        text = 'it has both "module" and "script".'
        hint = 'Keep "script" to run the app in a process of its own, as `streamlit run` would.'
        findings.append(Finding("menu-two-kinds", text, where, hint))
    known = {"name", *kinds, *OPTIONAL, *(key for kind in kinds for key in KINDS[kind])}
    for key in entry:
        if key not in known:
            only = next((kind for kind, keys in KINDS.items() if key in keys), "")
            text = f'{key!r} is only for a "{only}".' if only else f"unknown key {key!r}."
            findings.append(Finding("menu-unknown-key", text, where, KEYS))
    yield from findings or _check_values(where, entry)


def _check_values(where: str, entry: dict[str, Any]) -> Iterator[Finding]:
    yield from _check_texts(where, entry)
    if "module" in entry:
        yield from _check_module(where, entry["module"])
    else:
        yield from _check_script(where, entry["script"])
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
    for key in ("shares_state", "always_on"):
        if not isinstance(entry.get(key, False), bool):
            hint = "It is true or false, without quotes. Without the key it is false."
            yield Finding("menu-boolean", f'"{key}" is {entry[key]!r}.', where, hint)
    limits = {"memory_mb": (MIN_MEMORY_MB, MAX_MEMORY_MB), "processes": (1, MAX_PROCESSES)}
    for key, (low, high) in limits.items():
        value = entry.get(key, low)
        if type(value) is not int or not low <= value <= high:
            hint = f"It is a whole number from {low} to {high}, without quotes."
            yield Finding("menu-number", f'"{key}" is {value!r}.', where, hint)


def _check_texts(where: str, entry: dict[str, Any]) -> Iterator[Finding]:
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


def _check_module(where: str, module: object) -> Iterator[Finding]:
    folder, _, stem = module.partition(".") if isinstance(module, str) else ("", "", "")
    if folder != "apps" or not stem.isidentifier():
        yield Finding(
            "menu-module",
            f"the module {module!r} is not in apps/.",
            where,
            "It is the word apps, a dot and the name of a file in apps/ without its .py, like "
            '"apps.sales_report".',
        )


def _check_script(where: str, script: object) -> Iterator[Finding]:
    parts = PurePosixPath(script).parts if isinstance(script, str) else ()
    is_plain = "/".join(parts) == script and script.isprintable() and ".." not in parts
    name = parts[1].removesuffix(".py") if len(parts) == 2 else "".join(parts[1:2])
    is_python = is_plain and script != "" and parts[-1].endswith(".py") and "\\" not in str(script)
    if not is_python or parts[0] != "apps" or not is_address(name):
        yield Finding(
            "menu-script",
            f"the script {script!r} is not a Python file in apps/.",
            where,
            'It is a path like "apps/sales.py" or "apps/forecast/streamlit_app.py". What comes '
            "after apps/ is the app's address: letters, digits, - and _.",
        )
    elif name.lower() in RESERVED_PATHS:
        hint = "Rename the file or the folder, and correct the entry."
        yield Finding("menu-reserved", f"the address /{name}/ is not available.", where, hint)


def is_address(name: str) -> bool:
    """Return whether a file or a folder of this name, without .py, can be a script's address."""
    # As in an identifier: the vowel signs of Hindi and Thai are not in \w.
    return bool(name) and f"a{name.replace('-', '_')}".isidentifier()


def _find_duplicates(apps: list[App]) -> Iterator[Finding]:
    """Yield a finding for each name and each address that is in more than one entry."""
    keys: dict[str, Callable[[App], str]] = {
        "name": lambda app: app.name,
        "address": lambda app: f"/{app.url_path}",
    }
    for key, read in keys.items():
        first_entries: dict[str, int] = {}
        for number, app in enumerate(apps, 1):
            value = read(app)
            first = first_entries.setdefault(name_key(value), number)
            if first != number:
                yield Finding(
                    "menu-duplicate",
                    f"the {key} {value!r} is in entry {first} already.",
                    f"apps.json, entry {number}",
                    "Change one of the two.",
                )
