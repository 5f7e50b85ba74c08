"""finding.py: how a finding reads, and the errors that carry findings."""

from __future__ import annotations

import pytest

from apphub.apps import MenuError
from apphub.finding import Finding, InvalidFile, InvalidInput
from apphub.settings import SettingsError
from apphub.users import UsersError


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("x", "it is wrong."), "it is wrong."),
        (Finding("x", "it is wrong.", "app.json, line 2"), "app.json, line 2: it is wrong."),
        (Finding("x", "it is wrong.", hint="Fix it: y"), "it is wrong. Fix it: y"),
        (Finding("x", "it is wrong.", "app.json", "Fix it."), "app.json: it is wrong. Fix it."),
    ],
)
def test_place_problem_and_fix_in_that_order(finding, text):
    assert str(finding) == text


def test_finding_is_an_error_unless_it_says_otherwise():
    assert Finding("x", "y").severity == "error"


@pytest.mark.parametrize("kind", [UsersError, MenuError, SettingsError])
def test_error_has_one_line_per_finding(kind):
    findings = [Finding("a", "one.", ".htpasswd, line 1"), Finding("b", "two.")]
    error = kind(iter(findings))
    assert error.findings == tuple(findings)
    assert str(error) == ".htpasswd, line 1: one.\ntwo."
    assert isinstance(error, InvalidFile)
    assert isinstance(error, InvalidInput)
