"""The fork guide, docs/fork.md, carried out in a copy: the tests of the template pass there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from baked import ROOT, BakedProject, commit

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = (ROOT / "docs/fork.md").read_text("utf-8")
QUESTION = "Whom to ask for help (a name or an address)"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def changes() -> Iterator[tuple[str, str, str]]:
    """Yield each change of the guide: the file, the lines before, and the lines after."""
    for part in re.findall(r"^--- (.*?)(?=^--- |\Z)", "".join(blocks("diff")), re.M | re.S):
        name, _, hunks = part.partition("\n")
        for hunk in hunks.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            yield name, before, "".join(line[1:] for line in lines if line[0] in " +")


@pytest.fixture
def fork(tmp_path) -> BakedProject:
    """A fork that has gone through the guide."""
    fork = BakedProject(tmp_path / "fork")
    ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, fork.path, ignore=ignore)
    commit(fork.path, "forked")

    for name, before, after in changes():
        assert fork.read(name).count(before) == 1, before
        fork.change(name, before, after)
    for command in blocks("sh"):
        if "uv pip compile" in command:
            pin_without_network(fork)
        else:
            subprocess.run(["sh", "-ec", command], cwd=fork.path, check=True)
    add_question_to_readme(fork)
    change_defaults(fork)
    return fork


def pin_without_network(fork: BakedProject) -> None:
    """Do what `uv pip compile` does to requirements.txt for the guide's one additional package."""
    pins = "{{cookiecutter.project_slug}}/requirements.txt"
    pin = re.search(r"^altair==.*\n", fork.read(pins), re.MULTILINE)[0]
    via = "    # via\n    #   -r requirements.in\n    #   streamlit\n"
    fork.change(pins, f"{pin}    # via streamlit\n", pin + via)


def add_question_to_readme(fork: BakedProject) -> None:
    """Show the new question, as the guide says in words."""
    row = "| `contact` | who knows more |\n"
    text = re.sub(r"(?=^\| `password_source` )", row, fork.read("README.md"), flags=re.MULTILINE)
    line = f"  [5/6] {QUESTION} (the data team): Anna\n"
    text = text.replace("[5/5]", "[6/6]").replace("/5] ", "/6] ")
    fork.write("README.md", re.sub(r"(?=^  \[6/6\])", line, text, flags=re.MULTILINE))


def change_defaults(fork: BakedProject) -> None:
    questions = json.loads(fork.read("cookiecutter.json"))
    questions.update(
        app_name="Acme's Lab",
        project_slug="acme-lab",
        auth_user="ops@acme.example",
        apps="Überblick",
        contact="Åsa <asa@acme.example>",
        password_source=["ask", "generate"],
    )
    fork.write("cookiecutter.json", json.dumps(questions))


def run_tests(fork: BakedProject, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=fork.path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout[-5000:]


def test_its_tests_pass(fork, monkeypatch):
    assert f'"contact": "{QUESTION}",' in fork.read("cookiecutter.json")
    for name in (
        "README.md",
        "docs/tutorial.md",
        "hooks/pre_gen_project.py",
        "{{cookiecutter.project_slug}}/README.md",
        "{{cookiecutter.project_slug}}/apphub/cli.py",
    ):
        assert "acme-apps" in fork.read(name)
        assert "streamlit-heroku" not in fork.read(name)
    monkeypatch.setenv("CI", "")
    run_tests(fork, "tests/template")
