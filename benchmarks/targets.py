"""The targets that are compared: each serves the same project in another way.

`bare` is `streamlit run app.py` in an environment made by `pip install streamlit` only: no proxy,
no password. `conventional` is the usual nginx configuration in front of it (conventional.conf),
started after `sleep 10`. `ours` is the Procfile on the fake dyno of the tests.
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
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/dyno")]

from baked import AUTH, PASSWORD, USER, BakedProject  # noqa: E402
from fake_dyno import FakeDyno, free_port, python_environment  # noqa: E402
from http_client import basic, credentials  # noqa: E402, F401

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
    """Bake a project into the folder, add the apps of a folder to its menu, and return its path."""
    cookiecutter(ROOT, folder, f"project_slug={slug}", f"auth_user={USER}")
    project = BakedProject(Path(folder) / slug)
    for source in sorted(apps.glob("*.py")) if apps else ():
        shutil.copy(source, project.path / "apps")
        project.add_to_menu({"name": source.stem.title(), "module": f"apps.{source.stem}"})
    return project.path


def bare_environment(project: Path) -> Path:
    """Return the bin/ of an environment with the project's version of Streamlit only."""
    pins = (project / "requirements.txt").read_text("utf-8").splitlines()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(next(pin for pin in pins if pin.startswith("streamlit==")) + "\n")
        requirements.flush()
        return python_environment(Path(requirements.name))


def read_kilobytes(file: Path, name: str) -> int:
    """Return a field of a file in /proc."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)[1])


class Target:
    """A project that is served in one way. Use it as a context manager: inside, it runs."""

    name = ""
    url = ""
    headers: Mapping[str, str] = MappingProxyType({})  # what a browser with a session sends
    first_headers: Mapping[str, str] = MappingProxyType({})  # of the first request

    def start(self) -> None:
        """Start its processes, and return at once."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop all its processes."""
        raise NotImplementedError

    def wait(self) -> float:
        """Wait for the first 200, and return the seconds since the start. A 5xx is an error."""
        while (elapsed := time.monotonic() - self.started) < 60:
            with contextlib.suppress(requests.ConnectionError):
                response = requests.get(self.url, headers=self.first_headers, timeout=60)
                if response.status_code != 200:
                    raise RuntimeError(f"{self.name}: {response.status_code} during the start")
                self.read_cookies(response)
                return time.monotonic() - self.started
            time.sleep(0.005)
        raise TimeoutError(f"{self.name} did not answer in {elapsed:.0f} s")

    def read_cookies(self, response: requests.Response) -> None:
        """Keep the session cookie of the first response, where there is one."""

    @property
    def process_session(self) -> int:
        """The ID of the process session that all its processes are in."""
        return self.process.pid

    def processes(self) -> Iterator[Path]:
        """Yield the folder in /proc of each of its processes."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(process.name)) == self.process_session:
                    yield process

    def memory(self, name: str = "", field: str = "Pss") -> int:
        """Return the bytes that its processes use, shared memory divided; all, or by name.

        The field "Pss_Anon" excludes files, so other processes that have them open do not matter.
        """
        total = 0
        for process in self.processes():
            with contextlib.suppress(OSError, ProcessLookupError):
                if name in (process / "comm").read_text():
                    total += read_kilobytes(process / "smaps_rollup", field) * 1024
        return total

    def open_files(self) -> dict[str, int]:
        """Return the number of open files and of open sockets of its processes."""
        found = {"files": 0, "sockets": 0}
        for process in self.processes():
            for entry in (process / "fd").glob("*"):
                with contextlib.suppress(OSError):
                    kind = "sockets" if str(entry.readlink()).startswith("socket:") else "files"
                    found[kind] += 1
        return found

    def peak(self) -> int:
        """Return the peak memory of Streamlit's process in bytes (the kernel's VmHWM)."""
        peaks = []
        for process in self.processes():
            with contextlib.suppress(OSError, ProcessLookupError):
                peaks.append(read_kilobytes(process / "status", "VmHWM") * 1024)
        return max(peaks)

    def __enter__(self) -> Target:
        self.start()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Bare(Target):
    name = "bare"

    def __init__(self, project: Path, _nginx: str) -> None:
        self.project = project
        self.python = bare_environment(project)
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


class Ours(Target):
    name = "ours"
    first_headers = MappingProxyType({**PASSWORD_HEADER, "X-Forwarded-Proto": "https"})

    def __init__(self, project: Path, nginx: str, **environment: str) -> None:
        self.dyno = FakeDyno(project, nginx, SESSION_SECRET=SECRET, **environment)
        self.url = self.dyno.url

    def start(self) -> None:
        self.dyno.start()
        self.started = self.dyno.started

    def read_cookies(self, response: requests.Response) -> None:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        self.headers = {"Cookie": cookie, "X-Forwarded-Proto": "https"}

    @property
    def process_session(self) -> int:
        return self.dyno.session

    def stop(self) -> None:
        self.dyno.stop()


def run_client(
    python: Path, function: str, target: Target, path: str = "/", **options: object
) -> dict:
    """Call a function of clients.py in its own process, and return what it has measured."""
    given = {"url": target.url + path, "headers": dict(target.headers), **options}
    ended = subprocess.run(
        [python / "python", HERE / "clients.py", function, json.dumps(given)],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{function} of {target.name}: {ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])
