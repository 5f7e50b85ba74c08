"""A process that the supervisor has started: how it is stopped, and what is heard of it."""

from __future__ import annotations

import select
import signal
import subprocess
import time
from threading import Lock


class ChildProcess:
    """One process at a time, and the pipe that it writes to.

    A subclass starts it, under the lock and unless it is stopping.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1  # the process writes there; it closes when the process exits
        self._is_stopping = False
        self._lock = Lock()

    def terminate(self) -> None:
        """Send SIGTERM, and start no other process."""
        with self._lock:
            self._is_stopping = True
        if self._process:
            self._process.terminate()

    def join(self, deadline: float) -> None:
        """Wait for its exit, and kill it when time.monotonic() reaches the deadline."""
        if self._process:
            try:
                self._process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(self._process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()

    def _wait_readable(self, seconds: float) -> bool:
        """Wait until the process writes, or exits; False when the time is up."""
        return bool(select.select([self._pipe], [], [], seconds)[0])


def describe_exit(status: int) -> str:
    """Return how a process has exited, by what Popen.wait() returns."""
    if status >= 0:
        return f"status {status}"
    return f"signal {-status} ({signal.strsignal(-status)})"
