"""The template's version: one in all places, and a line for whoever has a project already."""

import json
import re
import subprocess

from baked import ROOT, BakedProject, commit, git
from click.testing import CliRunner

VERSION = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["_version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
HEADINGS = re.findall(r"^## (.*)", CHANGELOG, re.MULTILINE)


def test_it_is_a_date_and_each_is_newer_than_the_one_below():
    numbers = [tuple(map(int, heading.split("."))) for heading in HEADINGS]
    assert numbers == sorted(set(numbers), reverse=True)
    for heading, (_, month, _) in zip(HEADINGS, numbers, strict=True):
        assert re.fullmatch(r"20\d\d\.[1-9]\d?\.(0|[1-9]\d*)", heading)
        assert month <= 12


def test_it_is_the_newest_in_the_changelog():
    assert HEADINGS[0] == VERSION


def test_a_project_knows_which_version_made_it(project_code):
    told = CliRunner().invoke(project_code[1].cli, ["--version"]).output
    assert re.fullmatch(rf"Made by \S+ {re.escape(VERSION)}\n", told)


def test_each_version_says_what_to_do_in_a_project_that_is_there():
    """But for the first, before which there was none."""
    for version in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:-1]:
        assert "\nIf you already have a project: " in version, version.splitlines()[0]


def test_a_new_version_is_tagged_once(template, tmp_path):
    """What the workflow runs, with a repository here in GitHub's place."""
    git("init", "-q", "--bare", tmp_path / "origin")
    git("remote", "add", "origin", tmp_path / "origin", cwd=template)

    def release() -> subprocess.CompletedProcess:
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
