"""What the tests of bring/ share: projects to bring, and answers to its questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from check_helpers import copy_files

from apphub.bring.add import SAMPLE, Added, Options, add

if TYPE_CHECKING:
    from pathlib import Path

    from baked import BakedProject

    from apphub.bring.merge import Merge


@dataclass
class Answers:
    """Answers questions, and keeps what was asked.

    Attributes:
        choice: the answer to the question for a script; None is nobody who answers.
        merges: whether requirements.in gets what an app asks for.
        asked: the paths of which one had to be chosen.
        shown: what was shown before it was merged.
    """

    choice: str | None = None
    merges: bool = True
    asked: list[str] = field(default_factory=list)
    shown: list[tuple[str, list[str]]] = field(default_factory=list)

    def choose(self, question: str, answers: list[str]) -> str | None:
        self.asked += answers
        return self.choice

    def confirm_merge(self, merge: Merge, file: str) -> bool:
        self.shown.append((file, merge.added))
        return self.merges


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def bring(project: BakedProject, answers: Answers):
    """Add an app to the project."""
    copy_files(project, "requirements.in", "requirements.txt", ".python-version", ".gitignore")

    def bring(name: str = "", source: Path | str = "", **options: str) -> Added:
        given = Options(str(source), **options) if source or options else SAMPLE
        return add(name, answers, project.path, given)

    return bring
