"""A fake of Heroku's router, in front of one dyno or more.

What Heroku's does to a request and its response is documented at
https://devcenter.heroku.com/articles/http-routing, .../http-request-id and .../session-affinity.
It has a port for what comes by http and one for https, both without TLS. A request that
Heroku's would not route goes to a dyno as it is, so that nginx answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from fake_dyno import FakeDyno, WithLog

if TYPE_CHECKING:
    from collections.abc import Coroutine

COOKIE = "heroku-session-affinity"
DAY = 24 * 60 * 60
LARGEST_HEAD = 2**20

REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]\r\n")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r\n")
REQUEST_ID = re.compile(rb"[A-Za-z0-9+/=-]{20,200}")
OWN_COOKIE = re.compile(rb"(?:^|; *)%s=([^;]*)" % COOKIE.encode())
# They are each connection's own, or the router's to say.
TAKEN_OUT = {b"connection", b"te", b"keep-alive", b"proxy-authorization", b"via"}
TAKEN_OUT |= {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port"}
TAKEN_OUT |= {b"x-request-id", b"x-request-start"}
# No dyno takes the connection (H21), or the one that took it has gone before it answered (H13).
UNAVAILABLE = b"\r\n".join(
    [
        b"HTTP/1.1 503 Service Unavailable",
        b"Content-Length: 0",
        b"Connection: close",
        b"Server: Heroku",
        b"Via: 1.1 vegur",
        b"",
        b"",
    ]
)


@dataclass
class Head:
    """The head of a request or an answer: its first line, and its headers as they came."""

    line: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, data: bytes) -> Head | None:
        """Read a head; None where it is no proper one."""
        line, *lines = data.removesuffix(b"\r\n").splitlines(keepends=True)
        matches = [HEADER.fullmatch(line) for line in lines]
        return cls(line, [match.groups() for match in matches]) if all(matches) else None

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of every header of that name."""
        return [value for key, value in self.headers if key.lower() == name]

    def without(self, names: set[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the headers but those of these names."""
        return [header for header in self.headers if header[0].lower() not in names]

    @property
    def status(self) -> bytes:
        """The status of an answer."""
        return self.line.split()[1]

    @property
    def length(self) -> int | None:
        """How long a request's body is; None where that takes more than one plain number."""
        lengths = self.all(b"content-length") or [b"0"]
        plain = len(lengths) == 1 and lengths[0].isdigit()
        return int(lengths[0]) if plain and not self.all(b"transfer-encoding") else None

    def __bytes__(self) -> bytes:
        return self.line + b"".join(b"%s: %s\r\n" % header for header in self.headers) + b"\r\n"


class Router(WithLog):
    """The router before these dynos. Use it as a context manager."""

    def __init__(self, dynos: list[FakeDyno], affinity: bool) -> None:
        """Take the dynos, and whether the app has Heroku's session affinity."""
        self.dynos = dynos
        self._affinity = affinity
        # Nobody can choose a dyno: Heroku's value is signed.
        self._values = {secrets.token_urlsafe(): dyno for dyno in dynos}
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Router:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        self.http_port, self.port = (server.sockets[0].getsockname()[1] for server in self._servers)
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def log(self) -> str:
        """Return the logs of all the dynos."""
        return "".join(dyno.log() for dyno in self.dynos)

    def dyno_of(self, cookie: str) -> FakeDyno:
        """Return the dyno that a cookie leads to."""
        return self._values[cookie]

    async def _open(self) -> None:
        for proto in (b"http", b"https"):

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proto: bytes = proto
            ) -> None:
                task = asyncio.current_task()
                self._connections.add(task)
                try:
                    with contextlib.suppress(OSError, asyncio.CancelledError):
                        await self._serve(reader, writer, proto)
                finally:
                    self._connections.discard(task)
                    writer.close()

            server = asyncio.start_server(serve, "127.0.0.1", 0, limit=LARGEST_HEAD, backlog=1000)
            self._servers.append(await server)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        open_still = list(self._connections)
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)
        await asyncio.sleep(0)  # their transports close

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proto: bytes
    ) -> None:
        """Pass on what comes down a client's connection, one request after the other."""
        while True:
            try:
                data = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as ended:
                data = ended.partial
            if not data:
                return
            head = Head.of(data) if REQUEST_LINE.match(data) else None
            own = OWN_COOKIE.search(b"; ".join(head.all(b"cookie"))) if head else None
            wanted = self._values.get(own[1].decode("latin-1")) if own and self._affinity else None
            found = await self._connect(wanted)
            if not found:
                writer.write(UNAVAILABLE)
                return
            dyno, back, there = found
            try:
                if not head:
                    there.write(data)
                    await both(pipe(reader, there), pipe(back, writer))
                    return
                there.write(bytes(routed(head, writer.get_extra_info("peername")[0], proto)))
                cookie = self._affinity and dyno is not wanted and self._cookie_of(dyno)
                if not await answer(head, cookie, reader, writer, back, there):
                    return
            finally:
                there.close()

    async def _connect(
        self, wanted: FakeDyno | None
    ) -> tuple[FakeDyno, asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the wanted dyno, or else to any; None where all refuse."""
        order = random.sample(self.dynos, len(self.dynos))
        for dyno in sorted(order, key=lambda dyno: dyno is not wanted):
            with contextlib.suppress(OSError):
                streams = await asyncio.open_connection("127.0.0.1", dyno.port, limit=LARGEST_HEAD)
                return dyno, *streams
        return None

    def _cookie_of(self, dyno: FakeDyno) -> bytes:
        value = next(value for value, its_dyno in self._values.items() if its_dyno is dyno)
        until = formatdate(time.time() + DAY, usegmt=True)
        age = f"Version=1; Expires={until}; Max-Age={DAY}"
        return f"{COOKIE}={value}; {age}; Path=/; HttpOnly; Secure".encode()


def routed(head: Head, address: str, proto: bytes) -> Head:
    """Return a request's head as a dyno gets it. Whatever the client says, it comes from there."""
    addresses = [*head.all(b"x-forwarded-for"), address.encode()]
    ids = head.all(b"x-request-id")
    kept = len(ids) == 1 and REQUEST_ID.fullmatch(ids[0])
    # With "close", the end of the answer is the end of the connection.
    connection = b"close, Upgrade" if head.all(b"upgrade") else b"close"
    own = {
        b"Connection": connection,
        b"X-Forwarded-For": b", ".join(addresses),
        b"X-Forwarded-Proto": proto,
        b"X-Forwarded-Port": b"443" if proto == b"https" else b"80",
        b"X-Request-ID": ids[0] if kept else secrets.token_hex(16).encode(),
        b"X-Request-Start": b"%d" % (time.time() * 1000),
        b"Via": b", ".join([*head.all(b"via"), b"1.1 vegur"]),
    }
    return Head(head.line, [*head.without(TAKEN_OUT), *own.items()])


async def answer(
    request: Head,
    cookie: bytes | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    back: asyncio.StreamReader,
    there: asyncio.StreamWriter,
) -> bool:
    """Pass a request's body on, and the answer back. Say whether another request may follow."""
    body = asyncio.create_task(pipe(reader, there, request.length))
    try:
        try:
            head = Head.of(await back.readuntil(b"\r\n\r\n"))
            while head.status == b"100":
                writer.write(bytes(head))
                head = Head.of(await back.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.write(UNAVAILABLE)
            return False
        head.headers.append((b"Via", b"1.1 vegur"))
        if cookie:
            head.headers.append((b"Set-Cookie", cookie))
        if head.status == b"101":
            writer.write(bytes(head))
            await both(pipe(reader, there), pipe(back, writer))
            return False
        ends = request.line.startswith(b"HEAD ") or head.status in (b"204", b"304")
        ends = ends or head.all(b"content-length") or head.all(b"transfer-encoding")
        closes = b"close" in b",".join(request.all(b"connection")).lower()
        stays = bool(ends) and not closes and request.length is not None
        head.headers = head.without({b"connection"})
        head.headers += [] if stays else [(b"Connection", b"close")]
        writer.write(bytes(head))
        await pipe(back, writer, half_close=False)
        return stays and body.done()
    finally:
        body.cancel()
        await asyncio.gather(body, return_exceptions=True)


async def pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    length: int | None = None,
    half_close: bool = True,
) -> None:
    """Pass on so many bytes, or all until the end, and that there are no more."""
    while length is None or length > 0:
        try:
            chunk = await reader.read(min(65536, length or 65536))
        except OSError:
            chunk = b""  # lost, which is an end, too
        if not chunk:
            if half_close and writer.can_write_eof():
                writer.write_eof()
            return
        writer.write(chunk)
        await writer.drain()
        if length is not None:
            length -= len(chunk)


async def both(there: Coroutine, back: Coroutine) -> None:
    """Pass on in both directions until the dyno, or an error, ends the way back."""
    tasks = asyncio.create_task(there), asyncio.create_task(back)
    try:
        await tasks[1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
