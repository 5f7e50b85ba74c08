"""Checks .python-version, by the rules of Heroku's buildpack for Python.

https://github.com/heroku/heroku-buildpack-python: how it reads the file, how people misspell its
name, and the newest Python that it has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.project import OLDEST_PYTHON, PYTHON_VERSION
from apphub.check.report import CheckSkipped
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project

MISSPELLED = re.compile(r"\W*python\W?_?version\W*(txt|rtf)?", re.IGNORECASE)
NEWEST_PYTHON = (3, 14)
RECOMMENDED = "3.13"


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the version of Python that Heroku is asked for."""
    if project.on_heroku:
        raise CheckSkipped  # the buildpack has decided
    for path in sorted(project.root.iterdir()):
        is_misspelled = MISSPELLED.fullmatch(path.name) and path.name != ".python-version"
        if is_misspelled and path.is_file():
            yield Finding(
                "python-version-misspelled",
                "the name looks like a misspelled .python-version, and Heroku's build fails on it.",
                path.name,
                "Rename it, or delete it.",
            )
    name, prefix = ".python-version", ""
    if project.has("runtime.txt"):
        name, prefix = "runtime.txt", "python-"
        yield Finding(
            "python-version-runtime-txt",
            "the file is deprecated, and Heroku ignores .python-version while it exists.",
            name,
            "Delete it: git rm runtime.txt",
            "warning",
        )
    yield from _check_file(project, name, prefix)


def _check_file(project: Project, name: str, prefix: str) -> Iterator[Finding]:
    example = f"{prefix}{RECOMMENDED}"
    if not project.has(name):
        yield Finding(
            "python-version-missing",
            "the file is missing, so Heroku would choose a version.",
            name,
            f"Create it with the line: {example}",
        )
        return
    lines = project.version_lines(name)
    versions = [PYTHON_VERSION.fullmatch(line.removeprefix(prefix)) for line in lines]
    for line, version in zip(lines, versions, strict=True):
        if not version or not line.startswith(prefix):
            yield Finding(
                "python-version-format",
                f"Heroku cannot read {line!r}.",
                name,
                f"Write {example} or {example}.2, in UTF-8 without a byte-order mark; a comment "
                "has a line of its own.",
            )
            return
    if len(lines) != 1:
        yield Finding(
            "python-version-count",
            f"it has {len(lines) or 'no'} versions, and Heroku requires one.",
            name,
            f"Write only {example}.",
        )
        return
    yield from _check_range(project, name, lines[0].removeprefix(prefix), example)


def _check_range(project: Project, name: str, version: str, example: str) -> Iterator[Finding]:
    major, minor = map(int, version.split(".")[:2])
    oldest = max(OLDEST_PYTHON, _python_of_pins(project))
    if not oldest <= (major, minor) <= NEWEST_PYTHON:
        yield Finding(
            "python-version-unsupported",
            f"it asks for Python {version}. The newest on Heroku is {_dotted(NEWEST_PYTHON)}, and "
            f"the packages require at least {_dotted(oldest)}.",
            name,
            f"Write {example}.",
        )


def _python_of_pins(project: Project) -> tuple[int, int]:
    """Return the version that requirements.txt was compiled for."""
    found = re.search(r"--python-version (\d+)\.(\d+)", project.text("requirements.txt"))
    return (int(found[1]), int(found[2])) if found else OLDEST_PYTHON


def _dotted(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)
