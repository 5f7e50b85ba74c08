"""An HTTP client that sends the very bytes it is given, and reads whatever is answered."""

from __future__ import annotations

import base64
import http.client
import io
import itertools
import re
import socket
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fakes.router import Router

COOKIE = "__Host-session"
SESSION = re.compile(rf"{COOKIE}=([0-9a-f]{{64}})")
AFFINITY = re.compile(r"heroku-session-affinity=[^;]*")
# What Heroku's router adds to each answer, whoever gave it.
ROUTERS = re.compile(
    r"set-cookie: heroku-session-affinity=|via: 1\.1 (vegur|heroku-router)$"
    r"|(nel|report-to|reporting-endpoints): "
)


@dataclass(frozen=True)
class Response:
    """One response: its status, its headers as they came, in lower case, and its body.

    affinity is the cookie that leads to the dyno which has answered, if the router has set one.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    affinity: str | None = None

    def all(self, name: str) -> list[str]:
        """Return the values of every header of that name."""
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def session(self) -> str | None:
        """The session that the answer hands out."""
        found = SESSION.search("\n".join(self.all("set-cookie")))
        return found and found[1]


class KeptOpen(io.BytesIO):
    """What http.client reads responses from, one after the other."""

    def makefile(self, *_: object) -> KeptOpen:
        return self

    def close(self) -> None:
        pass


def read(response: http.client.HTTPResponse, may_be_cut: bool = False) -> Response:
    """Read one response to its end, or as far as it came if it `may_be_cut`."""
    response.begin()
    headers = [(name.lower(), value) for name, value in response.getheaders()]
    own = tuple(header for header in headers if not ROUTERS.match(": ".join(header)))
    try:
        body = response.read()
    except http.client.IncompleteRead as cut:
        if not may_be_cut:
            raise
        body = cut.partial
    return Response(response.status, own, body, affinity(headers))


def affinity(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the cookie that leads to the dyno which has answered, if the router has set one."""
    found = AFFINITY.search("\n".join(f"{name}: {value}" for name, value in headers))
    return found and found[0]


