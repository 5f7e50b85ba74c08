"""A worker reports the limit of uploads that Streamlit has read, however it is written."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fake_dyno import python_environment

if TYPE_CHECKING:
    from baked import BakedProject

SHIPPED = "maxUploadSize = 200"


@pytest.fixture(scope="module")
def project(baked_project: BakedProject) -> BakedProject:
    return baked_project


def report(project: BakedProject, tmp_path, **environ: str) -> dict[str, object]:
    """Start a worker as the supervisor does, and return what it writes to its pipe."""
    python = python_environment(project.path / "requirements.txt") / "python"
    reader, writer = os.pipe()
    command = [python, "-m", "apphub.server.worker", str(tmp_path / "socket"), str(writer)]
    worker = subprocess.Popen(
        command, cwd=project.path, env={**os.environ, **environ}, pass_fds=[writer]
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as lines:
            return json.loads(lines.readline())
    finally:
        worker.terminate()
        assert worker.wait(60) != 1


@pytest.mark.parametrize(
    ("setting", "environ", "size"),
    [
        (SHIPPED, {}, 200),
        ("maxUploadSize = 1_000", {}, 1000),
        (SHIPPED, {"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "7"}, 7),
    ],
)
def test_setting(project, tmp_path, setting, environ, size):
    toml = project.read(".streamlit/config.toml")
    project.change(".streamlit/config.toml", SHIPPED, setting)
    try:
        assert report(project, tmp_path, **environ) == {"max_upload_mb": size, "scripts": []}
    finally:
        project.write(".streamlit/config.toml", toml)


def test_setting_at_the_top_level(project, tmp_path):
    toml = project.read(".streamlit/config.toml")
    project.write(".streamlit/config.toml", "server.maxUploadSize = 500\n")
    try:
        assert report(project, tmp_path) == {"max_upload_mb": 500, "scripts": []}
    finally:
        project.write(".streamlit/config.toml", toml)
