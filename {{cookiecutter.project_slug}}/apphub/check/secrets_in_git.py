"""Checks that git has no secrets: environment files, private keys, and what is generated."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.finding import Finding
from apphub.paths import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apphub.check.project import Project

# config/htpasswd: until 2026.11.1.
GENERATED_FILES = {"config/htpasswd", "config/nginx.conf"}
SECRET_FILE = re.compile(r"\.env(\..+|rc)?|.+\.env|\.netrc|\.pypirc|secrets\.toml(\..+)?")
EXAMPLES = (".example", ".sample", ".template")
PRIVATE_KEY = re.compile(
    rb'^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----|"private_key"\s*:\s*"-----BEGIN ',
    re.MULTILINE,
)
SEARCHED_BYTES = 2**14


def check(project: Project) -> Iterator[Finding]:
    """Yield a finding for each file in git that contains a secret, or is generated."""
    if project.on_heroku:
        raise CheckSkipped
    for name in project.tracked_files:
        if _is_generated(name):
            yield Finding(
                "git-generated-file",
                f"is in git. It {describe_secret(project.root, name)}.",
                name,
                f"Remove it from git, add {name} to .gitignore, and commit:\n"
                f"    git rm --cached {shlex.quote(name)}",
            )
        elif secret := describe_secret(project.root, name):
            yield Finding(
                "git-secret",
                f"is in git, and {secret}.",
                name,
                f"Remove it from git, add {name} to .gitignore, and commit. If it was pushed, "
                "replace the secret: git's history keeps it.\n"
                f"    git rm --cached {shlex.quote(name)}",
            )


def describe_secret(root: Path, name: str) -> str | None:
    """Return why a file must not be in git, as it follows its name: "contains a private key".

    Args:
        root: the project's folder.
        name: the file's path in it.

    Returns:
        The reason, or None where there is none.
    """
    if _is_generated(name):
        return "is generated at every start and contains password hashes"
    last = name.rpartition("/")[2].lower()
    is_secret = SECRET_FILE.fullmatch(last) or f"/{name}".endswith("/.streamlit/secrets.toml")
    if is_secret and not last.endswith(EXAMPLES):
        return "contains secrets"
    try:
        with (root / name).open("rb") as file:
            has_key = PRIVATE_KEY.search(file.read(SEARCHED_BYTES))
    except OSError:
        return None  # deleted, or a folder that is a repository of its own
    return "contains a private key" if has_key else None


def _is_generated(name: str) -> bool:
    return name in GENERATED_FILES or name.startswith(f"{GENERATED}/")
