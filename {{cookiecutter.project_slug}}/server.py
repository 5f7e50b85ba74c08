"""Starts Streamlit, starts nginx once it answers, and looks after both.

    python server.py bin/start-nginx

is what the Procfile runs. bin/start-nginx comes with Heroku's buildpack: it renders
config/nginx.conf.erb and starts nginx. On a laptop use `streamlit run app.py` instead.

Streamlit runs in a process of its own (replica.py), or in as many as STREAMLIT_PROCESSES says. One
that dies or hangs is started again where others carry on meanwhile; alone, its end is the dyno's,
which Heroku then starts anew.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread

ROOT = Path(__file__).resolve().parent
# A dyno has its own /tmp. Where several run on one computer, each has a folder instead.
RUNTIME = Path(os.environ.get("RUNTIME_DIRECTORY", "/tmp"))
SOCKET = RUNTIME / "streamlit.socket"  # config/nginx.conf.erb connects to it
READY = RUNTIME / "app-initialized"  # bin/start-nginx waits for it

# Seconds.
LONGEST_START = 60  # as on Heroku
LONGEST_END = 20  # Heroku ends by force what is there after 30
LONGEST_SILENCE = 60  # by then Heroku's router has cut each of its WebSockets
PAUSE = 1  # between two questions whether it answers

ERROR = "at=error server: "  # as log.py begins its lines


def serve(start_nginx: list[str]) -> None:
    """Serve app.py until SIGTERM, or until something has ended that nothing else stands in for.

    Raises:
        SystemExit: always. The reason is the last thing in the log.
    """
    ended: SimpleQueue[int | str] = SimpleQueue()  # a status, or the words that go with status 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ended.put(128 + number))
    count = processes()
    replicas = [Replica(number, count, ended) for number in range(1, count + 1)]

    def nginx_when_ready() -> None:
        for replica in replicas:
            replica.ready.get()
        READY.touch()
        if start_nginx:
            ended.put(run_nginx(start_nginx))

    for work in (*(replica.run for replica in replicas), nginx_when_ready):
        Thread(target=work, daemon=True).start()
    why = ended.get()
    for replica in replicas:
        replica.end()
    until = time.monotonic() + LONGEST_END
    for replica in replicas:
        replica.wait_for_end(until)
    raise SystemExit(f"{ERROR}{why}" if isinstance(why, str) else why)


def processes() -> int:
    """Return how many processes run Streamlit: STREAMLIT_PROCESSES, or 1.

    Raises:
        SystemExit: it is no such number.
    """
    given = os.environ.get("STREAMLIT_PROCESSES", "1")
    if given not in map(str, range(1, 100)):
        raise SystemExit(
            f"{ERROR}STREAMLIT_PROCESSES is {given!r}: it must be a number from 1 to 99."
        )
    return int(given)


def socket_of(number: int) -> Path:
    """Return where the process of that number listens. nginx.conf.erb has the same names."""
    return SOCKET if number == 1 else SOCKET.with_suffix(f".{number}.socket")


def run_nginx(start_nginx: list[str]) -> str:
    """Run bin/start-nginx until it ends, and say so."""
    # Under bin/start-nginx this would wait: it looks for READY once a second. Now the file is there
    # at once. The command it wants to look after ends when this process does.
    follow = ["tail", f"--pid={os.getpid()}", "-f", "/dev/null"]
    try:
        subprocess.run([*start_nginx, *follow])
    except OSError as error:
        return f"{start_nginx[0]}: {error.strerror}."
    return f"{start_nginx[0]} has ended: its reason stands above."


class Replica:
    """A process of Streamlit, and the next one in its place when it has ended."""

    def __init__(self, number: int, count: int, ended: SimpleQueue[int | str]) -> None:
        """Take its number among how many, and where to say that it cannot go on."""
        self.name = "Streamlit" if count == 1 else f"Streamlit {number} of {count}"
        self.socket = socket_of(number)
        self.ready: SimpleQueue[bool] = SimpleQueue()
        self._alone = count == 1
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1  # where the process says that it is ready; it closes when the process ends
        self._ending = False
        self._lock = Lock()

    def run(self) -> None:
        """Have it run, and run again, until end() or its second failed start in a row."""
        failures = 0
        while self._start():
            if self._is_ready():
                failures = 0
                self.ready.put(True)
                why = self._watch()
            else:
                failures += 1
                why = self._why_no_start()
            os.close(self._pipe)
            if self._ending:
                return
            if self._alone or failures == 2:
                self._ended.put(why)
                return
            print(f"{ERROR}{why} {self.name} is started again.", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Tell it to end, and start no other."""
        with self._lock:
            self._ending = True
        if self._process:
            self._process.terminate()

    def wait_for_end(self, until: float) -> None:
        """Wait for its end, and bring that about when time.monotonic() is `until`."""
        if self._process:
            try:
                self._process.wait(max(0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _start(self) -> bool:
        with self._lock:
            if self._ending:
                return False
            self._pipe, other_end = os.pipe()
            command = [sys.executable, str(ROOT / "replica.py"), str(self.socket), str(other_end)]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[other_end])
            os.close(other_end)
            return True

    def _is_ready(self) -> bool:
        """Wait until it is ready. False if it has ended before, or is not after a minute."""
        return self._says_something(LONGEST_START) and bool(os.read(self._pipe, 1))

    def _says_something(self, seconds: float) -> bool:
        """Wait for a word of the process, or its end; False when the time is up."""
        return bool(select.select([self._pipe], [], [], seconds)[0])

    def _why_no_start(self) -> int | str:
        try:
            status = self._process.wait(PAUSE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return f"{self.name} is not ready after {LONGEST_START} s."
        if status > 0:
            return status  # Python has said why
        return f"{self.name} has ended while it started: {reason(status)}."

    def _watch(self) -> str:
        """Wait for its end, which comes by force where it does not answer, and say why it was."""
        answered = time.monotonic()
        while not self._says_something(PAUSE):
            if self._ending or self._process.poll() is not None:
                break  # it no longer has to answer; or a process of its own still holds the pipe
            longest = LONGEST_SILENCE
            try:
                self._ask()
                answered = time.monotonic()
            except (FileNotFoundError, ConnectionRefusedError):
                longest = 2 * PAUSE  # nobody can reach it
            except OSError:
                pass
            if time.monotonic() - answered > longest:
                self._process.kill()
                self._process.wait()
                return f"{self.name} has not answered for {longest} s."
        return f"{self.name} has ended: {reason(self._process.wait())}."

    def _ask(self) -> None:
        """Ask for its health. Any answer will do: OSError if there is none."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PAUSE)
            client.connect(str(self.socket))
            client.sendall(b"GET /_stcore/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not client.recv(1):
                raise ConnectionResetError


def reason(status: int) -> str:
    """Say how a process has ended, by what Popen.wait() returns."""
    if status >= 0:
        return f"status {status}"
    return f"signal {-status} ({signal.strsignal(-status)})"


if __name__ == "__main__":
    READY.unlink(missing_ok=True)
    try:
        serve(sys.argv[1:])
    finally:
        # Started by bin/start-nginx, rather than starting it: that does not notice that its command
        # has ended, as long as it waits for this file.
        READY.touch()
