"""Deciding how an app is added: its entry, and what is copied. Nothing is written here."""

from __future__ import annotations

import shlex
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from apphub.apps import App
from apphub.bring.copying import Contents, list_contents
from apphub.bring.entry_script import draws_in_run, find_entry_script, imports_streamlit, parse
from apphub.bring.existing import choose_stem, find_existing
from apphub.check.imports import find_imports, is_own_module
from apphub.finding import InvalidInput
from apphub.registry import find_free_name, load_menu_for
from apphub.text import name_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from apphub.bring.merge import Merge
    from apphub.bring.source import Source


class Questions(Protocol):
    """Asks the user. Where there is no terminal, it does not ask."""

    def choose(self, question: str, answers: list[str]) -> str | None:
        """Return one of the answers; None where there is nobody to ask."""

    def confirm_merge(self, merge: Merge, file: str) -> bool:
        """Show what would be merged into requirements.in, and return whether to do it."""


@dataclass(frozen=True)
class Plan:
    """An app that is to be added.

    Attributes:
        app: its entry.
        action: what will have been done.
        folders: where what it declares may be, the most likely first.
        source: the file or folder to copy; None where it is in apps/ already.
        target: where it is afterwards.
        contents: what of a folder is copied.
    """

    app: App
    action: str
    folders: Sequence[Path]
    source: Path | None
    target: Path
    contents: Contents = field(default_factory=Contents)


def plan_existing(name: str, path: Path, script: str, questions: Questions, root: Path) -> Plan:
    """Return the plan for a file or folder that is in apps/ already.

    Raises:
        InvalidInput: it is not an app, or it is not clear which script is.
    """
    # macOS writes an accent as a character of its own; git and the browser do not.
    target = path.with_name(unicodedata.normalize("NFC", path.name))
    shown = target.relative_to(root).as_posix()
    folders: list[Path] = []
    if path.is_file():
        if not script and not imports_streamlit(path):
            raise InvalidInput(
                f"{shown} is there, and does not import streamlit. Choose another name for a new "
                f"app; or if it is one: --script {path.name}"
            )
        app = _make_app(name, path, target, root)
    else:
        app, entry = _make_folder_app(name, path, shown, shown, script, questions)
        folders = [entry.parent, path]
    source = None if path == target else path
    return Plan(app, f"Added {name} to apps.json, {_kind(app)}.", folders, source, target)


def plan_copy(name: str, source: Source, script: str, questions: Questions, root: Path) -> Plan:
    """Return the plan for a copy of what is elsewhere.

    Raises:
        InvalidInput: it is not an app, its place is taken, or it is not clear which script it is.
    """
    menu = load_menu_for(name, root)
    path = source.path
    if path.is_relative_to(root.resolve() / "apps"):
        raise InvalidInput(
            f"{source.label} is in apps/ already: python manage.py add-app {shlex.quote(name)}"
        )
    if root.resolve().is_relative_to(path):
        raise InvalidInput(f"{source.label} contains this project. Name the app's own folder.")
    if find_existing(name, menu, root):
        raise InvalidInput(
            f"apps/ has {name!r} already. Choose another name, or take that one: "
            f"python manage.py add-app {shlex.quote(name)}"
        )
    taken = {app.url_path.lower() for app in menu}
    taken |= {name_key(each.stem) for each in (root / "apps").glob("*")}
    stem = find_free_name(choose_stem(name, root), taken)
    if path.is_file():
        _refuse_part_of_project(path)
        target = root / "apps" / f"{stem}.py"
        app = _make_app(name, path, target, root)
        action = f"Copied {source.label} to apps/{stem}.py"
        plan = Plan(app, action, [path.parent, source.top], path, target)
    else:
        target = root / "apps" / stem
        contents = list_contents(path)
        app, entry = _make_folder_app(name, path, source.label, f"apps/{stem}", script, questions)
        action = f"Copied {source.label} to apps/{stem}/ ({len(contents.files)} files)"
        plan = Plan(app, action, [entry.parent, path, source.top], path, target, contents)
    return replace(plan, action=f"{plan.action}, and added {name} to apps.json, {_kind(app)}.")


def _kind(app: App) -> str:
    return f"as the {'module' if app.module else 'script'} {app.source}"


def _make_folder_app(
    name: str, folder: Path, label: str, target: str, script: str, questions: Questions
) -> tuple[App, Path]:
    """Return the entry of a folder and the script that it starts with.

    Args:
        name: the app's name.
        folder: where its files are now.
        label: how the user knows that.
        target: where they will be, such as "apps/forecast".
        script: the script, if the user has named it.
        questions: asks where it is not clear.
    """
    init = folder / "__init__.py"
    stem = target.rpartition("/")[2]
    if not script and init.is_file() and stem.isidentifier() and draws_in_run(init):
        return App(name, module=f"apps.{stem}"), init
    entry = _resolve_script(folder, label, script, questions)
    return App(name, script=f"{target}/{entry.relative_to(folder).as_posix()}"), entry


def _make_app(name: str, path: Path, target: Path, root: Path) -> App:
    """Return the entry of a file: a module if run() draws it, else a script."""
    if target.stem.isidentifier() and draws_in_run(path):
        return App(name, module=f"apps.{target.stem}")
    return App(name, script=target.relative_to(root).as_posix())


def _resolve_script(folder: Path, label: str, script: str, questions: Questions) -> Path:
    if not script:
        return find_entry_script(folder, label, questions.choose)
    path = (folder / script).resolve()
    if path.suffix != ".py" or not path.is_file() or not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"There is no script {script} in {label}.")
    return folder / path.relative_to(folder.resolve())


def _refuse_part_of_project(path: Path) -> None:
    """Refuse a script that needs other files of its folder.

    Raises:
        InvalidInput: with the command that brings the folder.
    """
    folder = path.parent
    beside = ["pages/"] if any((folder / "pages").glob("*.py")) else []
    if tree := parse(path):
        names = {found.names[0] for found in find_imports(tree, path, ()) if found.names}
        beside += sorted(name for name in names if is_own_module(folder, name))
    if beside:
        raise InvalidInput(
            f"{path.name} needs {beside[0]}, which is in the same folder. Bring the folder: "
            f"--from {shlex.quote(str(folder))} --script {shlex.quote(path.name)}"
        )
