"""The page that a browser loads first: Streamlit's index.html from memory, for a faster start.

Streamlit reads it from the disk for each request, in a thread. The browser then asks for the
server's health and settings before it connects, on an app's address twice. Here the page contains
the settings: one round trip less, or two.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from apphub.paths import ICON
from apphub.server.app_page import load_font_last, read_icon, render, set_title_and_icon
from apphub.settings import project_name

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Streamlit lists there each function that any app caches, for everybody who may see one app.
METRICS = "/_stcore/metrics"
NOT_FOUND: list[Message] = [
    {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body"},
]


class IndexPageMiddleware:
    """An ASGI application around Streamlit's: it answers with the page, and passes on the rest.

    Until prepare() has run, it passes on everything but METRICS.
    """

    def __init__(self, streamlit: Application) -> None:
        """Wrap Streamlit's application."""
        self.streamlit = streamlit
        self._answer: dict[str, list[Message]] = {}
        self._etag = b""  # of Streamlit's page, which identifies it at any address

    async def prepare(self) -> None:
        """Get the page from Streamlit, which has to run by now.

        Where it has none at "/" (server.baseUrlPath), it continues to serve its page itself.
        """
        try:
            headers, page = await self._call_app("/")
            settings = json.loads((await self._call_app("/_stcore/host-config"))[1])
        except ValueError as error:
            print(f"Streamlit serves its page itself: {error}.", file=sys.stderr)
            return
        icon = read_icon(ICON)
        content = rewrite_index_html(page.decode(), settings, project_name(), icon).encode()
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", str(len(content)).encode()),
                (b"cache-control", b"no-cache"),
            ],
        }
        body = {"type": "http.response.body", "body": content}
        self._etag = headers.get(b"etag", b"")
        self._answer = {"GET": [start, body], "HEAD": [start, {**body, "body": b""}]}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].endswith(METRICS):
                await send_all(NOT_FOUND, send)
                return
            if answer := self._answer.get(scope["method"]):
                if scope["path"] == "/":
                    await send_all(answer, send)
                    return
                send = self._replace_index(answer, scope, send)
        await self.streamlit(scope, receive, send)

    def _replace_index(self, answer: list[Message], scope: Message, send: Send) -> Send:
        """Return a send() that sends the answer where Streamlit sends its own page.

        Streamlit does so wherever nothing else is, whether there is an app at the address or not:
        an answer that differs, or is faster, would reveal the apps of other users. The page finds
        its scripts, and Streamlit an app, only by an address of one part without blanks around it:
        longer addresses are redirected to their last part.
        """
        replaced = False

        async def send_on(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                replaced = dict(message["headers"]).get(b"etag") == self._etag
                if replaced:
                    end = scope["path"].strip("/").rpartition("/")[2].strip()
                    found = scope["path"] == f"/{end}"
                    await send_all(answer if found else redirect_to(end, scope), send)
            if not replaced:
                await send(message)

        return send_on

    async def _call_app(self, path: str) -> tuple[dict[bytes, bytes], bytes]:
        """Return the headers and the body of Streamlit's answer to GET.

        Raises:
            ValueError: its status is not 200.
        """
        scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        scope |= {"method": "GET", "scheme": "http", "path": path, "raw_path": path.encode()}
        scope |= {"root_path": "", "query_string": b"", "headers": []}
        scope |= {"client": None, "server": None}
        request: list[Message] = [{"type": "http.request"}]
        answer: list[Message] = []

        async def receive() -> Message:
            # A second call waits for the end of the connection, which does not come.
            return request.pop() if request else await asyncio.Future()

        async def send(message: Message) -> None:
            answer.append(message)

        await self.streamlit(scope, receive, send)
        if answer[0]["status"] != 200:
            raise ValueError(f"it answers {answer[0]['status']} to {path}")
        body = b"".join(message.get("body", b"") for message in answer)
        return dict(answer[0]["headers"]), body


async def send_all(messages: Iterable[Message], send: Send) -> None:
    """Send an answer."""
    for message in messages:
        await send(message)


def redirect_to(end: str, scope: Message) -> list[Message]:
    """Return the redirect to an address of one part, with the request's query string."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    headers = [(b"location", b"/" + quote(end).encode() + query), (b"content-length", b"0")]
    return [
        {"type": "http.response.start", "status": 307, "headers": headers},
        {"type": "http.response.body"},
    ]


def rewrite_index_html(page: str, settings: dict[str, Any], title: str, icon: bytes) -> str:
    """Return Streamlit's page, with the settings in it, its font after its scripts, and a link.

    Where Streamlit has changed so much that nothing matches, the page is returned as it was.

    Args:
        page: Streamlit's index.html.
        settings: the answer of /_stcore/host-config. With them and an address Streamlit's scripts
            connect at once, and ask for the settings meanwhile.
        title: what the browser's tab shows until the launcher sets the title, and the link says.
        icon: the tab's icon: SVG, or nothing.
    """
    known = json.dumps(settings).replace("<", "\\u003c")  # nothing in it ends the script
    script = f"window.__streamlit ??= {{BACKEND_BASE_URL: location.origin, HOST_CONFIG: {known}}}"
    page = page.replace("<head>", f"<head>\n    <script>{script}</script>", 1)
    page = set_title_and_icon(load_font_last(page), title, icon)
    link = render("home_link.html", {"name": title, "always": False})
    return page.replace("</body>", f"{link}</body>", 1)
