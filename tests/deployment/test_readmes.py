"""Every command in both READMEs, typed as it stands there, in the order of its lines.

Heroku is tests/heroku. The READMEs' commands that have tests of their own are named below.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
import pytest
import requests
from baked import ROOT, BakedProject
from dyno import own, python_environment

TYPED = "another good password"
# What each of these shows when it serves, and what a stranger gets there.
SERVING = {
    "You can now view your Streamlit app": ("http://localhost:8501", 200),
    "Ctrl-C ends it": ("http://localhost:8000", 401),
}
# What other tests run: tests/template/test_readme.py, CI itself, and the last one here.
ELSEWHERE = ("cookiecutter gh:", "tests/run", "benchmarks/compare.py")


BY_HAND = "heroku login\n"  # a block that does what `manage.py deploy` has done before it


def blocks(text: str) -> list[str]:
    """Return all the shell blocks of a README."""
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Terminal:
    """A terminal with bash in a project's folder, of a user who is not root."""

    def __init__(self, folder: Path, **environment: str) -> None:
        shell = ["bash", "--norc", "--noprofile", "--noediting"]
        if os.geteuid() == 0:  # nginx's workers would be nobody, and could read nothing of root's
            group = str(pwd.getpwnam("nobody").pw_gid)
            shell = ["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups", *shell]
        self.child = pexpect.spawn(
            shell[0],
            shell[1:],
            cwd=str(folder),
            env=environment,
            encoding="utf-8",
            timeout=300,
            dimensions=(50, 200),
        )
        self.child.sendline("PS1=; PS2=; stty -echo")
        self.run("true")

    def run(self, command: str) -> str:
        """Type a command, answer what it asks, and return what it showed. It has to succeed."""
        child, shown = self.child, ""
        child.sendline(f'{command}; echo "status:"$?')
        asked = [
            r"status:(\d+)\r\n",
            r"\(.*hidden\): ",
            "The same once more: ",
            r"\[[Yy]/[Nn]\]:? ",
        ]
        while True:
            seen = child.expect([*asked, *SERVING])
            shown += child.before + child.after
            if seen == 0:
                assert child.match[1] == "0", f"{command}\n{shown}"
                return shown
            if seen in (1, 2):
                child.waitnoecho()
                child.sendline(TYPED)
            elif seen == 3:
                child.sendline("y")
            else:
                url, status = SERVING[list(SERVING)[seen - len(asked)]]
                assert requests.get(url, timeout=30).status_code == status
                child.sendintr()


@pytest.fixture
def terminal(project: BakedProject, nginx):
    """A terminal in a fresh project, with nothing but Python, git, nginx, erb and heroku."""
    home = Path(tempfile.mkdtemp(prefix="readme-"))
    folder = home / project.path.name
    shutil.copytree(project.path, folder)
    (home / "bin").mkdir()
    shutil.copy(ROOT / "tests/heroku", home / "bin")
    home.chmod(0o755)
    own(home)
    passed_on = [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))]
    terminal = Terminal(
        folder,
        PATH=f"{home}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        HOME=str(home),
        LANG="C.UTF-8",
        TERM="dumb",
        HEROKU_STATE=str(home / "heroku.json"),
        STREAMLIT_SERVER_HEADLESS="true",
        UV_SYSTEM_CERTS="1",  # whom this machine trusts, as pip does
        GIT_CONFIG_COUNT="2",
        GIT_CONFIG_KEY_0="user.name",
        GIT_CONFIG_VALUE_0="Anna",
        GIT_CONFIG_KEY_1="user.email",
        GIT_CONFIG_VALUE_1="anna@example.com",
        **{name: os.environ[name] for name in passed_on},
    )
    yield terminal
    terminal.child.close(force=True)
    shutil.rmtree(home)


def test_the_generated_ones_commands_work_from_top_to_bottom(project, terminal):
    text = project.read("README.md")
    commands = [line for block in blocks(text) for line in block.splitlines()]
    assert len(commands) > 25
    for block in blocks(text):
        for command in block.splitlines() if BY_HAND not in block else ():
            terminal.run(command)


def test_the_deploy_by_hand(project, terminal):
    [block] = [block for block in blocks(project.read("README.md")) if BY_HAND in block]
    for command in block.splitlines():
        terminal.run(command)


def test_the_templates_own(project, terminal):
    packages = python_environment(
        project.path / "requirements.txt"
    )  # "with its environment active"
    terminal.run(f"PATH={packages}:$PATH")
    for block in blocks((ROOT / "README.md").read_text("utf-8")):
        for command in block.splitlines():
            if not any(part in command for part in ELSEWHERE):
                terminal.run(command)


def test_the_benchmark_runs(tmp_path):
    """One of its measurements, in a copy: it writes into its own folder."""
    ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis", ".pytest_cache")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=ignore)
    ended = subprocess.run(
        [sys.executable, "benchmarks/compare.py", "--only", "bake", "--rounds", "1"],
        cwd=tmp_path / "copy",
        capture_output=True,
        text=True,
    )
    # 1: a figure does not hold, as it may while other tests run. The README's are measured alone.
    assert ended.returncode == 0 or "What does not hold: bake" in ended.stderr, ended.stderr
    assert "| bake with `--no-input`, against a template without hooks |" in ended.stdout
