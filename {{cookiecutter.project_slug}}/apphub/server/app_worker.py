"""A script's process: serves one Streamlit app, unchanged. The supervisor starts it.

    python -P apphub/server/app_worker.py SCRIPT LISTENER PIPE MINUTES

It runs in the folder that `streamlit run` would be started in. LISTENER and PIPE are the numbers of
file descriptors: a socket that listens, and where it reports to (see app_server.py). After so many
MINUTES without visitors it exits; 0 is for never.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apphub.apps import App

ROOT = str(Path(__file__).resolve().parents[2])
# Where it has no memory left, the system ends the apps first, and not nginx or the hub.
OOM_SCORE = "300"


def serve(app: App, listener: int, pipe: int, minutes: float) -> None:
    """Serve the script at the socket until SIGTERM, or until there are no visitors.

    Args:
        app: the script.
        listener: the file descriptor of the socket.
        pipe: the file descriptor to report to.
        minutes: after how many minutes without visitors it exits; 0 for never.

    Raises:
        SystemExit: Streamlit could not start; the log says why.
    """
    for descriptor in (listener, pipe):  # not for what the app starts
        os.set_inheritable(descriptor, False)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)

    import streamlit as st

    from apphub import app_secrets, logfmt
    from apphub.server.app_server import AppServer
    from apphub.server.index_page import IndexPageMiddleware
    from apphub.server.streamlit_config import load_app_config

    logfmt.configure_logging(app.url_path)
    sys.excepthook = log_exception
    script = str(app.find())
    # Before the configuration is read: it includes that of the script's folder.
    streamlit = st.App(script, secrets=app_secrets.load())
    load_app_config(app)
    # As configure_logging() has set it: reading the configuration sets one level for all.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = AppServer(IndexPageMiddleware(streamlit), pipe, minutes)
    # As `streamlit run` does it: from here on the app's modules come before all others.
    sys.argv = [script]
    sys.path.insert(0, str(Path(script).parent))
    server.run([socket.socket(fileno=listener)])
    if not server.started:
        sys.exit(3)


def log_exception(*error: Any) -> None:
    """Log what ends the process, each line with the app's name."""
    logging.getLogger("server").error("The app could not be started", exc_info=error)


def main() -> None:
    """Serve what the command line names."""
    from apphub.apps import App

    script, listener, pipe, minutes = sys.argv[1:]
    serve(App(script, script=script), int(listener), int(pipe), float(minutes))


if __name__ == "__main__":
    # Last: the project's modules replace nobody else's. On a dyno it is in PYTHONPATH.
    sys.path[:] = [*(path for path in sys.path if path != ROOT), ROOT]
    main()
