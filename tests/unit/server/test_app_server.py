"""server/app_server.py: an app's server reports, and ends itself where nobody needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from fake_dyno import wait_until

from apphub.server import app_server
from apphub.server.app_processes import bind
from apphub.server.app_server import ALIVE, IDLE, READY, AppServer

if TYPE_CHECKING:
    from pathlib import Path


async def answer(scope, receive, send) -> None:
    """An application that answers /slow when the test says so, and all others at once."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.to_thread(slow.wait)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


slow = threading.Event()


class Harness:
    """A server in a thread, and the supervisor's end of its pipe."""

    def __init__(self, folder: Path, minutes: float, application=answer) -> None:
        self.path = folder / "app.socket"
        self.listener = bind(self.path)  # the supervisor keeps it
        self.pipe, self.other_end = os.pipe()
        self.server = AppServer(application, self.other_end, minutes)
        sockets = [self.listener.dup()]
        self.thread = threading.Thread(target=self.server.run, args=[sockets], daemon=True)
        self.thread.start()
        assert os.read(self.pipe, 1) == READY

    def connect(self, path: str = "/") -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(str(self.path))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client

    def stop(self) -> None:
        slow.set()
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.listener.close()
        for descriptor in (self.pipe, self.other_end):
            os.close(descriptor)


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setattr(app_server, "INTERVAL", 0.02)
    monkeypatch.setattr(app_server, "LAST_REQUESTS", 0.1)
    slow.clear()
    started = []

    def start(minutes: float) -> Harness:
        started.append(Harness(tmp_path, minutes))
        return started[-1]

    yield start
    for harness in started:
        harness.stop()


def read_until(pipe: int, sign: bytes) -> bytes:
    seen = b""
    while sign not in seen:
        seen += os.read(pipe, 100)
    return seen


def test_it_reports_as_long_as_it_lives(start):
    harness = start(0)
    assert set(os.read(harness.pipe, 1) + os.read(harness.pipe, 1)) == set(ALIVE)
    with harness.connect() as client:
        assert client.recv(12) == b"HTTP/1.1 204"


def test_it_ends_without_visitors(start):
    harness = start(0.1 / 60)
    assert read_until(harness.pipe, IDLE).strip(ALIVE) == IDLE
    harness.thread.join(60)
    assert not harness.thread.is_alive()


def test_who_connects_at_its_end_waits_for_the_next_process(start, monkeypatch):
    monkeypatch.setattr(app_server, "LAST_REQUESTS", 0.5)
    harness = start(0.1 / 60)
    wait_until(lambda: not any(server.is_serving() for server in harness.server.servers))
    with harness.connect():
        harness.thread.join(60)
        assert not harness.thread.is_alive()
        connection, _ = harness.listener.accept()
        with connection:
            assert connection.recv(3) == b"GET"


def test_a_request_in_flight_is_a_visitor(start):
    harness = start(0.1 / 60)
    with harness.connect("/slow") as client:
        wait_until(lambda: harness.server._activity._open == 1)
        signs = b""
        while len(signs) < 20:  # much longer than it may be idle
            signs += os.read(harness.pipe, 1)
        assert IDLE not in signs
        slow.set()
        assert client.recv(12) == b"HTTP/1.1 204"
        assert IDLE in read_until(harness.pipe, IDLE)


def test_it_ends_when_the_supervisor_has_gone(start):
    harness = start(0)
    os.close(harness.pipe)
    harness.pipe = os.open(os.devnull, os.O_RDONLY)
    harness.thread.join(60)
    assert not harness.thread.is_alive()


def test_supervisor_that_does_not_read_keeps_nobody_waiting(start):
    harness = start(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(harness.other_end, bytes(4096))
    for _ in range(3):
        with harness.connect() as client:
            assert client.recv(12) == b"HTTP/1.1 204"
    assert harness.thread.is_alive()
