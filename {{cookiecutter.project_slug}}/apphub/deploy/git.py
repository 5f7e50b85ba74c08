"""The state of the git repository, and what in it blocks a deploy."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from apphub.check import describe_secret
from apphub.deploy.heroku import GIT_URL
from apphub.deploy.programs import query, run_readonly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNMERGED = re.compile(r".U|U.|AA|DD")  # https://git-scm.com/docs/git-status#_short_format
UNTRACKED = "??"


class Repository(NamedTuple):
    """The state of the git repository.

    Attributes:
        exists: whether the project is a git repository.
        branch: the current branch; "HEAD" where there is none.
        head: the last commit; "" where there is none.
        changed_files: the files that the next commit would include.
        ignores_users: whether git ignores .htpasswd.
        heroku_app: the app on Heroku that the remote "heroku" points to; "" where there is none.
    """

    exists: bool = False
    branch: str = "main"
    head: str = ""
    changed_files: Sequence[str] = ()
    ignores_users: bool = False
    heroku_app: str = ""


class Change(NamedTuple):
    """A file that the next commit would include, with git's two letters for its state."""

    state: str
    path: str


def inspect_repository(root: Path) -> tuple[Repository, list[str]]:
    """Return what git knows of the project, and what blocks a deploy.

    Raises:
        click.ClickException: git fails.
    """
    exists, blockers = _find_repository(root)
    changes, ignores_users = _read_status(root, exists)
    blockers += _find_blocking_changes(root, changes)
    if not _knows_committer(root):
        blockers.append(
            "git does not know your name, which each commit needs. Set it once: "
            'git config --global user.name "Anna Berg", '
            "git config --global user.email anna@example.com"
        )
    changed_files = [change.path for change in changes]
    if not exists:
        return Repository(changed_files=changed_files, ignores_users=ignores_users), blockers
    remote = _read(root, "config", "remote.heroku.url")
    app = GIT_URL.search(remote)
    if remote and not app:
        blockers.append(
            "The git remote heroku does not point to Heroku. Rename it: "
            "git remote rename heroku other"
        )
    branch = _read(root, "symbolic-ref", "--quiet", "--short", "HEAD") or "HEAD"
    head = _read(root, "rev-parse", "--quiet", "--verify", "HEAD")
    name = app[1] if app else ""
    return Repository(True, branch, head, changed_files, ignores_users, name), blockers


def _read(root: Path, *arguments: str) -> str:
    """Return what a git command prints; it may fail."""
    return run_readonly(root, "git", *arguments).stdout.strip()


def _find_repository(root: Path) -> tuple[bool, list[str]]:
    """Return whether the project is a repository, and what is wrong with the one it is in."""
    top = run_readonly(root, "git", "rev-parse", "--show-toplevel")
    folder = top.stdout.strip()
    if top.returncode and (root / ".git").exists():
        return False, [f"git cannot read this repository: {top.stderr.strip()}"]
    if top.returncode:
        return False, []
    if Path(folder).samefile(root):
        return True, []
    return False, [
        f"This folder is inside the git repository {folder}, and Heroku builds only the top folder "
        "of a repository. Move it out, or make it a repository of its own: git init"
    ]


def _read_status(root: Path, exists: bool) -> tuple[list[Change], bool]:
    """Return what the next commit would include, and whether git ignores .htpasswd."""
    with tempfile.TemporaryDirectory() as empty:
        # Where there is no repository yet, the folder is compared with an empty one.
        place = [] if exists else ["--git-dir", empty, "--work-tree", str(root)]
        if not exists:
            query(root, "git", "init", "--quiet", "--bare", empty)
        status = query(
            root,
            *("git", *place, "-c", "status.renames=false"),
            *("status", "--porcelain", "-z", "--untracked-files=all"),
        )
        ignored = run_readonly(root, "git", *place, "check-ignore", "--quiet", ".htpasswd")
    changes = [Change(entry[:2], entry[3:]) for entry in status.split("\0") if entry]
    return changes, ignored.returncode == 0


def _find_blocking_changes(root: Path, changes: Sequence[Change]) -> Iterator[str]:
    for state, path in changes:
        # `check` looks at the files that git has already.
        if state == UNTRACKED and (secret := describe_secret(root, path)):
            yield (
                f"{path} would be committed, and it {secret}. Add {path} to .gitignore, or delete "
                "the file."
            )
    if any(UNMERGED.fullmatch(change.state) for change in changes):
        yield "A merge is not finished: git status shows where. Finish it, and commit."


def _knows_committer(root: Path) -> bool:
    command = ("git", "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    return run_readonly(root, *command).returncode == 0
