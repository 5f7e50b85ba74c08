"""The sides that are compared, each serving the same project.

`bare` is `streamlit run app.py` in an environment made by `pip install streamlit` alone: no proxy,
no password. `conventional` is the usual nginx configuration in front of that (conventional.conf),
started after `sleep 10`. `ours` is the Procfile on the stand-in for a dyno that the tests use.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/deployment")]

from baked import AUTH, PASSWORD, USER, BakedProject  # noqa: E402
from door import basic, credentials  # noqa: E402, F401
from dyno import Dyno, free_port, python_environment  # noqa: E402

SECRET = "a session secret of more than 32 characters"
PASSWORD_HEADER = {"Authorization": credentials(":".join(AUTH))}


def cookiecutter(template: Path, folder: Path | str, *answers: str) -> None:
    """Run cookiecutter in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", template, "-o", folder, *answers],
        env={**os.environ, "AUTH_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def bake(folder: Path | str, slug: str = "data-apps", apps: Path | None = HERE / "apps") -> Path:
    """Make a project in the folder, with the apps of a folder added to its menu; return its path."""
    cookiecutter(ROOT, folder, f"project_slug={slug}", f"auth_user={USER}")
    project = BakedProject(Path(folder) / slug)
    for source in sorted(apps.glob("*.py")) if apps else ():
        shutil.copy(source, project.path / "apps")
        project.add_to_menu({"name": source.stem.title(), "module": f"apps.{source.stem}"})
    return project.path


def streamlit_alone(project: Path) -> Path:
    """Return the bin/ of an environment with the project's version of Streamlit and nothing else."""
    pins = (project / "requirements.txt").read_text("utf-8").splitlines()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as alone:
        alone.write(next(pin for pin in pins if pin.startswith("streamlit==")) + "\n")
        alone.flush()
        return python_environment(Path(alone.name))


def kilobytes(file: Path, name: str) -> int:
    """Return a field of a file in /proc."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)[1])


class Side:
    """A project that is served one way. Inside `with` it is up."""

    name = ""
    url = ""
    headers: dict[str, str] = {}  # what a browser that has logged in sends

    def start(self) -> None:
        """Begin, and return at once."""
        raise NotImplementedError

    def stop(self) -> None:
        """End every process of it."""
        raise NotImplementedError

    def first_answer(self) -> float:
        """Return the seconds from the start to the first 200. A 5xx on the way is a failure."""
        while (taken := time.monotonic() - self.started) < 60:
            with contextlib.suppress(requests.ConnectionError):
                answer = requests.get(self.url, headers=self.first_headers, timeout=60)
                if answer.status_code != 200:
                    raise RuntimeError(f"{self.name}: {answer.status_code} while it started")
                self.take(answer)
                return time.monotonic() - self.started
            time.sleep(0.005)
        raise TimeoutError(f"{self.name} did not answer in {taken:.0f} s")

    first_headers: dict[str, str] = {}

    def take(self, answer: requests.Response) -> None:
        """Note what the first answer brings."""

    @property
    def session(self) -> int:
        """The number of the session that all its processes are in."""
        return self.process.pid

    def processes(self) -> Iterator[Path]:
        """Yield the folder in /proc of each of its processes."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(process.name)) == self.session:
                    yield process

    def memory(self, name: str = "", field: str = "Pss") -> int:
        """Return the bytes that its processes take, shared ones divided; all, or by name.

        The field "Pss_Anon" leaves out files: who else has them open makes no difference to it.
        """
        total = 0
        for process in self.processes():
            with contextlib.suppress(OSError, ProcessLookupError):
                if name in (process / "comm").read_text():
                    total += kilobytes(process / "smaps_rollup", field) * 1024
        return total

    def open_files(self) -> dict[str, int]:
        """Return how many files and how many sockets its processes have open."""
        found = {"files": 0, "sockets": 0}
        for process in self.processes():
            for entry in (process / "fd").glob("*"):
                with contextlib.suppress(OSError):
                    kind = "sockets" if os.readlink(entry).startswith("socket:") else "files"
                    found[kind] += 1
        return found

    def peak(self) -> int:
        """Return the bytes that Streamlit's process has taken at most, as the kernel knows (VmHWM)."""
        peaks = []
        for process in self.processes():
            with contextlib.suppress(OSError, ProcessLookupError):
                peaks.append(kilobytes(process / "status", "VmHWM") * 1024)
        return max(peaks)

    def __enter__(self) -> Side:
        self.start()
        self.first_answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Bare(Side):
    name = "bare"

    def __init__(self, project: Path, nginx: str) -> None:
        self.project = project
        self.python = streamlit_alone(project)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.command = (
            f"{self.python}/streamlit run app.py --server.headless true --server.port {port}"
        )

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["bash", "-c", self.command],
            cwd=self.project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Conventional(Bare):
    name = "conventional"
    headers = first_headers = PASSWORD_HEADER

    def __init__(self, project: Path, nginx: str) -> None:
        super().__init__(project, nginx)
        inner, port = self.url, free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.home = Path(tempfile.mkdtemp())
        self.home.chmod(0o755)
        shutil.copy(project / ".htpasswd", self.home)
        (self.home / ".htpasswd").chmod(0o644)
        template = string.Template((HERE / "conventional.conf").read_text("utf-8"))
        (self.home / "nginx.conf").write_text(
            template.substitute(
                home=self.home,
                port=port,
                inner=inner,
                user=pwd.getpwuid(os.geteuid()).pw_name,
            )
        )
        self.command += f" & sleep 10; {nginx} -p {self.home} -c {self.home}/nginx.conf"

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Ours(Side):
    name = "ours"
    first_headers = {**PASSWORD_HEADER, "X-Forwarded-Proto": "https"}

    def __init__(self, project: Path, nginx: str, **environment: str) -> None:
        self.dyno = Dyno(project, nginx, SESSION_SECRET=SECRET, **environment)
        self.url = self.dyno.url

    def start(self) -> None:
        self.dyno.start()
        self.started = self.dyno.started

    def take(self, answer: requests.Response) -> None:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        self.headers = {"Cookie": cookie, "X-Forwarded-Proto": "https"}

    @property
    def session(self) -> int:
        return self.dyno.session

    def stop(self) -> None:
        self.dyno.stop()


def ask(python: Path, function: str, side: Side, path: str = "/", **options: object) -> dict:
    """Call a function of clients.py in a process of its own, and return what it has measured."""
    given = {"url": side.url + path, "headers": side.headers, **options}
    ended = subprocess.run(
        [python / "python", HERE / "clients.py", function, json.dumps(given)],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{function} of {side.name}: {ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])