def credentials(text: str) -> str:
    """Return what basic authentication makes of "user:password", or of another text."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def basic(user: str, password: str) -> str:
    """Return the header of basic authentication."""
    return f"Authorization: {credentials(f'{user}:{password}')}"


class HttpClient:
    """A client of a running project.

    Where it runs here (`router` is True), this client does what Heroku's router does: it says
    where the browser is and that it came by https.
    """

    def __init__(self, url: str, users: dict[str, str], router: bool) -> None:
        self.url = urlsplit(url)
        self.users = users
        self.user = next(iter(users))
        self.router = router
        self.dynos = 1
        self._addresses = (f"127.51.{n // 250}.{n % 250 + 1}" for n in itertools.count())
        self.session_of = cache(self._log_in)

    @property
    def host(self) -> str:
        return self.url.netloc

    @property
    def origin(self) -> str:
        return f"https://{self.host}"

    def connection(self, **_: str) -> socket.socket:
        """Return a new connection, with TLS where the URL says so.

        What it takes besides is what routed() takes.
        """
        port = self.url.port or (443 if self.url.scheme == "https" else 80)
        plain = socket.create_connection((self.url.hostname, port), 60)
        if self.url.scheme != "https":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self.url.hostname)

    def routed(self, address: str | None = None, proto: str = "https") -> list[str]:
        """Return the router's headers. Each request comes from an address of its own."""
        if not self.router:
            return []
        address = address or next(self._addresses)
        return [f"X-Forwarded-For: 192.0.2.66, {address}", f"X-Forwarded-Proto: {proto}"]

    def raw(
        self, data: bytes | list[str], silence: float = 60, may_be_cut: bool = False
    ) -> list[Response]:
        """Send these very bytes, or lines, and return what is answered until the end."""
        if isinstance(data, list):
            data = "\r\n".join([*data, "", ""]).encode()
        with self.connection() as connection:
            connection.sendall(data)
            connection.settimeout(silence)
            received = b""
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except (TimeoutError, ConnectionResetError):
                pass  # it waits for more, or has hung up
        answers, stream = [], KeptOpen(received)
        while stream.tell() < len(received):
            method = "HEAD" if data.startswith(b"HEAD") else "GET"
            try:
                answers.append(read(http.client.HTTPResponse(stream, method=method), may_be_cut))
            except http.client.BadStatusLine:  # HTTP/0.9: a body and nothing else
                answers.append(Response(0, (), received))
                break
        return answers

    def request(
        self,
        path: str = "/",
        method: str = "GET",
        *headers: str,
        session: str | None = None,
        body: bytes = b"",
        **routed: str,
    ) -> Response:
        """Send one request, the path as it is, and return its answer."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        if session:
            lines.append(f"Cookie: {COOKIE}={session}")
        lines += [*self.routed(**routed), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self.connection(**routed) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            return read(http.client.HTTPResponse(connection, method=method))

    def password_of(self, user: str | None = None) -> str:
        """Return the header of a user's password."""
        user = user or self.user
        return basic(user, self.users[user])

    def _log_in(self, user: str | None = None) -> str:
        session = self.request("/", "GET", self.password_of(user)).session
        assert session, "a good password earned no session"
        return session

    @property
    def session(self) -> str:
        """The session of the first user."""
        return self.session_of(self.user)

    def upgrade(self, path: str = "/_stcore/stream", *headers: str, **options: str) -> Response:
        """Ask for a WebSocket and return the answer, without using it."""
        with_defaults = [
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        names = {header.partition(":")[0].lower() for header in headers}
        defaults = [line for line in with_defaults if line.partition(":")[0].lower() not in names]
        session = options.pop("session", None)
        cookie = [f"Cookie: {COOKIE}={session}"] if session else []
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}", "Connection: Upgrade"]
        lines += [*self.routed(**options), *defaults, *cookie, *headers]
        with self.connection(**options) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            return read(http.client.HTTPResponse(connection))

    def websocket(self, *headers: str, session_number: str | None = None) -> ClientConnection:
        """Open Streamlit's WebSocket, to continue the session of that number if one is given."""
        given = [tuple(line.split(": ", 1)) for line in [*self.routed(), *headers]]
        return connect(
            f"ws://{self.host}/_stcore/stream",
            sock=self.connection(),
            additional_headers=given,
            subprotocols=["streamlit", "x", session_number] if session_number else ["streamlit"],
            proxy=None,
            max_size=None,
        )

    def run(self, page: str, *headers: str, session_number: str | None = None) -> str:
        """Open a page on a WebSocket of its own. See run_in()."""
        with self.websocket(*headers, session_number=session_number) as websocket:
            return self.run_in(websocket, page)

    @staticmethod
    def run_in(websocket: ClientConnection, page: str, until: str | None = None) -> str:
        """Open a page as a browser does, and return all that Streamlit sends until it has run.

        Texts stand in its messages as they are. What is sent is BackMsg.rerun_script with the
        page's name. A run ends with a short ForwardMsg, whose last field is script_finished (6).

        Args:
            websocket: Streamlit's.
            page: the page's name.
            until: return as soon as this text has come, while the page is still running.
        """
        name = page.encode()
        client_state = b'"' + bytes([len(name)]) + name
        seen = message = b""
        websocket.send(b"Z" + bytes([len(client_state)]) + client_state)
        while len(message) > 100 or message[-2:-1] != b"0":
            message = websocket.recv(timeout=60)
            seen += message + b"\n"
            if until and until.encode() in message:
                break
        return seen.decode("utf-8", "replace")


def session_number(shown: str) -> str:
    """Return Streamlit's number of a session (Initialize.session_id, 6), from what a run sent."""
    return re.search(r"2\$([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", shown)[1]


class RoutedClient(HttpClient):
    """A client behind the fake router, which sees the client's address and scheme.

    The address is one of this computer's, and the client claims another one.
    """

    def __init__(self, router: Router, users: dict[str, str]) -> None:
        super().__init__(router.url, users, router=True)
        self.dynos = len(router.dynos)
        self._ports = {"http": router.http_port, "https": router.port}

    def connection(self, address: str | None = None, proto: str = "https") -> socket.socket:
        """Return a new connection from an address, by http or https."""
        from_there = (address or next(self._addresses), 0)
        return socket.create_connection(("127.0.0.1", self._ports[proto]), 60, from_there)

    def routed(self, address: str | None = None, proto: str = "https") -> list[str]:
        """Return what a client claims."""
        return ["X-Forwarded-For: 192.0.2.66, 192.0.2.67", "X-Forwarded-Proto: ftp"]
