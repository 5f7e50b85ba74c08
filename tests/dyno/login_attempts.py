"""Wrong passwords, sent all at once, and a count of what is answered."""

from __future__ import annotations

import http.client
import re
import selectors
import time
from collections import Counter
from typing import TYPE_CHECKING

from http_client import HttpClient, Response, basic, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ZONES = ("login_per_ip", "login_total", "bcrypt_total")
# The lowest rate that nginx knows: what is sent is counted, however fast this computer is.
SLOW = "1r/m"


def set_rate(root: Path, zone: str, rate: str) -> None:
    """Change the rate of one of nginx's limits in a project."""
    http_conf = root / "apphub/nginx/http.conf"
    text, count = re.subn(
        rf"(zone={zone}:\w+ rate=)[^;]+", rf"\g<1>{rate}", http_conf.read_text("utf-8")
    )
    assert count == 1, zone
    http_conf.write_text(text, "utf-8")


def remove_rate_limits(root: Path) -> None:
    """Have nginx check any number of passwords at once: for tests of other rules."""
    for zone in ZONES:
        set_rate(root, zone, "100000r/s")


def make_addresses(count: int) -> list[str]:
    """Return addresses that nothing else comes from."""
    return [f"127.113.{number // 250}.{number % 250 + 1}" for number in range(count)]


class LoginAttempts:
    """Login attempts, each of which waits for its response on a connection of its own.

    Attributes:
        responses: those that have arrived.
    """

    def __init__(self, client: HttpClient, user: str | None = None) -> None:
        """Prepare attempts with a wrong password for a user; None for the client's first."""
        self.responses: list[Response] = []
        self._client = client
        self._wrong = basic(user or client.user, "a wrong password")
        self._waiting = selectors.DefaultSelector()
        self._sent = 0
        self._started = time.monotonic()

    def __enter__(self) -> LoginAttempts:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._waiting.get_map().values()):
            key.fileobj.close()
        self._waiting.close()

    @property
    def statuses(self) -> Counter[int]:
        """How many responses have each status."""
        return Counter(response.status for response in self.responses)

    def send(self, addresses: Iterable[str], path: str = "/") -> None:
        """Send one attempt from each address."""
        for address in addresses:
            lines = [f"GET {path} HTTP/1.1", f"Host: {self._client.host}", "Connection: close"]
            lines += [*self._client.routed(address=address), self._wrong, "", ""]
            connection = self._client.connection(address=address)
            connection.sendall("\r\n".join(lines).encode())
            self._waiting.register(connection, selectors.EVENT_READ)
            self._sent += 1

    def receive_until(self, is_enough: Callable[[], bool]) -> None:
        """Read responses until there are enough."""
        while not is_enough():
            ready = self._waiting.select(120)
            assert ready, f"no response for two minutes, after {self.statuses}"
            for key, _ in ready:
                self._waiting.unregister(key.fileobj)
                self.responses.append(read(http.client.HTTPResponse(key.fileobj, method="GET")))
                key.fileobj.close()

    def receive_all(self) -> None:
        """Read the responses to all attempts."""
        self.receive_until(lambda: len(self.responses) == self._sent)

    def receive_refusals(
        self, queue: int, per_second: float = 1 / 60, is_empty: bool = True
    ) -> None:
        """Read responses until those are refused for which a queue has no place.

        The queue empties while the attempts are sent: on a computer that stands still for minutes,
        fewer are refused. More never are.

        Args:
            queue: how many can wait; one more is answered at once.
            per_second: the rate at which the queue empties, SLOW by default.
            is_empty: whether nothing was in the queue before.
        """

        def is_enough() -> bool:
            emptied = int(per_second * (time.monotonic() - self._started)) + 1
            return self.statuses[429] >= self._sent - queue - 1 - emptied

        self.receive_until(is_enough)
        if is_empty:
            assert self.statuses[429] <= self._sent - queue - 1, self.statuses
        assert set(self.statuses) <= {401, 429}, self.statuses
