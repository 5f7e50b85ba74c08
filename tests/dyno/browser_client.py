"""What a browser does, without a browser: it logs in, keeps its cookies, and reconnects."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from copy import copy
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from http_client import COOKIE, HttpClient, Response
from websockets.exceptions import WebSocketException

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

# An app that shows the process that has its session, and how often it has run there.
WHERE = """
import os
import streamlit as st

def run():
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.text(f"<process {os.getpid()}, run {st.session_state.runs}>")
"""


class BrowserClient:
    """One browser with one page open."""

    def __init__(self, client: HttpClient, page: str = "sales_report") -> None:
        self.client = client
        self.page = page
        # The client logs in once: passwords are checked twice per second.
        self.cookies = {COOKIE: client.session}
        self.websocket: ClientConnection | None = None
        self._open = ExitStack()
        assert self.request("/").status == 200

    def new_tab(self) -> BrowserClient:
        """Return another page in the same browser."""
        tab = copy(self)
        tab.websocket, tab._open = None, ExitStack()
        return tab

    def request(
        self, path: str = "/", method: str = "GET", *headers: str, **options: bytes
    ) -> Response:
        """Send one request with the cookies, and keep those of the answer."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        cookie = [f"Cookie: {cookies}"] if cookies else []
        answer = self.client.request(path, method, *cookie, *headers, **options)
        for line in answer.all("set-cookie"):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        if answer.affinity:
            name, _, value = answer.affinity.partition("=")
            self.cookies[name] = value
        return answer

    def connect(self) -> None:
        """Open the WebSocket as Streamlit's page does: it asks for the server's health first."""
        answer = self.request("/_stcore/health")
        if answer.status != 200:
            raise ConnectionError(f"/_stcore/health: {answer.status}")
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.websocket = self._open.enter_context(self.client.websocket(f"Cookie: {cookies}"))

    def run(self) -> tuple[int, int]:
        """Run the page in its session. Return the number of the process, and of the run there."""
        if not self.websocket:
            self.connect()
        shown = self.client.run_in(self.websocket, self.page)
        process, run = re.search(r"<process (\d+), run (\d+)>", shown).groups()
        return int(process), int(run)

    def run_again(self, seconds: float = 60) -> tuple[int, int]:
        """The same, with a new connection where this one is lost, tried for so many seconds."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.run()
            except (OSError, WebSocketException):
                self.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Close the WebSocket. The next run() opens another one."""
        self.websocket = None
        self._open.close()
