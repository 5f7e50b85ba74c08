"""A small project for each check, and one with all of the template's files."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import crossplane.parser
import packaging.requirements
import pytest
from check_helpers import FILES, TEMPLATE, Check, Found, copy_files

from apphub.check import installed, sources
from apphub.check import project as project_module
from apphub.check.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject

    from apphub.finding import Finding


@pytest.fixture(autouse=True, scope="session")
def read_everything_once() -> Iterator[None]:
    """Most tests change one file: the others, and the packages, are read for the first test."""
    lex = crossplane.parser.lex
    tokens: dict[str, list[tuple[str, int, bool]]] = {}

    def lex_once(filename: str) -> Iterator[tuple[str, int, bool]]:
        text = Path(filename).read_text("utf-8")
        if text not in tokens:
            tokens[text] = list(lex(filename))
        yield from tokens[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project_module, "read_installed", cache(installed.read_installed))
        patch.setattr(sources, "parse_source", cache(sources.parse_source))
        patch.setattr(
            packaging.requirements, "Requirement", cache(packaging.requirements.Requirement)
        )
        patch.setattr(crossplane.parser, "lex", lex_once)
        yield


@pytest.fixture
def template_project(project: BakedProject) -> BakedProject:
    """A project with a copy of everything in the template that a check reads."""
    copy_files(project, *FILES)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATE / "apphub", project.path / "apphub", ignore=left_out)
    return project


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder of programs: it has git, and neither nginx nor erb."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git"))
    return folder


@pytest.fixture
def findings(project: BakedProject, programs: Path):
    """Return what a check finds in the project, in an environment of only these variables."""

    def findings(check: Check, **environ: str) -> list[Finding]:
        return list(check(Project(project.path, {"PATH": str(programs), **environ})))

    return findings


@pytest.fixture
def found(findings):
    """The same, as the code and the place of each finding."""

    def found(check: Check, **environ: str) -> Found:
        return [(finding.code, finding.where) for finding in findings(check, **environ)]

    return found


@pytest.fixture
def errors(findings):
    """The same without warnings."""

    def errors(check: Check, **environ: str) -> Found:
        return [
            (finding.code, finding.where)
            for finding in findings(check, **environ)
            if finding.severity == "error"
        ]

    return errors
