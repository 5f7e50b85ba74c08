"""How the report is shown."""

from __future__ import annotations

from apphub.check.report import Report, Skipped
from apphub.finding import Finding

ERROR = Finding("a-code", "is wrong.", "a.py, line 1", "Correct it.")
OTHER = Finding("b-code", "is wrong, too.", "b.py")
WARNING = Finding("c-code", "is odd.", "c.py", severity="warning")


def report(*findings: Finding, **attributes: list) -> Report:
    report = Report(**attributes)
    for finding in findings:
        report.add(finding)
    return report


def test_one_problem():
    assert report(ERROR).render() == "a.py, line 1: is wrong. Correct it.\n\n1 problem found."


def test_problems_before_warnings():
    assert report(WARNING, ERROR, OTHER, passed=["git"]).render().split("\n\n") == [
        str(ERROR),
        str(OTHER),
        f"Warning: {WARNING}",
        "2 problems found.",
    ]


def test_warnings_only():
    assert report(WARNING, passed=["git", "nginx"]).render().split("\n\n") == [
        f"Warning: {WARNING}",
        "All checks passed: git, nginx.",
    ]


def test_what_was_skipped_by_its_reason():
    skipped = [
        Skipped("git", "not a git repository yet"),
        Skipped("template files", ""),
        Skipped("nginx -t", "nginx is not installed here"),
        Skipped("secrets in git", "not a git repository yet"),
    ]
    assert report(passed=["apps"], skipped=skipped).render().split("\n\n") == [
        "git, secrets in git: skipped (not a git repository yet)",
        "nginx -t: skipped (nginx is not installed here)",
        "All checks passed: apps.",
    ]


def test_two_checks_with_the_same_finding():
    assert report(ERROR, ERROR, WARNING, WARNING) == Report([ERROR], [WARNING])
