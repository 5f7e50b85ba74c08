"""Checks what is in git: no Python environment, and everything that Heroku needs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.check.secrets_in_git import describe_secret
from apphub.finding import Finding
from apphub.paths import NGINX_CONF
from apphub.text import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apphub.check.project import Project

NEEDED = (
    *("Procfile", "apps.json", "requirements.txt", ".python-version", NGINX_CONF),
    *("app.json", "bin/post_compile"),
)
# What Python, Jupyter, git and the systems keep in any folder.
CACHES = {
    *("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".ipynb_checkpoints"),
    *(".git", ".venv", "venv", ".DS_Store", "Thumbs.db"),
}


def check(project: Project) -> Iterator[Finding]:
    """Yield what must not be in git, and what is missing there."""
    if project.on_heroku:
        raise CheckSkipped  # what was not in git is not here
    names = project.tracked_files
    for folder in sorted(_find_environments(names)):
        yield Finding(
            "git-environment",
            "is in git. A Python environment works only where it was created, and Heroku refuses "
            "one.",
            f"{folder}/",
            f"Remove it from git, add {folder}/ to .gitignore, and commit:\n"
            f"    git rm -r --cached -q {shlex.quote(folder)}",
        )
    if ".htpasswd" not in names and "HTPASSWD" not in project.environ:
        yield Finding(
            "git-no-users",
            "is not in git, so Heroku has no users.",
            ".htpasswd",
            "Add it: git add -f .htpasswd\nOr set its text on Heroku: "
            'heroku config:set HTPASSWD="$(cat .htpasswd)"',
            "warning",
        )
    needed = "\0".join(sorted(_find_needed(project)))
    for name in project.git("check-ignore", "-z", "--stdin", stdin=needed):
        yield Finding(
            "git-ignored",
            "is ignored by git, so Heroku would not get it.",
            name,
            f"Correct .gitignore, or add it anyway: git add -f {shlex.quote(name)}",
        )
    yield from _check_data(project)


def _check_data(project: Project) -> Iterator[Finding]:
    """Yield a finding for each script's folder with files that git ignores: data, most often."""
    code = set(project.sources.trees)
    for folder in sorted({app.folder for app in project.menu or () if app.folder}):
        paths = [path for path in list_files(project.root / folder) if path not in code]
        names = "\0".join(map(project.name, paths))
        ignored = project.git("check-ignore", "-z", "--stdin", stdin=names) if names else []
        if ignored := [name for name in ignored if not describe_secret(project.root, name)]:
            yield Finding(
                "git-ignored-data",
                f"git ignores {summarize([name.removeprefix(f'{folder}/') for name in ignored])}, "
                "so Heroku would not get it.",
                f"{folder}/",
                f"If the app reads it, add it: git add -f {shlex.quote(ignored[0])}",
                "warning",
            )


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, without those that programs write for themselves."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in CACHES or path.suffix == ".pyc" or (path / "pyvenv.cfg").exists():
            continue
        if path.is_dir() and not path.is_symlink():
            yield from list_files(path)
        elif path.is_file():
            yield path


def _find_environments(names: list[str]) -> set[str]:
    """Return the folders that are Python environments."""
    environments = set()
    for name in names:
        folders = name.split("/")[:-1]
        found = [number for number, part in enumerate(folders, 1) if part in (".venv", "venv")]
        if found or name.endswith("pyvenv.cfg"):
            environments.add("/".join(folders[: found[0] if found else None]))
    return environments


def _find_needed(project: Project) -> set[str]:
    """Return the files that Heroku needs: some by name, the template's code, and the apps'."""
    needed = {name for name in NEEDED if project.has(name)}
    needed |= {
        project.name(path)
        for path in (project.root / "apphub").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    return needed | {project.name(path) for path in project.sources.trees}
