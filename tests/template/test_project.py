"""The generated project passes its own tests, and ruff, for every combination baked here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from baked import NASTY, ROOT
from dyno import python_environment

SUPPORTED = {
    "defaults": {},
    "one app": {"apps": "Sales Report"},
    "other scripts": {"app_name": "売上 & Café", "apps": "Café, 売上, Отчёт, दैनिक रिपोर्ट"},
    "signs": {"apps": "📈, 📉, Class, 2024, R&D"},
    "nasty names": {"apps": ", ".join(NASTY.values())},
    "many apps": {"apps": ", ".join(f"App {number}" for number in range(30))},
}
combinations = pytest.mark.parametrize("answers", SUPPORTED.values(), ids=SUPPORTED.keys())


@pytest.fixture(scope="session")
def python() -> Path:
    """A Python with what requirements-dev.txt of the project asks for."""
    folder = ROOT / "{{cookiecutter.project_slug}}"
    return python_environment(folder / "requirements.txt", folder / "requirements-dev.txt")


@combinations
def test_ruff_finds_nothing(bake, answers):
    project = bake(**answers)
    for command in (["check"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"], cwd=project.path, check=True
        )


@combinations
def test_it_passes_its_own_tests(bake, python, answers):
    project = bake(**answers)
    subprocess.run([python / "python", "-m", "pytest", "-q"], cwd=project.path, check=True)


def test_its_tests_find_a_broken_app(bake, python):
    project = bake(apps="Good, Bad")
    project.write("apps/bad.py", "def run():\n    raise RuntimeError('no data today')\n")
    ended = subprocess.run(
        [python / "python", "-m", "pytest", "-q"], cwd=project.path, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "no data today" in ended.stdout


def test_its_tests_pass_where_an_app_is_for_some_users_alone(bake, python):
    project = bake(apps="Sales Report, Churn Explorer")
    entries = [{**entry, "users": [user]} for entry, user in zip(project.menu, "ab", strict=True)]
    project.write("apps.json", json.dumps(entries))
    subprocess.run([python / "python", "-m", "pytest", "-q"], cwd=project.path, check=True)


def test_the_pins_are_what_the_command_in_its_readme_makes(bake):
    project = bake()
    command = "uv pip compile requirements.in --universal --python-version 3.11 -o requirements.txt"
    assert command in project.read("README.md")
    assert command in project.read("requirements.txt")
