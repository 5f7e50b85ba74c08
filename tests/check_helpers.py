"""What the tests of the checks share: the template's files, and git."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

from baked import ROOT, BakedProject

from apphub.check.project import Project
from apphub.finding import Finding

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
# What every check reads, beside the user's own files.
FILES = {
    ".gitignore": TEMPLATE,
    ".python-version": TEMPLATE,
    ".slugignore": TEMPLATE,
    "app.py": TEMPLATE,
    "manage.py": TEMPLATE,
    "requirements.in": TEMPLATE,
    "requirements.txt": TEMPLATE,
    "Procfile": TEMPLATE / "_hook",
    "config/nginx.conf.erb": TEMPLATE / "_hook",
}
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]

Check = Callable[[Project], Iterator[Finding]]
Found = list[tuple[str, str]]


def copy_files(project: BakedProject, *names: str) -> None:
    """Copy files of the template into a project."""
    for name in names:
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES[name] / name, path)


def write(project: BakedProject, name: str, content: str | bytes) -> None:
    """Write a file of a project, in folders that need not exist."""
    path = project.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def git(project: BakedProject, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=project.path, check=True, capture_output=True)


def add_to_git(project: BakedProject) -> None:
    """Add all files to git, whatever .gitignore says."""
    git(project, "init", "-q")
    git(project, "add", "-A", "-f")


Change = Callable[[BakedProject], object]
APP = "apps/sales_report.py"
RUN = "def run():\n    pass\n"


def app(text: str) -> Change:
    """Give the first app this text."""
    return lambda project: write(project, APP, text)


def file(name: str, content: str | bytes) -> Change:
    """Write a file."""
    return lambda project: write(project, name, content)


def without(*names: str) -> Change:
    """Delete files."""
    return lambda project: [(project.path / name).unlink() for name in names]


def added(name: str, text: str) -> Change:
    """Add a text at the end of a file."""
    return lambda project: project.write(name, project.read(name) + text)


def all_of(*changes: Change) -> Change:
    return lambda project: [change(project) for change in changes]
