"""The workflows on GitHub, and the scripts that they run."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from baked import ROOT, BakedProject, git

FILES = sorted((ROOT / ".github/workflows").iterdir())
WORKFLOWS = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in FILES}

FAKE_GH = """#!/bin/sh
[ "$2" = list ] || { echo "$@" >>"$0.log"; exit; }
cat "$0.open"
"""


def job_steps(workflow: dict) -> list[list[dict]]:
    return [job["steps"] for job in workflow["jobs"].values()]


def run_commands(steps: list[dict]) -> list[str]:
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_command_is_a_script_of_the_repository(name):
    for steps in job_steps(WORKFLOWS[name]):
        commands = run_commands(steps)
        assert commands
        for command in commands:
            assert (ROOT / command).stat().st_mode & 0o100
            subprocess.run(["sh", "-n", ROOT / command], check=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_the_version_in_a_comment(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_one_version_of_each_action_is_used():
    used = {
        step["uses"]
        for workflow in WORKFLOWS.values()
        for steps in job_steps(workflow)
        for step in steps
        if "uses" in step
    }
    assert len({action.partition("@")[0] for action in used}) == len(used)


def test_jobs_that_run_the_tests_have_the_history():
    """The tests of updates make projects from earlier commits."""
    checkouts = [
        step["with"]
        for workflow in WORKFLOWS.values()
        for steps in job_steps(workflow)
        if ".ci/run" in run_commands(steps)
        for step in steps
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert [checkout["fetch-depth"] for checkout in checkouts] == [0, 0]


def test_lint_types_and_tests_are_jobs():
    jobs = WORKFLOWS["tests.yml"]["jobs"]
    assert run_commands(jobs["lint"]["steps"]) == ["tests/lint", ".ci/actionlint"]
    assert run_commands(jobs["types"]["steps"]) == ["tests/types"]
    assert run_commands(jobs["tests"]["steps"]) == [".ci/run"]


def test_a_version_is_tagged_only_after_all_other_jobs_passed_on_main():
    workflow = WORKFLOWS["tests.yml"]
    release = workflow["jobs"]["release"]
    assert run_commands(release["steps"]) == [".ci/release"]
    assert {*release["needs"], "release"} == set(workflow["jobs"])
    assert release["if"] == "github.event_name == 'push'"
    # YAML 1.1 reads the key "on" as true.
    assert workflow[True]["push"] == {"branches": ["main"]}


def test_only_the_jobs_that_push_may_write():
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    permissions = {
        name: job["permissions"]
        for workflow in WORKFLOWS.values()
        for name, job in workflow["jobs"].items()
        if "permissions" in job
    }
    assert permissions == {
        "pins": {"contents": "write", "pull-requests": "write"},
        "release": {"contents": "write"},
    }


def test_newer_packages_are_proposed_only_after_the_tests_passed():
    [steps] = job_steps(WORKFLOWS["pins.yml"])
    assert run_commands(steps) == ["tests/pins", ".ci/run", ".ci/propose"]


@pytest.fixture
def propose(template, tmp_path, monkeypatch):
    """Run .ci/propose with a local repository as origin, and a fake gh that logs its arguments."""
    git("init", "-q", "--bare", tmp_path / "origin")
    git("remote", "add", "origin", tmp_path / "origin", cwd=template)
    fake = tmp_path / "bin/gh"
    fake.parent.mkdir()
    fake.write_text(FAKE_GH)
    fake.chmod(0o755)
    (tmp_path / "bin/gh.open").touch()
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")

    def propose() -> list[str]:
        subprocess.run([template / ".ci/propose"], check=True)
        log = tmp_path / "bin/gh.log"
        return log.read_text("utf-8").splitlines() if log.exists() else []

    return propose


def test_newer_packages_become_one_pull_request(propose, template, tmp_path):
    assert propose() == []
    repository, pins = BakedProject(template), "{{cookiecutter.project_slug}}/requirements.txt"
    for name in ("one", "two"):
        repository.write(pins, f"{name}==1\n")
        assert [line.split(" --title")[0] for line in propose()] == ["pr create --head pins"]
        assert git("show", f"pins:{pins}", cwd=tmp_path / "origin") == f"{name}==1"
        (tmp_path / "bin/gh.open").write_text("1\n")
        git("reset", "-q", "--hard", "HEAD~1", cwd=template)
