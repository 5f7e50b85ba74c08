"""A worker's process as the supervisor sees it: started, monitored, and started again."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from queue import SimpleQueue
from typing import NamedTuple

from apphub.apps import App
from apphub.paths import ROOT, worker_socket
from apphub.server.child_process import ChildProcess, describe_exit
from apphub.settings import SCRIPT_ADDRESSES

# Seconds.
STARTUP_TIMEOUT = 60  # as on Heroku
HEALTH_TIMEOUT = 60  # by then Heroku's router has closed all its WebSockets
PROBE_INTERVAL = 1

LOG_PREFIX = "at=error server: "  # as the lines of logfmt.py begin


class Report(NamedTuple):
    """What a worker reports when it is ready.

    Attributes:
        max_upload_mb: Streamlit's largest upload in MB.
        scripts: the menu's apps that have a process of their own.
    """

    max_upload_mb: int
    scripts: tuple[App, ...] = ()


class WorkerProcess(ChildProcess):
    """One worker, and the next process in its place when it has exited.

    Attributes:
        name: what the log calls it.
        ready: gets what a process reports each time that one is ready.
    """

    def __init__(self, number: int, count: int, exits: SimpleQueue[int | str]) -> None:
        """Prepare worker `number` of `count`.

        Args:
            number: from 1 on.
            count: how many workers there are. One that is the only one is not started again.
            exits: gets why the server has to exit: a status, or the text that goes with status 1.
        """
        super().__init__()
        self.name = "Streamlit" if count == 1 else f"Streamlit {number} of {count}"
        self.ready: SimpleQueue[Report] = SimpleQueue()
        self._socket = worker_socket(number)
        self._is_only_one = count == 1
        self._exits = exits

    def run(self) -> None:
        """Keep it running until terminate(), or until its second failed start in a row."""
        failures = 0
        while process := self._start():
            if report := self._read_report():
                failures = 0
                self.ready.put(report)
                reason: int | str = self._monitor(process)
            else:
                failures += 1
                reason = self._startup_error(process)
            os.close(self._pipe)
            if self._is_stopping:
                return
            if self._is_only_one or failures == 2:
                self._exits.put(reason)
                return
            if isinstance(reason, int):
                reason = self._describe_failed_start(reason)
            print(f"{LOG_PREFIX}{reason} Restarting {self.name}.", file=sys.stderr, flush=True)

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_stopping:
                return None
            self._pipe, other_end = os.pipe()
            command = [sys.executable, "-m", "apphub.server.worker"]
            self._process = subprocess.Popen(
                [*command, str(self._socket), str(other_end)],
                cwd=ROOT,
                env={**os.environ, SCRIPT_ADDRESSES: "1"},  # nginx leads to the scripts
                pass_fds=[other_end],
            )
            os.close(other_end)
            return self._process

    def _read_report(self) -> Report | None:
        """Wait until it is ready. None where it has exited before, or is not ready in time."""
        line = b""
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while not line.endswith(b"\n"):
            if not self._wait_readable(max(0, deadline - time.monotonic())):
                return None
            if not (part := os.read(self._pipe, 4096)):
                return None
            line += part
        report = json.loads(line)
        return Report(report["max_upload_mb"], tuple(map(App.from_entry, report["scripts"])))

    def _startup_error(self, process: subprocess.Popen[bytes]) -> int | str:
        try:
            status = process.wait(PROBE_INTERVAL)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"{self.name} is not ready after {STARTUP_TIMEOUT} s."
        if status > 0:
            return status  # Python has said why
        return self._describe_failed_start(status)

    def _describe_failed_start(self, status: int) -> str:
        return f"{self.name} exited while it started: {describe_exit(status)}."

    def _monitor(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for its exit, kill it where it does not answer, and return the reason."""
        last_answer = time.monotonic()
        while not self._wait_readable(PROBE_INTERVAL):
            if self._is_stopping or process.poll() is not None:
                break  # it no longer has to answer; or a child process still has the pipe open
            timeout = HEALTH_TIMEOUT
            with contextlib.suppress(OSError):
                try:
                    self._probe()
                    last_answer = time.monotonic()
                except (FileNotFoundError, ConnectionRefusedError):
                    timeout = 2 * PROBE_INTERVAL  # nobody can reach it
            if time.monotonic() - last_answer > timeout:
                process.kill()
                process.wait()
                return f"{self.name} has not answered for {timeout} s."
        return f"{self.name} exited: {describe_exit(process.wait())}."

    def _probe(self) -> None:
        """Send a health check. Any answer will do.

        Raises:
            OSError: there is no answer.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PROBE_INTERVAL)
            client.connect(str(self._socket))
            client.sendall(b"GET /_stcore/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not client.recv(1):
                raise ConnectionResetError
