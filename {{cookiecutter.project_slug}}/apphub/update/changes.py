"""Files that are replaced one by one, with a way back."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Changes:
    """The files that a run has written or removed.

    Attributes:
        paths: these files, relative to the root, in their order.
    """

    def __init__(self, root: Path, backup: Path) -> None:
        """Begin with no change.

        Args:
            root: the project's folder.
            backup: a folder on the same disk. It gets each file as it was before. A file that is
                in it already stays.
        """
        self.paths: list[Path] = []
        self._root = root
        self._backup = backup
        self._new_folders: list[Path] = []

    def put(self, source: Path, path: Path) -> None:
        """Copy a file to a path in the project, in one step.

        Raises:
            OSError: it cannot be written. What was there is still there.
        """
        target = self._save(path)
        _copy(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file of the project."""
        self._save(path).unlink()

    def undo(self) -> None:
        """Leave all these files, and the folders around them, as they were."""
        for path in reversed(self.paths):
            target, saved = self._root / path, self._backup / path
            if os.path.lexists(saved):
                _copy(saved, target)
            elif target.is_symlink() or not target.is_dir():
                target.unlink(missing_ok=True)
        for folder in reversed(self._new_folders):
            with suppress(OSError):  # another program may have written a file there
                folder.rmdir()

    def _save(self, path: Path) -> Path:
        """Copy a file into the backup. Returns its path in the project."""
        target, saved = self._root / path, self._backup / path
        self._new_folders += [folder for folder in reversed(target.parents) if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        self.paths.append(path)
        if (target.is_symlink() or target.is_file()) and not os.path.lexists(saved):
            saved.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target, saved, follow_symlinks=False)
        return target


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a link as a link, over another one in one step."""
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        if (
            not source.is_symlink()
        ):  # it may be .htpasswd: nobody else reads it before its mode is set
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        shutil.copy2(source, temporary, follow_symlinks=False)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
