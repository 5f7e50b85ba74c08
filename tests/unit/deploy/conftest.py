"""A workstation with a small project. The fake Heroku CLI runs in the tests' own process."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
from baked import BakedProject
from fakes.deployments import HASH
from fakes.workstation import HEROKU, Workstation

from apphub.app_secrets import load_project
from apphub.deploy import deploy, execute, programs, set_secrets, state
from apphub.finding import Finding, InvalidFile
from apphub.menu import load_menu
from apphub.settings import read_settings
from apphub.users import load_users

if TYPE_CHECKING:
    from collections.abc import Mapping


FILES = {
    ".gitignore": "logs/\n",
    ".htpasswd": f"anna.b:{HASH}\n",
    "Procfile": "web: python -m apphub.server bin/start-nginx\n",
    "README.md": "# Data Apps\n",
    "app.json": """{
  "stack": "heroku-24",
  "buildpacks": [{"url": "heroku/python"}, {"url": "heroku-community/nginx"}]
}
""",
    "apps.json": '[{"name": "Sales Report", "module": "apps.sales_report"}]\n',
    "apps/sales_report.py": "def run():\n    pass\n",
}
# What would change how git or the project behaves here.
FOREIGN = ("GIT_", "HEROKU_", "XDG_", "HTPASSWD", "SECRETS", "SESSION_SECRET", "FRAME_ANCESTORS")


class Result(NamedTuple):
    """How a deploy has ended: its exit status, and what it printed to stdout and stderr."""

    status: int
    output: str


class Answers(io.StringIO):
    """The input of a terminal. An answer may be an exception, such as the one of Ctrl-C."""

    def __init__(self, answers: list[str | type[BaseException]]) -> None:
        super().__init__()
        self._answers = iter(answers)

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        answer = next(self._answers, "")
        if isinstance(answer, str):
            return answer
        raise answer


class FakeSubprocess:
    """The module `subprocess` for apphub.deploy.

    Heroku's CLI and apphub's own command run in this process, the rest for real.
    """

    CompletedProcess = subprocess.CompletedProcess
    DEVNULL = subprocess.DEVNULL

    def __init__(self, heroku: ModuleType) -> None:
        self._heroku = heroku

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        is_own = command[1:3] == ["-m", set_secrets.__name__]
        if Path(command[0]).name != "heroku" and not is_own:
            return subprocess.run(command, **options)
        output, errors, status = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                if is_own:
                    set_secrets.main(command[3:])
                else:
                    self._heroku.main(command[1:])
            except SystemExit as error:
                status = int(error.code or 0)
        if not options.get("capture_output"):
            sys.stderr.write(errors.getvalue())
            sys.stdout.write("" if options["stdout"] == self.DEVNULL else output.getvalue())
        return subprocess.CompletedProcess(command, status, output.getvalue(), errors.getvalue())


@dataclass
class UnitWorkstation(Workstation):
    """A workstation in this process: its environment and working folder are the tests' own."""

    heroku_cli: FakeSubprocess
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in os.environ:
            if name.startswith(FOREIGN):
                self.patch.delenv(name)
        for name, value in self.environment.items():
            self.patch.setenv(name, value)
        self.patch.chdir(self.project.path)

    def heroku(self, *commands: str) -> None:
        for command in commands:
            result = self.heroku_cli.run(["heroku", *command.split(" ")], capture_output=True)
            assert result.returncode == 0, result.stderr
        self.set(calls=[])

    def deploy(
        self,
        *answers: str | type[BaseException],
        name: str | None = None,
        region: str | None = None,
        team: str | None = None,
        message: str | None = None,
        yes: bool = False,
        dry_run: bool = False,
    ) -> Result:
        """Call deploy(). With answers it runs on a terminal, on which these are typed."""
        if answers:
            self.patch.setattr(sys, "stdin", Answers([*answers]))
        self.capture.readouterr()
        status = 0
        stderr = os.dup(2)
        os.dup2(1, 2)  # in the order in which a user sees it
        try:
            with contextlib.redirect_stderr(sys.stdout):
                deploy(name, region, team, message, yes, dry_run, self.project.path)
        except click.exceptions.Exit as error:
            status = error.exit_code
        except click.ClickException as error:
            status = error.exit_code
            error.show(sys.stdout)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        return Result(status, self.capture.readouterr().out)


def run_access_checks(root: Path, environ: Mapping[str, str]) -> SimpleNamespace:
    """Check users, menu, environment and secrets. The other checks have tests of their own."""
    errors: list[Finding] = []
    for read in (
        lambda: load_users(root, environ),
        lambda: load_menu(root),
        lambda: read_settings(environ),
        lambda: load_project(root, environ),
    ):
        try:
            read()
        except InvalidFile as error:
            errors += error.findings
    return SimpleNamespace(errors=errors)


@pytest.fixture(scope="session")
def heroku_module() -> ModuleType:
    """The fake Heroku CLI, imported."""
    loader = importlib.machinery.SourceFileLoader("fake_heroku", str(HEROKU))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def workstation(heroku_module, tmp_path, monkeypatch, capfd) -> UnitWorkstation:
    """A workstation with a new project, logged in to Heroku."""
    root = tmp_path / "data-apps"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    fake = FakeSubprocess(heroku_module)
    monkeypatch.setattr(programs, "subprocess", fake)
    monkeypatch.setattr(execute, "subprocess", fake)
    monkeypatch.setattr(state, "run_checks", run_access_checks)
    return UnitWorkstation(tmp_path, BakedProject(root), fake, capfd, monkeypatch)
