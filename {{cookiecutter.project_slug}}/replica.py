"""Serves app.py to nginx over a unix socket: one process of Streamlit. server.py starts it.

    python replica.py SOCKET PIPE

PIPE is the number of a file descriptor: a byte is written there once the socket answers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LONGEST_REQUEST = 5  # seconds that an open one has when SIGTERM comes
LONGEST_SCRIPT = 10  # and then a running script


def serve(address: str, pipe: int) -> None:
    """Serve app.py at a socket's path until SIGTERM.

    Raises:
        SystemExit: Streamlit could not start; the log says why.
    """
    os.set_inheritable(pipe, False)

    import streamlit as st
    import uvicorn

    import log
    from page import Page

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.should_exit:
                return
            await page.prepare()
            # Streamlit runs and the socket is open: the first request will be answered.
            os.write(pipe, b"1")
            self.sweeping = asyncio.create_task(sweep())

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            await asyncio.to_thread(wait_for_scripts)

    take_settings()
    option = st.config.get_option
    ping = option("server.websocketPingInterval") or 30
    page = Page(st.App(ROOT / "app.py"))
    server = Server(
        uvicorn.Config(
            page,
            uds=address,
            # An exception while Streamlit starts ends the process ("auto" would serve on without).
            lifespan="on",
            # Said here because Heroku sets WEB_CONCURRENCY=2 and FORWARDED_ALLOW_IPS=*, and uvicorn
            # obeys both. A session lives in one process. nginx alone can reach the socket, and it
            # sends one X-Forwarded-For address, which no client can choose.
            workers=1,
            proxy_headers=True,
            forwarded_allow_ips="*",
            # Quicker than asyncio and h11 by a third, where they are installed.
            loop="auto",
            http="auto",
            # Longer than nginx keeps an idle connection (30 s), so that uvicorn never closes one
            # just as nginx sends a request down it.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=LONGEST_REQUEST,
            # What `streamlit run` tells uvicorn.
            ws="websockets-sansio",
            ws_ping_interval=ping,
            ws_ping_timeout=ping,
            ws_max_size=int(option("server.maxMessageSize") * 1e6),
            ws_per_message_deflate=option("server.enableWebsocketCompression"),
            access_log=False,
        )
    )
    log.set_up()
    server.run()


def wait_for_scripts() -> None:
    """Wait for the scripts that run: Streamlit has told them to end at their next st.something."""
    until = time.monotonic() + LONGEST_SCRIPT
    for thread in threading.enumerate():
        if thread.name == "ScriptRunner.scriptThread":
            thread.join(max(0, until - time.monotonic()))


async def sweep() -> None:
    """Keep what has been there for long out of the garbage collector's way.

    Streamlit collects garbage after each run of a script. With pandas imported it looks at 300,000
    objects then, which takes longer than most scripts do. Here they are set aside, so that it
    looks at what is new; all are looked at after an import, and every ten seconds of use.
    """
    modules, collections, age = 0, 0, 0
    while True:
        in_use = gc.get_stats()[2]["collections"] != collections
        if len(sys.modules) != modules or (in_use and age >= 10):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            modules, collections, age = len(sys.modules), gc.get_stats()[2]["collections"], 0
        await asyncio.sleep(1)
        age += 1


def take_settings() -> None:
    """Take Streamlit's settings from the environment, as `streamlit run` does, and add the dyno's."""
    from streamlit import config

    from hub import errors_are_shown
    from users import USER_HEADER

    if any(name.startswith("STREAMLIT_") for name in os.environ):
        import click
        from streamlit.web import bootstrap, cli

        @click.command()
        @cli.configurator_options
        def settings(**given: object) -> None:
            bootstrap.load_config_options(flag_options=given)

        settings(args=[], standalone_mode=False)
    if config.get_option("server.fileWatcherType") == "auto":
        config.set_option("server.fileWatcherType", "none")  # a dyno's files never change
    if not errors_are_shown():
        # What launcher.py does not see: an error in a fragment, or in a widget's callback.
        config.set_option("client.showErrorDetails", "none")
    # Whose session it is: without it Streamlit would let one user go on with another's, by its
    # number. It is in st.user, too.
    config.set_option("server.trustedUserHeaders", {USER_HEADER: "name"})


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
