"""nginx with the project's configuration and nothing behind it but an echo of each request.

No Streamlit and no supervisor: what only nginx and the gateway decide is tested here, and starts in
a fraction of a second.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
from baked import ROOT
from fake_dyno import WithLog, free_port

from apphub.menu import load_menu
from apphub.server import gateway
from apphub.settings import read_settings
from apphub.users import load_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
MIN_BCRYPT_COST = 10  # the lowest that the project accepts: a check takes 45 ms


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it has received, as JSON: path, headers, and the body's length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        seen = {"path": self.path, "headers": self.headers.items(), "body": self.read_body()}
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_HEAD = do_OPTIONS = do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def read_body(self) -> int:
        """Read the request's body and return its length."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            length = 0
            while size := int(self.rfile.readline(), 16):
                length += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return length
        length = int(self.headers.get("Content-Length", "0"))
        first = self.rfile.read1(1) if length else b""
        if first:
            self.server.first_byte.set()
        return len(first + self.rfile.read(length - len(first)))

    def address_string(self) -> str:
        return "nginx"

    def log_message(self, *_: object) -> None:
        pass


class Upstream(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The server behind nginx.

    Attributes:
        paths: those of all requests that it has received.
        first_byte: whether any byte of a request's body has arrived.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path) -> None:
        self.paths: list[str] = []
        self.first_byte = threading.Event()
        super().__init__(str(path), Echo)


class NginxProbe(WithLog):
    """A running nginx.

    Attributes:
        root: the project's folder.
        runtime: the folder of the upstream's sockets.
        upstream: the server behind it, unless that is a dyno's.
    """

    def __init__(self, root: Path, runtime: Path, port: int, upstream: Upstream | None) -> None:
        self.root = root
        self.runtime = runtime
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.upstream = upstream

    def log(self) -> str:
        return (self.root / "logs/nginx/access.log").read_text("utf-8", "replace")


def make_project(
    root: Path, project: Path = PROJECT, users: Mapping[str, str] | None = None
) -> Path:
    """Put into a folder what nginx needs of a project, and return the folder.

    Args:
        root: the folder.
        project: the project, which may be the template's own folder.
        users: the passwords of the users, in place of the project's .htpasswd.
    """
    shutil.copytree(project / "apphub/nginx", root / "apphub/nginx")
    (root / "config").mkdir()
    conf = project / "config/nginx.conf.erb"
    if not conf.exists():
        conf = project / "_hook/config/nginx.conf.erb"
    shutil.copy(conf, root / "config/nginx.conf.erb")
    for name in (".htpasswd", "app.json"):
        if project != PROJECT and (project / name).exists():
            shutil.copy(project / name, root / name)
    if users:
        lines = (f"{name}:{hash_fast(password)}\n" for name, password in users.items())
        (root / ".htpasswd").write_text("".join(lines), "ascii")
    (root / "logs/nginx").mkdir(parents=True)
    return root


def hash_fast(password: str) -> str:
    """Return the bcrypt hash that nginx checks fastest."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(MIN_BCRYPT_COST)).decode("ascii")


def render(root: Path, port: int = 8000, **environ: str) -> Path:
    """Write config/generated/ and config/nginx.conf as a start does, and return the latter."""
    runtime = Path(environ.get("RUNTIME_DIRECTORY", root))
    gateway.clear(root)
    gateway.write_rules(load_users(root, environ), read_settings(environ), root, runtime=runtime)
    apps = load_menu(root) if (root / "apps.json").exists() else []
    gateway.write_apps([app for app in apps if app.script], root, runtime=runtime)
    gateway.write_limits(200, root)
    ended = run_erb(root, PORT=str(port), **environ)
    ended.check_returncode()
    conf = root / "config/nginx.conf"
    conf.write_text(ended.stdout, "utf-8")
    return conf


def run_erb(root: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Render config/nginx.conf.erb as bin/start-nginx does."""
    defaults = {"PATH": os.environ["PATH"], "PORT": "8000", "NGINX_WORKERS": "2"}
    return subprocess.run(
        ["erb", "config/nginx.conf.erb"],
        cwd=root,
        env={**defaults, **environ},
        capture_output=True,
        text=True,
    )


@contextmanager
def running_nginx(
    root: Path, nginx: str = "nginx", runtime: Path | None = None, **environ: str
) -> Iterator[NginxProbe]:
    """Run nginx with a project's configuration.

    Args:
        root: the project's folder, as make_project() makes one. Trusts the tests' X-Forwarded-For.
        nginx: the program.
        runtime: the folder of a running dyno's sockets; None for an echo.
        environ: the dyno's environment.
    """
    http_conf = root / "apphub/nginx/http.conf"
    text = http_conf.read_text("utf-8")
    http_conf.write_text(text.replace("from 10.0.0.0/8;", "from 127.0.0.0/8;"), "utf-8")
    with ExitStack() as stack:
        upstream = None
        if not runtime:
            runtime = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginx-")))
            upstream = stack.enter_context(running_echo(runtime / "streamlit.socket"))
        port = free_port()
        render(root, port, **{**environ, "RUNTIME_DIRECTORY": str(runtime)})
        command = [nginx, "-p", str(root), "-c", "config/nginx.conf"]
        if os.geteuid() == 0:  # else its workers, which would be nobody's, could not read htpasswd
            command += ["-g", "user root;"]
        process = subprocess.Popen(command, cwd=root)
        try:
            wait_for_port(port, process)
            yield NginxProbe(root, runtime, port, upstream)
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def running_echo(path: Path, kind: type[Upstream] = Upstream) -> Iterator[Upstream]:
    """Run an echo, or another kind of server, at a unix socket."""
    upstream = kind(path)
    threading.Thread(target=upstream.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield upstream
    finally:
        upstream.shutdown()
        upstream.server_close()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process accepts connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "nginx has not started"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise TimeoutError("nginx does not listen")
