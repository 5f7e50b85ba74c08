"""Where the password comes from, and where it never is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import bcrypt
import pexpect
import pytest
from baked import PASSWORD, ROOT

from apphub.passwords import PASSWORD_ALPHABET, generate_password

GENERATED = re.compile(r"[a-hjkmnp-z2-9i]{4}(?:-[a-hjkmnp-z2-9i]{4}){5}")


def hash_of(project_path: Path) -> bytes:
    return (project_path / ".htpasswd").read_text("utf-8").strip().partition(":")[2].encode()


def test_a_generated_password_is_strong():
    assert len(set(PASSWORD_ALPHABET)) == 32  # 24 characters of 5 bits
    passwords = {generate_password() for _ in range(1000)}
    assert len(passwords) == 1000
    assert all(GENERATED.fullmatch(password) for password in passwords)


@pytest.fixture
def home(tmp_path):
    """An environment whose temporary folder and replay files are the test's own."""
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    environment["COOKIECUTTER_CONFIG"] = str(tmp_path / "config.yaml")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "config.yaml").write_text(
        f"replay_dir: {tmp_path}/replay\ncookiecutters_dir: {tmp_path}/templates\n"
    )
    environment.pop("AUTH_PASSWORD", None)
    return environment


def make(home: dict[str, str], out: Path, *arguments: str) -> str:
    """Make a project, and return what was printed."""
    command = [sys.executable, "-m", "cookiecutter", "-v", "--no-input", str(ROOT), "-o", str(out)]
    made = subprocess.run([*command, *arguments], env=home, capture_output=True, check=True)
    return (made.stdout + made.stderr).decode()


def test_a_given_password_is_stored_nowhere(home, tmp_path):
    """Not in the project, the replay file, the rendered hooks or what -v prints."""
    printed = make({**home, "AUTH_PASSWORD": PASSWORD}, tmp_path / "out", "project_slug=data-apps")
    assert PASSWORD not in printed
    assert not GENERATED.search(printed)
    assert "DEBUG" in printed
    assert bcrypt.checkpw(PASSWORD.encode(), hash_of(tmp_path / "out/data-apps"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if path.suffix == ".json" and "replay" in path.parts]
    assert len([path for path in written if path.parent == tmp_path / "tmp"]) == 2  # the hooks
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def test_a_generated_password_is_shown_once_and_stored_nowhere(home, tmp_path):
    printed = make(home, tmp_path / "out", "project_slug=data-apps", "password_source=generate")
    [password] = GENERATED.findall(printed)
    assert bcrypt.checkpw(password.encode(), hash_of(tmp_path / "out/data-apps"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if password.encode() in path.read_bytes()]


def test_without_a_terminal_ask_is_refused(load_hook, monkeypatch):
    hook = load_hook("post_gen_project", password_source="ask")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    [line] = hook.find_wrong_answers()
    assert line.startswith("password_source: 'ask' requires a terminal to type on")
    assert "set AUTH_PASSWORD" in line
    Path(".htpasswd").touch()
    assert not hook.find_wrong_answers()


class Terminal:
    """cookiecutter on a terminal, with password_source=ask."""

    def __init__(self, home: dict[str, str], out: Path) -> None:
        self.out = out
        command = ["-m", "cookiecutter", "--no-input", str(ROOT), "-o", str(out)]
        command += ["project_slug=data-apps", "password_source=ask"]
        self.child = pexpect.spawn(sys.executable, command, env=home, encoding="utf-8", timeout=60)
        self.seen = ""

    def type(self, prompt: str, text: str) -> None:
        self.child.expect_exact(prompt)
        self.seen += self.child.before
        self.child.waitnoecho()
        self.child.sendline(text)

    def end(self) -> int:
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def terminal(home, tmp_path):
    return Terminal(home, tmp_path / "out")


def test_after_a_mistake_it_is_asked_again_and_not_shown(terminal):
    terminal.type("Password for", "short")
    terminal.type("Password for", PASSWORD)
    terminal.type("Repeat password", "something else")
    terminal.type("Password for", PASSWORD)
    terminal.type("Repeat password", PASSWORD)
    assert terminal.end() == 0
    assert "it must be 12 to 72 bytes" in terminal.seen
    assert "Passwords do not match" in terminal.seen
    assert PASSWORD not in terminal.seen
    assert bcrypt.checkpw(PASSWORD.encode(), hash_of(terminal.out / "data-apps"))


def test_three_mistakes_end_it_and_leave_nothing(terminal):
    for _ in range(3):
        terminal.type("Password for", "short")
    assert terminal.end() != 0
    assert "No password given" in terminal.seen
    assert not list(terminal.out.iterdir())


@pytest.mark.parametrize(
    ("send", "message"),
    [("sendeof", "No password given"), ("sendintr", "Stopped. Nothing was written.")],
    ids=["ctrl-d", "ctrl-c"],
)
def test_a_key_that_ends_it_leaves_nothing(terminal, send, message):
    terminal.child.expect_exact("Password for")
    terminal.child.waitnoecho()
    getattr(terminal.child, send)()
    assert terminal.end() != 0
    assert message in terminal.seen
    assert not list(terminal.out.iterdir())
