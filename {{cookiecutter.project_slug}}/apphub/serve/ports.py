"""Whether something listens at a port or at a unix socket."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 8000
MAX_PORT = 65535
CONNECT_TIMEOUT = 1  # seconds


def check_port(port: int, command: str = "serve") -> None:
    """Raise click.ClickException if another program listens at the port of a command."""
    if is_listening(port):
        other = port + 1 if port < MAX_PORT else DEFAULT_PORT
        raise click.ClickException(
            f"Port {port} is in use by another program. Use another port: "
            f"python manage.py {command} --port {other}"
        )


def is_listening(address: int | Path) -> bool:
    """Return whether something listens at a port of localhost, or at a socket's path."""
    addresses: list[tuple[int, tuple[str, int] | str]]
    if isinstance(address, int):  # a browser tries both
        addresses = [(socket.AF_INET, ("127.0.0.1", address)), (socket.AF_INET6, ("::1", address))]
    else:
        addresses = [(socket.AF_UNIX, str(address))]
    for family, place in addresses:
        with suppress(OSError), socket.socket(family) as client:
            client.settimeout(CONNECT_TIMEOUT)
            client.connect(place)
            return True
    return False
