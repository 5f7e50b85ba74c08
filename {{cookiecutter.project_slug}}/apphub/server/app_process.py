"""A script's process as the supervisor sees it: started by the first visitor, and monitored."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from apphub.app_secrets import environ_for_app
from apphub.finding import InvalidFile
from apphub.paths import ROOT
from apphub.server import process_memory
from apphub.server.app_listener import AppListener, Refusal, is_start_request, redirect, refuse
from apphub.server.app_messages import IDLE, READY
from apphub.server.child_process import ChildProcess, describe_exit

if TYPE_CHECKING:
    import socket

    from apphub.apps import App

# Seconds.
STARTUP_TIMEOUT = 60
HEALTH_TIMEOUT = 60  # by then Heroku's router has closed all its WebSockets
PROBE_INTERVAL = 1
RETRY_DELAY = 60  # after a failed start

MAX_CRASHES = 5  # within RETRY_DELAY: an open page starts the app again and again
APP_WORKER = "apphub/server/app_worker.py"


@dataclass(frozen=True)
class Exit:
    """How a process has ended.

    Attributes:
        text: what the log says of it; "" where the supervisor has stopped it.
        level: the level of the log line.
        message: what visitors read for a while; "" where the next one starts it again.
        is_final: whether they read it until one of them starts the app on purpose.
    """

    text: str
    level: str = "error"
    message: str = ""
    is_final: bool = False


class AppProcess(ChildProcess):
    """One process of a script, and the socket at which it is reached, with a process or without.

    The socket belongs to the supervisor: who connects while there is no process waits for it.

    Attributes:
        name: what the log calls it.
    """

    def __init__(
        self, app: App, number: int, listener: socket.socket, watcher: AppListener, minutes: int
    ) -> None:
        """Prepare process `number` of an app's. watch() or start() come next.

        Args:
            app: the script.
            number: from 1 on.
            listener: the socket, which listens.
            watcher: waits at the socket while there is no process.
            minutes: how long it runs without visitors.
        """
        super().__init__()
        several = app.processes > 1
        self.name = f"{app.url_path} {number} of {app.processes}" if several else app.url_path
        self._app = app
        self._listener = listener
        self._watcher = watcher
        self._minutes = 0 if app.always_on else minutes
        self._refusal: Refusal | None = None
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)

    def watch(self) -> None:
        """Start a process for the next visitor."""
        self._watcher.watch(self._listener, self._on_connection)

    def start(self) -> None:
        """Start a process now, in a thread."""
        Thread(target=self._run, daemon=True).start()

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        kill_tree(process)

    def _on_connection(self) -> None:
        """Start the process, which accepts the connection; or refuse it, and say why."""
        if self._refusal and time.monotonic() < self._refusal.until:
            self._watcher.accept(self._listener, self._refuse)
            return
        self._refusal = None
        self._watcher.unwatch(self._listener)
        self.start()

    def _refuse(self, address: str) -> bytes:
        refusal = self._refusal
        if refusal and refusal.until < math.inf:
            return refuse(refusal)
        # Only who opens the page starts it: the pages that are open reconnect by themselves.
        if not refusal or is_start_request(address):
            self._refusal = None
            return redirect(address)
        return refuse(refusal)

    def _run(self) -> None:
        """Run a process until it exits, and wait for the next visitor then."""
        self._log("info", f"Starting {self.name}.")
        started = time.monotonic()
        end = self._run_process()
        if self._is_stopping:
            return
        now = time.monotonic()
        if end.level == "error" and not end.message:
            self._crashes.append(now)
            if len(self._crashes) == MAX_CRASHES and now - self._crashes[0] < RETRY_DELAY:
                message = f"{self._app.name} has ended several times within a minute."
                end = Exit(end.text, message=message)
        text, starts_again = end.text, self._app.always_on and not end.message
        if end.message:
            reference = secrets.token_hex(4)
            until = math.inf if end.is_final else now + RETRY_DELAY
            self._refusal = Refusal(end.message, reference, until)
            text += f" (reference {reference})"
        self._log(end.level, f"{text}.")
        # Always on, but not in a loop: one that has just started waits for a visitor.
        if starts_again and now - started >= RETRY_DELAY:
            self.start()
        else:
            self.watch()

    def _run_process(self) -> Exit:
        cannot_start = f"{self._app.name} could not be started. The error was logged."
        try:
            process = self._start()
        except InvalidFile as error:
            text = " ".join(" ".join(map(str, error.findings)).split())
            return Exit(f"{self.name} cannot start: {text}", message=cannot_start)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other apps go on
            text = f"{self.name} cannot start: {type(error).__name__}: {error}"
            return Exit(text, message=cannot_start)
        if not process:
            return Exit("")
        try:
            if self._wait_until_ready():
                return self._monitor(process)
            return Exit(self._startup_error(process), message=cannot_start)
        finally:
            os.close(self._pipe)

    def _start(self) -> subprocess.Popen[bytes] | None:
        """Start a process; None where it is stopping.

        Raises:
            OSError: the interpreter or the app's folder is not there.
            InvalidFile: the script is not there, or the secrets are not valid.
        """
        with self._lock:
            if self._is_stopping:
                return None
            self._app.find(ROOT)
            environment = environ_for_app(self._app, os.environ, ROOT)
            pipe, other_end = os.pipe()
            try:
                self._process = subprocess.Popen(
                    self._command(other_end),
                    cwd=ROOT / self._app.folder,
                    env=environment,
                    pass_fds=[self._listener.fileno(), other_end],
                )
            except OSError:
                os.close(pipe)
                raise
            finally:
                os.close(other_end)
            self._pipe = pipe
            return self._process

    def _command(self, pipe: int) -> list[str]:
        # Without -P Python would find modules of the app's before its own.
        python = [sys.executable, "-P", str(ROOT / APP_WORKER)]
        numbers = (self._listener.fileno(), pipe, self._minutes)
        return [*python, self._app.script, *map(str, numbers)]

    def _wait_until_ready(self) -> bool:
        readable = self._wait_readable(STARTUP_TIMEOUT)
        return readable and os.read(self._pipe, 1) == READY

    def _startup_error(self, process: subprocess.Popen[bytes]) -> str:
        try:
            status = process.wait(PROBE_INTERVAL)
        except subprocess.TimeoutExpired:
            kill_tree(process)
            return f"{self.name} is not ready after {STARTUP_TIMEOUT} s"
        return f"{self.name} exited while it started: {describe_exit(status)}"

    def _monitor(self, process: subprocess.Popen[bytes]) -> Exit:
        """Wait for its exit, and kill it where it hangs or has too much memory."""
        last_sign, is_idle = time.monotonic(), False
        while True:
            if self._wait_readable(PROBE_INTERVAL):
                if not (signs := os.read(self._pipe, 4096)):
                    break
                last_sign = time.monotonic()
                is_idle = is_idle or IDLE in signs
            if process.poll() is not None:
                break  # a child of it still has the pipe open
            if self._is_stopping:
                continue  # join() waits, and kills it when the time is up
            if time.monotonic() - last_sign > HEALTH_TIMEOUT:
                kill_tree(process)
                return Exit(f"{self.name} has not answered for {HEALTH_TIMEOUT} s. It was killed")
            if self._has_too_much_memory(process):
                kill_tree(process)
                return self._end_of_memory()
        status = process.wait()
        if is_idle:
            return Exit(f"Stopped {self.name}: no visitors for {self._minutes} min", "info")
        return Exit(f"{self.name} exited: {describe_exit(status)}")

    def _has_too_much_memory(self, process: subprocess.Popen[bytes]) -> bool:
        limit = self._app.memory_mb
        return bool(limit) and process_memory.exceeds(process.pid, limit)

    def _end_of_memory(self) -> Exit:
        text = f'{self.name} used more than its "memory_mb" of {self._app.memory_mb}. It was killed'
        message = f"{self._app.name} used too much memory and was stopped. Reload the page to "
        return Exit(text, message=f"{message}start it again.", is_final=True)

    def _log(self, level: str, text: str) -> None:
        line = f"at={level} app={self._app.url_path} server: {text}"
        print(line, file=sys.stderr, flush=True)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, and wait for its end."""
    tree = process_memory.find_tree(process.pid)
    process.kill()
    for member in tree[1:]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)
    process.wait()
