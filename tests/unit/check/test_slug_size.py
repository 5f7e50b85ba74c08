"""The size of the slug, estimated."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from check_helpers import APP, added, all_of, copy_files, file, git, without

from apphub.check import project as project_module
from apphub.check import slug_size
from apphub.check.project import Project
from apphub.check.report import CheckSkipped

if TYPE_CHECKING:
    from baked import BakedProject

PASSED = r"about (\d+) of 500 MB"


@pytest.fixture(autouse=True)
def requirements(project):
    copy_files(project, "requirements.txt", ".python-version", ".slugignore")


@pytest.fixture
def passed(project, programs):
    """Return what the check says of a slug that is not too large."""

    def passed(**environ: str) -> str:
        findings = slug_size.check(Project(project.path, {"PATH": str(programs), **environ}))
        with pytest.raises(StopIteration) as end:
            next(findings)
        return end.value.value

    return passed


def make_large(project: BakedProject, name: str) -> None:
    """Write 600 MB that cannot be compressed, by the look of its middle. The disk has less."""
    with (project.path / name).open("wb") as written:
        written.truncate(600_000_000)
        written.seek(300_000_000)
        written.write(os.urandom(2**17))


def test_new_project(passed):
    assert 100 < int(re.fullmatch(PASSED, passed())[1]) < 300


def test_too_large(project, findings, passed):
    make_large(project, "data.parquet")
    [finding] = findings(slug_size.check)
    assert (finding.code, finding.severity) == ("slug-too-large", "error")
    assert int(re.search(r"about (\d+) MB, ", finding.text)[1]) > 700
    assert re.search(
        r"parts: data\.parquet 600 MB, pyarrow \d+ MB(, \w+ \d+ MB){2}\.$", finding.text
    )
    assert ".slugignore" in finding.hint
    added(".slugignore", "*.parquet\n")(project)
    assert passed()


def test_estimate_stops_no_build(project, findings):
    make_large(project, "data.parquet")
    [finding] = findings(slug_size.check, STACK="heroku-30")
    assert (finding.code, finding.severity) == ("slug-too-large", "warning")


def test_packages_only_for_heroku(project, passed):
    added("requirements.txt", "nothing==1 ; python_full_version == '3.13.99'\n")(project)
    assert re.fullmatch(f"{PASSED}, not counting nothing", passed())


def test_without_the_packages(project, findings, monkeypatch):
    monkeypatch.setattr(project_module, "read_installed", dict)
    with pytest.raises(CheckSkipped, match="the packages are not installed here: pip install"):
        findings(slug_size.check)


def test_without_requirements(project, findings):
    without("requirements.txt")(project)
    with pytest.raises(CheckSkipped, match=r"^requirements\.txt is missing$"):
        findings(slug_size.check)


def deployed(project: BakedProject, **environ: str) -> set[str]:
    checked = Project(project.path, environ or {"PATH": os.environ["PATH"]})
    return {checked.name(path) for path in slug_size.find_deployed_files(checked)}


@pytest.mark.parametrize("rule", ["/data", "data/", "data", "*.csv", "# x\n\ndata/a.csv"])
def test_slugignore(project, rule):
    file("data/a.csv", "a,b\n")(project)
    before = deployed(project)
    assert {"data/a.csv", APP, ".htpasswd"} <= before
    added(".slugignore", f"{rule}\n")(project)
    assert before - deployed(project) == {"data/a.csv"}


@pytest.mark.parametrize("environ", [{}, {"STACK": "heroku-24"}], ids=["here", "on Heroku"])
def test_environments_are_not_counted(project, environ):
    before = deployed(project, **environ)
    all_of(file("env/pyvenv.cfg", ""), file("env/lib/a.py", ""), file("__pycache__/a.pyc", ""))(
        project
    )
    assert deployed(project, **environ) == before


def test_what_git_ignores_is_not_counted(project):
    copy_files(project, ".gitignore")
    before = deployed(project)
    all_of(file("env/pyvenv.cfg", ""), file("env/lib/a.py", ""), file("large.csv", ""))(project)
    git(project, "init", "-q")
    added(".gitignore", "env/\nlarge.csv\n")(project)
    assert deployed(project) == before


def test_large_text_is_counted_after_compression(project):
    file("text.csv", "a line like any other\n" * 100_000)(project)
    assert 0 < slug_size.estimate_packed_size(project.path / "text.csv") < 100_000
