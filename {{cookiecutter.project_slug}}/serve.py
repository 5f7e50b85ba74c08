"""Runs the whole dyno here: what the Procfile says, behind nginx, at http://localhost:8000.

`python manage.py serve` calls this. It does itself what bin/start-nginx does on Heroku: renders
config/nginx.conf.erb, runs the Procfile's command, and starts nginx when that is ready. Where this
computer has to differ from a dyno: for_here() and one_password().
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

import bundle
import server
from server import READY, SOCKET
from users import ROOT, load_users

WEB = "web: python server.py bin/start-nginx"  # as the Procfile has it at first
LONGEST_START = 60  # seconds, as on Heroku
LONGEST_END = server.LONGEST_END + 1

# nginx asks the system's crypt(3) what a bcrypt hash is worth, and that of macOS does not know.
BCRYPT = sys.platform != "darwin"

# Where nginx and erb may be beside PATH: Debian has nginx among root's, Homebrew its Ruby apart.
FOLDERS = [
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/ruby/bin",
    "/usr/local/opt/ruby/bin",
]

# What installs programs, and in which packages it has nginx and erb.
INSTALLERS = {
    "apt-get": ("apt-get install", {"nginx": "nginx-light", "erb": "ruby"}),
    "brew": ("brew install", {"nginx": "nginx", "erb": "ruby"}),
    "dnf": ("dnf install", {"nginx": "nginx", "erb": "/usr/bin/erb"}),
    "pacman": ("pacman -S", {"nginx": "nginx", "erb": "ruby-default-gems"}),
    "apk": ("apk add", {"nginx": "nginx", "erb": "ruby-full"}),
    "zypper": ("zypper install", {"nginx": "nginx", "erb": "ruby"}),
}


def serve(port: int, root: Path = ROOT) -> None:
    """Run the project as Heroku would, with a line for each step, until Ctrl-C or SIGTERM.

    Raises:
        click.ClickException: something is missing, taken or broken, or has ended by itself. The
            text names it, and the way out.
    """
    if os.name == "nt":
        raise click.ClickException(
            "nginx reaches Streamlit by a unix socket, and on Windows it has none. Run this in WSL "
            "(https://learn.microsoft.com/windows/wsl/install), or look at the apps without nginx "
            "and its password: streamlit run app.py"
        )
    command = command_of(root)
    check_packages()
    nginx, erb = find("nginx", "erb")
    click.echo(f"nginx is {nginx}, erb is {erb}.")
    check_free(port)
    with suppress(KeyboardInterrupt), Dyno(root) as dyno:
        run(dyno, command, nginx, erb, port)
    click.echo("\nStreamlit and nginx have ended. What they wrote in config/ and logs/ is deleted.")


def command_of(root: Path) -> str:
    """Return the Procfile's command, to run with this Python and without bin/start-nginx.

    Raises:
        click.ClickException: there is none, or it starts no nginx.
    """
    try:
        text = (root / "Procfile").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(f"There is no Procfile to read. Write one: {WEB}") from None
    web = re.search(r"^web:[ \t]*(\S.*)", text, re.MULTILINE)
    if not web:
        raise click.ClickException(f'No line of the Procfile begins with "web:". Write it: {WEB}')
    command, times = re.subn(r"(?<!\S)(\./)?bin/start-nginx(?!\S)", "", web[1])
    if not times:
        raise click.ClickException(
            "bin/start-nginx is not in the web line of the Procfile: online, nobody would be asked "
            f"for a password. Write: {WEB}"
        )
    python = shlex.quote(sys.executable)
    return re.sub(r"(?<!\S)python3?(?!\S)", lambda _: python, command).strip()


def check_packages() -> None:
    """Raise click.ClickException unless Streamlit and uvicorn are installed in this Python."""
    missing = [name for name in ("streamlit", "uvicorn") if not find_spec(name)]
    if missing:
        raise click.ClickException(
            f"{sys.executable} has no {' and no '.join(missing)}. Activate the environment that "
            "has, or install them: pip install -r requirements.txt"
        )


def find(*names: str) -> list[str]:
    """Return the paths of the system's programs of these names.

    Raises:
        click.ClickException: one is missing. The text says how to get it on this system.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
    found = {name: shutil.which(name, path=path) for name in names}
    missing = [name for name, place in found.items() if not place]
    if not missing:
        return list(found.values())
    way = "https://nginx.org/en/docs/install.html, https://www.ruby-lang.org/en/downloads/"
    for program, (install, packages) in INSTALLERS.items():
        if shutil.which(program, path=path):
            sudo = "" if program == "brew" or os.geteuid() == 0 else "sudo "
            way = f"{sudo}{install} {' '.join(packages[name] for name in missing)}"
            break
    raise click.ClickException(
        f"There is no {' and no '.join(missing)} on this computer (erb comes with Ruby). "
        f"Install: {way}\nOr look at the apps without nginx and its password: streamlit run app.py"
    )


