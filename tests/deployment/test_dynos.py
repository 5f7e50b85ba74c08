"""Several dynos behind Heroku's router: one login, each browser at home on one, and one goes away."""

from __future__ import annotations

import os
import signal
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from baked import PASSWORD, USER, BakedProject
from browser import WHERE, Browser
from door import COOKIE, Door, RoutedDoor
from dyno import Dyno
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from router import COOKIE as AFFINITY
from router import Router

expect.set_options(timeout=30_000)

SECRET = {"SESSION_SECRET": "s" * 32}
# An app that takes a picture, shows it, and gives it back: each is a request of its own. The
# download does not run the app again: Streamlit forgets where the next upload is to go when a run
# begins just then (ForwardMsgQueue.clear in 1.67), and that upload would never be sent.
PICTURES = """
import os
import streamlit as st

def run():
    st.title("Pictures")
    st.text(f"process {os.getpid()}")
    st.text(f"slider at {st.slider('Slider', 0, 9)}")
    file = st.file_uploader("A picture", key="picture")
    if file:
        st.text(f"{file.name} is there")
        st.image(file.getvalue())
        st.download_button(
            f"Take {file.name} back", file.getvalue(), file.name, on_click="ignore"
        )
"""


def picture(number: int) -> bytes:
    """Return a picture that no other number has."""
    return b"P6 %d 1 255\n" % (number + 1) + bytes(3 * (number + 1))


@pytest.fixture(scope="module")
def hub(baked) -> BakedProject:
    """The project with an app that says where it runs, and one that moves files."""
    baked.write("apps/sales_report.py", WHERE)
    baked.write("apps/pictures.py", PICTURES)
    baked.add_to_menu({"name": "Pictures", "module": "apps.pictures"})
    baked.trust_the_tests()
    return baked


@contextmanager
def two(hub: BakedProject, nginx: str, **environment: str) -> Iterator[list[Dyno]]:
    """Have two dynos that run."""
    with ExitStack() as stack:
        dynos = [Dyno(hub.path, nginx, **environment) for _ in range(2)]
        for dyno in dynos:
            stack.callback(dyno.stop)
            dyno.start()
        for dyno in dynos:
            dyno.wait()
        yield dynos


@pytest.fixture(scope="module", params=[1, 2], ids=["a process each", "two processes each"])
def dynos(request, hub, nginx) -> Iterator[list[Dyno]]:
    """Two dynos with one secret. Who stops one starts it again."""
    with two(hub, nginx, STREAMLIT_PROCESSES=str(request.param), **SECRET) as dynos:
        yield dynos


@pytest.fixture
def router(dynos) -> Iterator[Router]:
    """The router before them, with session affinity."""
    with Router(dynos, affinity=True) as router:
        yield router


@pytest.fixture
def door(router) -> RoutedDoor:
    return RoutedDoor(router, {USER: PASSWORD})


@pytest.fixture
def browsers(request, door):
    """Make browsers; they are closed after the test."""

    def browsers(count: int) -> list[Browser]:
        made = [Browser(door) for _ in range(count)]
        for browser in made:
            request.addfinalizer(browser.close)
        return made

    return browsers


@contextmanager
def gone(dyno: Dyno) -> Iterator[None]:
    """Have a dyno end as Heroku ends one, SIGTERM to each process, and be there again after."""
    os.killpg(dyno.session, signal.SIGTERM)
    dyno.wait_for_end(20)
    try:
        yield
    finally:
        dyno.start().wait()


@contextmanager
def page_of(chromium: Chromium, door: Door) -> Iterator[Page]:
    """Open a page of somebody who has logged in, and whose browser has no password to send."""
    context = chromium.new_context(base_url=door.url.geturl())
    context.add_cookies([{"name": COOKIE, "value": door.session, "url": door.origin}])
    page = context.new_page()
    page.goto("/pictures")
    expect(page.get_by_role("heading", name="Pictures")).to_be_visible()
    yield page
    context.close()


