"""`python manage.py deploy` in a new project, with the fake Heroku CLI, also on a terminal.

tests/unit/deploy has each state that a deploy may start from.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pexpect
import pytest
from baked import BakedProject
from fakes.deployments import (
    ADD_NGINX,
    ADD_PYTHON,
    ALL,
    OPEN,
    SET_SECRET,
    USE_APP,
)
from fakes.workstation import Workstation

PROMPT = "   Run this step? [Y/n]: "
ONLINE = "\nThe apps are at https://data-apps-"
CTRL_C = "\x03"
STEPS = 7  # that are left where there is nothing


def run_deploy(workstation: Workstation, *arguments: str) -> tuple[int, str]:
    """Run the command without a terminal. Returns its exit status and all that it prints."""
    result = subprocess.run(
        [sys.executable, "manage.py", "deploy", *arguments],
        cwd=workstation.project.path,
        env=workstation.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stdout
    return result.returncode, result.stdout


def answer_prompts(
    workstation: Workstation, *answers: str, stop_at: str | None = None
) -> tuple[int, str]:
    """Run the command on a terminal, and answer its prompts.

    Args:
        workstation: where it runs.
        answers: one for each prompt.
        stop_at: press Ctrl-C once this text is shown.
    """
    terminal = pexpect.spawn(
        sys.executable,
        ["manage.py", "deploy"],
        cwd=str(workstation.project.path),
        env=workstation.environment,
        encoding="utf-8",
        timeout=60,
    )
    output = ""
    for answer in answers:
        terminal.expect_exact(PROMPT)
        output += terminal.before + terminal.after
        terminal.send(answer)
    if stop_at:
        terminal.expect_exact(stop_at)
        output += terminal.before + terminal.after
        terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    output = (output + terminal.before).replace("\r\n", "\n")
    assert "Traceback" not in output
    return terminal.exitstatus, output


@pytest.fixture
def workstation(baked_project, tmp_path) -> Workstation:
    """A workstation with a new project, logged in to Heroku."""
    project = BakedProject(shutil.copytree(baked_project.path, tmp_path / "data-apps"))
    workstation = Workstation(tmp_path, project)
    workstation.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return workstation


@pytest.mark.smoke
def test_a_new_project_goes_online_and_a_second_run_does_nothing(workstation):
    files = set(workstation.project.files)
    status, output = run_deploy(workstation, "--yes")
    assert status == 0, output
    assert workstation.changes == ALL
    assert ONLINE in output
    assert output.endswith("\nUsers: anna.b\n")
    assert set(workstation.run("git", "ls-files").splitlines()) == files
    assert workstation.app["releases"][-1]["commit"] == workstation.head

    workstation.set(calls=[])
    status, output = run_deploy(workstation, "--yes")
    assert status == 0, output
    assert workstation.changes == []
    assert ONLINE in output


def test_a_project_that_check_refuses_is_not_deployed(workstation):
    workstation.project.write("apps.json", "[]")
    status, output = run_deploy(workstation, "--yes")
    assert status == 1
    assert "Fix these first:" in output
    assert "apps.json" in output
    assert workstation.changes == []


def test_the_options_are_passed_on(workstation):
    options = ["--name", "team-numbers", "--region", "eu", "--team", "ours", "-m", "First version"]
    status, output = run_deploy(workstation, "--dry-run", *options)
    assert status == 0, output
    assert "git commit --quiet -m 'First version'" in output
    assert re.search(r"heroku create team-numbers .*--region eu --team ours\n", output)
    assert workstation.changes == []


def test_without_a_terminal_it_names_the_options_to_use(workstation):
    status, output = run_deploy(workstation)
    assert status == 1
    assert "--yes" in output
    assert "--dry-run" in output
    assert workstation.state["calls"] == []


def test_on_a_terminal_each_step_is_confirmed(workstation):
    status, output = answer_prompts(workstation, *["\r"] * STEPS)
    assert status == 0
    assert len(re.findall(rf"^(?: {{7}}.*\n)+{re.escape(PROMPT)}", output, re.MULTILINE)) == STEPS
    assert workstation.changes == ALL
    assert ONLINE in output


def test_ctrl_c_at_a_prompt(workstation):
    status, output = answer_prompts(workstation, *["y\r"] * 3, CTRL_C)
    assert status == 1
    assert re.search(r"\nStopped at step \d+; completed steps are kept\..* deploy\n$", output)
    assert workstation.changes == ALL[:1]


@pytest.mark.parametrize(
    ("command", "prompts", "left"),
    [
        # The app existed when the command was stopped, and git had no remote.
        ("create", 3, [USE_APP, ADD_PYTHON, ADD_NGINX, SET_SECRET, OPEN]),
        ("push", 6, [OPEN]),
    ],
)
def test_ctrl_c_in_a_command_and_the_next_run_continues(workstation, command, prompts, left):
    workstation.set(hangs=[command])
    status, output = answer_prompts(workstation, *["y\r"] * prompts, stop_at="Hanging ...")
    assert status == 1
    assert "Stopped at step " in output
    workstation.set(hangs=[], calls=[])
    status, output = run_deploy(workstation, "--yes")
    assert status == 0, output
    assert workstation.changes == left
