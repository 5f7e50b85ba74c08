"""A start that takes nearly all of the minute that Heroku gives it."""

from __future__ import annotations

import socket
import time

import pytest
from baked import PASSWORD, USER
from fake_dyno import FakeDyno
from http_client import HttpClient

HELD = 48  # seconds; on Heroku, and in worker_process.py, a start may take 60


def test_a_start_of_fifty_seconds(baked_project, nginx):
    """Nobody is answered before it is ready, so nobody gets a 5xx. Heroku's router waits too."""
    dyno = FakeDyno(baked_project.path, nginx)
    try:
        with dyno.held_workers() as gate:
            dyno.start()
            while time.monotonic() - dyno.started < HELD:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", dyno.port))
                time.sleep(0.5)
            gate.open()
            dyno.wait()
        client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
        assert client.request("/", "GET", client.password_of()).status == 200
        responses = [client.request("/", session=client.session) for _ in range(20)]
        assert {response.status for response in responses} == {200}
    finally:
        dyno.stop()
