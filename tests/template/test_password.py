"""Where the password comes from, and where it never is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import bcrypt
import pexpect
import pytest
from baked import PASSWORD, ROOT

GENERATED = re.compile(r"[a-hjkmnp-z2-9i]{4}(?:-[a-hjkmnp-z2-9i]{4}){5}")


def hash_of(project_path: Path) -> bytes:
    return (project_path / ".htpasswd").read_text("utf-8").strip().partition(":")[2].encode()


def test_a_generated_password_is_shown_once_and_is_strong(bake, capfd):
    project = bake(password=None, password_source="generate")
    out, err = capfd.readouterr()
    [password] = GENERATED.findall(out + err)
    assert bcrypt.checkpw(password.encode(), hash_of(project.path))
    manage = project.load("manage")
    assert len(set(manage.LETTERS)) == 32  # 24 characters of 5 bits
    assert len({manage.generate_password() for _ in range(1000)}) == 1000


def test_the_environment_wins(bake, capfd):
    for source in ("generate", "ask"):
        project = bake(password=PASSWORD, password_source=source)
        out, err = capfd.readouterr()
        assert bcrypt.checkpw(PASSWORD.encode(), hash_of(project.path))
        assert not GENERATED.search(out + err)
        assert PASSWORD not in out + err


@pytest.fixture
def home(tmp_path):
    """An environment whose temp folder and replay files are the test's own."""
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    environment["COOKIECUTTER_CONFIG"] = str(tmp_path / "config.yaml")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "config.yaml").write_text(
        f"replay_dir: {tmp_path}/replay\ncookiecutters_dir: {tmp_path}/templates\n"
    )
    environment.pop("AUTH_PASSWORD", None)
    return environment


def test_the_password_is_nowhere(home, tmp_path):
    """Not in the project, the replay file, the rendered hooks or what -v prints."""
    made = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "-v", "--no-input", ROOT, "-o", tmp_path / "out"],
        env={**home, "AUTH_PASSWORD": PASSWORD},
        capture_output=True,
        check=True,
    )
    assert PASSWORD.encode() not in made.stdout + made.stderr
    assert b"DEBUG" in made.stdout + made.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if path.suffix == ".json" and "replay" in path.parts]
    assert len([path for path in written if path.parent == tmp_path / "tmp"]) == 2  # the hooks
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def test_a_generated_one_is_in_no_file_either(home, tmp_path):
    made = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", ROOT, "-o", tmp_path / "out"]
        + ["password_source=generate"],
        env=home,
        capture_output=True,
        check=True,
        text=True,
    )
    [password] = GENERATED.findall(made.stdout + made.stderr)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if password.encode() in path.read_bytes()]


def test_asked_without_a_terminal_it_refuses_rather_than_waits(refused):
    told = refused(password=None, password_source="ask")
    assert "  - password_source: 'ask' is refused. It needs a terminal to type on" in told
    assert "set AUTH_PASSWORD" in told


class Terminal:
    """cookiecutter on a terminal, with password_source=ask."""

    def __init__(self, home, out: Path) -> None:
        self.out = out
        command = ["-m", "cookiecutter", "--no-input", str(ROOT), "-o", str(out)]
        command += ["project_slug=data-apps", "password_source=ask"]
        self.child = pexpect.spawn(sys.executable, command, env=home, encoding="utf-8", timeout=30)
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


def test_typed_twice_it_is_taken_and_not_shown(terminal):
    terminal.type("Password for", PASSWORD)
    terminal.type("The same once more", PASSWORD)
    assert terminal.end() == 0
    assert PASSWORD not in terminal.seen
    assert bcrypt.checkpw(PASSWORD.encode(), hash_of(terminal.out / "data-apps"))


def test_a_slip_is_told_and_asked_again(terminal):
    terminal.type("Password for", "short")
    terminal.type("Password for", PASSWORD)
    terminal.type("The same once more", "something else")
    terminal.type("Password for", PASSWORD)
    terminal.type("The same once more", PASSWORD)
    assert terminal.end() == 0
    assert "breaks the rule: 12 to 72 bytes" in terminal.seen
    assert "The two differ" in terminal.seen


def test_three_slips_end_it_and_leave_nothing(terminal):
    for _ in range(3):
        terminal.type("Password for", "short")
    assert terminal.end() != 0
    assert "No password was typed in three tries" in terminal.seen
    assert not list(terminal.out.iterdir())


@pytest.mark.parametrize(
    ("send", "said"),
    [("sendeof", "No password was typed"), ("sendintr", "Stopped; nothing was kept")],
    ids=["ctrl-d", "ctrl-c"],
)
def test_a_key_that_ends_it_leaves_nothing(terminal, send, said):
    terminal.child.expect_exact("Password for")
    terminal.child.waitnoecho()
    getattr(terminal.child, send)()
    assert terminal.end() != 0
    assert said in terminal.seen
    assert not list(terminal.out.iterdir())
