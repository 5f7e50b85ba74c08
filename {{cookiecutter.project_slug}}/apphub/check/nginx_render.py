"""Renders config/nginx.conf.erb in a copy of the project, as bin/start-nginx does on a dyno."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from apphub.apps import App, MenuError
from apphub.check.nginx_rules.parsing import CONFIGURATION, name_place
from apphub.check.report import CheckSkipped
from apphub.finding import Finding
from apphub.menu import load_menu
from apphub.paths import NGINX_CONF
from apphub.server import gateway
from apphub.settings import Settings, SettingsError, read_settings
from apphub.users import User, UsersError, load_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apphub.check.project import Project

PORT = "8000"
# erb runs a line that begins with "%", too.
TAG = re.compile(r"<%.*?(?:%>|\Z)|^%(?!%)[^\n]*", re.DOTALL | re.MULTILINE)
# The tags that the template's file has, which need no Ruby.
PORT_TAG = re.compile(r"""<%=\s*Integer\(\s*ENV\.fetch\(\s*["']PORT["']\s*\)\s*\)\s*%>""")
WORKERS_TAG = re.compile(
    r"""<%=\s*Integer\(\s*ENV\.fetch\(\s*["']NGINX_WORKERS["']\s*,\s*["']\d+["']\s*\)\s*\)\s*%>"""
)
# In place of real password hashes and sessions, which a temporary folder must not have.
PLACEHOLDER = User("user", f"$2b$12${'x' * 53}")
SECRET = "x" * 32
MAX_UPLOAD_MB = 200
WRITTEN_AT_START = ("generated", "nginx.conf")  # in config/


class RenderError(Exception):
    """config/nginx.conf.erb cannot be rendered.

    Attributes:
        finding: what is wrong.
    """

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


@contextmanager
def copy_project(project: Project) -> Iterator[Path]:
    """Give a temporary folder with the project's files as links, and its configuration rendered.

    Raises:
        RenderError: the configuration cannot be rendered.
        CheckSkipped: the Ruby of this computer cannot render it.
    """
    with tempfile.TemporaryDirectory(prefix="check-") as temporary:
        folder = Path(temporary).resolve()
        for path in project.root.iterdir():
            if path.name not in ("config", "logs"):  # nginx and the gateway write there
                with suppress(OSError):  # Windows may allow no links
                    (folder / path.name).symlink_to(path.resolve())
        if not (folder / "apphub").exists():
            shutil.copytree(project.root / "apphub/nginx", folder / "apphub/nginx")
        shutil.copytree(
            project.root / "config",
            folder / "config",
            ignore=lambda path, _: WRITTEN_AT_START if Path(path).name == "config" else (),
            ignore_dangling_symlinks=True,
        )
        (folder / "logs/nginx").mkdir(parents=True)
        _generate(project, folder)
        (folder / CONFIGURATION).write_text(_render(project, folder), "utf-8")
        yield folder


def _generate(project: Project, folder: Path) -> None:
    """Write config/generated/, with placeholders for whatever is secret or not valid."""
    try:
        users = load_users(project.root, project.environ)
    except UsersError:  # check_access() reports it
        users = [PLACEHOLDER]
    settings = replace(_load_settings(project), session_secret=SECRET)
    users = [User(user.name, PLACEHOLDER.password_hash) for user in users]
    gateway.write_rules(users, settings, folder)
    gateway.write_apps(_load_scripts(project), folder)
    gateway.write_limits(MAX_UPLOAD_MB, folder)


def _load_settings(project: Project) -> Settings:
    try:
        return read_settings(project.environ)
    except SettingsError:  # check_access() reports it
        return Settings()


def _load_scripts(project: Project) -> list[App]:
    try:
        return [app for app in load_menu(project.root) if app.script]
    except MenuError:  # check_apps() reports it
        return []


def _render(project: Project, folder: Path) -> str:
    workers = str(_load_settings(project).nginx_workers)
    if not find_program("erb", project.environ):
        return TAG.sub(_approximate, _replace_known_tags(project.text(NGINX_CONF), workers))
    environ = {**project.environ, "NGINX_WORKERS": workers}
    process = run_program(folder, environ, "erb", NGINX_CONF)
    if process.returncode:
        raise _render_error(project, folder, process.stderr)
    return process.stdout


def needs_ruby(project: Project) -> bool:
    """Return whether the file has tags that only Ruby can render, and there is no Ruby here."""
    text = _replace_known_tags(project.text(NGINX_CONF), "8")
    return not find_program("erb", project.environ) and bool(TAG.search(text))


def _replace_known_tags(text: str, workers: str) -> str:
    return WORKERS_TAG.sub(workers, PORT_TAG.sub(PORT, text))


def _approximate(tag: re.Match[str]) -> str:
    """Return a substitute for a tag's output, so that the rules can be applied to the rest.

    That is a word within a directive, and nothing before one, which would hide the directive.
    """
    text = tag.string[: tag.start()]
    before = text[text.rfind("\n") + 1 :].strip()
    return "x" if before and before[-1] not in ";{}" else ""


def _render_error(project: Project, folder: Path, stderr: str) -> Exception:
    """Return erb's error message; CheckSkipped where this Ruby cannot render it."""
    (folder / "version").write_text("<%= RUBY_VERSION %>")
    version = run_program(folder, project.environ, "erb", "version").stdout.strip()
    message = re.sub(r"^(\S+:\d+:(in [`'].*?':)?\s*)+", "", stderr.strip().partition("\n")[0])
    if "(LoadError)" in stderr or version.startswith(("1.", "2.")):
        return CheckSkipped(f"Ruby {version} here says: {message}")
    line = re.search(rf"{NGINX_CONF}:(\d+)", stderr)
    where = name_place(NGINX_CONF, int(line[1]) if line else None)
    return RenderError(Finding("nginx-render", f"erb cannot render it: {message}", where))


def find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """Return a program's path, or None where it is not installed."""
    return shutil.which(name, path=environ.get("PATH"))


def run_program(
    folder: Path, environ: Mapping[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the dyno's in a folder, with the environment that it has there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    return subprocess.run(
        command,
        cwd=folder,
        env={**environ, "PORT": PORT, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


class LineMap:
    """Finds the lines of config/nginx.conf.erb from which lines of config/nginx.conf are."""

    def __init__(self, source: str, rendered: str) -> None:
        """Compare the two texts.

        Args:
            source: config/nginx.conf.erb.
            rendered: what it renders.
        """
        self.rendered = [line.strip() for line in rendered.splitlines()]
        self.patterns = [self._pattern(line.strip()) for line in source.splitlines()]

    @staticmethod
    def _pattern(line: str) -> re.Pattern[str]:
        """Return what matches the rendered line. A line of only tags may render anything."""
        texts = TAG.split(line)
        return re.compile(".*".join(map(re.escape, texts)) if any(texts) else "(?!)")

    def locate(self, file: str, line: int | None) -> str:
        """Return how findings name a line of a file: "config/nginx.conf.erb, line 12"."""
        if file != CONFIGURATION or not line:
            return name_place(NGINX_CONF if file == CONFIGURATION else file, line)
        found = self._find(line)
        return name_place(NGINX_CONF, found or line) + ("" if found else " of what it renders")

    def _find(self, line: int) -> int | None:
        text = self.rendered[line - 1] if line <= len(self.rendered) else ""
        matches = [
            number for number, pattern in enumerate(self.patterns, 1) if pattern.fullmatch(text)
        ]
        if line in matches:
            return line
        return matches[0] if len(matches) == 1 else None
