"""A dyno whose Streamlit is a stand-in that answers with what has reached it."""

from __future__ import annotations

from pathlib import Path

from baked import BakedProject
from dyno import Dyno

ECHO = """
import http.server, json, os, pathlib, socketserver

class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        first = self.rfile.read1(1) if self.headers.get("Content-Length", "0") != "0" else b""
        pathlib.Path("first-byte").touch()
        rest = self.rfile.read(int(self.headers.get("Content-Length", 0)) - len(first))
        seen = {"path": self.path, "headers": self.headers.items(), "body": len(first + rest)}
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = answer
    address_string = lambda self: "nginx"

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

runtime = pathlib.Path(os.environ["RUNTIME_DIRECTORY"])
server = Server(str(runtime / "streamlit.socket"), Echo)
(runtime / "app-initialized").touch()
server.serve_forever()
"""


class Nginx(Dyno):
    """A dyno with nginx and a server that answers with what has reached it."""

    def _build(self, project: Path) -> None:
        super()._build(project)
        (self.home / "server.py").write_text(ECHO)
        (self.home / "Procfile").write_text("web: bin/start-nginx python server.py\n")
        BakedProject(self.home).trust_the_tests()
