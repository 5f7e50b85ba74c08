"""The log: what Python writes there says how bad it is, whose page it was, and which app's.

    at=error user=anna.b app=sales_report apps: Sales Report has failed
    at=error user=anna.b app=sales_report apps: Traceback (most recent call last):

Each line does, a traceback's too: one search finds all of it, and no line is anybody else's. nginx's
lines begin alike (config/nginx.conf.erb). What an app prints stays as it is.
"""

from __future__ import annotations

import json
import logging
import re
from weakref import WeakKeyDictionary

from streamlit import logger as streamlits
from streamlit.runtime.scriptrunner import get_script_run_ctx

PLAIN = re.compile(r"[\w.@-]+")
# They would move a terminal's cursor, and a line into another one's place.
CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if n != ord("\t")}

# The app that each session has open. A part of a page, and a callback, run without the launcher.
_open: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def note_app(name: str) -> None:
    """Note which app the session of this run has open from now on; "" for none."""
    if run := get_script_run_ctx(suppress_warning=True):
        _open[run.pages_manager] = name


def whose() -> dict[str, str]:
    """Return the user and the app of the run that this thread is in, as far as there are any."""
    run = get_script_run_ctx(suppress_warning=True)
    if not run:
        return {}
    # As nginx said it, by server.trustedUserHeaders (replica.py).
    named = {"user": str(run.user_info.get("name") or ""), "app": _open.get(run.pages_manager, "")}
    return {key: value for key, value in named.items() if value}


class Lines(logging.Formatter):
    """Begins each line of a record with what is known of it."""

    def format(self, record: logging.LogRecord) -> str:
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        words = [f"{key}={field(value)}" for key, value in {"at": level, **whose()}.items()]
        begin = f"{' '.join(words)} {record.name}: "
        lines = super().format(record).splitlines() or [""]
        return "\n".join(begin + line.translate(CONTROLS) for line in lines)


def field(value: str) -> str:
    """Return the value as one word, in quotes where it is more than that."""
    return value if PLAIN.fullmatch(value) else json.dumps(value)


def set_up() -> None:
    """Write all that is logged in this style. To be called when uvicorn has set up its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.addHandler(handler)

    def hand_on(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = logger.name != "uvicorn.access"  # nginx has it all

    # Streamlit gives each of its loggers, and uvicorn's, a handler of its own, the later ones too.
    streamlits.setup_formatter = hand_on
    streamlits.update_formatter()
    # Below that it logs the address of each WebSocket, with its query string.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

    basic_config = logging.basicConfig

    def basic_config_here(**given: object) -> None:
        """It does nothing where there is a handler already; the level that an app wants counts."""
        basic_config(**given)
        if given.get("level") is not None:
            root.setLevel(given["level"])

    logging.basicConfig = basic_config_here