def check_free(port: int) -> None:
    """Raise click.ClickException if somebody has the port already."""
    if listens(port):
        raise click.ClickException(
            f"Port {port} is taken by another program. Take another port: "
            f"python manage.py serve --port {port + 1 if port < 65535 else 8000}"
        )


def listens(address: int | Path) -> bool:
    """Return whether somebody listens at a port of localhost, or at a socket's path."""
    places: list[tuple[int, object]] = [(socket.AF_UNIX, str(address))]
    if isinstance(address, int):  # a browser tries both
        places = [(socket.AF_INET, ("127.0.0.1", address)), (socket.AF_INET6, ("::1", address))]
    for family, place in places:
        with suppress(OSError), socket.socket(family) as client:
            client.settimeout(1)
            client.connect(place)
            return True
    return False


def delete(*paths: str | Path) -> None:
    """Delete the files that are there."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


class Dyno:
    """The processes, which end together, and what they write. Use it as a context manager.

    Inside, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Dyno:
        import fcntl  # Windows has none

        self._folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
        except BlockingIOError:
            os.close(self._folder)
            raise click.ClickException(
                "`python manage.py serve` runs in this folder already. End it first: Ctrl-C there."
            ) from None
        # Nobody else can reach Streamlit past the password: the folder is its owner's alone.
        self.runtime = Path(tempfile.mkdtemp(prefix="streamlit-"))
        self.socket, self.ready = (self.runtime / path.name for path in (SOCKET, READY))
        self._when_told_to_end(signal.default_int_handler)
        # All are in one group. The first of them ends it when its input ends: that is when this
        # process is gone, killed by whatever.
        self._guard = subprocess.Popen(
            ["sh", "-c", "read -r _; kill -s TERM 0"], stdin=subprocess.PIPE, process_group=0
        )
        return self

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a process in the project's folder."""
        self._processes[name] = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=self._guard.pid,
        )

    def wait(
        self, until: Callable[[], bool], seconds: float = math.inf, otherwise: str = ""
    ) -> None:
        """Wait until it is true.

        Raises:
            click.ClickException: a process has ended, or the time is up.
        """
        end = time.monotonic() + seconds
        while not until():
            for name, process in self._processes.items():
                status = process.poll()
                if status is not None and status < 0:
                    raise click.ClickException(f"{name} was ended by signal {-status}.")
                if status is not None:
                    raise click.ClickException(
                        f"{name} has ended with status {status}: its reason stands above."
                    )
            if time.monotonic() > end:
                raise click.ClickException(otherwise)
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._when_told_to_end(signal.SIG_IGN)
        for number, seconds in ((signal.SIGTERM, LONGEST_END), (signal.SIGKILL, 1)):
            if self._end(number, seconds):
                break
        self._guard.stdin.close()
        delete(self.root / "config/nginx.conf", self.root / "config/htpasswd")
        for folder in (self.runtime, self.root / "logs/nginx"):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # it is not there, or somebody's file is in it
            (self.root / "logs").rmdir()
        os.close(self._folder)

    def _end(self, number: int, seconds: float) -> bool:
        """Send all processes a signal, and return whether they have ended within the time."""
        end = time.monotonic() + seconds
        try:
            os.killpg(self._guard.pid, number)
            while time.monotonic() < end:
                for process in (self._guard, *self._processes.values()):
                    process.poll()
                os.killpg(self._guard.pid, 0)  # their children count, too
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):  # macOS: there are none but the dead
            return True
        return False

    @staticmethod
    def _when_told_to_end(handler: signal.Handlers | Callable[..., object]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handler)


def run(dyno: Dyno, command: str, nginx: str, erb: str, port: int) -> None:
    """Start everything in its turn. Returns by an exception alone.

    Raises:
        click.ClickException: something does not start, or has ended.
        KeyboardInterrupt: the user wants the end.
    """
    python = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([python, os.environ.get("PATH", os.defpath)]),
        "PORT": str(port),
        "PYTHONPATH": str(dyno.root),
        "PYTHONUNBUFFERED": "true",
        "RUNTIME_DIRECTORY": str(dyno.runtime),
    }
    try:
        bundle.main()
    except OSError as error:
        click.echo(f"Streamlit's bundle stays as it is: {error.strerror}: {error.filename}")

    password = render(dyno, erb, port, environment)
    start_nginx = nginx_command(nginx, dyno.root)
    check_configuration(dyno.root, start_nginx)
    click.echo("config/nginx.conf.erb is rendered, and nginx takes it.")

    click.echo(f"Streamlit starts: {command}")
    started = time.monotonic()
    shell = shutil.which("bash") or "sh"  # Heroku's is bash
    dyno.start("Streamlit", [shell, "-c", command], environment)
    late = f"Streamlit is not ready after {LONGEST_START} s. Heroku would end it now, too."
    dyno.wait(lambda: is_ready(dyno), LONGEST_START, late)
    click.echo(f"Streamlit is ready after {time.monotonic() - started:.1f} s.")
    dyno.start("nginx", start_nginx, environment)
    astray = f"nginx does not answer at port {port}: see `listen` in config/nginx.conf.erb."
    dyno.wait(lambda: listens(port), 10, astray)
    click.echo("nginx is up.")

    click.echo(f"\nhttp://localhost:{port}   log in as {' or '.join(load_users(dyno.root)[:3])}")
    if password:
        click.echo(
            "nginx on macOS cannot check bcrypt, so in this run there is one password for all "
            f"users: {password}"
        )
    click.echo("Its log: logs/nginx/access.log. A change of the code holds from the next start on.")
    click.echo("Ctrl-C ends it.\n")
    dyno.wait(lambda: False)


