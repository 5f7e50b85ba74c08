"""The processes of all scripts, and the sockets at which nginx reaches them."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from apphub.paths import RUNTIME, app_socket
from apphub.server import process_memory
from apphub.server.app_listener import AppListener
from apphub.server.app_process import AppProcess

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from apphub.apps import App

BACKLOG = 2048  # as uvicorn's


class AppProcesses:
    """What the supervisor knows of the scripts: nothing of them concerns the hub or nginx."""

    def __init__(self, minutes: int, runtime: Path = RUNTIME) -> None:
        """Prepare them. open() binds their sockets.

        Args:
            minutes: how long a process runs without visitors.
            runtime: the folder of the sockets.
        """
        self._minutes = minutes
        self._runtime = runtime
        self._watcher = AppListener()
        self._processes: list[AppProcess] = []

    def run(self) -> None:
        """Wait for visitors of the scripts that have no process."""
        self._watcher.run()

    def open(self, scripts: Iterable[App]) -> None:
        """Bind the sockets, start the processes that are always on, and wait for visitors.

        Raises:
            OSError: a socket cannot be bound.
        """
        scripts = list(scripts)
        for app in scripts:
            for number in range(1, app.processes + 1):
                self.add(app, number, bind(app_socket(app.url_path, number, self._runtime)))
        if any(app.memory_mb for app in scripts) and not process_memory.IS_KNOWN:
            text = '"memory_mb" has no effect on this system: only Linux has /proc.'
            print(f"at=warning server: {text}", file=sys.stderr, flush=True)

    def add(self, app: App, number: int, listener: socket.socket) -> None:
        """Start an app's process that is always on, or wait for visitors at its socket."""
        process = AppProcess(app, number, listener, self._watcher, self._minutes)
        self._processes.append(process)
        if app.always_on:
            process.start()
        else:
            process.watch()

    def terminate(self) -> None:
        """Send SIGTERM to all, and start no others."""
        for process in self._processes:
            process.terminate()

    def join(self, deadline: float) -> None:
        """Wait until they have exited, and kill those that run at the deadline."""
        for process in self._processes:
            process.join(deadline)


def bind(path: Path) -> socket.socket:
    """Return a socket that listens at a path, in place of what is there.

    Raises:
        OSError: it cannot be bound.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o666)  # as uvicorn does it for the hub: nginx may run as another user
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
