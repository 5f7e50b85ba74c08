"""Checks what is in git: no Python environment, and everything that Heroku needs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.finding import Finding
from apphub.paths import NGINX_CONF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project

NEEDED = (
    *("Procfile", "apps.json", "requirements.txt", ".python-version", NGINX_CONF),
    *("app.json", "bin/post_compile"),
)


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
    """Return the files that Heroku needs: some by name, the template's code, and the modules."""
    needed = {name for name in NEEDED if project.has(name)}
    needed |= {
        project.name(path)
        for path in (project.root / "apphub").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    return needed | {project.name(path) for path in project.sources.trees}
