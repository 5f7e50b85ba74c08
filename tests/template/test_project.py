"""The generated project passes its own tests, and ruff, with every kind of answers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from baked import NASTY, ROOT
from fake_dyno import python_environment

if TYPE_CHECKING:
    from pathlib import Path

    from baked import BakedProject

OTHER_SCRIPTS = ["Café", "売上", "Отчёт", "दैनिक रिपोर्ट"]
SIGNS = ["📈", "📉", "Class", "2024", "R&D"]
MANY = [*OTHER_SCRIPTS, *SIGNS, *NASTY.values(), *(f"App {number}" for number in range(11))]
ANSWERS = {
    "defaults": {},
    "one app": {"apps": "Sales Report"},
    "30 apps with names of every kind": {"app_name": "売上 & Café", "apps": ", ".join(MANY)},
}


@pytest.fixture(scope="session")
def python() -> Path:
    """A Python with the packages of requirements-dev.txt."""
    folder = ROOT / "{{cookiecutter.project_slug}}"
    return (
        python_environment(folder / "requirements.txt", folder / "requirements-dev.txt") / "python"
    )


@pytest.fixture
def run_tests(python):
    """Run a project's tests."""

    def run_tests(project: BakedProject) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=project.path, capture_output=True, text=True)

    return run_tests


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_ruff_and_its_own_tests(bake, run_tests, answers):
    project = bake(**answers)
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache"]
        subprocess.run(ruff, cwd=project.path, check=True)
    ended = run_tests(project)
    assert ended.returncode == 0, ended.stdout
    assert f"{2 * len(project.menu) + 1} passed" in ended.stdout


def test_its_tests_find_a_broken_app(bake, run_tests):
    project = bake(apps="Good, Bad")
    project.write("apps/bad.py", "def run():\n    raise RuntimeError('no data today')\n")
    ended = run_tests(project)
    assert ended.returncode == 1
    assert "no data today" in ended.stdout


def test_its_tests_pass_where_each_app_is_for_other_users(bake, run_tests):
    project = bake(apps="Sales Report, Churn Explorer")
    entries = [{**entry, "users": [user]} for entry, user in zip(project.menu, "ab", strict=True)]
    project.write("apps.json", json.dumps(entries))
    ended = run_tests(project)
    assert ended.returncode == 0, ended.stdout
