"""What the environment and app.json say, read and checked."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apphub.finding import Finding, InvalidFile
from apphub.paths import ROOT
from apphub.text import replace_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# A Content-Security-Policy takes it as a source: https://www.w3.org/TR/CSP3/#framework-directive-source-list
ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?")
# A variable of the hub's own: "1" behind nginx; under `manage.py run` each script's URL, in JSON.
SCRIPT_ADDRESSES = "APPHUB_SCRIPTS"
MIN_SECRET_BYTES = 32
DEFAULT_NAME = "Apps"
MAX_STREAMLIT_PROCESSES = 99
MAX_NGINX_WORKERS = 999
MAX_IDLE_MINUTES = 1440


@dataclass(frozen=True)
class Settings:
    """The environment's variables that this project reads.

    Attributes:
        session_secret: the key of the sessions' HMAC; "" for a new one at each start.
        frame_ancestors: origins that may show the apps in a frame.
        streamlit_processes: how many workers run Streamlit.
        nginx_workers: how many processes nginx has.
        app_idle_minutes: after how many minutes without visitors a script's process ends.
    """

    session_secret: str = ""
    frame_ancestors: tuple[str, ...] = ()
    streamlit_processes: int = 1
    nginx_workers: int = 8
    app_idle_minutes: int = 15


class SettingsError(InvalidFile):
    """A variable of the environment is not valid."""


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: with a finding for each variable that is not valid.
    """
    if findings := list(_find_invalid(environ)):
        raise SettingsError(findings)
    return Settings(
        environ.get("SESSION_SECRET", ""),
        tuple(_split(environ.get("FRAME_ANCESTORS", ""))),
        int(environ.get("STREAMLIT_PROCESSES", "1")),
        int(environ.get("NGINX_WORKERS", "8")),
        int(environ.get("APP_IDLE_MINUTES", "15")),
    )


def _find_invalid(environ: Mapping[str, str]) -> Iterator[Finding]:
    for origin in _split(environ.get("FRAME_ANCESTORS", "")):
        if not ORIGIN.fullmatch(origin):
            yield Finding(
                "settings-origin",
                f"{origin!r} is not a valid origin.",
                "FRAME_ANCESTORS",
                "Each is a scheme and a host, like https://intranet.example.com or "
                "https://*.example.com, with blanks between them.",
            )
    secret = environ.get("SESSION_SECRET", "")
    if secret and len(os.fsencode(secret)) < MIN_SECRET_BYTES:
        yield Finding(
            "settings-secret-length",
            f"it is shorter than {MIN_SECRET_BYTES} characters.",
            "SESSION_SECRET",
            'Generate one: python -c "import secrets; print(secrets.token_hex(32))"',
        )
    for name, maximum, example in (
        ("NGINX_WORKERS", MAX_NGINX_WORKERS, "8"),
        ("STREAMLIT_PROCESSES", MAX_STREAMLIT_PROCESSES, "1"),
        ("APP_IDLE_MINUTES", MAX_IDLE_MINUTES, "15"),
    ):
        value = environ.get(name, example)
        if not re.fullmatch(r"[1-9][0-9]{0,3}", value) or int(value) > maximum:
            yield Finding(
                "settings-number",
                f"{value!r} is not a whole number from 1 to {maximum}.",
                name,
                f"Set it to {example}, or unset it.",
            )


def _split(origins: str) -> list[str]:
    return [origin for origin in re.split(r"[\s,]+", origins) if origin]


def on_dyno(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this runs on a Heroku dyno, behind nginx."""
    return "DYNO" in environ


def shows_errors(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a page may show a traceback: on a workstation, or where SHOW_ERRORS is 1."""
    return not on_dyno(environ) or environ.get("SHOW_ERRORS") == "1"


def project_name(root: Path = ROOT) -> str:
    """Return the project's display name: "name" in app.json, or "Apps" where there is none."""
    try:
        name = json.loads((root / "app.json").read_text("utf-8-sig"))["name"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return DEFAULT_NAME
    if not isinstance(name, str) or not name.strip():
        return DEFAULT_NAME
    return replace_surrogates(name)
