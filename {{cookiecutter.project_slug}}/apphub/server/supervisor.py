"""The supervisor: starts the workers and, once they answer, nginx; and monitors all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from apphub import app_secrets
from apphub.finding import Finding, InvalidFile
from apphub.paths import READY, ROOT
from apphub.server import gateway
from apphub.server.app_processes import AppProcesses
from apphub.server.worker_process import LOG_PREFIX, WorkerProcess
from apphub.settings import Settings, read_settings
from apphub.users import User, load_users

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SHUTDOWN_TIMEOUT = 20  # seconds; Heroku kills what is there after 30


def main(start_nginx: Sequence[str]) -> None:
    """Serve app.py until SIGTERM, or until something has exited that nothing else replaces.

    Args:
        start_nginx: the command that starts nginx, such as ["bin/start-nginx"]; empty where
            something else starts it, once the file READY is there.

    Raises:
        SystemExit: always. The reason is the last line of the log.
    """
    READY.unlink(missing_ok=True)
    gateway.clear()  # fails before READY is there: nginx must not read an earlier start's files
    try:
        settings, users = load_access()
        reason = supervise(settings, users, start_nginx)
        raise SystemExit(f"{LOG_PREFIX}{reason}" if isinstance(reason, str) else reason)
    finally:
        # Where bin/start-nginx was started first and waits for the file, it does not notice that
        # its command has exited. It starts nginx now, which fails without config/generated/.
        READY.touch()


def load_access(
    root: Path = ROOT, environ: Mapping[str, str] = os.environ
) -> tuple[Settings, list[User]]:
    """Return the environment's settings and the users.

    Args:
        root: the project's folder.
        environ: the environment.

    Raises:
        SystemExit: one of them is not valid: then nothing is started (fail closed).
    """
    findings: list[Finding] = []
    try:
        settings = read_settings(environ)
    except InvalidFile as error:
        findings += error.findings
    try:
        users = load_users(root, environ)
    except InvalidFile as error:
        findings += error.findings
    try:
        app_secrets.load_project(root, environ)
    except InvalidFile as error:
        findings += error.findings
    if findings:
        lines = ["nginx was not started. Fix this first:"]
        lines += map(str, findings)
        raise SystemExit("\n".join(f"{LOG_PREFIX}{line}" for line in lines))
    return settings, users


def supervise(settings: Settings, users: Sequence[User], start_nginx: Sequence[str]) -> int | str:
    """Start everything, wait for the first exit that ends the server, and stop the rest.

    Returns:
        The exit status, or the text that goes with status 1.
    """
    exits: SimpleQueue[int | str] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: exits.put(128 + number))
    count = settings.streamlit_processes
    workers = [WorkerProcess(number, count, exits) for number in range(1, count + 1)]
    apps = AppProcesses(settings.app_idle_minutes)

    def open_gateway() -> None:
        reports = [worker.ready.get() for worker in workers]
        apps.open(reports[0].scripts)
        gateway.write_rules(users, settings)
        gateway.write_limits(reports[0].max_upload_mb)
        gateway.write_apps(reports[0].scripts)
        READY.touch()
        if start_nginx:
            exits.put(run_nginx(start_nginx))

    def run(target: Callable[[], None]) -> None:
        try:
            target()
        except Exception as error:  # noqa: BLE001 - otherwise exits.get() would wait forever
            exits.put(f"{type(error).__name__}: {error}")

    for target in (*(worker.run for worker in workers), apps.run, open_gateway):
        Thread(target=run, args=[target], daemon=True).start()
    reason = exits.get()
    processes: list[WorkerProcess | AppProcesses] = [*workers, apps]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT
    for process in processes:
        process.join(deadline)
    return reason


def run_nginx(start_nginx: Sequence[str]) -> str:
    """Run the command that starts nginx until it exits, and return what the log says then."""
    # Under bin/start-nginx this would wait: it looks for READY once a second. Now the file is there
    # at once. The command that it monitors exits when this process does.
    follow = ["tail", f"--pid={os.getpid()}", "-f", "/dev/null"]
    try:
        subprocess.run([*start_nginx, *follow], check=False)
    except OSError as error:
        return f"{start_nginx[0]}: {error.strerror}."
    return f"{start_nginx[0]} exited; see the output above."
