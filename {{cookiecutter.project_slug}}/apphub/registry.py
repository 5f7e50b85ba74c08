"""Adding and removing apps: their modules in apps/, and their entries in apps.json."""

from __future__ import annotations

import json
import keyword
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from apphub.apps import App, MenuError
from apphub.files import write_atomically
from apphub.finding import InvalidInput
from apphub.menu import MAX_NAME_LENGTH, load_menu, read_entries
from apphub.paths import APP_TEMPLATE, ROOT
from apphub.text import escape_markdown, name_key, validate_line

if TYPE_CHECKING:
    from pathlib import Path

# Windows keeps these for devices, whatever comes after the dot:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
WINDOWS_DEVICES = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}


def validate_app_name(name: str) -> None:
    """Check an app's name.

    Raises:
        InvalidInput: it breaks its rule.
    """
    try:
        validate_line(name, MAX_NAME_LENGTH)
    except ValueError as error:
        raise InvalidInput(
            f"The app name {name!r} {error}. It must be 1 to {MAX_NAME_LENGTH} characters on one "
            "line. Example: Sales Report"
        ) from None


def add_app(name: str, root: Path = ROOT, template: Path = APP_TEMPLATE) -> App:
    """Write a new module in apps/, and its entry at the end of apps.json.

    Args:
        name: the app's name in the menu.
        root: the project's folder.
        template: the module that a new one is a copy of.

    Raises:
        InvalidInput: the name breaks its rule or is taken, or apps.json is not valid (MenuError).
    """
    menu = load_menu_for(name, root)
    taken = {app.url_path for app in menu}
    taken |= {path.stem.lower() for path in (root / "apps").glob("*")}
    app = App(name, f"apps.{find_free_name(make_module_name(name, root), taken)}")
    module = root / "apps" / f"{app.url_path}.py"
    title = quote_python(escape_markdown(name))
    write_atomically(module, template.read_text("utf-8").replace('"New app"', title))
    try:
        append_entry(app, root)
    except BaseException:
        module.unlink()
        raise
    return app


def load_menu_for(name: str, root: Path = ROOT) -> list[App]:
    """Return the apps that are in the menu, which may be none, before one of this name is added.

    Raises:
        InvalidInput: the name breaks its rule or is taken, or apps.json is not valid (MenuError).
    """
    validate_app_name(name)
    has_entries = (root / "apps.json").exists() and read_entries(root)
    menu = load_menu(root) if has_entries else []
    if name_key(name) in (name_key(app.name) for app in menu):
        raise InvalidInput(f"{name!r} is in apps.json already. Choose another name.")
    return menu


def append_entry(app: App, root: Path = ROOT) -> None:
    """Write an app's entry at the end of apps.json.

    Raises:
        MenuError: apps.json would not be valid with it. It is as it was before.
    """
    path = root / "apps.json"
    before = path.read_bytes() if path.exists() else None
    entries = read_entries(root) if before else []
    kind = "script" if app.script else "module"
    write_entries([*entries, {"name": app.name, kind: app.source}], root)
    try:
        load_menu(root)
    except MenuError:
        if before is None:
            path.unlink()
        else:
            write_atomically(path, before)
        raise


def find_app(name: str, root: Path = ROOT) -> App:
    """Return the app of a name.

    Args:
        name: the app's name, its path, its module or its script: "Café Sales", "cafe_sales",
            "apps.cafe_sales" or "apps/cafe_sales.py".
        root: the project's folder.

    Raises:
        InvalidInput: there is no such app, or apps.json is not valid (MenuError).
    """
    menu = load_menu(root)
    names = {other: app for app in menu for other in (app.url_path, app.source)}
    names |= {name_key(app.name): app for app in menu}  # before another app's path
    app = names.get(name_key(name)) or names.get(name.strip("/"))
    if not app:
        apps = ", ".join(app.name for app in menu)
        raise InvalidInput(f"There is no app {name!r} in apps.json. Apps: {apps}.")
    return app


def remove_app(name: str, root: Path = ROOT) -> App:
    """Remove an app's entry from apps.json; its file stays.

    Args:
        name: what find_app() takes.
        root: the project's folder.

    Raises:
        InvalidInput: there is no such app, it is the only one, or apps.json is not valid
            (MenuError).
    """
    app, menu = find_app(name, root), load_menu(root)
    if len(menu) == 1:
        raise InvalidInput(
            f"{app.name} is the only app, and a menu needs at least one. Add another one first: "
            'python manage.py add-app "Sales Report"'
        )
    write_entries(
        [entry for entry, each in zip(read_entries(root), menu, strict=True) if each != app], root
    )
    return app


def finish_removal(app: App, delete: bool, root: Path = ROOT) -> str:
    """Delete a removed app's file where that is asked, and return what became of it.

    Args:
        app: the app, which is in apps.json no longer.
        delete: whether to delete its file. A folder is never deleted.
        root: the project's folder.
    """
    try:
        path = app.find(root)
    except MenuError:
        return ""  # it was not there before either
    file = path.relative_to(root).as_posix()
    folder = app.folder or ("" if path.name != "__init__.py" else file.rpartition("/")[0])
    if not delete:
        return f"{folder or file} is still there: delete it, or restore the entry."
    if folder:
        return f"{folder}/ is a folder: review it, then delete it."
    path.unlink()
    return f"Deleted {file}."


def write_entries(entries: list[dict[str, Any]], root: Path) -> None:
    """Write apps.json, one line per entry."""
    text = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    write_atomically(root / "apps.json", f"[\n{text}\n]\n")


def make_module_name(name: str, root: Path = ROOT) -> str:
    """Return a readable Python identifier for an app's name: "Café 2024" -> "cafe_2024".

    Latin letters lose their accents; other scripts stay as they are ("売上"), as Python's
    identifiers may (https://docs.python.org/3/reference/lexical_analysis.html#identifiers).
    """

    def convert(character: str) -> str:
        base = unicodedata.normalize("NFKD", character)[0]
        if base.isascii() and base.isalnum():
            return base
        # Letters, and the marks that Hindi or Thai cannot do without.
        return character if character != "_" and f"a{character}".isidentifier() else " "

    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    word = "_".join("".join(map(convert, folded)).split())
    word = word.encode()[:200].decode(errors="ignore")  # a file's name may have 255 bytes
    if not word:
        return "app"  # the name has only emoji or punctuation
    if keyword.iskeyword(word) or word in WINDOWS_DEVICES or word in _list_packages(root):
        return f"{word}_app"
    return word if word.isidentifier() else f"app_{word}"


def _list_packages(root: Path) -> set[str]:
    """Return the modules that an app of the same name would shadow when it runs by itself."""
    requirements = root / "requirements.txt"
    pins = requirements.read_text("utf-8") if requirements.exists() else ""
    names = re.findall(r"^[\w-]+", pins.replace("-", "_"), re.MULTILINE)
    return {*sys.stdlib_module_names, *names}


def find_free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the first of name_2, name_3 ... that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def quote_python(text: str) -> str:
    """Return a Python literal of the text, in the quotes that ruff's formatter prefers."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"
