"""The processes of one `manage.py serve`, which end together."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from apphub.paths import GENERATED, READY, worker_socket
from apphub.server import supervisor

SHUTDOWN_TIMEOUT: float = supervisor.SHUTDOWN_TIMEOUT + 1  # seconds
KILL_TIMEOUT = 1
NGINX_CONF = "config/nginx.conf"  # rendered, beside the user's .erb
LOG_FOLDER = "logs/nginx"

Handler = signal.Handlers | Callable[..., object]


class ProcessGroup:
    """The processes, and the files that they write. Use it as a context manager.

    Inside, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does. Afterwards no process is
    left, and none of their files.

    Attributes:
        root: the project's folder.
        runtime: a new folder for the sockets, which only this user can enter.
        socket: where the first worker listens.
        ready: the file that exists once nginx may start.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ProcessGroup:
        """Lock the project's folder, and start the group.

        Raises:
            click.ClickException: `serve` runs in this folder already.
        """
        self._lock = _lock_folder(self.root)
        # Only the owner can enter this folder: nobody else reaches Streamlit without a password.
        self.runtime = Path(tempfile.mkdtemp(prefix="streamlit-"))
        self.socket = worker_socket(1, self.runtime)
        self.ready = self.runtime / READY.name
        handle_signals(signal.default_int_handler)
        # Its input ends when this process is gone, even by SIGKILL. Then it ends the group.
        self._leader = subprocess.Popen(
            ["/bin/sh", "-c", "read -r _; kill -s TERM 0"], stdin=subprocess.PIPE, process_group=0
        )
        return self

    @property
    def id(self) -> int:
        """The number of the process group."""
        return self._leader.pid

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process in the project's folder.

        Args:
            name: what messages call it.
            command: its program and arguments.
            environment: its whole environment.
        """
        self._processes[name] = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=self.id,
        )

    def wait(
        self, condition: Callable[[], bool], timeout: float = math.inf, message: str = ""
    ) -> None:
        """Wait until the condition is true.

        Args:
            condition: asked ten times a second.
            timeout: seconds.
            message: the error's text when the time is up.

        Raises:
            click.ClickException: a process has exited, or the time is up.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self._raise_if_exited()
            if time.monotonic() > deadline:
                raise click.ClickException(message)
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        """End all processes, by force where they do not end in time, and delete their files."""
        handle_signals(signal.SIG_IGN)
        for number, timeout in ((signal.SIGTERM, SHUTDOWN_TIMEOUT), (signal.SIGKILL, KILL_TIMEOUT)):
            if self._end(number, timeout):
                break
        if self._leader.stdin:
            self._leader.stdin.close()
        (self.root / NGINX_CONF).unlink(missing_ok=True)
        for folder in (self.runtime, self.root / GENERATED, self.root / LOG_FOLDER):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # it does not exist, or has a file of the user's
            (self.root / LOG_FOLDER).parent.rmdir()
        os.close(self._lock)

    def _raise_if_exited(self) -> None:
        for name, process in self._processes.items():
            status = process.poll()
            if status is not None and status < 0:
                raise click.ClickException(f"{name} was ended by signal {-status}.")
            if status is not None:
                raise click.ClickException(
                    f"{name} exited with status {status}; see the output above."
                )

    def _end(self, number: int, timeout: float) -> bool:
        """Send all processes a signal, and return whether they have ended within the time."""
        deadline = time.monotonic() + timeout
        try:
            os.killpg(self.id, number)
            while time.monotonic() < deadline:
                for process in (self._leader, *self._processes.values()):
                    process.poll()
                os.killpg(self.id, 0)  # their children count, too
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):  # macOS: only zombies are left
            return True
        return False


def _lock_folder(root: Path) -> int:
    """Return a descriptor of the folder, locked until this process ends.

    Raises:
        click.ClickException: another process has the lock.
    """
    import fcntl  # Windows does not have it

    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise click.ClickException(
            "`python manage.py serve` is already running in this folder. Stop it first: press "
            "Ctrl-C there."
        ) from None
    return descriptor


def handle_signals(handler: Handler) -> None:
    """Handle SIGTERM and SIGHUP as Ctrl-C, by this handler."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):  # Windows lacks the last one
            signal.signal(number, handler)
