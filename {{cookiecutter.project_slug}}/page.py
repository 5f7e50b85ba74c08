"""The page that a browser loads first: Streamlit's own, from memory, and with less to wait for.

Streamlit reads its index.html from the disk for each request, in a thread. The browser then asks
for the server's health and settings before it connects, on an app's address twice. Here it is told
with the page: one round trip less, or two.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from html import escape
from typing import Any
from urllib.parse import quote

from menu import ICON, app_name

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
FONT = re.compile(r'<link[^>]*\bas="font"[^>]*>\s*')
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Page:
    """An ASGI application around Streamlit's: it answers with the page, and passes on the rest.

    Until prepare() has run, it passes on everything.
    """

    def __init__(self, streamlit: Application, paths: Iterable[str]) -> None:
        """Take Streamlit's application, and the paths at which its page is asked for."""
        self.streamlit = streamlit
        self.paths = frozenset(paths)
        self._answer: dict[str, list[Message]] = {}
        self._etag = b""  # of Streamlit's page, by which it is known at any address

    async def prepare(self) -> None:
        """Take the page from Streamlit, which has to run by now.

        Where it has none at "/" (server.baseUrlPath), it goes on serving its page itself.
        """
        try:
            headers, page = await self._ask("/")
            settings = json.loads((await self._ask("/_stcore/host-config"))[1])
        except ValueError as error:
            print(f"Streamlit serves its page itself: {error}.", file=sys.stderr)
            return
        icon = ICON.read_bytes() if ICON.is_file() else b""
        content = improved(page.decode(), settings, app_name(), icon).encode()
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
        if scope["type"] == "http" and scope["path"] in self.paths:
            answer = self._answer.get(scope["method"])
            if answer:
                for message in answer:
                    await send(message)
                return
        if scope["type"] == "http" and "/" in scope["path"].strip("/") and self._etag:
            send = self._to_its_end(scope, send)
        await self.streamlit(scope, receive, send)

    def _to_its_end(self, scope: Message, send: Send) -> Send:
        """Return a send() that leads to the end of the address, where the page is the answer.

        Streamlit answers with its page wherever nothing else is; below "/" it would not find its
        own code, since that is named relative to the address.
        """
        led = False

        async def send_on(message: Message) -> None:
            nonlocal led
            if message["type"] == "http.response.start":
                led = dict(message["headers"]).get(b"etag") == self._etag
                if led:
                    end = quote(scope["path"].strip("/").rpartition("/")[2])
                    query = b"?" + scope["query_string"] if scope["query_string"] else b""
                    location = (b"location", b"/" + end.encode() + query)
                    headers = [location, (b"content-length", b"0")]
                    await send({**message, "status": 307, "headers": headers})
                    await send({"type": "http.response.body"})
            if not led:
                await send(message)

        return send_on

    async def _ask(self, path: str) -> tuple[dict[bytes, bytes], bytes]:
        """Return the headers and the body of what Streamlit answers to GET.

        Raises:
            ValueError: its status is not 200.
        """
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        scope |= {"method": "GET", "scheme": "http", "path": path, "raw_path": path.encode()}
        scope |= {"root_path": "", "query_string": b"", "headers": []}
        scope |= {"client": None, "server": None}
        request: list[Message] = [{"type": "http.request"}]
        answer: list[Message] = []

        async def receive() -> Message:
            # Whoever asks again waits for the end of the connection, which does not come.
            return request.pop() if request else await asyncio.Future()

        async def send(message: Message) -> None:
            answer.append(message)

        await self.streamlit(scope, receive, send)
        if answer[0]["status"] != 200:
            raise ValueError(f"it answers {answer[0]['status']} to {path}")
        body = b"".join(message.get("body", b"") for message in answer)
        return dict(answer[0]["headers"]), body


def improved(page: str, settings: dict[str, Any], title: str, icon: bytes) -> str:
    """Return Streamlit's page, with the settings in it and its font after its code.

    Where Streamlit has changed so much that none of it fits, that is its page as it was.

    Args:
        page: Streamlit's index.html.
        settings: what /_stcore/host-config answers. With them and an address Streamlit's code
            connects at once, and asks for the settings meanwhile.
        title: what the browser's tab says until the launcher says more.
        icon: what it shows: SVG, or nothing. In the page itself it is one request less.
    """
    known = json.dumps(settings).replace("<", "\\u003c")  # nothing in it ends the script
    script = f"window.__streamlit ??= {{BACKEND_BASE_URL: location.origin, HOST_CONFIG: {known}}}"
    page = page.replace("<head>", f"<head>\n    <script>{script}</script>", 1)
    # A browser loads in the page's order. Without the font there is text; without code, nothing.
    if font := FONT.search(page):
        page = page.replace(font[0], "", 1).replace("</head>", f"{font[0]}</head>", 1)
    page = page.replace("<title>Streamlit</title>", f"<title>{escape(title)}</title>", 1)
    if icon:
        address = f"data:image/svg+xml;base64,{b64encode(icon).decode()}"
        page = page.replace('href="./favicon.png"', f'href="{address}"', 1)
    return page
