"""`manage.py check` refuses each mutant in the form in which a user could write it."""

from __future__ import annotations

import shutil

import pytest
from check_helpers import TEMPLATE, copy_files
from mutants import INCLUDE_SERVER, MUTANTS, ROOT

from apphub.check import nginx
from apphub.check.project import Project
from apphub.paths import NGINX_CONF

FORMS = {
    f"{mutant.number} {mutant.what}": form
    for mutant in MUTANTS
    for form in (
        (INCLUDE_SERVER, f"{INCLUDE_SERVER}\n    {mutant.in_server}") if mutant.in_server else None,
        ("  server {", f"  {mutant.in_http}\n  server {{") if mutant.in_http else None,
        mutant.in_file,
    )
    if form
}


@pytest.fixture
def project(project):
    copy_files(project, NGINX_CONF)
    shutil.copytree(TEMPLATE / "apphub/nginx", project.path / "apphub/nginx")
    return project


@pytest.mark.parametrize(("old", "new"), FORMS.values(), ids=FORMS)
def test_check_refuses_it(project, old, new):
    """As in Heroku's build: without erb and nginx. A finding names a line of the user's file."""
    project.change(NGINX_CONF, old, new)
    findings = nginx.check(Project(project.path, {"PATH": "/nothing", "STACK": "heroku-24"}))
    first = next(findings)
    assert first.severity == "error"
    assert first.where.startswith(f"{NGINX_CONF}, line ")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.number)
def test_mutant_fits_the_template(mutant):
    for edit in mutant.edits:
        assert edit.old in (ROOT / edit.file).read_text("utf-8")
