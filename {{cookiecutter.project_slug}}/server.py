"""Serves app.py to nginx over a unix socket, and says when it is ready.

The Procfile starts this under bin/start-nginx, which waits for the file /tmp/app-initialized
before it starts nginx. On a laptop use `streamlit run app.py` instead.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOCKET = "/tmp/streamlit.socket"  # config/nginx.conf.erb connects to it
READY = Path("/tmp/app-initialized")  # the buildpack's name
NGINX = ROOT / "config" / "nginx.conf"  # what start-nginx has rendered


def serve() -> None:
    """Serve app.py until SIGTERM.

    Raises:
        SystemExit: there is no door, or Streamlit could not start; the log says why.
    """
    os.chdir(ROOT)
    if NGINX.exists() and not NGINX.stat().st_size:
        raise SystemExit(
            "config/nginx.conf.erb could not be rendered, so there is no door: its reason stands "
            "above. Mend it and deploy, or see `heroku config`."
        )

    import streamlit as st
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # Streamlit runs and the socket is open: the first request will be answered.
            READY.touch()

    take_settings()
    option = st.config.get_option
    ping = option("server.websocketPingInterval") or 30
    config = uvicorn.Config(
        st.App(ROOT / "app.py"),
        uds=SOCKET,
        # An exception while Streamlit starts ends the process ("auto" would serve on without it).
        lifespan="on",
        # Said here because Heroku sets WEB_CONCURRENCY=2 and FORWARDED_ALLOW_IPS=*, and uvicorn
        # obeys both. A session lives in one process. nginx alone can reach the socket, and it
        # sends one X-Forwarded-For address, which no client can choose.
        workers=1,
        proxy_headers=True,
        forwarded_allow_ips="*",
        # Longer than nginx keeps an idle connection (30 s), so that uvicorn never closes one
        # just as nginx sends a request down it.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        # What `streamlit run` tells uvicorn.
        ws="websockets-sansio",
        ws_ping_interval=ping,
        ws_ping_timeout=ping,
        ws_max_size=int(option("server.maxMessageSize") * 1e6),
        ws_per_message_deflate=option("server.enableWebsocketCompression"),
        access_log=False,
    )
    Server(config).run()


def take_settings() -> None:
    """Take Streamlit's settings from the environment, as `streamlit run` does, and add the dyno's."""
    from streamlit import config

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
    # Whose session it is: without it Streamlit would let one user go on with another's, by its
    # number. It is in st.user, too.
    config.set_option("server.trustedUserHeaders", {USER_HEADER: "name"})


if __name__ == "__main__":
    READY.unlink(missing_ok=True)
    try:
        serve()
    finally:
        # start-nginx waits for this file and does not notice that this process has ended.
        # With the file there it sees it within a second and ends the dyno, rather than hang.
        READY.touch()
