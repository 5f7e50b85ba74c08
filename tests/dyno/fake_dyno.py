"""A fake Heroku dyno: builds a slug from a project and runs its Procfile.

It does what Heroku's buildpacks do; nginx, Ruby's erb, Python and Streamlit are real.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAKES = Path(__file__).resolve().parent.parent / "fakes"

# All on a dyno runs as one user who is not root. Where the tests run as root, that is this one.
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def missing_parts(nginx: str) -> list[str]:
    """Return the names of the system's programs that a dyno needs and that are not here."""
    return [name for name in (nginx, "erb", "bash") if not shutil.which(name)]


def own(path: Path) -> None:
    """Give a folder to the dyno's user."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{USER}:", path], check=True)


def free_port() -> int:
    """Return a TCP port that nobody has, at any of this computer's addresses."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def put(path: Path, text: str | None) -> None:
    """Write a file, or delete it."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text, "utf-8")


def python_environment(*requirements: Path) -> Path:
    """Return the bin/ of an environment with the requirements installed, made once for them."""
    lines = [line for path in requirements for line in path.read_text("utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.lstrip().startswith("#")]
    key = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    home = Path(tempfile.gettempdir()) / f"streamlit-heroku-{os.geteuid()}-{key}"
    home.mkdir(mode=0o755, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise PermissionError(f"{home} belongs to somebody else: delete it")
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run side by side
        if not (home / "complete").exists():
            # Where root's own Python lives in /root, the dyno's user may not run it.
            python = "/usr/bin/python3" if os.geteuid() == 0 else sys.executable
            subprocess.run([python, "-m", "venv", "--clear", home / "venv"], check=True)
            install = [home / "venv/bin/pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*install, *(f"-r{path}" for path in requirements)], check=True)
            (home / "complete").touch()
    return home / "venv/bin"


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: it does not hold in time. The time is for a machine that is busy.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


class BuildFailed(Exception):
    """bin/post_compile failed: the text is its output."""


@contextmanager
def running_dynos(
    project: Path, nginx: str, count: int = 2, **environment: str
) -> Iterator[list[FakeDyno]]:
    """Run several dynos of one project."""
    with ExitStack() as stack:
        dynos = [FakeDyno(project, nginx, **environment) for _ in range(count)]
        for dyno in dynos:
            stack.callback(dyno.stop)
            dyno.start()
        for dyno in dynos:
            dyno.wait()
        yield dynos


class WithLog:
    """What has a log."""

    def log(self) -> str:
        """Return all that it holds."""
        raise NotImplementedError

    def log_with(self, text: str, seconds: float = 30) -> str:
        """Return the log once the text is in it, or as it is when the time is up."""
        until = time.monotonic() + seconds
        while text not in self.log() and time.monotonic() < until:
            time.sleep(0.1)  # nginx's lines come by way of tail
        return self.log()


class Gate:
    """What a starting worker waits for. See FakeDyno.held_workers()."""

    # Python imports sitecustomize before anything else.
    MODULE = """\
import pathlib, sys, time
if "apphub.server.worker" in sys.orig_argv:
    pathlib.Path("tmp/gate-waiting").touch()
    while not pathlib.Path("tmp/gate-open").exists():
        time.sleep(0.01)
