"""A baked project, the answers that more than one test gives, and git."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USER = "anna.b"
PASSWORD = "correct horse battery"
AUTH = (USER, PASSWORD)

# A whole set of answers, and the same for a command line.
ANSWERS = {
    "app_name": "Data Apps",
    "project_slug": "data-apps",
    "auth_user": USER,
    "apps": "Sales Report, Café",
    "password_source": "generate",
}
GIVEN = [f"{name}={answer}" for name, answer in ANSWERS.items()]

# Whatever is in an answer, it is data. Each of these is a legal name.
NASTY = {
    "quotes": '"It\'s" \'\'\'a\'\'\' """b"""',
    "backslashes": r"C:\new\table \u0041 \N{DASH}",
    "braces": "{{ 7 * 7 }} {% raise %} {# no",
    "erb": '<%= system("id") %> <% end',
    "nginx": "$host; } $remote_user #",
    "shell": "`id` $(id) && ; | > x",
    "emoji": "👩‍👩‍👧 🇫🇮 ✊🏽",
    "off": "off",
    "scripts": "Отчёт עברית हिन्दी ไทย",
    "markdown": "*a* _b_ [c](d) <b> $x$ :smile:",
}


@dataclass(frozen=True)
class BakedProject:
    """A project that cookiecutter made."""

    path: Path

    def read(self, name: str) -> str:
        return (self.path / name).read_text("utf-8")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, "utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        """Put a text in the place of another one, which has to be there."""
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def set_constant(self, file: str, name: str, value: object) -> None:
        """Give a module's constant another value."""
        [line] = [line for line in self.read(file).splitlines() if line.startswith(f"{name} =")]
        self.change(file, line, f"{name} = {value}")

    def trust_the_tests(self) -> None:
        """Have nginx trust the tests as it trusts Heroku's router."""
        trusted = "set_real_ip_from {};".format
        self.change("apphub/nginx/http.conf", trusted("10.0.0.0/8"), trusted("127.0.0.0/8"))

    @property
    def menu(self) -> list[dict]:
        return json.loads(self.read("apps.json"))

    def add_to_menu(self, *entries: dict) -> None:
        self.write("apps.json", json.dumps([*self.menu, *entries]))

    @property
    def files(self) -> dict[str, bytes]:
        """Every file's path and content, but for what Python keeps when it imports one."""
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file() and path.parent.name != "__pycache__"
        }


def tree(path: Path) -> dict[str, bytes]:
    """Every file of a project but the two that differ from run to run."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
        and file.name not in (".htpasswd", ".cruft.json")
        and ".git" not in file.relative_to(path).parts
    }


def git(*arguments: object, cwd: Path = ROOT) -> str:
    """Run git as somebody, and return what it prints."""
    somebody = ["-c", "user.name=Anna", "-c", "user.email=anna@example.com"]
    command = ["git", *somebody, *arguments]
    ended = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
    return ended.stdout.strip()


def commit(repository: Path, message: str) -> None:
    """Commit all that is in a folder, which becomes a repository if it is none."""
    if not (repository / ".git").exists():
        git("init", "-q", "-b", "main", cwd=repository)
    git("add", "-A", cwd=repository)
    git("commit", "-q", "--allow-empty", "-m", message, cwd=repository)
