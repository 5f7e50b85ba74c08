"""nginx on this computer: its configuration, as on Heroku but for localhost, and its command."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from apphub.files import write_atomically
from apphub.paths import NGINX_CONF as TEMPLATE
from apphub.serve.process_group import LOG_FOLDER, NGINX_CONF

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# nginx checks a bcrypt hash with the system's crypt(3), and that of macOS does not know bcrypt.
SUPPORTS_BCRYPT = sys.platform != "darwin"

# nginx older than this has no -e: it warns of a log that belongs to root, and continues.
FIRST_WITH_ERROR_LOG_OPTION = (1, 19, 5)


def write_configuration(root: Path, erb: str, port: int, environment: Mapping[str, str]) -> None:
    """Render the user's configuration into config/nginx.conf, and create nginx's log folder.

    Args:
        root: the project's folder.
        erb: the path of Ruby's erb.
        port: where nginx is to listen.
        environment: the environment of a dyno, PORT included.

    Raises:
        click.ClickException: erb fails.
    """
    result = subprocess.run(
        [erb, TEMPLATE],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    if result.returncode:
        raise click.ClickException(f"{TEMPLATE}: erb cannot render it:\n{result.stderr}")
    text = adapt_for_localhost(result.stdout, port)
    if f"listen 127.0.0.1:{port}" not in text:
        click.echo(
            f"Warning: {TEMPLATE} has no plain `listen {port}`, so your network may reach nginx."
        )
    write_atomically(root / NGINX_CONF, text.encode("utf-8", "surrogateescape"), mode=0o600)
    (root / LOG_FOLDER).mkdir(parents=True, exist_ok=True)


def adapt_for_localhost(text: str, port: int) -> str:
    """Return nginx's configuration for this computer.

    It listens at localhost only, and errors go to the terminal.
    """
    text = re.sub(rf"(?m)^(\s*listen\s+){port}(?=[\s;])", rf"\g<1>127.0.0.1:{port}", text)
    return re.sub(r"(?m)^(\s*error_log\s+)logs/nginx/error\.log", r"\1stderr", text)


def set_shared_password(htpasswd: Path) -> str:
    """Give all users in nginx's file one new password, and return it.

    It is hashed as {SSHA}, which nginx checks without crypt(3):
    https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html#auth_basic_user_file
    """
    password = secrets.token_hex(8)
    lines = []
    for line in htpasswd.read_text("ascii").splitlines():
        salt = secrets.token_bytes(16)
        # The scheme has SHA-1; the password is random and for one run.
        digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest() + salt
        lines.append(f"{line.partition(':')[0]}:{{SSHA}}{base64.b64encode(digest).decode()}\n")
    write_atomically(htpasswd, "".join(lines), mode=0o600)
    return password


def nginx_command(nginx: str, root: Path) -> list[str]:
    """Return the command that runs nginx in the foreground.

    Args:
        nginx: the path of the program.
        root: the project's folder.
    """
    command = [nginx, "-p", str(root), "-c", NGINX_CONF]
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
    if tuple(map(int, re.findall(r"\d+", version)[:3])) >= FIRST_WITH_ERROR_LOG_OPTION:
        command += ["-e", "stderr"]
    if os.geteuid() == 0:
        # On a dyno one user runs everything. Here root's nginx would run its workers as nobody,
        # who could not read the hashes.
        import grp
        import pwd

        command += ["-g", f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"]
    return command


def check_configuration(root: Path, command: list[str]) -> None:
    """Raise click.ClickException unless nginx accepts its configuration.

    Args:
        root: the project's folder.
        command: as nginx_command() returns it.
    """
    result = subprocess.run(
        [*command, "-t", "-q"], cwd=root, capture_output=True, text=True, check=False
    )
    if not result.returncode:
        return
    line = ""
    if place := re.search(r"config/nginx\.conf:(\d+)$", result.stderr, re.MULTILINE):
        lines = (root / NGINX_CONF).read_text("utf-8", "surrogateescape").splitlines()
        line = f"\nThe line is: {lines[int(place[1]) - 1].strip()}"
    raise click.ClickException(f"{TEMPLATE}: nginx rejects it:\n{result.stderr.strip()}{line}")
