"""`python manage.py serve`: runs the full stack on this computer, as it runs on a dyno.

It does what bin/start-nginx does on Heroku: renders config/nginx.conf.erb, runs the Procfile's
command, and starts nginx when that is ready. What differs from a dyno: nginx.py, and the cookies.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import click

from apphub.build import precompress
from apphub.paths import GENERATED, ROOT
from apphub.serve import nginx, ports, procfile, programs
from apphub.serve.process_group import LOG_FOLDER, NGINX_CONF, ProcessGroup
from apphub.server import gateway
from apphub.settings import read_settings
from apphub.text import summarize
from apphub.users import load_users

STARTUP_TIMEOUT = 60  # seconds, as on Heroku
NGINX_TIMEOUT = 10


def serve(port: int, root: Path = ROOT) -> None:
    """Run the project as Heroku would, until Ctrl-C or SIGTERM, and print each step.

    Args:
        port: where nginx listens.
        root: the project's folder.

    Raises:
        click.ClickException: something is missing, in use or not valid, or a process has exited.
            The text says what, and how to fix it.
        InvalidFile: the users or the environment are not valid.
    """
    programs.check_platform()
    command = procfile.read_command(root)
    programs.check_packages()
    nginx_path, erb = programs.find_programs("nginx", "erb")
    click.echo(f"nginx is {nginx_path}, erb is {erb}.")
    ports.check_port(port)
    with suppress(KeyboardInterrupt), ProcessGroup(root) as group:
        _run(group, command, nginx_path, erb, port)
    click.echo(f"\nStopped. Deleted {NGINX_CONF}, {GENERATED}/ and {LOG_FOLDER}/.")


def _run(group: ProcessGroup, command: str, nginx_path: str, erb: str, port: int) -> None:
    """Start everything in its order, and wait. It ends only by an exception.

    Raises:
        click.ClickException: something does not start, or has exited.
        KeyboardInterrupt: the user has stopped it.
    """
    environment = make_environment(group, port)
    _precompress()
    nginx.write_configuration(group.root, erb, port, environment)
    _start_streamlit(group, command, environment)
    users, password = _write_rules(group, environment)
    start_nginx = nginx.nginx_command(nginx_path, group.root)
    nginx.check_configuration(group.root, start_nginx)
    click.echo("config/nginx.conf.erb is rendered, and nginx accepts it.")
    group.start("nginx", start_nginx, environment)
    not_listening = f"nginx does not listen at port {port}: see `listen` in config/nginx.conf.erb."
    group.wait(lambda: ports.is_listening(port), NGINX_TIMEOUT, not_listening)
    click.echo("nginx is ready.")
    _show_address(port, users, password)
    group.wait(lambda: False)


def make_environment(group: ProcessGroup, port: int) -> dict[str, str]:
    """Return the environment of the processes: this one's, and what Heroku adds.

    Args:
        group: the processes.
        port: where nginx listens.
    """
    python = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([python, os.environ.get("PATH", os.defpath)]),
        "PORT": str(port),
        "PYTHONPATH": str(group.root),
        "PYTHONUNBUFFERED": "true",
        "RUNTIME_DIRECTORY": str(group.runtime),
    }


def is_ready(group: ProcessGroup) -> bool:
    """Return whether nginx may start: whether the file exists that bin/start-nginx waits for.

    The supervisor creates the file when it exits, too, so something has to listen at its socket.
    A command that serves elsewhere is believed after a second, when a failed start has exited.
    """
    try:
        age = time.time() - group.ready.stat().st_mtime
    except FileNotFoundError:
        return False
    return age > 1 or ports.is_listening(group.socket)


def _precompress() -> None:
    try:
        precompress.main()
    except OSError as error:
        click.echo(f"Static assets were not compressed: {error.strerror}: {error.filename}")


def _start_streamlit(group: ProcessGroup, command: str, environment: dict[str, str]) -> None:
    click.echo(f"Starting Streamlit: {command}")
    started = time.monotonic()
    shell = shutil.which("bash") or "sh"  # Heroku's is bash
    group.start("Streamlit", [shell, "-c", command], environment)
    message = f"Streamlit is not ready after {STARTUP_TIMEOUT} s. Heroku would stop it now, too."
    group.wait(lambda: is_ready(group), STARTUP_TIMEOUT, message)
    click.echo(f"Streamlit is ready after {time.monotonic() - started:.1f} s.")


def _write_rules(group: ProcessGroup, environment: dict[str, str]) -> tuple[list[str], str]:
    """Write what nginx reads in place of what the supervisor has written: here it is for localhost.

    Returns:
        The names of the users; and the password of this run, "" where all have their own.
    """
    users, settings = load_users(group.root, environment), read_settings(environment)
    gateway.write_rules(users, settings, group.root, local=True, runtime=group.runtime)
    password = ""
    if not nginx.SUPPORTS_BCRYPT:
        password = nginx.set_shared_password(group.root / GENERATED / "htpasswd")
    return [user.name for user in users], password


def _show_address(port: int, users: list[str], password: str) -> None:
    click.echo(f"\nhttp://localhost:{port}   Users: {summarize(users)}")
    if password:
        click.echo(
            "nginx cannot check bcrypt hashes on macOS. In this run all users have one password: "
            f"{password}"
        )
    click.echo(f"Log: {LOG_FOLDER}/access.log. Restart to pick up code changes.")
    click.echo("Press Ctrl-C to stop.\n")