"""

    def __init__(self, folder: Path) -> None:
        self._waiting = folder / "gate-waiting"
        self._open = folder / "gate-open"

    def wait(self) -> None:
        """Wait until a worker waits."""
        wait_until(self._waiting.exists)

    def open(self) -> None:
        """Let the workers start."""
        self._open.touch()

    def remove(self) -> None:
        """Leave nothing of it."""
        for path in (self._waiting, self._open):
            path.unlink(missing_ok=True)


class FakeDyno(WithLog):
    """One dyno. Use it as a context manager: it is built and up inside, and gone after."""

    def __init__(self, project: Path, nginx: str = "nginx", **environment: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="dyno-"))
        self.runtime = self.home / "tmp"  # a real one has a /tmp of its own
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.python = python_environment(project / "requirements.txt")
        self.started = 0.0
        self._nginx = nginx
        self._log = self.home.with_suffix(".log")
        self._process: subprocess.Popen | None = None
        self._environment = {
            "PATH": f"{self.home}/bin:{self.python}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "DYNO": "web.1",
            "PORT": str(self.port),
            "PYTHONPATH": str(self.home),
            "PYTHONUNBUFFERED": "true",
            "RUNTIME_DIRECTORY": str(self.runtime),
            # The Python buildpack sets these two on the small dynos, and uvicorn obeys both.
            "WEB_CONCURRENCY": "2",
            "FORWARDED_ALLOW_IPS": "*",
            **environment,
        }
        self._build(project)

    def _build(self, project: Path) -> None:
        ignored = [
            line.strip().lstrip("/")
            for line in (project / ".slugignore").read_text("utf-8").splitlines()
            if line.strip()
        ]

        def left_out(folder: str, names: list[str]) -> set[str]:
            paths = {name: (Path(folder) / name).relative_to(project).as_posix() for name in names}
            return {
                name
                for name, path in paths.items()
                if any(fnmatch.fnmatch(name, rule) or path == rule for rule in ignored)
            }

        shutil.copytree(project, self.home, ignore=left_out, dirs_exist_ok=True, symlinks=True)
        # git keeps only the run bit of a file's mode.
        for path in self.home.rglob("*"):
            if path.is_file():
                path.chmod(
                    0o755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o644
                )
        for name in ("bin", "tmp"):
            (self.home / name).mkdir(exist_ok=True)
        if (self.home / "bin/post_compile").exists():
            run = ["bash", "-c", "bin/post_compile"]
            hook = subprocess.run(
                run, cwd=self.home, env=self._environment, capture_output=True, text=True
            )
            if hook.returncode:
                self.stop()
                raise BuildFailed(hook.stdout + hook.stderr)
        shutil.copy(FAKES / "start-nginx", self.home / "bin/start-nginx")
        (self.home / "bin/nginx").symlink_to(shutil.which(self._nginx))
        self.home.chmod(0o755)
        own(self.home)

    def read(self, name: str) -> str:
        """Return the text of one of its files."""
        return (self.home / name).read_text("utf-8")

    @contextmanager
    def changed(self, name: str, text: str | None) -> Iterator[None]:
        """Have another text in one of its files inside, or no such file. It is not built again."""
        path = self.home / name
        before = path.read_text("utf-8") if path.exists() else None
        put(path, text)
        try:
            yield
        finally:
            put(path, before)

    @contextmanager
    def held_workers(self) -> Iterator[Gate]:
        """Have each worker that starts inside wait until the gate is opened."""
        gate = Gate(self.runtime)
        with self.changed("sitecustomize.py", Gate.MODULE):
            try:
                yield gate
            finally:
                gate.remove()

    def start(self, **environment: str) -> FakeDyno:
        """Run the web line of the Procfile, and return at once.

        Args:
            environment: variables for this start, besides the dyno's own.
        """
        for name in ("app-initialized", "streamlit.socket"):
            (self.runtime / name).unlink(missing_ok=True)
        (self.home / "logs/ended").unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        lines = (self.home / "Procfile").read_text("utf-8").splitlines()
        command = next(line.partition(":")[2] for line in lines if line.startswith("web:"))
        self.started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", command.strip()],
                cwd=self.home,
                env={**self._environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(
                    {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []}
                    if os.geteuid() == 0
                    else {}
                ),
            )
        return self

    def wait(self, seconds: float = 60) -> float:
        """Wait until nginx answers, and return the seconds since the start."""
        while time.monotonic() - self.started < seconds:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.01)
            else:
                seconds = time.monotonic() - self.started
                # nginx listens before its processes have their names.
                wait_until(lambda: self.processes("nginx: worker"))
                return seconds
        raise TimeoutError(f"The dyno is not up after {seconds} s. Its log:\n{self.log()}")

    def wait_for_end(self, seconds: float) -> int:
        """Return the exit status of the Procfile's command."""
        return self._process.wait(seconds)

    @property
    def is_running(self) -> bool:
        """Whether the Procfile's command has been started and has not exited."""
        return self._process is not None and self._process.poll() is None

    @property
    def session(self) -> int:
        """The number of the session that all its processes are in, as ps(1) calls it."""
        return self._process.pid

    @property
    def supervisor(self) -> int:
        """The number of the supervisor's process."""
        [supervisor] = self.processes("-m apphub.server bin/start-nginx")
        return supervisor

    @property
    def workers(self) -> list[int]:
        """The numbers of the workers' processes, in the order of their sockets."""
        names = [self.runtime / "streamlit.socket"]
        names += [self.runtime / f"streamlit.{number}.socket" for number in range(2, 10)]
        return [
            number for name in names for number in self.processes(f"apphub.server.worker {name} ")
        ]

    def has_replaced(self, index: int, gone: int) -> bool:
        """Return whether another process accepts connections in the place of a worker."""
        workers = self.workers
        if gone in workers or len(workers) <= index:
            return False
        name = f"streamlit.{index + 1}.socket" if index else "streamlit.socket"
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.runtime / name))
            return True
        return False

    def processes(self, name: str) -> list[int]:
        """Return the numbers of its processes with the name in their command."""
        command = ["ps", "-ww", "-s", str(self.session), "-o", "pid=,stat=,args="]
        listed = subprocess.run(command, capture_output=True, text=True).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        return [int(row[0]) for row in rows if name in row[2] and row[1][0] != "Z"]

    def log(self) -> str:
        """Return all that the dyno has written to its log."""
        return self._log.read_text("utf-8", "replace")

    def forget_log(self) -> None:
        """Empty the log."""
        os.truncate(self._log, 0)

    def ensure_up(self) -> FakeDyno:
        """Start it and wait, unless it is running."""
        if not self.is_running:
            self.end()  # what is left of an earlier start
            self.start().wait()
        return self

    @contextmanager
    def restarted(self, **environment: str) -> Iterator[None]:
        """Have it run with other variables, or with files that have changed. It ends afterwards."""
        self.end()
        self.start(**environment).wait()
        try:
            yield
        finally:
            self.end()

    @contextmanager
    def shut_down(self) -> Iterator[None]:
        """Have it shut down as Heroku does, SIGTERM to each process, and be up again afterwards."""
        os.killpg(self.session, signal.SIGTERM)
        self.wait_for_end(30)
        try:
            yield
        finally:
            self.start().wait()

    def end(self) -> None:
        """End every process, SIGTERM first, as Heroku does. start() may follow."""
        if self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._process.pid, number)
                    self._process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            wait_until(lambda: not self.processes(""))

    def stop(self) -> None:
        """End every process, and delete the dyno."""
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def __enter__(self) -> FakeDyno:
        self.start().wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
