"""The README's words, checked: its command makes a project, and the prompts are as it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from statistics import median

import bcrypt
import pexpect
import pytest
from baked import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def block(after: str, language: str) -> str:
    """Return the first code block of a language after a piece of text."""
    return re.search(rf"```{language}\n(.*?)```", README.split(after, 1)[1], re.DOTALL)[1]


def plain(transcript: str, home: str) -> list[str]:
    """Return what a fork's defaults cannot change of a transcript: its lines without defaults."""
    text = transcript.replace("\r\n", "\n").replace(home, "/home/anna")
    text = re.sub(r"(?:[a-hjkmnp-z2-9i]{4}-){5}[a-hjkmnp-z2-9i]{4}", "PASSWORD", text)
    text = re.sub(r" \([^()\n]*\): ", ": ", text)  # "(the default): the answer"
    text = re.sub(r"^    \d - ", "    - ", text, flags=re.MULTILINE)
    text = re.sub(r"(Choose from \S+): \d", r"\1:", text)
    return sorted(line.rstrip() for line in text.splitlines() if line.strip())


def answers(transcript: str) -> Iterator[str]:
    """What is typed at each prompt of a transcript: a text, or the words of a choice."""
    choices: dict[str, str] = {}
    for line in transcript.splitlines():
        if choice := re.fullmatch(r"    (\d+) - (.*)", line):
            choices[choice[1]] = choice[2]
        elif typed := re.fullmatch(r"(  \[\d+/\d+\] |    Choose from ).*\): (.*)", line):
            yield choices[typed[2]] if "Choose" in typed[1] else typed[2]


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """Somebody in an empty folder, with no answers remembered and no password set."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("TERM", "dumb")
    for name in ("AUTH_PASSWORD", "COOKIECUTTER_CONFIG", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_its_first_command_makes_a_project_with_the_prompts_it_shows(newcomer):
    command = block("## Make a project", "sh")
    command, named = re.subn(r"gh:\S+", str(ROOT), command.strip())
    assert named == 1
    child = pexpect.spawn(
        "sh", ["-c", command], cwd=newcomer, encoding="utf-8", timeout=60, dimensions=(50, 250)
    )
    shown = block("as they are put", "console")
    seen = ""
    for answer in answers(shown):
        child.expect_exact("): ")
        seen += child.before + child.after
        number = re.search(rf"(\d+) - {re.escape(answer)}\r?$", child.before, re.MULTILINE)
        child.sendline(number[1] if number else answer)
    child.expect(pexpect.EOF)
    seen += child.before
    seen = seen[seen.index("  [1/") :]  # pip may have something to say first
    assert plain(seen, str(newcomer)) == plain(shown, str(newcomer))

    password = re.search(r"password  (\S+)", seen)[1]
    line = (newcomer / "team-numbers/.htpasswd").read_text("utf-8").strip()
    assert bcrypt.checkpw(password.encode(), line.removeprefix("anna:").encode())


def test_its_test_command_is_what_ci_runs():
    command = block("## Test it", "sh").strip()
    assert (ROOT / command).stat().st_mode & 0o100
    assert f"CI=true exec {command}\n" in (ROOT / ".ci/run").read_text("utf-8")
    assert ".ci/run" in (ROOT / ".github/workflows/tests.yml").read_text("utf-8")


def test_the_deploy_by_hand_is_what_the_project_says(bake):
    project = bake()
    commands = re.search(r"```sh\n(heroku login\n.*?)```", project.read("README.md"), re.DOTALL)[1]
    assert f"heroku create {project.path.name} " in commands
    told = json.loads(project.read("app.json"))
    assert f"--stack {told['stack']} --buildpack {told['buildpacks'][0]['url']}" in commands
    assert f"buildpacks:add {told['buildpacks'][1]['url']}" in commands


def test_what_it_says_a_dyno_holds_was_measured(bake, monkeypatch):
    result = json.loads((ROOT / "benchmarks/memory.json").read_text("utf-8"))
    text, first, _ = (figures["1"] for figures in result["figures"].values())
    readme = bake().read("README.md")
    told = " ".join(readme.split())
    assert f"take {text['MB']:.0f} MB with an app of text and widgets open" in told
    assert f"and {first['MB']:.0f} MB with the app that you start from" in told
    more = max(text["MB a session"], first["MB a session"])
    assert f"Each browser more takes {more:.1f} MB." in told
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import memory

    assert "\n".join(memory.table(result)) in readme
    # The dyno that was filled as far as the table says was full, and not too full.
    assert 0.9 < result["full"]["MB in all"] / (512 * 1.048576) < 1.02
    one, two = json.loads((ROOT / "benchmarks/growing.json").read_text("utf-8"))[
        "reruns a second"
    ].values()
    assert (
        f"it {median(one):.0f} times a second, for all browsers together, and {median(two):.0f} times"
        in told
    )


def test_what_it_says_of_a_long_day_was_measured():
    told = " ".join(README.split())
    soak, growing = (
        json.loads((ROOT / f"benchmarks/{name}.json").read_text("utf-8"))
        for name in ("soak", "growing")
    )
    before, after = soak["before"], soak["after"]
    assert soak["failures"] == 0
    assert f"Twenty minutes of {soak['visits']:,} visits with {soak['runs']:,} runs" in told
    assert f"and {soak['uploads']} uploads, half of them left without a word: none failed" in told
    assert (before["files"], before["sockets"]) == (after["files"], after["sockets"])
    numbers = (
        f"{after['files']}, {after['sockets']}, and {after['MB']:.0f} MB after {before['MB']:.0f}"
    )
    assert numbers in told
    assert f"an app that computes {growing['ratio']:.2f} times as often as one" in told


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_it_points_to_is_there(name):
    text = (ROOT / name).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:tests|hooks|benchmarks|docs)/[\w./-]*)`", text):
        project = "{{cookiecutter.project_slug}}"
        assert (ROOT / path).exists() or (ROOT / project / path).exists(), path


def test_its_table_is_the_one_that_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import compare

    result = json.loads((ROOT / "benchmarks/compare.json").read_text("utf-8"))
    assert compare.PLACE.search(README)[0].splitlines()[1:-1] == compare.table(result).splitlines()
    assert all(figure["holds"] for figure in result["figures"])
    assert len(result["figures"]) >= 14


def test_the_figures_of_guessing_are_those_that_were_measured():
    measured = json.loads((ROOT / "benchmarks/guessing.json").read_text("utf-8"))["milliseconds"]
    p95 = {side: kinds["kept connection"]["p95"] for side, kinds in measured.items()}
    figures = [p95["nobody"], p95["32 from one address"], p95["32 from 32 addresses"]]
    assert " {:.1f}, {:.1f} and {:.1f} ms".format(*figures) in " ".join(README.split())


def test_manage_py_has_the_commands_that_are_named(bake):
    project = bake()
    for command in re.findall(r"python manage\.py ([a-z][a-z-]*)", project.read("README.md")):
        assert command in project.load("manage").cli.commands
