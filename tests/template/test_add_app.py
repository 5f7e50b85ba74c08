"""add-app in a project made from the template, on a terminal and without, and its tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pexpect
import pytest
from bring_helpers import STREAMLIT, write_files

PAGES = {
    "streamlit_app.py": (
        "import sys\nimport streamlit as st\nfrom helpers import NAME\n\n"
        "st.title(NAME)\nst.write(open('data/a.csv').read(), st.secrets['key'])\n"
        "assert len(sys.argv) == 1\n"
    ),
    "helpers.py": "NAME = 'Forecast'\n",
    "data/a.csv": "1;2\n",
    "requirements.txt": "folium\n",
}


@pytest.fixture
def forecast(tmp_path):
    return write_files(tmp_path / "forecast", PAGES)


def test_terminal_is_asked(project, tmp_path):
    folder = write_files(tmp_path / "tools", {"a.py": STREAMLIT, "b.py": STREAMLIT})
    write_files(folder, {"requirements.txt": "folium\n"})
    command = [str(project.path / "manage.py"), "add-app", "Tools", "--from", str(folder)]
    before = project.read("requirements.in")
    environ = {**os.environ, "LANG": "C.UTF-8"}
    child = pexpect.spawn(sys.executable, command, env=environ, encoding="utf-8", timeout=60)
    child.expect_exact("Which script does `streamlit run` start in ")
    child.expect(r"1\s+a\.py")
    child.expect(r"2\s+b\.py")
    child.sendline("2")
    child.expect_exact("    folium")
    child.expect_exact("Add them to requirements.in?")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert project.menu[-1] == {"name": "Tools", "script": "apps/tools/b.py"}
    assert project.read("requirements.in") == before


def test_yes_does_not_ask_for_packages(project, forecast):
    command = [str(project.path / "manage.py"), "add-app", "--from", str(forecast), "--yes"]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert project.read("requirements.in").endswith("# Forecast\nfolium\n")


def test_interrupted_at_a_question_it_changes_nothing(project, forecast):
    before = project.files
    command = [str(project.path / "manage.py"), "add-app", "--from", str(forecast)]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=60)
    child.expect_exact("Add them to requirements.in?")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert project.files == before


def run_tests(project) -> subprocess.CompletedProcess[str]:
    """Run the project's own tests."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_apps.py"],
        cwd=project.path,
        capture_output=True,
        text=True,
    )


def test_projects_tests_open_each_app(project, manage, forecast):
    """Modules and scripts; and what only one of them has in its process."""
    status, output = manage("add-app", "Forecast", "--from", str(forecast))
    assert status == 0, output
    write_files(project.path, {".streamlit/secrets.toml": "[forecast]\nkey = 'sesame'\n"})
    write_files(project.path, {"apps/one.py": STREAMLIT, "apps/helpers.py": "raise ValueError"})
    assert manage("add-app", "One")[0] == 0
    ended = run_tests(project)
    assert ended.returncode == 0, ended.stdout
    # Two modules, each in two ways, two scripts and the hub.
    assert "7 passed" in ended.stdout


def test_projects_tests_fail_with_an_app(project, manage):
    write_files(project.path, {"apps/one.py": f"{STREAMLIT}\n1 / 0\n"})
    write_files(project.path, {"apps/two.py": "import streamlit\n\ndef run():\n    1 / 0\n"})
    for name in ("One", "Two"):
        assert manage("add-app", name)[0] == 0
    ended = run_tests(project)
    assert ended.returncode == 1
    failed = re.findall(r"^FAILED \S+::(\S+)", ended.stdout, re.MULTILINE)
    assert failed == ["test_module_opens_in_the_hub[two]", "test_script_opens[one]"]
    assert "division by zero" in ended.stdout


def test_check_of_an_app_that_was_brought(project, manage, forecast):
    """Its own modules are found, its package is missing until requirements.txt is compiled."""
    write_files(forecast, {"streamlit_app.py": "import streamlit\nimport helpers\nimport folium\n"})
    assert manage("add-app", "Forecast", "--from", str(forecast))[0] == 0
    status, output = manage("check")
    assert status == 1
    assert "apps/forecast/streamlit_app.py, line 3: imports folium" in output
    assert "requirements.in has folium already" in output
    assert "helpers" not in output
