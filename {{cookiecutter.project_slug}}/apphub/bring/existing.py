"""Finding what is in apps/ already for an app of some name."""

from __future__ import annotations

import shlex
import unicodedata
from typing import TYPE_CHECKING

from apphub.check.git import list_files
from apphub.finding import InvalidInput
from apphub.menu import RESERVED_PATHS, is_address
from apphub.registry import make_module_name
from apphub.text import name_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from apphub.apps import App

WITHOUT_LETTERS = "app"  # make_module_name() of a name with only emoji or punctuation


def find_existing(name: str, menu: Iterable[App], root: Path) -> Path | None:
    """Return the file or folder in apps/ that has an app's name, and that no entry lists.

    Case, Unicode form, accents, and what stands for a blank do not matter.

    Args:
        name: the app's name.
        menu: the apps in apps.json.
        root: the project's folder.

    Raises:
        InvalidInput: there are two, or its name cannot be an address.
    """
    listed = {name_key(app.url_path) for app in menu}
    found = [
        path
        for path in _list_apps(root / "apps")
        if _is_called(_stem(path), name) and name_key(_stem(path)) not in listed
    ]
    if len(found) > 1:
        names = " and ".join(f"apps/{path.name}" for path in found)
        raise InvalidInput(f"Both {names} may be {name!r}. Move one of them away, and try again.")
    if not found:
        return None
    [path] = found
    stem = unicodedata.normalize("NFC", _stem(path))
    if not is_address(stem) or stem.lower() in RESERVED_PATHS:
        old = shlex.quote(f"apps/{path.name}")
        new = f"{choose_stem(name, root)}{path.suffix if path.is_file() else ''}"
        raise InvalidInput(
            f"apps/{path.name} cannot be an address: it may have letters, digits, - and _, and "
            f"some words are Streamlit's own. Rename it, and try again: git mv {old} apps/{new}"
        )
    return path


def choose_stem(name: str, root: Path) -> str:
    """Return the name of a new file or folder in apps/, without .py, for an app's name."""
    stem = make_module_name(name, root)
    return f"{stem}_app" if stem in RESERVED_PATHS else stem


def _list_apps(folder: Path) -> Iterator[Path]:
    """Yield the scripts in apps/, and the folders with any."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        is_script = path.suffix == ".py" and path.is_file() and path.name != "__init__.py"
        if is_script or (path.is_dir() and any(f.suffix == ".py" for f in list_files(path))):
            yield path


def _stem(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _is_called(stem: str, name: str) -> bool:
    if name_key(stem) == name_key(name):
        return True
    word = make_module_name(name)
    return word != WITHOUT_LETTERS and word in (make_module_name(stem), name_key(stem))
