"""Checks the Procfile: Heroku has to start the supervisor, which starts nginx."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.finding import Finding
from apphub.paths import PROCFILE_COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project

HINT = f"Write: web: {PROCFILE_COMMAND}"
SUPERVISOR = re.compile(r"\bapphub\.server\b")
OLD_SUPERVISOR = re.compile(r"\bserver\.py\b")  # the template's until 2026.11.1
STREAMLIT = re.compile(r"\b(streamlit|uvicorn)\b")


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the process type web."""
    command = project.web_command
    where = "Procfile"
    if not command:
        yield Finding(
            "procfile-no-web",
            "no line begins with web:, so Heroku would start nothing.",
            where,
            HINT,
        )
    elif SUPERVISOR.search(command):
        if "start-nginx" not in command:
            yield Finding(
                "procfile-no-nginx",
                "the line web: does not name bin/start-nginx. Without nginx nobody can reach the "
                "apps.",
                where,
                HINT,
                "warning",
            )
    elif OLD_SUPERVISOR.search(command):
        yield _check_old_form(project, where)
    elif STREAMLIT.search(command):
        yield Finding(
            "procfile-no-supervisor",
            "the line web: starts Streamlit without nginx in front of it, so nobody would be asked "
            "for a password.",
            where,
            HINT,
        )
    else:
        yield Finding(
            "procfile-unknown-command",
            f"the line web: does not name apphub.server. Whatever it starts has to run "
            f"`{PROCFILE_COMMAND}`.",
            where,
            severity="warning",
        )


def _check_old_form(project: Project, where: str) -> Finding:
    """Return a finding for a line that starts server.py. An update leaves one that works."""
    if "apphub" in project.text("server.py"):
        text = "the line web: starts server.py, which a later version of the template removes."
        return Finding("procfile-outdated", text, where, HINT, "warning")
    text = (
        "the line web: starts server.py, which is not the template's."
        if project.has("server.py")
        else "the line web: starts server.py, which does not exist."
    )
    return Finding("procfile-server-missing", text, where, HINT)
