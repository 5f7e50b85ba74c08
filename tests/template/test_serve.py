"""`python manage.py serve` in a new project: what it refuses. tests/dyno/test_serve.py runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from baked import BakedProject


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--port", "80"], 2, "80 is not in the range 1024<=x<=65535"),
        (["--port", "x"], 2, "'x' is not a valid integer"),
        ([], 1, "apps.json: "),
    ],
)
def test_a_refusal_changes_nothing(baked_project, tmp_path, arguments, status, words):
    project = BakedProject(shutil.copytree(baked_project.path, tmp_path / "project"))
    project.write("apps.json", "[]")
    before = project.files
    result = subprocess.run(
        [sys.executable, "-B", "manage.py", "serve", *arguments],
        cwd=project.path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert result.returncode == status
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert project.files == before
