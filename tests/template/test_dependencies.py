"""The pinned packages, and what keeps them up to date."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
from baked import ROOT, BakedProject
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from apphub.check.packages import compile_command
from apphub.check.project import OLDEST_PYTHON

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
PYTHONS = [f"3.{minor}" for minor in range(11, 15)]
SYSTEMS = ["linux", "darwin", "win32"]

# Finds version 99 of each package that it reads; otherwise writes its arguments to the output.
FAKE_UV = """#!/bin/sh
case "$0$3" in
*/uv-) sed "s/$/==99/" ;;
*/uv*) echo uv "$@" >"$8" ;;
esac
"""


def read_requirements(path: Path) -> list[Requirement]:
    """The requirements in a file, without those of the files that it includes."""
    lines = (
        re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text("utf-8").splitlines()
    )
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pinned_version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_pins_satisfy_requirements_in(python, system):
    """On each Python that Heroku supports, and on each operating system."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
    }

    def applies(requirement: Requirement) -> bool:
        return not requirement.marker or requirement.marker.evaluate(environment)

    pins: dict[str, str] = {}
    for pin in filter(applies, read_requirements(PROJECT / "requirements.txt")):
        assert pin.name not in pins, f"{pin.name} is pinned twice"
        pins[pin.name] = pinned_version(pin)
    for required in filter(applies, read_requirements(PROJECT / "requirements.in")):
        assert required.specifier.contains(pins[canonicalize_name(required.name)]), required


def test_pins_name_no_path_or_index():
    text = (PROJECT / "requirements.txt").read_text("utf-8")
    assert "/" not in text
    assert "\n-" not in text


def test_packages_of_the_tests_are_pinned_and_those_of_the_project_only_there():
    """Both are installed together: two pins of one package would contradict each other."""
    pins = read_requirements(ROOT / "tests/requirements.txt")
    for pin in pins:
        assert pinned_version(pin)
    names = {canonicalize_name(pin.name) for pin in pins}
    assert len(names) == len(pins)
    assert not names & {pin.name for pin in read_requirements(PROJECT / "requirements.txt")}


def test_one_command_updates_the_pins(template):
    commands = template / ".venv/bin"
    commands.mkdir(parents=True)
    for name in ("python", "pip", "uv"):
        (commands / name).write_text(FAKE_UV)
        (commands / name).chmod(0o755)
    subprocess.run([template / "tests/pins"], check=True)
    project = BakedProject(template / PROJECT.name)
    command = "uv pip compile requirements.in --universal --python-version 3.11 -o requirements.txt"
    assert project.read("requirements.txt") == f"{command} --upgrade --quiet\n"
    before = (PROJECT / "requirements-dev.txt").read_text("utf-8")
    assert project.read("requirements-dev.txt") == re.sub(r"==.*", "==99", before)


def test_command_of_the_readme_is_that_of_the_check():
    """With the oldest version: its pins suit every computer, and Heroku."""
    assert f"\n{compile_command(OLDEST_PYTHON)}\n" in (PROJECT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("root", [ROOT, PROJECT], ids=["template", "project"])
def test_dependabot_updates_folders_that_have_what_it_reads(root):
    settings = yaml.safe_load((root / ".github/dependabot.yml").read_text("utf-8"))
    files = {"pip": "requirements.txt", "uv": "requirements.in"}
    for update in settings["updates"]:
        folder = root / update["directory"].strip("/")
        if update["package-ecosystem"] == "github-actions":
            assert list((folder / ".github/workflows").glob("*.yml"))
        else:
            assert (folder / files[update["package-ecosystem"]]).exists()
