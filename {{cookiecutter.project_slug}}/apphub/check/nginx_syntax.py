"""Runs `nginx -t` on the rendered configuration."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from apphub.check.nginx_render import find_program, needs_ruby, run_program
from apphub.check.nginx_rules.parsing import CONFIGURATION
from apphub.check.report import CheckSkipped
from apphub.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from apphub.check.nginx_render import LineMap
    from apphub.check.project import Project

COMMAND = "nginx -t"
EMERGENCY = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+?)(?: in (\S+):(\d+))?$", re.MULTILINE)


def check_syntax(project: Project, folder: Path, lines: LineMap) -> Finding | None:
    """Return what nginx says is wrong, or None.

    Args:
        project: the project.
        folder: its copy with the rendered configuration.
        lines: finds the lines of config/nginx.conf.erb.

    Raises:
        CheckSkipped: erb or nginx is not installed, or nginx lacks a part that Heroku's has.
    """
    if needs_ruby(project):
        raise CheckSkipped("erb is not installed here, and the file has Ruby of its own", COMMAND)
    if project.on_heroku:
        raise CheckSkipped(part=COMMAND)  # the build has no nginx yet
    if sys.platform == "win32":
        raise CheckSkipped("it requires Linux or macOS", COMMAND)
    if not find_program("nginx", project.environ):
        raise CheckSkipped("nginx is not installed here", COMMAND)
    process = run_program(
        folder,
        project.environ,
        *("nginx", "-t", "-p", str(folder), "-c", CONFIGURATION, "-e", "stderr"),
    )
    if not process.returncode:
        return None
    stderr = process.stderr.replace(f"{folder}/config/../", "").replace(f"{folder}/", "")
    emergency = EMERGENCY.search(stderr)
    if not emergency or 'unknown directive "more_' in stderr:
        message = emergency[1] if emergency else stderr.strip()
        raise CheckSkipped(f"nginx here says: {message}", COMMAND)
    message, file, line = emergency.groups()
    where = lines.locate(file or CONFIGURATION, int(line) if line else None)
    return Finding("nginx-syntax", f"nginx refuses it: {message}.", where)