def home_of(page: Page, router: Router) -> Dyno:
    """Return the dyno that the page's cookie leads to, and see that its session is there."""
    [cookie] = [each for each in page.context.cookies() if each["name"] == AFFINITY]
    assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
    home = router.dyno_of(cookie["value"])
    said = page.get_by_text("process ").inner_text()
    assert int(said.removeprefix("process ")) in home.replicas
    return home


def upload(page: Page, number: int) -> int:
    """Give the app a picture, and return the status of the request that brings it."""
    name = f"{number}.ppm"
    file = {"name": name, "mimeType": "image/x-portable-pixmap", "buffer": picture(number)}
    with page.expect_response(
        lambda each: "/_stcore/upload_file/" in each.url and each.request.method == "PUT"
    ) as uploaded:
        page.locator("input[type=file]").set_input_files(file)
    return uploaded.value.status


def works_with_pictures(page: Page, number: int) -> None:
    """Upload a picture, see it, and download it."""
    assert upload(page, number) == 204
    expect(page.get_by_text(f"{number}.ppm is there")).to_be_visible()
    expect(page.get_by_test_id("stImage").locator("img")).to_have_js_property(
        "naturalWidth", number + 1
    )
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Take {number}.ppm back").click()
    assert download.value.path().read_bytes() == picture(number)


# -- The stand-in itself -----------------------------------------------------------------------


class Echo(socketserver.StreamRequestHandler):
    """Answers with the head of the request."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


class Server(socketserver.ThreadingTCPServer):
    """In a dyno's place."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def end(self) -> None:
        """Take no connection any more."""
        self.shutdown()
        self.server_close()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    servers = [Server(), Server()]
    yield servers
    for server in servers:
        server.end()


def asked(door: Door, *headers: str, **routed: str) -> dict[str, str]:
    """Return the headers that a dyno gets."""
    lines = door.ask("/", "GET", *headers, **routed).body.decode().splitlines()[1:-1]
    names = [line.partition(": ")[0] for line in lines]
    assert len(names) == len(set(names))
    return dict(line.split(": ", 1) for line in lines)


def test_the_router_says_what_herokus_does(servers):
    with Router(servers, affinity=False) as router:
        door = RoutedDoor(router, {USER: PASSWORD})
        seen = asked(door, address="127.9.9.9")
        assert seen["X-Forwarded-For"] == "192.0.2.66, 192.0.2.67, 127.9.9.9"
        assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Port"]) == ("https", "443")
        assert (seen["Via"], seen["Host"]) == ("1.1 vegur", door.host)
        assert abs(time.time() - int(seen["X-Request-Start"]) / 1000) < 60
        seen = asked(door, proto="http")
        assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Port"]) == ("http", "80")
        kept = "0123456789abcdef+/=-"
        assert asked(door, f"X-Request-ID: {kept}")["X-Request-ID"] == kept
        ids = {asked(door, f"X-Request-ID: {bad}")["X-Request-ID"] for bad in (kept[1:], "é" * 20)}
        assert len({len(each) for each in ids}) == 1 and len(ids) == 2


def test_the_router_keeps_a_browser_at_its_dyno_as_long_as_that_is_there(servers):
    with Router(servers, affinity=True) as router:
        door = RoutedDoor(router, {USER: PASSWORD})
        given = {door.ask().affinity for _ in range(20)}
        assert len(given) == 2
        for cookie in given:
            again = [door.ask("/", "GET", f"Cookie: a=b; {cookie}") for _ in range(20)]
            assert {answer.affinity for answer in again} == {None}
        assert door.ask("/", "GET", f"Cookie: {AFFINITY}=forged").affinity in given
        servers[0].end()
        [gone, left] = sorted(given, key=lambda each: router.dyno_of(each[24:]) is servers[1])
        assert door.ask("/", "GET", f"Cookie: {gone}").affinity == left
        assert door.ask("/", "GET", f"Cookie: {left}").affinity is None
        servers[1].end()
        assert door.ask("/", "GET", f"Cookie: {left}").status == 503


