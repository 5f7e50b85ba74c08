"""`python manage.py run`: the hub with all apps on this computer, without nginx and a login.

Modules run in the hub. A script runs in a process of its own, which the first visitor of its port
starts, as on a server. A saved file counts at once.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from apphub.finding import InvalidInput
from apphub.menu import load_menu
from apphub.paths import ROOT
from apphub.registry import find_app
from apphub.serve import ports
from apphub.serve.process_group import handle_signals
from apphub.server.app_processes import BACKLOG, AppProcesses
from apphub.settings import SCRIPT_ADDRESSES, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from apphub.apps import App

SHUTDOWN_TIMEOUT = 10  # seconds
LOCALHOST = "127.0.0.1"  # nobody else reaches the apps, which have no login here


def run(name: str | None, port: int, root: Path = ROOT) -> None:
    """Run the hub, or one app as it runs in the hub, until Ctrl-C.

    Args:
        name: the app's name, its address or its file; None for the hub with all apps.
        port: where the hub listens, or a script that runs alone. Other scripts get the next ones.
        root: the project's folder.

    Raises:
        InvalidInput: there is no such app, or apps.json is not valid (MenuError).
        click.ClickException: scripts cannot run here, a port is in use, or Streamlit has exited.
    """
    app = find_app(name, root) if name else None
    is_alone = bool(app and app.script)
    scripts = [app] if app and is_alone else [each for each in load_menu(root) if each.script]
    if scripts and os.name == "nt":
        raise InvalidInput("Scripts need sockets that Windows does not have. Use WSL.")
    ports.check_port(port, "run")
    handle_signals(signal.default_int_handler)  # so that no process is left
    os.environ.setdefault("STREAMLIT_SERVER_RUN_ON_SAVE", "true")
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        listeners = [
            stack.enter_context(listener)
            for listener in bind_ports(len(scripts), port if is_alone else port + 1)
        ]
        addresses = {
            script.url_path: f"http://localhost:{listener.getsockname()[1]}{quote(script.address)}"
            for script, listener in zip(scripts, listeners, strict=True)
        }
        start_scripts(stack, scripts, listeners)
        if app and is_alone:
            click.echo(f"{addresses[app.url_path]}   Press Ctrl-C to stop.")
            Event().wait()
        run_hub(port, addresses, quote(app.address) if app else "", root)
    click.echo("\nStopped.")


def bind_ports(count: int, first: int) -> Iterator[socket.socket]:
    """Yield sockets that listen at the first ports from `first` on that are free."""
    port = first
    for _ in range(count):
        while True:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOCALHOST, port))
            except OSError:
                listener.close()
                if port == ports.MAX_PORT:
                    raise click.ClickException(
                        f"No port from {first} on is free. Stop another program."
                    ) from None
            else:
                break
            finally:
                port += 1
        listener.listen(BACKLOG)
        listener.setblocking(False)
        yield listener


def start_scripts(
    stack: ExitStack, scripts: Sequence[App], listeners: Sequence[socket.socket]
) -> None:
    """Wait for visitors of the scripts. Their processes end with the stack."""
    processes = AppProcesses(read_settings().app_idle_minutes)
    stack.callback(lambda: processes.join(time.monotonic() + SHUTDOWN_TIMEOUT))
    stack.callback(processes.terminate)
    for app, listener in zip(scripts, listeners, strict=True):
        processes.add(app, 1, listener)
    Thread(target=processes.run, daemon=True).start()


def run_hub(port: int, addresses: dict[str, str], path: str, root: Path) -> None:
    """Run the hub by `streamlit run`, until it exits.

    Args:
        port: where it listens.
        addresses: where the scripts are.
        path: the address of the app that is opened first.
        root: the project's folder.

    Raises:
        click.ClickException: it has exited by itself.
        KeyboardInterrupt: the user has stopped it.
    """
    options = {
        "server.port": str(port),
        "server.address": LOCALHOST,
        "browser.serverAddress": "localhost",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    click.echo(f"Starting the hub: http://localhost:{port}{path}")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", *words],
        cwd=root,
        env={**os.environ, SCRIPT_ADDRESSES: json.dumps(addresses)},
    )
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(SHUTDOWN_TIMEOUT)
        process.kill()
        raise
    if status:
        raise click.ClickException(f"Streamlit exited with status {status}; see the output above.")
