"""Modules of the user with any name: neither they nor the template's code get in the other's way.

Before apphub/, the template had 14 modules at the project's root, and an app's `from users import
load_users` got the hub's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pexpect
import pytest
from baked import PASSWORD, USER, BakedProject
from command_line import run_merged
from fake_dyno import FakeDyno, free_port, python_environment
from fakes.workstation import Workstation
from http_client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Iterator

# Those that were at the root, those that are in apphub/, and the hub's own name for its logging.
NAMES = [
    *("users", "log", "menu", "page", "server", "check", "hub", "launcher", "replica", "bundle"),
    *("accounts", "build", "cli", "deploy", "files", "finding", "logfmt", "passwords", "paths"),
    *("registry", "serve", "settings", "text", "update", "web"),
]
AT_ROOT = """
def load_users():
    return "root's {name}"
"""
IN_APPS = """
import streamlit as st

def load_users():
    return "apps' {name}"

def run():
    from {name} import load_users as other
    from apps.{name} import load_users as own
    st.text(f"<{{other()}}, {{own()}}>")
"""


@pytest.fixture(scope="module")
def own_modules(baked_project: BakedProject) -> BakedProject:
    """A project with a module of each name at the root and in apps/, and each is an app."""
    for name in NAMES:
        baked_project.write(f"{name}.py", AT_ROOT.format(name=name))
        baked_project.write(f"apps/{name}.py", IN_APPS.format(name=name))
    entries = [{"name": name.title(), "module": f"apps.{name}"} for name in NAMES]
    baked_project.add_to_menu(*entries)
    return baked_project


@pytest.fixture(scope="module")
def manage(own_modules):
    """Run manage.py as in the project's environment, and return its exit status and output."""
    python = python_environment(own_modules.path / "requirements.txt") / "python"

    def manage(*arguments: str) -> tuple[int, str]:
        environ = {**os.environ, "AUTH_PASSWORD": PASSWORD}
        return run_merged(python, "manage.py", *arguments, cwd=own_modules.path, env=environ)

    return manage


COMMANDS = [
    *(["--version"], ["check"], ["users"], ["apps"]),
    *(["passwd", USER], ["passwd", "bob", "--generate"], ["remove-user", "bob"]),
    *(["add-app", "New"], ["remove-app", "New", "--delete"]),
]


def test_every_command_works(manage):
    for command in COMMANDS:
        status, output = manage(*command)
        assert status == 0, output
        assert "Traceback" not in output


def test_deploy_works(own_modules, tmp_path):
    workstation = Workstation(tmp_path, own_modules)
    output = workstation.run("python3", "manage.py", "deploy", "--dry-run")
    assert "git init" in output
    assert "heroku create" in output


def test_serve_works(own_modules, nginx):
    python = python_environment(own_modules.path / "requirements.txt") / "python"
    port = free_port()
    terminal = pexpect.spawn(
        str(python),
        ["-B", "manage.py", "serve", "--port", str(port)],
        cwd=str(own_modules.path),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect_exact("Press Ctrl-C to stop.")
    client = HttpClient(f"http://localhost:{port}", {USER: PASSWORD}, router=False)
    assert client.request("/", "GET", client.password_of()).status == 200
    terminal.sendintr()
    terminal.expect_exact("Stopped.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.fixture(scope="module")
def client(own_modules, nginx) -> Iterator[HttpClient]:
    with FakeDyno(own_modules.path, nginx) as dyno:
        yield HttpClient(dyno.url, {USER: PASSWORD}, router=True)


def test_home_page_lists_the_apps(client):
    shown = client.run("", client.password_of())
    assert all(f"**{name.title()}**" in shown for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_app_imports_the_users_own_modules(client, name):
    shown = client.run(name, f"Cookie: __Host-session={client.session}")
    assert f"<root's {name}, apps' {name}>" in shown
