"""CONTRIBUTING.md's guide to a fork, carried out in a copy: the tests pass there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from baked import ROOT, BakedProject, commit

GUIDE = re.search(
    r"^## Fork it\n(.*?)^## ", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S
)[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def changes() -> Iterator[tuple[str, str, str]]:
    """Each change that the guide shows: in which file, the lines before, and the lines after."""
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
        if "uv pip compile" in command:  # asks the network: this is what it makes of one line more
            via = "    # via\n    #   -r requirements.in\n    #   streamlit\n"
            pins = "{{cookiecutter.project_slug}}/requirements.txt"
            pin = re.search(r"^altair==.*\n", fork.read(pins), re.MULTILINE)[0]
            fork.change(pins, f"{pin}    # via streamlit\n", pin + via)
        else:
            subprocess.run(["sh", "-ec", command], cwd=fork.path, check=True)
    put_into_readme(fork)
    change_defaults(fork)
    return fork


def put_into_readme(fork: BakedProject) -> None:
    """Show the new question, as the guide says in words."""
    row = "| `contact` | who knows more |\n"
    text = re.sub(r"(?=^\| `password_source` )", row, fork.read("README.md"), flags=re.MULTILINE)
    asked = "  [5/6] Whom do people ask about it? (a name or an address) (the data team): Anna\n"
    text = text.replace("[5/5]", "[6/6]").replace("/5] ", "/6] ")
    fork.write("README.md", re.sub(r"(?=^  \[6/6\])", asked, text, flags=re.MULTILINE))


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
    for name in (
        "README.md",
        "hooks/pre_gen_project.py",
        "{{cookiecutter.project_slug}}/manage.py",
    ):
        assert "acme-apps" in fork.read(name)
        assert "streamlit-heroku" not in fork.read(name)
    monkeypatch.setenv("CI", "")
    # What does not depend on any of it, and takes its time, would show nothing new.
    left_out = [
        "--ignore=tests/template/test_project.py",
        "--ignore=tests/template/test_check.py",
        "--ignore=tests/template/test_deploy.py",
        "--ignore=tests/template/test_manage.py",
        "--ignore=tests/template/test_menu.py",
        "--ignore=tests/template/test_serve.py",
        "--ignore=tests/template/test_users.py",
        "--ignore=tests/template/test_moved_on.py",  # the copy has no history
    ]
    run_tests(fork, "tests/template", *left_out)
    # The first app draws itself with the new package.
    run_tests(fork, "tests/template/test_project.py", "-k", "own_tests and defaults")
