"""Where an app comes from: a script, a folder, or a git repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apphub.finding import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://git-scm.com/docs/git-clone#_git_urls, and no remote helper, which would run a command.
GIT_URL = re.compile(r"(https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
PROTOCOLS = "file:git:http:https:ssh"
USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Source:
    """An app on this computer that is to be copied.

    Attributes:
        path: the script, or the folder with everything that the app needs.
        top: the folder that it is a part of, such as a repository's. packages.txt may be there.
        label: how the user named it, without a password.
    """

    path: Path
    top: Path
    label: str

    @property
    def app_name(self) -> str:
        """A name for the menu, made of the folder's or file's: "my-forecast" -> "My Forecast"."""
        if self.path.is_dir():
            word = self.path.name if self.path != self.top else _last_part(self.label)
        else:
            word = self.path.stem
            if word.casefold() in ("streamlit_app", "app", "main", "home"):
                word = self.path.parent.name
        words = re.sub(r"[-_\s]+", " ", word).split()
        return " ".join(each[:1].upper() + each[1:] for each in words)


@contextmanager
def open_source(text: str, subdirectory: str = "") -> Iterator[Source]:
    """Find what was named, and clone it if it is a git repository elsewhere.

    Args:
        text: a path or a git URL.
        subdirectory: the app's folder in it.

    Yields:
        The source. A clone is deleted afterwards.

    Raises:
        InvalidInput: there is no such thing, or git cannot get it.
    """
    label = USER_INFO.sub("", text)
    path = Path(text).expanduser()
    if not GIT_URL.fullmatch(text) and not _is_bare_repository(path):
        if not path.exists():
            raise InvalidInput(
                f"{text!r} does not exist. --from takes the path of a script or a folder, or the "
                "URL of a git repository."
            )
        yield _enter(path.resolve(), subdirectory, str(path.resolve()))
        return
    with tempfile.TemporaryDirectory(prefix="add-app-") as folder:
        top = Path(folder).resolve() / "repository"
        _clone(text, top)
        yield _enter(top, subdirectory, label)


def _enter(top: Path, subdirectory: str, label: str) -> Source:
    path = (top / subdirectory).resolve()
    if not path.is_relative_to(top) or not path.exists():
        raise InvalidInput(f"There is no folder {subdirectory!r} in {label}.")
    return Source(path, top if top.is_dir() else top.parent, label)


def _is_bare_repository(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def _clone(url: str, folder: Path) -> None:
    """Clone a repository's newest commit; all of one on this computer, where it costs nothing.

    Raises:
        InvalidInput: git is missing, or says why it cannot.
    """
    git = shutil.which("git")
    if not git:
        raise InvalidInput("git is not installed: https://git-scm.com/downloads")
    prompt = "1" if sys.stdin.isatty() else "0"
    environ = {"GIT_TERMINAL_PROMPT": prompt, "GIT_ALLOW_PROTOCOL": PROTOCOLS}
    depth = ["--depth", "1"] if GIT_URL.fullmatch(url) else []
    process = subprocess.run(
        [git, "clone", "--quiet", *depth, "--", url, str(folder)],
        env={**os.environ, **environ},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if process.returncode:
        reason = USER_INFO.sub("", process.stderr.strip()) or "it gives no reason."
        raise InvalidInput(f"git cannot clone {USER_INFO.sub('', url)}: {reason}")


def _last_part(label: str) -> str:
    return re.split(r"[/\\:]", label.rstrip("/\\"))[-1].removesuffix(".git")
