"""Several dynos behind Heroku's router: one login, each browser stays at one, and one goes away.

What a page in a browser does: tests/browser/test_several_dynos.py.
"""

from __future__ import annotations

import socketserver
import threading
import time
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER, BakedProject
from browser_client import WHERE, BrowserClient
from fake_dyno import FakeDyno, running_dynos
from fakes.router import COOKIE as AFFINITY
from fakes.router import Router
from http_client import COOKIE, HttpClient, RoutedClient

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = {USER: PASSWORD}
# The router chooses a dyno at random: so many browsers never all get the same one.
MANY = 100
SECRET = {"SESSION_SECRET": "s" * 32}


@pytest.fixture(scope="module")
def project(baked_project: BakedProject) -> BakedProject:
    """The project with an app that shows where it runs."""
    baked_project.write("apps/sales_report.py", WHERE)
    baked_project.trust_the_tests()
    return baked_project


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker each", "two workers each"])
def dynos(request, project, nginx) -> Iterator[list[FakeDyno]]:
    """Two dynos with one secret. A test that ends one starts it again."""
    processes = {"STREAMLIT_PROCESSES": str(request.param)}
    with running_dynos(project.path, nginx, **processes, **SECRET) as dynos:
        yield dynos


@pytest.fixture
def router(dynos) -> Iterator[Router]:
    """The router before them, with session affinity."""
    with Router(dynos, affinity=True) as router:
        yield router


@pytest.fixture
def client(router) -> RoutedClient:
    return RoutedClient(router, USERS)


# -- The fake router ---------------------------------------------------------------------------


class Echo(socketserver.StreamRequestHandler):
    """Answers with the head of the request."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


class EchoServer(socketserver.ThreadingTCPServer):
    """In a dyno's place."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def end(self) -> None:
        """Accept no connection any more."""
        self.shutdown()
        self.server_close()


@pytest.fixture
def servers() -> Iterator[list[EchoServer]]:
    servers = [EchoServer(), EchoServer()]
    yield servers
    for server in servers:
        server.end()


def received(client: HttpClient, *headers: str, **routed: str) -> dict[str, str]:
    """Return the headers that a dyno gets."""
    lines = client.request("/", "GET", *headers, **routed).body.decode().splitlines()[1:-1]
    names = [line.partition(": ")[0] for line in lines]
    assert len(names) == len(set(names))
    return dict(line.split(": ", 1) for line in lines)


def test_the_router_sends_what_herokus_sends(servers):
    with Router(servers, affinity=False) as router:
        client = RoutedClient(router, USERS)
        before = int(time.time() * 1000)
        headers = received(client, address="127.9.9.9")
        assert headers["X-Forwarded-For"] == "192.0.2.66, 192.0.2.67, 127.9.9.9"
        assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == ("https", "443")
        assert (headers["Via"], headers["Host"]) == ("1.1 vegur", client.host)
        assert before <= int(headers["X-Request-Start"]) <= time.time() * 1000
        headers = received(client, proto="http")
        assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == ("http", "80")
        kept = "0123456789abcdef+/=-"
        assert received(client, f"X-Request-ID: {kept}")["X-Request-ID"] == kept
        invalid = (kept[1:], "é" * 20)
        ids = {received(client, f"X-Request-ID: {each}")["X-Request-ID"] for each in invalid}
        assert len({len(each) for each in ids}) == 1
        assert len(ids) == 2


def test_the_router_keeps_a_browser_at_its_dyno_as_long_as_that_is_there(servers):
    with Router(servers, affinity=True) as router:
        client = RoutedClient(router, USERS)
        given = {client.request().affinity for _ in range(MANY)}
        assert len(given) == 2
        for cookie in given:
            again = [client.request("/", "GET", f"Cookie: a=b; {cookie}") for _ in range(20)]
            assert {response.affinity for response in again} == {None}
        assert client.request("/", "GET", f"Cookie: {AFFINITY}=forged").affinity in given
        servers[0].end()
        [gone, left] = sorted(given, key=lambda each: router.dyno_of(each[24:]) is servers[1])
        assert client.request("/", "GET", f"Cookie: {gone}").affinity == left
        assert client.request("/", "GET", f"Cookie: {left}").affinity is None
        servers[1].end()
        assert client.request("/", "GET", f"Cookie: {left}").status == 503


# -- The project behind it ---------------------------------------------------------------------


def test_one_login_is_valid_on_both(dynos):
    first, second = (HttpClient(dyno.url, USERS, router=True) for dyno in dynos)
    assert first.session == second.session
    assert "<process" in second.run("sales_report", f"Cookie: {COOKIE}={first.session}")


def test_without_the_secret_each_requires_a_login(project, nginx):
    with running_dynos(project.path, nginx) as dynos:
        first, second = (HttpClient(dyno.url, USERS, router=True) for dyno in dynos)
        assert first.request(session=first.session).status == 200
        assert second.request(session=first.session).status == 401


def test_a_browser_stays_where_its_session_is(dynos, browsers):
    homes = set()
    for _ in range(MANY):
        [browser] = browsers(1)
        home, run = browser.run()
        assert run == 1
        homes.add(home)
        for _ in range(3):  # other tabs
            tab = browser.new_tab()
            assert tab.run() == (home, 1)
            tab.close()
        assert browser.run() == (home, 2)
        if all(homes & set(dyno.workers) for dyno in dynos):
            return
    raise AssertionError(homes)


def test_a_dyno_goes_away_and_its_browsers_move(dynos, browsers, client):
    """No password is asked for, and browsers at the other dyno are not affected."""
    first, second = dynos
    homes: dict[BrowserClient, int] = {}
    for _ in range(MANY):
        homes |= {browser: browser.run()[0] for browser in browsers(3)}
        moving = [browser for browser, home in homes.items() if home in first.workers]
        if 0 < len(moving) < len(homes):
            break
    assert 0 < len(moving) < len(homes)
    with first.shut_down():
        for browser, home in homes.items():
            if browser in moving:
                homes[browser], run = browser.run_again()
                assert homes[browser] in second.workers
                assert run == 1
            else:
                assert browser.run() == (home, 2)
        assert {client.request(session=client.session).status for _ in range(10)} == {200}
    # When it is back, new browsers come to it. Those that moved stay.
    for browser in moving:
        assert browser.run() == (homes[browser], 2)
    assert any(browsers(1)[0].run()[0] in first.workers for _ in range(MANY))
