"""`manage.py run`: all apps on this computer, without nginx and a login."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from fake_dyno import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from baked import BakedProject

SCRIPT = "import streamlit as st\nst.title('Forecast')\n"


@pytest.fixture
def with_script(project) -> BakedProject:
    """A project with a script in a folder."""
    (project.path / "apps/forecast").mkdir()
    project.write("apps/forecast/start.py", SCRIPT)
    project.change(
        "apps.json", "[\n", '[\n  {"name": "Forecast", "script": "apps/forecast/start.py"},\n'
    )
    return project


@contextmanager
def running(project: BakedProject, *arguments: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Run the command, and give its process and the file of its output."""
    output = project.path.parent / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", *arguments],
            cwd=project.path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, output
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> str:
    """Return what is at an address, "" where nobody listens."""
    try:
        with urlopen(address, timeout=30) as response:  # noqa: S310 - http://localhost
            return response.read().decode()
    except (URLError, ConnectionError):
        return ""


def test_the_hub_and_a_script(with_script):
    port = free_port()
    with running(with_script, "--port", str(port)) as (process, output):
        wait_until(lambda: answers(f"http://localhost:{port}/_stcore/health") == "ok")
        # Nobody has visited it: its process starts with the first request.
        assert "Starting forecast" not in output.read_text()
        numbers = range(port + 1, port + 50)
        health = "http://localhost:{}/forecast/_stcore/health".format
        assert next(number for number in numbers if answers(health(number)) == "ok")
        assert "Starting forecast" in output.read_text()
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does it
        assert process.wait(30) == 0
        assert output.read_text().endswith("\nStopped.\n")


@pytest.mark.parametrize("name", ["Forecast", "forecast", "apps/forecast/start.py"])
def test_a_script_alone(with_script, name):
    port = free_port()
    with running(with_script, name, "--port", str(port)) as (process, output):
        wait_until(lambda: "Ctrl-C" in output.read_text())
        [address] = re.findall(r"^(http://localhost:\S+)   Press", output.read_text(), re.MULTILINE)
        assert address == f"http://localhost:{port}/forecast/"
        assert "<title>Streamlit</title>" in answers(address)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0


def test_a_module_alone(with_script):
    port = free_port()
    with running(with_script, "Sales Report", "--port", str(port)) as (_, output):
        wait_until(lambda: f"the hub: http://localhost:{port}/sales_report\n" in output.read_text())
        wait_until(lambda: answers(f"http://localhost:{port}/_stcore/health") == "ok")


def test_sigterm_leaves_no_process(with_script):
    port = free_port()
    with running(with_script, "--port", str(port)) as (process, _):
        wait_until(lambda: answers(f"http://localhost:{port}/_stcore/health") == "ok")
        process.terminate()
        assert process.wait(30) == 0
        assert not answers(f"http://localhost:{port}/_stcore/health")


def test_an_app_that_is_not_there(with_script):
    with running(with_script, "Gone") as (process, output):
        assert process.wait(30) == 1
        assert "There is no app 'Gone' in apps.json. Apps: Forecast, " in output.read_text()


def test_a_port_that_is_in_use(with_script):
    port = free_port()
    with running(with_script, "Forecast", "--port", str(port)) as (_, output):
        wait_until(lambda: "Ctrl-C" in output.read_text())
        second = subprocess.run(
            [sys.executable, "manage.py", "run", "Forecast", "--port", str(port)],
            cwd=with_script.path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert f"python manage.py run --port {port + 1}" in second.stderr