def render(dyno: Dyno, erb: str, port: int, environment: dict[str, str]) -> str:
    """Write config/nginx.conf, and with it the ERB writes config/htpasswd.

    Returns:
        The password of this run, or "" where everybody has their own.

    Raises:
        click.ClickException: the ERB ends with an error.
    """
    ended = subprocess.run(
        [erb, "config/nginx.conf.erb"],
        cwd=dyno.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if ended.returncode:
        raise click.ClickException(f"config/nginx.conf.erb ends with an error:\n{ended.stderr}")
    text = for_here(ended.stdout, port, dyno.runtime)
    if f"listen 127.0.0.1:{port}" not in text:
        click.echo(f"nginx may be open to your network: it has no plain `listen {port}`.")
    configuration = dyno.root / "config/nginx.conf"
    delete(configuration)
    configuration.touch(0o600)  # the sessions are in it
    configuration.write_text(text, "utf-8", "surrogateescape")
    (dyno.root / "logs/nginx").mkdir(parents=True, exist_ok=True)
    return "" if BCRYPT else one_password(dyno.root / "config/htpasswd")


def for_here(text: str, port: int, runtime: Path) -> str:
    """Return nginx's configuration as it has to be on a computer of one's own.

    It listens to this computer alone. The session's cookie does without https, without which
    Safari takes no Secure cookie, not even of localhost. Streamlit's socket is in a folder of this
    run. And errors go to the terminal.
    """
    text = text.replace(f"unix:{SOCKET.parent}/", f"unix:{runtime}/")
    text = re.sub(rf"(?m)^(\s*listen\s+){port}(?=[\s;])", rf"\g<1>127.0.0.1:{port}", text)
    text = re.sub(r"(?m)^(\s*error_log\s+)logs/nginx/error\.log", r"\1stderr", text)
    text = text.replace("__Host-session", "door-session")
    return text.replace("; Secure; HttpOnly; SameSite=Lax", "; HttpOnly; SameSite=Lax")


def one_password(users: Path) -> str:
    """Give every user in nginx's file one password that is made now, and return it.

    It is hashed as {SSHA}, which nginx checks without crypt(3):
    https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html#auth_basic_user_file
    """
    password = secrets.token_hex(8)
    lines = []
    for line in users.read_text("ascii").splitlines():
        salt = secrets.token_bytes(16)
        digest = hashlib.sha1(password.encode() + salt).digest() + salt
        lines.append(f"{line.partition(':')[0]}:{{SSHA}}{base64.b64encode(digest).decode()}\n")
    users.write_text("".join(lines), "ascii")
    return password


def nginx_command(nginx: str, root: Path) -> list[str]:
    """Return the command that runs nginx in the foreground."""
    command = [nginx, "-p", str(root), "-c", "config/nginx.conf"]
    told = subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr
    if tuple(map(int, re.findall(r"\d+", told)[:3])) >= (1, 19, 5):
        command += ["-e", "stderr"]  # older ones complain of a log that is root's, and go on
    if os.geteuid() == 0:
        # On a dyno all is one user's. Here its workers would be nobody's, and read no hashes.
        import grp
        import pwd

        command += ["-g", f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"]
    return command


def check_configuration(root: Path, command: list[str]) -> None:
    """Raise click.ClickException unless nginx takes config/nginx.conf."""
    tried = subprocess.run([*command, "-t", "-q"], cwd=root, capture_output=True, text=True)
    if tried.returncode:
        lines = (root / "config/nginx.conf").read_text("utf-8", "surrogateescape").splitlines()
        place = re.search(r"config/nginx\.conf:(\d+)$", tried.stderr, re.MULTILINE)
        line = f"\nThe line is: {lines[int(place[1]) - 1].strip()}" if place else ""
        raise click.ClickException(
            f"nginx does not take config/nginx.conf.erb:\n{tried.stderr.strip()}{line}"
        )


def is_ready(dyno: Dyno) -> bool:
    """Return whether nginx may start: whether the file is there that bin/start-nginx waits for.

    server.py touches it when it ends, too. So somebody has to listen at its socket; whoever
    serves elsewhere is believed after a second, by which time a start that has failed is over.
    """
    try:
        age = time.time() - dyno.ready.stat().st_mtime
    except FileNotFoundError:
        return False
    return age > 1 or listens(dyno.socket)
