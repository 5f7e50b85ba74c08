"""A fake of Heroku's API, for what its CLI cannot do. It has the same state as the fake CLI."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.workstation import Workstation

PATH = re.compile(r"/apps/([a-z0-9-]+)/config-vars")


@contextmanager
def run_heroku_api(workstation: Workstation, token: str) -> Iterator[str]:
    """Serve the API to who has the token, and return its address.

    A change is in the workstation's list of calls, without its values. Where "api" in the state is
    a status, each request gets that one; 0 closes the connection.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = self.get_status()
            answer: dict = {"id": "error"}
            if status == 200:
                state = workstation.state
                answer = state["apps"][PATH.fullmatch(self.path)[1]]["config"]
                answer |= json.loads(body)
                names = sorted(json.loads(body))
                workstation.set(apps=state["apps"], calls=[*state["calls"], ["PATCH", *names]])
            if not status:
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def get_status(self) -> int:
            state, path = workstation.state, PATH.fullmatch(self.path)
            if "api" in state:
                return state["api"]
            if self.headers["Accept"] != "application/vnd.heroku+json; version=3":
                return 406
            if self.headers["Authorization"] != f"Bearer {token}":
                return 401
            return 200 if path and path[1] in state["apps"] else 404

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