# -- The hub behind it -------------------------------------------------------------------------


def test_one_login_serves_both(dynos):
    first, second = (Door(dyno.url, {USER: PASSWORD}, router=True) for dyno in dynos)
    assert first.session == second.session
    cookie = f"Cookie: {COOKIE}={first.session}"
    assert "<process" in second.run("sales_report", cookie)


def test_without_the_secret_each_asks_anew(hub, nginx):
    with two(hub, nginx) as dynos:
        first, second = (Door(dyno.url, {USER: PASSWORD}, router=True) for dyno in dynos)
        assert first.ask(session=first.session).status == 200
        assert second.ask(session=first.session).status == 401


def test_a_browser_stays_where_its_session_is(dynos, browsers):
    homes = Counter()
    for browser in browsers(24):
        home, run = browser.run()
        assert run == 1
        homes[home] += 1
        for _ in range(3):  # other tabs
            tab = browser.new_tab()
            assert tab.run() == (home, 1)
            tab.close()
        assert browser.run() == (home, 2)
    assert all(homes.keys() & set(dyno.replicas) for dyno in dynos)
    assert set(homes) <= {replica for dyno in dynos for replica in dyno.replicas}


def test_files_come_and_go(router, door, chromium):
    for _ in range(3):
        with page_of(chromium, door) as page:
            for number in range(3):
                works_with_pictures(page, number)
            home_of(page, router)


def test_a_dyno_goes_away_and_its_users_move_on(router, dynos, browsers, door):
    """No password is asked for, and who was elsewhere notices nothing."""
    homes = {browser: browser.run()[0] for browser in browsers(12)}
    first, second = dynos
    lost = [browser for browser, home in homes.items() if home in first.replicas]
    assert 0 < len(lost) < len(homes)
    with gone(first):
        for browser, home in homes.items():
            if browser in lost:
                homes[browser], run = browser.run_again(5)
                assert (homes[browser] in second.replicas, run) == (True, 1)
            else:
                assert browser.run() == (home, 2)
        assert {door.ask(session=door.session).status for _ in range(10)} == {200}
    # When it is back, it is for those who come. Who had to move stays.
    for browser in lost:
        assert browser.run() == (homes[browser], 2)
    new = {browser.run()[0] for browser in browsers(12)}
    assert new & set(first.replicas)


def test_an_open_page_moves_on_by_itself(router, door, chromium):
    """It is connected to the other dyno at once, and runs there with the next click."""
    with page_of(chromium, door) as page, ExitStack() as stack:
        refused = []
        page.on("response", lambda each: refused.append(each) if each.status == 401 else None)
        home = home_of(page, router)
        works_with_pictures(page, 1)
        with page.expect_websocket():
            stack.enter_context(gone(home))
        page.get_by_role("slider").press("ArrowRight")
        expect(page.get_by_text("slider at 1")).to_be_visible()
        assert home_of(page, router) is not home
        works_with_pictures(page, 2)
        stack.close()
        works_with_pictures(page, 3)
        assert home_of(page, router) is not home
        assert not refused


def test_without_affinity_files_fail_now_and_then(dynos, chromium):
    """What the README warns of: the page works, and half of its uploads go to the wrong dyno."""
    with Router(dynos, affinity=False) as router:
        door = RoutedDoor(router, {USER: PASSWORD})
        with page_of(chromium, door) as page:
            statuses = Counter()
            for number in range(20):
                status = upload(page, number)
                statuses[status] += 1
                # The app has begun to run with it, or without the one before: see PICTURES.
                there = [f"{number}.ppm is there"] if status == 204 else []
                expect(page.get_by_text(" is there")).to_have_text(there)
            page.get_by_role("slider").press("ArrowRight")
            expect(page.get_by_text("slider at 1")).to_be_visible()
    assert 0 < statuses[204] < 20, statuses
