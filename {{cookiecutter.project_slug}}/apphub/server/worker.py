"""A worker: serves app.py to nginx over a unix socket. The supervisor starts it.

    python -m apphub.server.worker SOCKET PIPE

PIPE is the number of a file descriptor. Once the socket answers, one line of JSON is written there:
{"max_upload_mb": 200, "scripts": []}.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from apphub.paths import ROOT

if TYPE_CHECKING:
    import socket

REQUEST_GRACE = 5  # seconds that an open request has after SIGTERM
SCRIPT_GRACE = 10  # seconds that a running script has after that
PING_INTERVAL = 30  # seconds, as `streamlit run` has it


def serve(address: str, pipe: int) -> None:
    """Serve app.py at a unix socket until SIGTERM.

    Args:
        address: the socket's path.
        pipe: the file descriptor to write to when the socket answers.

    Raises:
        SystemExit: Streamlit could not start; the log says why.
    """
    os.set_inheritable(pipe, False)

    import streamlit as st
    import uvicorn

    from apphub import app_secrets, logfmt
    from apphub.server.garbage_collection import freeze_long_lived_objects
    from apphub.server.index_page import IndexPageMiddleware
    from apphub.server.streamlit_config import load_streamlit_config

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.should_exit:
                return
            await application.prepare()
            # Streamlit runs and the socket is open: the first request will be answered.
            size = int(st.config.get_option("server.maxUploadSize"))
            ready = {"max_upload_mb": size, "scripts": find_scripts()}
            os.write(pipe, json.dumps(ready).encode() + b"\n")
            self.freezing = asyncio.create_task(freeze_long_lived_objects())

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            await asyncio.to_thread(wait_for_scripts)

    load_streamlit_config()
    streamlit = st.App(ROOT / "app.py", secrets=app_secrets.load())
    application = IndexPageMiddleware(streamlit)
    server = Server(uvicorn.Config(application, uds=address, **uvicorn_options()))
    logfmt.configure_logging()
    server.run()


def uvicorn_options() -> dict[str, Any]:
    """Return how uvicorn serves Streamlit. Streamlit's configuration has been loaded."""
    from streamlit.config import get_option

    ping = get_option("server.websocketPingInterval") or PING_INTERVAL
    return {
        # An exception while Streamlit starts ends the process ("auto" would serve on without).
        "lifespan": "on",
        # Given here because Heroku sets WEB_CONCURRENCY=2 and FORWARDED_ALLOW_IPS=*, and uvicorn
        # obeys both. A session lives in one process. Only nginx can reach the socket, and it sends
        # one X-Forwarded-For address, which no client can choose.
        "workers": 1,
        "proxy_headers": True,
        "forwarded_allow_ips": "*",
        # Faster than asyncio and h11 by a third, where they are installed.
        "loop": "auto",
        "http": "auto",
        # Longer than nginx keeps an idle connection (30 s), so that uvicorn never closes one just
        # as nginx sends a request through it.
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": REQUEST_GRACE,
        # As `streamlit run` configures uvicorn.
        "ws": "websockets-sansio",
        "ws_ping_interval": ping,
        "ws_ping_timeout": ping,
        "ws_max_size": int(get_option("server.maxMessageSize") * 1e6),
        "ws_per_message_deflate": get_option("server.enableWebsocketCompression"),
        "access_log": False,
    }


def find_scripts() -> list[dict[str, Any]]:
    """Return the menu's scripts, as JSON can represent them; none where the menu is not valid.

    The supervisor does not read the menu itself: it would import Streamlit to check the icons.
    """
    from apphub.apps import MenuError
    from apphub.menu import load_menu

    try:
        return [asdict(app) for app in load_menu() if app.script]
    except MenuError as error:
        logging.getLogger("server").error("No script can be opened:\n%s", error)
        return []


def wait_for_scripts() -> None:
    """Wait for running scripts: Streamlit ends each at its next Streamlit command."""
    deadline = time.monotonic() + SCRIPT_GRACE
    for thread in threading.enumerate():
        if thread.name == "ScriptRunner.scriptThread":
            thread.join(max(0, deadline - time.monotonic()))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
