"""Copying an app unchanged, without what must not be in the project."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.check.secrets_in_git import describe_secret

if TYPE_CHECKING:
    from pathlib import Path

# They belong to the place that the app comes from, and are written there by programs.
NOT_COPIED = {".git", ".venv", "__pycache__"}


@dataclass
class Contents:
    """What is in an app's folder.

    Attributes:
        files: the paths to copy, relative to the folder.
        left_out: the paths that are not copied, each with the reason, as it follows the path.
    """

    files: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def list_contents(folder: Path) -> Contents:
    """Return what is to be copied of a folder.

    A link is copied if it leads to a place in the folder. Another one would not work on Heroku, and
    might lead to a file that is nobody else's business.
    """
    contents = Contents()
    _walk(folder, folder, contents)
    return contents


def _walk(folder: Path, top: Path, contents: Contents) -> None:
    for path in sorted(folder.iterdir()):
        name = path.relative_to(top)
        if path.name in NOT_COPIED or (path / "pyvenv.cfg").exists():
            continue
        if path.is_symlink():
            if _stays_inside(path, top):
                contents.files.append(name)
            else:
                contents.left_out[name.as_posix()] = "is a link that leads out of the folder"
        elif path.is_dir():
            _walk(path, top, contents)
        elif not path.is_file():
            contents.left_out[name.as_posix()] = "is not a file"
        # With "./" it is never the name of a file that the hub itself generates.
        elif secret := describe_secret(top, f"./{name.as_posix()}"):
            contents.left_out[name.as_posix()] = secret
        else:
            contents.files.append(name)


def _stays_inside(link: Path, top: Path) -> bool:
    target = link.readlink()
    return (
        not target.is_absolute() and link.exists() and link.resolve().is_relative_to(top.resolve())
    )


def copy_folder(source: Path, target: Path, contents: Contents) -> None:
    """Copy an app's files, in one step as others see it.

    Raises:
        OSError: a file cannot be read or written. Nothing is left behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)  # of a copy that was killed
    try:
        temporary.mkdir()
        for name in contents.files:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, temporary / name, follow_symlinks=False)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
