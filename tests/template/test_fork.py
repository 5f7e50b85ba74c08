"""A fork that changes every default in cookiecutter.json passes these tests unedited."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from baked import ROOT

IN_A_FORK = "TESTS_OF_A_FORK" in os.environ


@pytest.mark.skipif(IN_A_FORK, reason="this is the fork")
def test_a_fork_with_other_defaults_passes(tmp_path):
    fork = tmp_path / "fork"
    ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, fork, ignore=ignore)
    subprocess.run(["git", "init", "-q", fork], check=True)

    questions = json.loads((fork / "cookiecutter.json").read_text("utf-8"))
    questions.update(
        app_name="Acme's Lab",
        project_slug="acme-lab",
        auth_user="ops@acme.example",
        apps="Überblick",
        password_source=["ask", "generate"],
    )
    (fork / "cookiecutter.json").write_text(json.dumps(questions), "utf-8")

    # What does not depend on an answer, and takes its time, would show nothing new.
    left_out = [
        "--deselect=tests/template/test_fork.py",
        "--ignore=tests/template/test_project.py",
        "--ignore=tests/template/test_manage.py",
        "--ignore=tests/template/test_users.py",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/template", *left_out],
        cwd=fork,
        env={**os.environ, "TESTS_OF_A_FORK": "yes", "CI": ""},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout[-5000:]
