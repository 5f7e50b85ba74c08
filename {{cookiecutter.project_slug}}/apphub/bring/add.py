"""Adding an app that exists: first everything is read and asked, then it is written or undone."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.bring.copying import copy_folder
from apphub.bring.declared import Declared, read_declared
from apphub.bring.existing import find_existing
from apphub.bring.merge import Merge, plan_merge
from apphub.bring.needs import find_needs
from apphub.bring.plan import Plan, Questions, plan_copy, plan_existing
from apphub.bring.source import open_source
from apphub.check.project import Project
from apphub.files import write_atomically
from apphub.finding import InvalidInput
from apphub.paths import ROOT
from apphub.registry import add_app, append_entry, load_menu_for

if TYPE_CHECKING:
    from pathlib import Path

    from apphub.apps import App

INPUT = "requirements.in"


@dataclass(frozen=True)
class Options:
    """Where an app comes from.

    Attributes:
        source: a path or a git URL to copy from; "" for what is in apps/, or a sample.
        subdirectory: the app's folder in the source.
        script: the script that `streamlit run` starts, relative to the app's folder.
    """

    source: str = ""
    subdirectory: str = ""
    script: str = ""


SAMPLE = Options()


@dataclass
class Added:
    """What was added.

    Attributes:
        app: the new entry.
        action: what was done, as a sentence.
        left_out: the files that were not copied, each with the reason, as it follows the path.
        merge: what requirements.in got, and what it did not get.
        notes: what else the app needs, as sentences.
    """

    app: App
    action: str
    left_out: dict[str, str] = field(default_factory=dict)
    merge: Merge = field(default_factory=Merge)
    notes: list[str] = field(default_factory=list)


def add(name: str, questions: Questions, root: Path = ROOT, options: Options = SAMPLE) -> Added:
    """Add an app: what is in apps/ already, else a copy of what source names, else a sample.

    Args:
        name: the app's name in the menu; "" for one that is made of the source's.
        questions: asks the user what is not clear.
        root: the project's folder.
        options: where the app comes from.

    Raises:
        InvalidInput: what is wrong, and how to do it. Nothing was changed.
    """
    if options.source:
        with open_source(options.source, options.subdirectory) as found:
            plan = plan_copy(name or found.app_name, found, options.script, questions, root)
            return _carry_out(plan, questions, root)
    existing = find_existing(name, load_menu_for(name, root), root)
    if existing:
        return _carry_out(
            plan_existing(name, existing, options.script, questions, root), questions, root
        )
    if options != SAMPLE:
        raise InvalidInput(
            f"apps/ has nothing that is called {name!r}. Name its place: --from PATH"
        )
    app = add_app(name, root)
    return Added(app, f"Wrote apps/{app.url_path}.py and added {name} to apps.json.")


def _carry_out(plan: Plan, questions: Questions, root: Path) -> Added:
    """Do what is planned, all of it or nothing."""
    project = Project(root, os.environ)
    declared = read_declared(plan.folders)
    merge = _plan_merge(declared, project)
    agreed = bool(merge.added) and questions.confirm_merge(merge, declared.file)
    with ExitStack() as undo:  # what is registered runs where the rest fails or is interrupted
        if plan.source:
            _put_in_place(plan, plan.source, undo)
        if agreed:
            undo.callback(_restore, root / INPUT, (root / INPUT).read_bytes())
            write_atomically(root / INPUT, merge.text(project.text(INPUT), plan.app.name))
        notes = find_needs(plan.app, project, declared)
        menu = root / "apps.json"
        undo.callback(_restore, menu, menu.read_bytes() if menu.exists() else None)
        append_entry(plan.app, root)
        undo.pop_all()
    if merge.added and not agreed:
        merge.added = []
    return Added(plan.app, plan.action, plan.contents.left_out, merge, notes)


def _plan_merge(declared: Declared, project: Project) -> Merge:
    if not project.has(INPUT):
        return Merge(refused=declared.lines.refused)
    pins = project.text("requirements.txt")
    return plan_merge(declared.lines, project.text(INPUT), pins, project.heroku_markers)


def _put_in_place(plan: Plan, source: Path, undo: ExitStack) -> None:
    """Copy the app, or rename it, and register how to undo that."""
    target = plan.target
    if source.parent == target.parent:
        undo.callback(_rename, target, source)
        source.rename(target)
    elif source.is_dir():
        undo.callback(shutil.rmtree, target, ignore_errors=True)
        copy_folder(source, target, plan.contents)
    else:
        undo.callback(target.unlink, missing_ok=True)
        write_atomically(target, source.read_bytes())


def _rename(path: Path, before: Path) -> None:
    """Give a file its name back, if it has lost it."""
    if path.exists():
        path.rename(before)


def _restore(path: Path, before: bytes | None) -> None:
    """Write what was in a file; None deletes it."""
    if before is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, before)
