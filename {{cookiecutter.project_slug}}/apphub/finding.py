"""A finding: what is wrong, where, and how to fix it. And the errors that carry findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that is worth knowing.

    Attributes:
        code: names the rule, for tests and for searches: "menu-unknown-key".
        text: what is wrong, as a sentence that follows the place.
        where: the file and the line, entry or variable: "apps.json, entry 2".
        hint: how to fix it, with the command where there is one.
        severity: an error stops a deploy, a warning does not.
    """

    code: str
    text: str
    where: str = ""
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """Return it as the user reads it: the place, what is wrong, how to fix it."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.text}{f' {self.hint}' if self.hint else ''}"


class InvalidInput(Exception):
    """An input breaks a rule. The text says what is wrong and how to fix it."""


class InvalidFile(InvalidInput):
    """A file, or a variable of the environment, breaks its rules.

    Attributes:
        findings: one for each thing that is wrong, at least one.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))
