"""manage.py as a program: what another process or a terminal shows."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import bcrypt
import pexpect
import pytest

if TYPE_CHECKING:
    from baked import BakedProject

OTHER = "another good password"
# Modules that the template had at the root, or has in apphub/, and others in their place.
OWN_MODULES = ["users", "log", "logfmt", "menu", "page", "server", "check", "web", "build", "cli"]


@pytest.fixture(autouse=True)
def no_password_in_the_environment(project, monkeypatch):
    """The hook has read it there; passwd would, too."""
    monkeypatch.delenv("AUTH_PASSWORD")


def hash_of(project: BakedProject, user: str) -> bytes:
    [line] = [line for line in project.read(".htpasswd").splitlines() if line.startswith(user)]
    return line.partition(":")[2].encode()


def test_outside_the_environment_it_says_so_without_a_traceback(manage):
    status, output = manage("apps", python=("-S",))
    assert status == 1
    assert output.startswith(f"click is not installed for {sys.executable}.")
    assert "pip install -r requirements.txt" in output
    assert "Traceback" not in output


def test_commands_from_another_folder(project, manage):
    assert manage("users") == (0, "anna.b  every app\n")
    status, output = manage("add-app", "Café")
    assert (status, "Wrote apps/cafe.py" in output) == (0, True)
    assert 'TITLE = "Café"' in project.read("apps/cafe.py")


def test_password_typed_on_a_terminal(project):
    command = [str(project.path / "manage.py"), "passwd", "bob"]
    environ = {**os.environ, "LANG": "C.UTF-8"}
    child = pexpect.spawn(sys.executable, command, env=environ, encoding="utf-8", timeout=60)
    for prompt in ("Password for bob", "Repeat password"):
        child.expect_exact(prompt)
        child.waitnoecho()
        child.sendline(OTHER)
    child.expect(pexpect.EOF)
    assert OTHER not in child.before
    assert bcrypt.checkpw(OTHER.encode(), hash_of(project, "bob"))


def test_modules_of_the_user_are_not_imported(project, manage):
    for name in OWN_MODULES:
        for folder in ("", "apps/"):
            project.write(f"{folder}{name}.py", f"raise RuntimeError('{folder}{name}')\n")
    for command in (["users"], ["passwd", "bob", "--generate"], ["remove-app", "churn_explorer"]):
        status, output = manage(*command)
        assert (status, "RuntimeError" in output) == (0, False), output


def test_secrets_py_does_not_replace_pythons_own(project, manage):
    """It would on Heroku, where the folder comes first: tests/unit/check/test_shadowing.py."""
    project.write("secrets.py", "TOKEN = 'x'\n")
    status, output = manage("passwd", "bob", "--generate")
    assert status == 0, output
    [password] = [line.rpartition(" ")[2] for line in output.splitlines() if "only once" in line]
    assert bcrypt.checkpw(password.encode(), hash_of(project, "bob"))
