"""What keeps the template new: the pins, Dependabot and the workflows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from baked import ROOT, BakedProject, git
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
PYTHONS = [f"3.{minor}" for minor in range(11, 15)]
SYSTEMS = ["linux", "darwin", "win32"]


def requirements(path: Path) -> list[Requirement]:
    """The requirements in a file, but for the files that it names."""
    lines = (
        re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text("utf-8").splitlines()
    )
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_what_requirements_in_asks_for(python, system):
    """On each Python that Heroku has, and on each laptop."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
    }

    def counts(requirement: Requirement) -> bool:
        return not requirement.marker or requirement.marker.evaluate(machine)

    pins: dict[str, str] = {}
    for pin in filter(counts, requirements(PROJECT / "requirements.txt")):
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert pin.name not in pins, f"{pin.name} is pinned twice"
        pins[pin.name] = specifier.version
    for wanted in filter(counts, requirements(PROJECT / "requirements.in")):
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), wanted


def test_the_pins_name_no_place_of_whoever_made_them():
    text = (PROJECT / "requirements.txt").read_text("utf-8")
    assert "/" not in text
    assert "\n-" not in text


def test_one_command_makes_them_anew(template):
    """Without the network: uv here says what it was asked, and finds version 99 of everything."""
    commands = template / ".venv/bin"
    commands.mkdir(parents=True)
    for name in ("python", "pip", "uv"):
        (commands / name).write_text(
            '#!/bin/sh\ncase "$0$3" in\n*/uv-) sed "s/$/==99/";;\n*/uv*) echo uv "$@" >"$8";;\nesac\n'
        )
        (commands / name).chmod(0o755)
    subprocess.run([template / "tests/pins"], check=True)
    project = BakedProject(template / PROJECT.name)
    command = "uv pip compile requirements.in --universal --python-version 3.11 -o requirements.txt"
    assert command in project.read("README.md")
    assert project.read("requirements.txt") == f"{command} --upgrade --quiet\n"
    before = (PROJECT / "requirements-dev.txt").read_text("utf-8")
    assert project.read("requirements-dev.txt") == re.sub(r"==.*", "==99", before)


def workflows() -> dict[str, dict]:
    return {
        path.name: yaml.safe_load(path.read_text("utf-8"))
        for path in (ROOT / ".github/workflows").iterdir()
    }


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", workflows())
def test_a_workflow_runs_what_is_there(name):
    commands = [step["run"] for step in steps(workflows()[name]) if "run" in step]
    assert commands
    for command in commands:
        assert (ROOT / command).stat().st_mode & 0o100
        subprocess.run(["sh", "-n", ROOT / command], check=True)


def test_whoever_runs_the_tests_has_the_history():
    for workflow in workflows().values():
        if any(step.get("run") == ".ci/run" for step in steps(workflow)):
            checkout = next(
                s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout@")
            )
            assert checkout["with"]["fetch-depth"] == 0


def test_the_pins_are_proposed_only_when_the_tests_have_passed():
    workflow = workflows()["pins.yml"]
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands == ["tests/pins", ".ci/run", ".ci/propose"]
    assert workflow["permissions"] == {"contents": "write", "pull-requests": "write"}


@pytest.mark.parametrize("house", [ROOT, PROJECT], ids=["template", "project"])
def test_dependabot_looks_where_something_is(house):
    settings = yaml.safe_load((house / ".github/dependabot.yml").read_text("utf-8"))
    assert settings["version"] == 2
    looked_for = {"pip": "requirements.txt", "uv": "requirements.in"}
    for update in settings["updates"]:
        folder = house / update["directory"].strip("/")
        if update["package-ecosystem"] == "github-actions":
            assert list((folder / ".github/workflows").glob("*.yml"))
        else:
            assert (folder / looked_for[update["package-ecosystem"]]).exists()


@pytest.fixture
def propose(template, tmp_path, monkeypatch):
    """Run .ci/propose with a repository here in GitHub's place, and a gh that notes what it is asked."""
    git("init", "-q", "--bare", tmp_path / "origin")
    git("remote", "add", "origin", tmp_path / "origin", cwd=template)
    stand_in = tmp_path / "bin/gh"
    stand_in.parent.mkdir()
    stand_in.write_text(
        '#!/bin/sh\n[ "$2" = list ] || { echo "$@" >>"$0.asked"; exit; }\ncat "$0.open"\n'
    )
    stand_in.chmod(0o755)
    (tmp_path / "bin/gh.open").touch()
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=":")

    def propose() -> list[str]:
        subprocess.run([template / ".ci/propose"], check=True)
        asked = tmp_path / "bin/gh.asked"
        return asked.read_text("utf-8").splitlines() if asked.exists() else []

    return propose


def test_newer_pins_become_one_pull_request(propose, template, tmp_path):
    assert propose() == []
    repository, pins = BakedProject(template), "{{cookiecutter.project_slug}}/requirements.txt"
    for turn in ("one", "two"):
        repository.write(pins, f"{turn}==1\n")
        assert [line.split(" --title")[0] for line in propose()] == ["pr create --head pins"]
        assert git("show", f"pins:{pins}", cwd=tmp_path / "origin") == f"{turn}==1"
        (tmp_path / "bin/gh.open").write_text("1\n")
        git("reset", "-q", "--hard", "HEAD~1", cwd=template)
