"""What the README promises: the prompts are as it shows, and its commands exist."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import bcrypt
import pexpect
import pytest
from baked import ROOT, BakedProject

from apphub.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text("utf-8")


def block(after: str, language: str) -> str:
    """Return the first code block of a language after a piece of text."""
    return re.search(rf"```{language}\n(.*?)```", README.split(after, 1)[1], re.DOTALL)[1]


def normalize(transcript: str, home: str) -> list[str]:
    """Return a transcript's lines without what a fork's defaults change."""
    text = transcript.replace("\r\n", "\n").replace(home, "/home/anna")
    text = re.sub(r"(?:[a-hjkmnp-z2-9i]{4}-){5}[a-hjkmnp-z2-9i]{4}", "PASSWORD", text)
    text = re.sub(r" \([^()\n]*\): ", ": ", text)  # "(the default): the answer"
    text = re.sub(r"^    \d - ", "    - ", text, flags=re.MULTILINE)
    text = re.sub(r"(Choose from \S+): \d", r"\1:", text)
    return sorted(line.rstrip() for line in text.splitlines() if line.strip())


def answers(transcript: str) -> Iterator[str]:
    """Yield what is typed at each prompt of a transcript: a text, or the words of a choice."""
    choices: dict[str, str] = {}
    for line in transcript.splitlines():
        if choice := re.fullmatch(r"    (\d+) - (.*)", line):
            choices[choice[1]] = choice[2]
        elif typed := re.fullmatch(r"(  \[\d+/\d+\] |    Choose from ).*\): (.*)", line):
            yield choices[typed[2]] if "Choose" in typed[1] else typed[2]


@pytest.fixture
def new_home(tmp_path, monkeypatch):
    """An empty home folder, without remembered answers and without a password."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("TERM", "dumb")
    for name in ("AUTH_PASSWORD", "COOKIECUTTER_CONFIG", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_prompts_are_as_it_shows(new_home):
    """tests/slow/test_readme_commands.py runs the two commands that install cookiecutter first."""
    child = pexpect.spawn(
        sys.executable,
        ["-W", "ignore", "-m", "cookiecutter", str(ROOT)],
        cwd=new_home,
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 250),
    )
    shown = block("The prompts:", "console")
    seen = ""
    for answer in answers(shown):
        child.expect_exact("): ")
        seen += child.before + child.after
        number = re.search(rf"(\d+) - {re.escape(answer)}\r?$", child.before, re.MULTILINE)
        child.sendline(number[1] if number else answer)
    child.expect(pexpect.EOF)
    seen += child.before
    seen = seen[seen.index("  [1/") :]
    assert normalize(seen, str(new_home)) == normalize(shown, str(new_home))

    password = re.search(r"password  (\S+)", seen)[1]
    line = (new_home / "team-numbers/.htpasswd").read_text("utf-8").strip()
    assert bcrypt.checkpw(password.encode(), line.removeprefix("anna:").encode())


def test_the_quick_start_comes_before_the_picture():
    start, _, rest = README.partition("<picture>")
    assert rest
    [commands] = re.findall(r"```sh\n(.*?)```", start, re.DOTALL)
    assert len(commands.splitlines()) == 3
    source = re.search(r"cookiecutter (gh:\S+)", commands)[1]
    assert f"cookiecutter {source}" in block("## The prompts", "sh")


def test_ci_runs_its_test_command():
    command = block("## Test it", "sh").strip()
    assert (ROOT / command).stat().st_mode & 0o100
    assert f"CI=true exec {command}\n" in (ROOT / ".ci/run").read_text("utf-8")
    assert ".ci/run" in (ROOT / ".github/workflows/tests.yml").read_text("utf-8")


def first_column(text: str) -> set[str]:
    """Return the paths in the first column of a document's tables."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def is_listed(path: str, table: set[str]) -> bool:
    """Return whether a table has a file's path, or a folder that it is in."""
    return path in table or any(path.startswith(name) for name in table if name.endswith("/"))


@pytest.mark.parametrize("document", ["of the template", "of the project"])
def test_the_readmes_list_every_file(baked_project: BakedProject, document):
    text = README if document == "of the template" else baked_project.read("README.md")
    table = first_column(text)
    # The README is the one where you are reading this.
    files = {path for path in baked_project.files if not path.startswith(("docs/", "README.md"))}
    assert sorted(path for path in files if not is_listed(path, table)) == []
    for name in table:
        if "/" in name or name in {"app.py", "manage.py", "apps.json", "Procfile"}:
            assert (baked_project.path / name).exists(), name


def test_manage_py_has_the_commands_that_are_named(baked_project: BakedProject):
    files = [baked_project.path / "README.md", *(baked_project.path / "docs").glob("*.md")]
    texts = [README, *(file.read_text("utf-8") for file in files)]
    commands = re.findall(r"python manage\.py ([a-z][a-z-]*)", "\n".join(texts))
    assert set(commands) <= set(cli.commands)
    assert set(commands) >= {"add-app", "check", "deploy", "passwd", "serve", "update"}
