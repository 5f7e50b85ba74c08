"""Logging in logfmt: each line has its level, its user and its app.

    at=error user=anna.b app=sales_report apps: Sales Report has failed
    at=error user=anna.b app=sales_report apps: Traceback (most recent call last):

Each line of a traceback has them, too: one search finds all of it, and nobody can forge a line.
nginx's lines begin alike (nginx/http.conf). What an app prints stays as it is.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from weakref import WeakKeyDictionary

from streamlit import logger as streamlit_logger
from streamlit.runtime.scriptrunner import get_script_run_ctx

ONE_WORD = re.compile(r"[\w.@-]+")
# They would move a terminal's cursor, and one line to the place of another.
CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if n != ord("\t")}

# The app that each session has open. A part of a page, and a callback, run without the launcher.
_current_apps: WeakKeyDictionary[object, str] = WeakKeyDictionary()
# The handler of the root logger, and the app that a process has where it has one only.
_handler: logging.Handler | None = None
_process_app = ""


def set_current_app(name: str) -> None:
    """Remember which app the session of this script run has open; "" for none."""
    if run := get_script_run_ctx(suppress_warning=True):
        _current_apps[run.pages_manager] = name


def log_context() -> dict[str, str]:
    """Return the user and the app of this thread's script run, as far as there are any."""
    run = get_script_run_ctx(suppress_warning=True)
    # As nginx sent it, by server.trustedUserHeaders (server/streamlit_config.py).
    context = {
        "user": str(run.user_info.get("name") or "") if run else "",
        "app": _process_app or (_current_apps.get(run.pages_manager, "") if run else ""),
    }
    return {key: value for key, value in context.items() if value}


class LogfmtFormatter(logging.Formatter):
    """Begins each line of a record with its level, user and app."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        context = {"at": level, **log_context()}
        words = [f"{key}={quote_value(value)}" for key, value in context.items()]
        begin = f"{' '.join(words)} {record.name}: "
        lines = super().format(record).splitlines() or [""]
        return "\n".join(begin + line.translate(CONTROLS) for line in lines)


def quote_value(value: str) -> str:
    """Return the value as one word, in quotes where it is more than one."""
    return value if ONE_WORD.fullmatch(value) else json.dumps(value)


def configure_logging(app: str = "") -> None:
    """Have all loggers write logfmt. Call it after uvicorn has configured its own logging.

    Args:
        app: the app whose process this is; "" for the hub's, which has several.
    """
    global _handler, _process_app
    _process_app = app
    _handler = logging.StreamHandler()
    _handler.setFormatter(LogfmtFormatter())
    root = logging.getLogger()
    root.addHandler(_handler)

    def propagate(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = logger.name != "uvicorn.access"  # nginx logs requests

    # Streamlit gives each of its loggers, and uvicorn's, a handler of its own, later ones, too.
    streamlit_logger.setup_formatter = propagate
    streamlit_logger.update_formatter()
    # Below that it logs the address of each WebSocket, with its query string.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

    basic_config = logging.basicConfig

    def set_level_only(**given: Any) -> None:
        """Add no handler, even with force=True: there is one already. The level has an effect."""
        basic_config(**{**given, "force": False})
        if given.get("level") is not None:
            root.setLevel(given["level"])

    logging.basicConfig = set_level_only


def repair_logging() -> None:
    """Undo what an app's logging.config would do to the log of the others.

    dictConfig() and fileConfig() replace the root logger's handlers and disable all loggers that
    exist. The levels stay as the app has set them.
    """
    root = logging.getLogger()
    if _handler and root.handlers != [_handler]:
        root.handlers[:] = [_handler]
    if root.manager.disable:
        logging.disable(logging.NOTSET)
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.disabled:
            logger.disabled = False
