"""bin/post_compile: the end of Heroku's build, in a whole project."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from baked import BakedProject
from command_line import run_merged
from strategies import HASH

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PROJECT_VARIABLES = {"AUTH_PASSWORD", "HTPASSWD", "SESSION_SECRET"}


@pytest.fixture
def project(baked_project, tmp_path) -> BakedProject:
    """A copy for each test: baking takes longer."""
    return BakedProject(shutil.copytree(baked_project.path, tmp_path / "project"))


@pytest.fixture
def build(project):
    """Run the end of Heroku's build, and return its exit status and output."""

    def build(path: str = PATH, **environ: str) -> tuple[int, str]:
        given = {k: v for k, v in os.environ.items() if k not in PROJECT_VARIABLES}
        # Heroku has the project's folder on Python's path.
        environment = {**given, "PYTHONPATH": str(project.path), "PATH": path, **environ}
        command = [shutil.which("bash"), "-c", "bin/post_compile"]
        return run_merged(*command, cwd=project.path, env=environment)

    return build


def test_build(project, build):
    (project.path / "config/generated").mkdir()
    status, output = build(SESSION_SECRET="x" * 32)
    assert status == 0, output
    assert "All checks passed: " in output
    assert "Static files: " in output
    assert not (project.path / "config/generated").exists()
    assert list((project.path / "apps/__pycache__").glob("sales_report.*.pyc"))
    assert list((project.path / "apphub/server/__pycache__").glob("worker.*.pyc"))


def test_build_with_an_invalid_user_fails(project, build):
    project.write(".htpasswd", f"{project.read('.htpasswd')}bob:{{PLAIN}}hunter2-hunter2\n")
    status, output = build()
    assert status == 1
    assert ".htpasswd, line 2: " in output
    assert "hunter2" not in output
    assert not (project.path / "apps/__pycache__").exists()


def test_build_reads_the_environment(project, build):
    assert build(SESSION_SECRET="short")[0] == 1
    project.write(".htpasswd", "")
    assert build()[0] == 1
    assert build(HTPASSWD=f"anna.b:{HASH}")[0] == 0


def test_build_that_cannot_check_fails(project, build, tmp_path):
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    assert build(str(tmp_path))[0] == 127  # there is no Python
    project.write("apphub/users.py", "raise ImportError('half a file')\n")
    assert build()[0] != 0


def test_build_reports_a_module_that_shadows_pythons_own(project, build):
    """It would be imported by every module that the build itself needs."""
    project.write("secrets.py", "TOKEN = 'x'\n")
    project.write("json.py", "1 / 0\n")
    status, output = build()
    assert status == 1
    for name in ("secrets.py", "json.py"):
        assert f"{name}: " in output
        assert f"git mv {name}" in output
    assert "Traceback" not in output
