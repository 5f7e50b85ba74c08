"""Installs the template's files in a project, as apphub.update.decide says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apphub.record import compute_hashes, find_edited_files
from apphub.update.decide import RENAMED, Action, History, decide, is_old_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apphub.update.changes import Changes

PACKAGE = "apphub"
EDITED = "apphub.old"  # gets what the user has edited in apphub/

# What is in the stage, and not for the project.
DATA = "update"
SERVER = f"{DATA}/server.py"  # for a Procfile that starts server.py, as it did before apphub/


class Installer(NamedTuple):
    """What the steps of an installation have in common.

    Attributes:
        root: the project's folder.
        stage: a folder with the template's files, rendered.
        changes: notes what is written.
        history: the template's earlier versions.
        answers: with which the template's files were rendered.
        old_layout: whether the project is from before apphub/.
        is_update: whether there was a project before.
    """

    root: Path
    stage: Path
    changes: Changes
    history: History
    answers: Mapping[str, Any]
    old_layout: bool
    is_update: bool

    @classmethod
    def prepare(
        cls, root: Path, stage: Path, changes: Changes, answers: Mapping[str, Any]
    ) -> Installer:
        """Find out what the project is like."""
        history = History.load(stage / DATA / "history.json")
        old_layout = is_old_layout(root, history)
        is_update = old_layout or (root / PACKAGE).is_dir()
        return cls(root, stage, changes, history, answers, old_layout, is_update)

    def install(self) -> list[str]:
        """Install all files.

        Returns:
            Files of the user's with names that the template used before.

        Raises:
            OSError: a file cannot be written. changes.undo() reverts all but apphub/, of which the
                hook has a backup.
        """
        names = self.list_names()
        self.move_renamed_files()
        foreign = [name for name in names if not self.install_file(name)]
        self.install_server()
        self.install_package()
        return foreign if self.old_layout else []

    def list_names(self) -> list[str]:
        """Return the files outside apphub/ that the template has or had."""
        paths = [path.relative_to(self.stage) for path in self.stage.rglob("*") if path.is_file()]
        staged = {path.as_posix() for path in paths if path.parts[0] not in (PACKAGE, DATA)}
        return sorted(staged | set(self.history.hashes))

    def install_file(self, name: str) -> bool:
        """Install one file. Returns False where the user has another one of a former name."""
        path, staged = Path(name), self.stage / name
        target = self.root / name
        before = target.read_bytes() if target.is_file() else None
        template = staged.read_bytes() if staged.is_file() else None
        if before is None and template is None:
            return True
        action = decide(name, before, template, self.history, self.answers, self.old_layout)
        if target.is_symlink() or target.is_dir():  # the user's, whatever it leads to
            action = Action.KEEP if before == template else Action.KEEP_AND_ADD_NEW
        if action is Action.TAKE_AND_KEEP_OLD:
            self.changes.put(target, Path(f"{name}.old"))
        if action is Action.KEEP_AND_ADD_NEW and template is not None:
            self.put_new_version(name, template)
        elif action in (Action.TAKE, Action.TAKE_AND_KEEP_OLD):
            if template is None:
                self.changes.remove(path)
            else:
                self.changes.put(staged, path)
        return template is not None or action is not Action.KEEP

    def put_new_version(self, name: str, template: bytes) -> None:
        """Write the template's version as <file>.new. One that the user has edited is kept."""
        path = Path(f"{name}.new")
        if (self.root / path).is_file():
            before = (self.root / path).read_bytes()
            if before != template and not self.history.is_unedited(name, before, self.answers):
                self.changes.put(self.root / path, Path(f"{path}.old"))
        self.changes.put(self.stage / name, path)

    def move_renamed_files(self) -> None:
        """Move a file that the user has edited to its new name."""
        for old, new in RENAMED.items() if self.old_layout else ():
            path = self.root / old
            if not path.is_file() or (self.root / new).exists():
                continue
            if not self.history.is_unedited(old, path.read_bytes(), self.answers):
                self.changes.put(path, Path(new))
                self.changes.remove(Path(old))

    def install_server(self) -> None:
        """Make a Procfile that the user has edited work for one more version."""
        procfile, server = self.root / "Procfile", self.root / "server.py"
        is_old = self.old_layout and procfile.is_file() and not server.exists()
        if is_old and re.search(rb"\bserver\.py\b", procfile.read_bytes()):
            self.changes.put(self.stage / SERVER, Path("server.py"))

    def install_package(self) -> None:
        """Replace apphub/ as a whole. What the user has edited in it is copied to apphub.old/."""
        package, new = self.root / PACKAGE, self.stage / PACKAGE
        if package.is_dir():
            hashes, new_hashes = compute_hashes(package), compute_hashes(new)
            for name in find_edited_files(package):
                if hashes[name] != new_hashes.get(name):
                    self.changes.put(package / name, Path(EDITED, name))
            shutil.rmtree(package)
        shutil.copytree(new, package)
