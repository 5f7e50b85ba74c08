"""The template's version: the same everywhere, with what to do in an existing project."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from baked import ROOT, BakedProject, commit, git

from apphub import VERSION

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
HEADINGS = re.findall(r"^## (.*)", CHANGELOG, re.MULTILINE)


def test_versions_are_dates_in_descending_order():
    numbers = [tuple(map(int, heading.split("."))) for heading in HEADINGS]
    assert numbers == sorted(set(numbers), reverse=True)
    for heading, (_, month, _) in zip(HEADINGS, numbers, strict=True):
        assert re.fullmatch(r"20\d\d\.[1-9]\d?\.(0|[1-9]\d*)", heading)
        assert month <= 12


@pytest.mark.smoke
def test_version_is_the_same_everywhere():
    assert json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["_version"] == VERSION
    assert HEADINGS[0] == VERSION


def test_each_version_says_what_to_do_in_an_existing_project():
    """But for the first: there was none before it."""
    for version in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:-1]:
        assert "\nIf you already have a project: " in version, version.splitlines()[0]


def test_new_version_is_tagged_once(template, tmp_path):
    """What the workflow runs, with a repository on this computer in place of GitHub."""
    git("init", "-q", "--bare", tmp_path / "origin")
    git("remote", "add", "origin", tmp_path / "origin", cwd=template)

    def release() -> subprocess.CompletedProcess[str]:
        return subprocess.run([template / ".ci/release"], capture_output=True, text=True)

    def tags() -> dict[str, str]:
        listed = git("ls-remote", "--tags", "origin", cwd=template).splitlines()
        return {name.removeprefix("refs/tags/"): sha for sha, name in map(str.split, listed)}

    assert release().returncode == 0
    first = tags()
    assert first == {VERSION: git("rev-parse", "HEAD", cwd=template)}

    commit(template, "nothing that makes a version")
    ended = release()
    assert ended.returncode == 0, ended.stderr
    assert tags() == first

    repository = BakedProject(template)
    repository.change("cookiecutter.json", VERSION, "2099.1.0")
    commit(template, "a version that is not in the CHANGELOG")
    ended = release()
    assert ended.returncode == 1
    assert 'CHANGELOG.md has no heading "## 2099.1.0"' in ended.stderr
    assert tags() == first
