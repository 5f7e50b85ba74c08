"""Waits at the sockets of all scripts that have no process: one thread for all of them.

It answers where a script cannot: a request gets 503 and the reason, which the app's page shows.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HEAD_BYTES = 65_536  # nginx accepts less
REQUEST_TIMEOUT = 10  # seconds
HEALTH = "/_stcore/health"


@dataclass(frozen=True)
class Refusal:
    """Why an app is not started.

    Attributes:
        message: what its visitors read.
        reference: what the log line about it has, too.
        until: the time.monotonic() from which on a request starts it again.
    """

    message: str
    reference: str
    until: float


class AppListener:
    """A thread that waits until something can be read, and then calls what belongs to it."""

    def __init__(self) -> None:
        """Prepare it. run() is the thread."""
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        self._waker.setblocking(False)
        self._calls: deque[Callable[[], None]] = deque()
        self._requests: dict[socket.socket, float] = {}  # accepted, and until when they may take
        self._selector.register(self._wakes, selectors.EVENT_READ, self._run_calls)

    def run(self) -> None:
        """Wait, for ever."""
        while True:
            for key, _ in self._selector.select(1 if self._requests else None):
                key.data()
            now = time.monotonic()
            for connection in [each for each, until in self._requests.items() if now > until]:
                self._close(connection)

    def watch(self, listener: socket.socket, on_connection: Callable[[], None]) -> None:
        """Call a function whenever somebody has connected, until unwatch(). From any thread."""
        self._calls.append(
            lambda: self._register(listener, on_connection)  # the selector is the thread's own
        )
        with contextlib.suppress(BlockingIOError):  # then it is awake already
            self._waker.send(b".")

    def unwatch(self, listener: socket.socket) -> None:
        """Leave the connections to somebody else. Call it from on_connection() only."""
        self._selector.unregister(listener)

    def accept(self, listener: socket.socket, answer: Callable[[str], bytes]) -> None:
        """Accept one connection, and answer its request. Call it from on_connection() only.

        Args:
            listener: where somebody has connected.
            answer: returns the answer to a request for this address.
        """
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # it has hung up
        connection.setblocking(False)
        head = bytearray()

        def read() -> None:
            try:
                received = connection.recv(MAX_HEAD_BYTES)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            if not received or len(head) > MAX_HEAD_BYTES:
                self._close(connection)
            elif b"\r\n\r\n" not in head:  # the rest is read and dropped: see _reply()
                head.extend(received)
                if b"\r\n\r\n" in head:
                    _reply(connection, bytes(head), answer)

        self._requests[connection] = time.monotonic() + REQUEST_TIMEOUT
        self._register(connection, read)

    def _register(self, source: socket.socket, on_readable: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, on_readable)

    def _run_calls(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakes.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def _close(self, connection: socket.socket) -> None:
        del self._requests[connection]
        self._selector.unregister(connection)
        connection.close()


def _reply(connection: socket.socket, head: bytes, answer: Callable[[str], bytes]) -> None:
    """Send the answer. The connection is closed once the other side has closed it.

    A socket that is closed with something unread in it takes the answer away, too.
    """
    method, _, rest = head.partition(b" ")
    reply = answer(rest.partition(b" ")[0].decode("latin-1"))
    if method == b"HEAD":
        reply = reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with contextlib.suppress(OSError):
        connection.sendall(reply)  # a few hundred bytes always fit
        connection.shutdown(socket.SHUT_WR)


def is_start_request(address: str) -> bool:
    """Return whether a page asks for the app to be started: /NAME/_stcore/health?start."""
    parts = urlsplit(address)
    return parts.path.endswith(HEALTH) and "start" in parse_qs(parts.query, keep_blank_values=True)


def refuse(refusal: Refusal) -> bytes:
    """Return the answer 503, with what the app's page shows."""
    content = {"message": refusal.message, "reference": refusal.reference}
    body = json.dumps(content).encode()
    return _answer("503 Service Unavailable", "Content-Type: application/json", body)


def redirect(address: str) -> bytes:
    """Return a redirect to an address: a request for it starts the app now."""
    return _answer("307 Temporary Redirect", f"Location: {address}", b"")


def _answer(status: str, header: str, body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status}", header, f"Content-Length: {len(body)}"]
    lines += ["Cache-Control: no-store", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
