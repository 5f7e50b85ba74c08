"""What the checks found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from apphub.finding import Finding


class CheckSkipped(Exception):
    """A check, or a part of it, cannot run here.

    Attributes:
        reason: why, as it follows "git: skipped"; "" where there is nothing to say about it.
        part: the name of the part that was skipped; "" for the whole check.
    """

    def __init__(self, reason: str = "", part: str = "") -> None:
        self.reason = reason
        self.part = part
        super().__init__(reason)


class Skipped(NamedTuple):
    """A check that was skipped, or a part of it, and why."""

    name: str
    reason: str


@dataclass
class Report:
    """What the checks found.

    Attributes:
        errors: what stops a deploy.
        warnings: what does not.
        passed: the names of the checks that found no error.
        skipped: what could not run here.
    """

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Add a finding. One that is in the report already is not added again."""
        findings = self.errors if finding.severity == "error" else self.warnings
        if finding not in findings:
            findings.append(finding)

    def render(self) -> str:
        """Return the report as the user reads it: findings, what was skipped, the result."""
        parts = [str(finding) for finding in self.errors]
        parts += [f"Warning: {finding}" for finding in self.warnings]
        parts += [f"{', '.join(names)}: skipped ({reason})" for reason, names in self._reasons()]
        return "\n\n".join([*parts, self._result()])

    def _reasons(self) -> list[tuple[str, list[str]]]:
        """Return each reason with the names of what was skipped for it."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.skipped:
            if reason:
                reasons.setdefault(reason, []).append(name)
        return list(reasons.items())

    def _result(self) -> str:
        if self.errors:
            count = len(self.errors)
            return "1 problem found." if count == 1 else f"{count} problems found."
        return f"All checks passed: {', '.join(self.passed)}."
