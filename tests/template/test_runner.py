"""tests/run, tests/lint and the hooks of pre-commit."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from baked import ROOT, git

# Writes its name and arguments to a log, and fails where FAILING is in them.
FAKE = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
case "${0##*/} $*" in *"$FAILING"*) exit 3;; esac
"""
TOOLS = [
    "check-jsonschema",
    "lint-imports",
    "mypy",
    "pip",
    "pre-commit",
    "pytest",
    "python",
    "ruff",
    "shellcheck",
    "uv",
    "zizmor",
]
SYSTEM = ["apt-get", "chromium", "erb", "nginx", "sudo"]


@pytest.fixture
def run_script(template, tmp_path, monkeypatch):
    """Run a script of a copy of this repository where all programs that it starts are fakes."""
    calls = tmp_path / "calls"
    for folder, names in ((template / ".venv/bin", TOOLS), (tmp_path / "bin", SYSTEM)):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(FAKE)
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("CALLS", str(calls))

    def run_script(script: str, *arguments: str, failing: str = "nothing") -> tuple[int, list[str]]:
        calls.write_text("")
        monkeypatch.setenv("FAILING", failing)
        ended = subprocess.run([template / script, *arguments], capture_output=True)
        return ended.returncode, calls.read_text().splitlines()

    return run_script


def pytest_calls(calls: list[str]) -> list[str]:
    """The arguments of each call of pytest, without the options of pytest-xdist."""
    found = [call for call in calls if call.startswith("pytest ")]
    options = re.compile(r"-n \d+ |--dist loadfile --no-loadscope-reorder ")
    return [options.sub("", call).split(" ", 1)[1] for call in found]


def test_setup_installs_the_packages_of_the_tests_and_of_the_project(run_script):
    _, calls = run_script("tests/setup")
    [install] = [call for call in calls if call.startswith("uv pip install")]
    assert install.endswith(
        "-r tests/requirements.txt -r {{cookiecutter.project_slug}}/requirements.txt"
    )


def test_run_checks_style_and_types_and_runs_all_tests(run_script):
    status, calls = run_script("tests/run")
    assert status == 0
    assert {call.split()[0] for call in calls} >= {"ruff", "mypy", "pytest"}
    assert pytest_calls(calls) == ["tests/unit --cov", "--ignore tests/unit"]


@pytest.mark.parametrize("failing", ["pytest -n", "tests/unit --cov", "--ignore", "mypy", "ruff"])
def test_run_fails_when_a_part_fails(run_script, failing):
    status, calls = run_script("tests/run", failing=failing)
    assert status != 0
    # A failed unit test does not keep the other tests from running.
    assert len(pytest_calls(calls)) == (0 if failing in ("mypy", "ruff") else 2)


def test_run_quick_runs_the_unit_tests_and_the_smoke_tests(run_script):
    status, calls = run_script("tests/run", "quick", "-x")
    assert status == 0
    assert pytest_calls(calls) == ["-m unit or smoke tests/unit tests/template -x"]
    assert not [call for call in calls if call.startswith(("ruff", "mypy"))]


def test_other_arguments_go_to_pytest(run_script):
    _, calls = run_script("tests/run", "tests/template", "-k", "one or two")
    assert pytest_calls(calls) == ["tests/template -k one or two"]


def test_each_tool_of_lint_can_fail_it(run_script):
    """And the others run all the same."""
    status, all_calls = run_script("tests/lint")
    assert status == 0
    tools = [call for call in all_calls if not call.startswith(("uv", "pip "))]
    others = {"mypy", "pip", "pytest", "python", "uv"}
    assert {call.split()[0] for call in tools} == set(TOOLS) - others
    for call in tools:
        status, calls = run_script("tests/lint", failing=call)
        assert status == 1, call
        assert calls == all_calls


def test_lint_checks_every_shell_script(run_script):
    _, calls = run_script("tests/lint")
    [checked] = [call.split()[1:] for call in calls if call.startswith("shellcheck ")]
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    paths = [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]
    scripts = [
        path.relative_to(ROOT).as_posix()
        for path in paths
        if re.match(rb"#!.*\b(ba|da)?sh\b", path.read_bytes()[:80])
    ]
    assert sorted(checked) == scripts


def test_hooks_of_pre_commit_use_the_pinned_tools():
    """All are local: none comes from another repository."""
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    pinned = (ROOT / "tests/requirements.txt").read_text("utf-8")
    for hook in settings["repos"][0]["hooks"]:
        program = hook["entry"].split()[0]
        if tool := re.fullmatch(r"\.venv/bin/(.+)", program):
            assert f"\n{tool[1]}==" in pinned
        else:
            assert (ROOT / program).stat().st_mode & 0o100
