"""A fake workstation: a project, git, and the fake Heroku CLI with Heroku behind it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baked import BakedProject

HEROKU = Path(__file__).resolve().parent / "heroku"
READS = ("auth:whoami", "apps:info", "buildpacks", "config")  # these commands change nothing


@dataclass
class Workstation:
    """A user's computer. Its PATH has git, heroku and Python only.

    Attributes:
        home: the user's home, with the programs in bin/.
        project: the project, in a folder that has the app's name.
        environment: the environment of its processes.
    """

    home: Path
    project: BakedProject

    def __post_init__(self) -> None:
        (self.home / "bin").mkdir()
        self.environment = {
            "PATH": str(self.home / "bin"),
            "HOME": str(self.home),
            "HEROKU_STATE": str(self.home / "heroku.json"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        programs = {"git": shutil.which("git"), "heroku": HEROKU, "python3": sys.executable}
        for name, path in programs.items():
            assert path, f"{name} is missing"
            (self.home / "bin" / name).symlink_to(path)
        self.configure_git("[user]\nname = Anna\nemail = anna@example.com\n")
        self.set(account="anna@example.com", apps={}, calls=[])

    def configure_git(self, text: str) -> None:
        """Write the user's configuration of git."""
        # Neither sample hooks nor housekeeping: a test makes few objects.
        quick = "[init]\ntemplateDir =\n[maintenance]\nauto = false\n[receive]\nautoGC = false\n"
        (self.home / ".gitconfig").write_text(text + quick)

    def uninstall(self, program: str) -> None:
        (self.home / "bin" / program).unlink()

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the project's folder, and return what it prints."""
        path = shutil.which(command[0], path=self.environment["PATH"])
        assert path, f"{command[0]} is missing"
        result = subprocess.run(
            [path, *command[1:]],
            cwd=self.project.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert fails or result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def git(self, *commands: str) -> None:
        for command in commands:
            self.run("git", *command.split(" "))

    def heroku(self, *commands: str) -> None:
        """Run commands of the Heroku CLI, and delete them from the list of calls."""
        for command in commands:
            self.run("heroku", *command.split(" "))
        self.set(calls=[])

    @property
    def state(self) -> dict[str, Any]:
        """What the fake Heroku has stored."""
        return json.loads((self.home / "heroku.json").read_text("utf-8"))

    def set(self, **state: object) -> None:
        """Change what the fake Heroku has stored."""
        path = self.home / "heroku.json"
        before = self.state if path.exists() else {}
        path.write_text(json.dumps(before | state), "utf-8")

    @property
    def app(self) -> dict[str, Any]:
        """What is stored about the app."""
        return self.state["apps"]["data-apps"]

    @property
    def head(self) -> str:
        return self.run("git", "rev-parse", "HEAD")

    @property
    def changes(self) -> list[str]:
        """The commands that Heroku got, without those that only read. A secret is "..." here."""
        reads = (*READS, "auth:token")
        calls = [call for call in self.state["calls"] if call[0] not in reads]
        return [re.sub(r"=[0-9a-f]{64}\b", "=...", " ".join(call)) for call in calls]
