"""The door from outside: who gets in, who does not, and what either is told.

Here it starts a project on a stand-in for a dyno. It can as well be pointed at one that is online:

    AUTH_PASSWORD=... .venv/bin/pytest tests/deployment/test_door.py --url https://… --user anna

What can be seen only from inside (the dyno's log, what reaches an app) is skipped by name then.

All of it is done twice here: with one dyno, where the client says what Heroku's router would, and with
two behind a stand-in for that router, each request going to either.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPException

import pytest
from baked import PASSWORD, USER, BakedProject
from door import (
    COOKIE,
    SESSION,
    Answer,
    Door,
    RoutedDoor,
    affinity,
    basic,
    credentials,
    session_number,
)
from dyno import Dyno, WithLog
from router import Router
from websockets.exceptions import InvalidStatus

# bob's name and the start of his password make up bobby's name: see FACTS on joined values.
USERS = {USER: PASSWORD, "bob": "bob's long password", "bobby": "bobby's long password"}

SHOW_HEADERS = """
import streamlit as st

def run():
    for name, value in st.context.headers.items():
        st.text(f"<{name.lower()}: {value}>")
    st.text(f"<client: {st.context.ip_address}>")
"""
PRIVATE = """
import streamlit as st

def run():
    st.text("for anna's eyes alone")
"""
SESSION_STATE = """
import streamlit as st

def run():
    user = st.context.headers["X-Forwarded-User"]
    st.text(f"<owner: {st.session_state.setdefault('owner', user)}>")
    st.text(f"<st.user: {st.user.get('name')}>")
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask for each test with one dyno and with two, or with the project that is online."""
    if "dynos" in metafunc.fixturenames:
        places = {"one": 1, "two": 2}
        if metafunc.config.getoption("--url"):
            places = {"online": 0}
        metafunc.parametrize("dynos", places.values(), ids=places.keys(), scope="module")


@pytest.fixture(scope="module")
def hub(baked) -> BakedProject:
    """The project with three users, three more apps, and the tests as the router before it."""
    manage = baked.load("manage")
    for user, password in USERS.items():
        manage.set_password(user, password, baked.path)
    baked.write("apps/headers.py", SHOW_HEADERS)
    baked.write("apps/private.py", PRIVATE)
    baked.write("apps/state.py", SESSION_STATE)
    baked.add_to_menu(
        {"name": "Headers", "module": "apps.headers"},
        {"name": "State", "module": "apps.state"},
        {"name": "Private", "module": "apps.private", "users": [USER]},
    )
    baked.trust_the_tests()
    return baked


@pytest.fixture(scope="module")
def running(request, dynos) -> Iterator[Dyno | Router | None]:
    """The dyno, or the router before two of them."""
    if not dynos:
        yield None
        return
    hub, nginx = request.getfixturevalue("hub"), request.getfixturevalue("nginx")
    with ExitStack() as stack:
        started = [Dyno(hub.path, nginx, SESSION_SECRET="s" * 32) for _ in range(dynos)]
        for dyno in started:
            stack.callback(dyno.stop)
            dyno.start()
        for dyno in started:
            dyno.wait()
        yield started[0] if dynos == 1 else stack.enter_context(Router(started, affinity=True))


@pytest.fixture(scope="module")
def door(request, running) -> Door:
    if isinstance(running, Router):
        return RoutedDoor(running, USERS)
    if running:
        return Door(running.url, USERS, router=True)
    users = {request.config.getoption("--user"): os.environ["AUTH_PASSWORD"]}
    return Door(request.config.getoption("--url"), users, router=False)


@pytest.fixture
def inside(running) -> WithLog:
    """The log. Skips where the project runs elsewhere."""
    if not running:
        pytest.skip("seen from inside only: run it without --url")
    return running


def assert_closed(answer: Answer, https: bool | None = True) -> None:
    """Nothing but the question for a password."""
    assert answer.status == 401
    assert answer.all("WWW-Authenticate")[0].startswith('Basic realm="')
    assert not answer.all("Set-Cookie")
    assert b"streamlit" not in answer.body.lower()
    assert_headers(answer, https)


def assert_headers(answer: Answer, https: bool | None = True) -> None:
    """What is said on every answer, each exactly once. https=None: nginx could not know."""
    if answer.all("Server") != ["nginx"]:
        pytest.skip(f"not nginx but {answer.all('Server')} answered {answer.status}")
    if https is not None:
        assert answer.all("Strict-Transport-Security") == (["max-age=31536000"] if https else [])
    [policy] = answer.all("Content-Security-Policy")
    assert re.fullmatch(r"frame-ancestors 'self'( https?://[^;,\s]+)*", policy)
    assert answer.all("X-Content-Type-Options") == ["nosniff"]
    assert answer.all("Referrer-Policy") == ["same-origin"]
    [cache] = answer.all("Cache-Control")
    assert cache.startswith("private, ")
    assert bool(answer.all("Retry-After")) == (answer.status == 429)
    if answer.all("Content-Type") and "html" in answer.all("Content-Type")[0]:
        assert cache == "private, no-store"


# -- Nobody gets in without a password ---------------------------------------------------------

PATHS = [
    "/",
    "/sales_report",
    "/nothing?query=1",
    "/_stcore/stream",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/upload_file/a/b",
    "/_stcore/agent/interact",
    "/_stcore",
    "/media/a.png",
    "/component/a/index.html",
    "/static/js/index.js",
    "/favicon.png",
    "/index.html",
    "/.htpasswd",
    "/apps.json",
    "/config/nginx.conf",
    "//",
    "//_stcore/stream",
    "/_stcore/../_stcore/stream",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/../.htpasswd",
    "/%00",
    "/" + "a" * 9000,
    "/.refused/400",
    "/.refused/403",
    "/.refused/",
    "/.nothing/",
    "/_stcore%2fstream",
    "/static../.htpasswd",
]


def https_of(path: str) -> bool | None:
    """Where the path is too odd to be read, the header that says https is not read either."""
    return None if path.startswith(("/%", "/../", "/aaa")) else True


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_without_a_password(door, path):
    assert_closed(door.ask(path), https_of(path))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_by_http(door, path):
    if not door.router:
        pytest.skip("the router says what came by http: run it without --url")
    answer = door.ask(path, "GET", door.password_of(), proto="http")
    assert answer.status == (301 if https_of(path) else 401)
    assert not answer.all("Set-Cookie")
    assert_headers(answer, https=False)
    if answer.status == 301:
        assert answer.all("Location")[0].startswith(f"https://{door.url.hostname}/")


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "ODD"]
UPGRADES = ["", "websocket", "WebSocket", "h2c"]


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: upgrade or "no-upgrade")
@pytest.mark.parametrize("method", METHODS)
def test_a_method_without_a_password(door, method, upgrade):
    asked = [f"Upgrade: {upgrade}", "Connection: Upgrade"] if upgrade else []
    for path in PATHS:
        assert_closed(door.ask(path, method, *asked), https_of(path))


GOOD = credentials(f"{USER}:{PASSWORD}").removeprefix("Basic ")
MALFORMED = {
    "nothing but the scheme": "Basic",
    "a blank after the scheme": "Basic ",
    "no base64": "Basic !!!",
    "base64 cut off": f"Basic {GOOD[:-5]}",
    "no scheme": GOOD,
    "two schemes": f"Basic Basic {GOOD}",
    "no blank": f"Basic{GOOD}",
    "another scheme": f"Bearer {GOOD}",
    "digest": f'Digest username="{USER}", response="{GOOD}"',
    "no colon": credentials(USER),
    "an empty password": credentials(f"{USER}:"),
    "an empty user": credentials(f":{PASSWORD}"),
    "a colon alone": "Basic Og==",
    "in plain": f"Basic {USER}:{PASSWORD}",
    "NUL before the password": credentials(f"{USER}:\0{PASSWORD}"),
    "NUL after the user": credentials(f"{USER}\0:{PASSWORD}"),
    "line ends in the user": credentials(f"{USER}\r\nX: y:{PASSWORD}"),
    "a blank before the user": credentials(f" {USER}:{PASSWORD}"),
    "4 kB": "Basic " + "A" * 4000,
    "a list": f"Basic Og==, Basic {GOOD}",
    "null": "null",
    "a pattern for a user": credentials(f"~.*:{PASSWORD}"),
    "a variable for a user": credentials(f"$remote_addr:{PASSWORD}"),
    "the default for a user": credentials(f"default:{PASSWORD}"),
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_password_is_no_password(door, value):
    assert_closed(door.ask("/", "GET", f"Authorization: {value}"))


def test_two_passwords_at_once_are_none(door):
    wrong = basic(door.user, "a wrong password")
    for pair in ([wrong, door.password_of()], [door.password_of(), wrong]):
        answer = door.ask("/", "GET", *pair)
        assert answer.status in (400, 401)
        assert not answer.all("Set-Cookie")


WRONG = {
    "another": lambda user, password: (user, "a wrong password"),
    "one letter more": lambda user, password: (user, password + "x"),
    "one letter less": lambda user, password: (user, password[:-1]),
    "in capitals": lambda user, password: (user, password.upper()),
    "an unknown user": lambda user, password: ("nobody.here", password),
    "the user in capitals": lambda user, password: (user.upper(), password),
    "the start of the user": lambda user, password: (user[:-1], password),
    "more than the user": lambda user, password: (user + "x", password),
    "the user as password": lambda user, password: (user, user),
    "the hash for a password": lambda user, password: (user, "$2b$12$" + "a" * 53),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_password_is_refused(door, change):
    assert_closed(door.ask("/", "GET", basic(*change(door.user, door.users[door.user]))))


def test_the_password_of_one_is_not_the_password_of_another(door, inside):
    assert_closed(door.ask("/", "GET", basic("bob", USERS["bobby"])))


FORGED = {
    "empty": lambda good: f"{COOKIE}=",
    "zeros": lambda good: f"{COOKIE}={'0' * 64}",
    "one digit other": lambda good: f"{COOKIE}={'1' if good[0] == '0' else '0'}{good[1:]}",
    "one digit less": lambda good: f"{COOKIE}={good[:-1]}",
    "one digit more": lambda good: f"{COOKIE}={good}0",
    "in capitals": lambda good: f"{COOKIE}={good.upper()}",
    "in quotes": lambda good: f'{COOKIE}="{good}"',
    "encoded": lambda good: f"{COOKIE}=%{ord(good[0]):x}{good[1:]}",
    "a name that ends so": lambda good: f"x{COOKIE}={good}",
    "a name that begins so": lambda good: f"{COOKIE}x={good}",
    "a name in small letters": lambda good: f"{COOKIE.lower()}={good}",
    "a name without its prefix": lambda good: f"session={good}",
    "a blank before =": lambda good: f"{COOKIE} ={good}",
    "inside another": lambda good: f"a={COOKIE}={good}",
    "in quotes of another": lambda good: f'a="{COOKIE}={good}"',
    "after a comma": lambda good: f"a=b,{COOKIE}={good}",
    "behind a forged one": lambda good: f"{COOKIE}={'0' * 64}; {COOKIE}={good}",
    "the user": lambda good: f"{COOKIE}={USER}",
    "a pattern": lambda good: f"{COOKIE}=.*",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_cookie_is_no_session(door, forge):
    good = door.session
    assert_closed(door.ask("/", "GET", f"Cookie: {forge(good)}"))
    assert_closed(door.upgrade("/_stcore/stream", f"Cookie: {forge(good)}"))


@pytest.mark.parametrize(
    "elsewhere",
    ["/?{cookie}={good}", "/?{good}", "Cookie2: {cookie}={good}", "Authorization: Bearer {good}"],
)
def test_a_session_counts_in_its_cookie_alone(door, elsewhere):
    place = elsewhere.format(cookie=COOKIE, good=door.session)
    answer = door.ask(place) if place.startswith("/") else door.ask("/", "GET", place)
    assert_closed(answer)


def test_a_session_is_no_password(door):
    assert_closed(door.ask("/", "GET", basic(door.user, door.session)))


def test_a_session_ends_with_its_request(door):
    """The next request on the same connection is somebody else's: the router shares them."""
    head = ["GET /_stcore/health HTTP/1.1", f"Host: {door.host}", *door.routed()]
    first = "\r\n".join([*head, f"Cookie: {COOKIE}={door.session}", "", ""])
    second = "\r\n".join([*head, "Connection: close", "", ""])
    inside, outside = door.raw((first + second).encode())
    assert (inside.status, outside.status) == (200, 401)


@pytest.mark.parametrize(
    "header",
    ["If-None-Match: *", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "Range: bytes=0-9"]
    + ["If-Range: x", "If-Match: *", "Expect: 100-continue", "Accept: */*", "Max-Forwards: 0"]
    + ["X-HTTP-Method-Override: OPTIONS", "X-Original-URL: /x", "X-Rewrite-URL: /x"]
    + ["X-Forwarded-User: anna.b", "Remote-User: anna.b", "Content-Length: 0"],
)
def test_a_header_opens_nothing(door, header):
    for path in ("/", "/static/js/index.js", "/favicon.png"):
        assert_closed(door.ask(path, "GET", header))


# -- The session -------------------------------------------------------------------------------


def test_the_password_opens_it_and_earns_a_session(door):
    page = door.ask("/", "GET", door.password_of())
    assert page.status == 200
    assert b"<title>" in page.body
    [cookie] = [value for value in page.all("Set-Cookie") if SESSION.match(value)]
    session, *attributes = cookie.split("; ")
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{64}}", session)
    assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert_headers(page)


def test_the_session_opens_it_and_earns_no_other(door):
    for path in ("/", "/_stcore/health", "/sales_report"):
        page = door.ask(path, session=door.session)
        assert page.status == 200
        assert page.session is None
    other = f"Cookie: a=b; {COOKIE}={door.session}; c=d"
    assert door.ask("/", "GET", other).status == 200
    assert door.ask("/", "GET", "Cookie: a=b", f"Cookie: {COOKIE}={door.session}").status == 200


def test_with_a_session_no_password_is_looked_at(door):
    for authorization in (basic(door.user, "wrong one"), "Authorization: x", door.password_of()):
        answer = door.ask("/_stcore/health", "GET", authorization, session=door.session)
        assert (answer.status, answer.body, answer.session) == (200, b"ok", None)


def test_the_scheme_of_a_password_has_no_capitals_of_its_own(door):
    for scheme in ("basic", "BASIC"):
        header = door.password_of().replace("Basic", scheme)
        assert door.ask("/", "GET", header).status == 200


@pytest.mark.parametrize("claim", ["by:x", "by:", "bobby:x", "by", f"{USER}:x", "by:" * 9])
def test_a_session_earns_nobody_elses(door, inside, claim):
    """bob's name and "by" must not add up to bobby."""
    header = f"Authorization: {credentials(claim)}"
    answer = door.ask("/", "GET", header, session=door.session_of("bob"))
    assert answer.status == 200
    assert answer.session is None


def test_each_user_has_a_session_of_their_own(door, inside):
    assert len({door.session_of(user) for user in USERS}) == len(USERS)


# Each is answered before the password is asked for, or instead of it.
UNASKED = {
    "401": ("/", "GET", []),
    "400": ("/%00", "GET", []),
    "405": ("/", "TRACE", []),
    "403": ("/_stcore/stream", "GET", ["Upgrade: websocket", "Origin: https://x.example"]),
    "413": ("/", "PUT", ["Content-Length: 99999999999"]),
    "414": ("/" + "a" * 9000, "GET", []),
    "501": ("/", "POST", ["Transfer-Encoding: odd"]),
}


@pytest.mark.parametrize(("path", "method", "headers"), UNASKED.values(), ids=UNASKED.keys())
def test_a_name_alone_earns_no_session(door, path, method, headers):
    """Anybody can write any name into the Authorization header."""
    for proto in ("https", "http"):
        answer = door.ask(
            path, method, basic(door.user, "a wrong password"), *headers, **{"proto": proto}
        )
        assert answer.status in (401, 301)
        assert not answer.all("Set-Cookie")


# -- What is said on every answer --------------------------------------------------------------


def bundle(door: Door) -> str:
    """Return the path of Streamlit's script, as its page names it."""
    page = door.ask("/", session=door.session).body.decode()
    return "/" + re.search(r'src="\.?/?(static/js/[^"]+\.js)"', page)[1]


ICON = "/favicon.png"
ANSWERS = {
    "200 page": (200, lambda door: ("/", "GET")),
    "200 health": (200, lambda door: ("/_stcore/health", "GET")),
    "200 host-config": (200, lambda door: ("/_stcore/host-config", "GET")),
    "200 bundle": (200, lambda door: (bundle(door), "GET")),
    "200 favicon": (200, lambda door: ("/favicon.png", "GET")),
    "206": (206, lambda door: (bundle(door), "GET", "Range: bytes=0-99")),
    "301": (301, lambda door: ("/", "GET")),
    "304": (304, lambda door: (ICON, "GET", f"If-None-Match: {etag(door, ICON)}")),
    "304 bundle": (
        304,
        lambda door: (bundle(door), "GET", f"If-None-Match: {etag(door, bundle(door))}"),
    ),
    "400": (400, lambda door: ("/", "GET", "Content-Length: x")),
    "403": (403, lambda door: UNASKED["403"][:2] + tuple(UNASKED["403"][2])),
    "404": (404, lambda door: ("/media/none.png", "GET")),
    "405": (405, lambda door: ("/", "TRACE")),
    "413": (413, lambda door: ("/", "PUT", "Content-Length: 99999999999")),
    "501": (501, lambda door: ("/", "POST", "Transfer-Encoding: odd")),
}


def etag(door: Door, path: str) -> str:
    return door.ask(path, session=door.session).all("ETag")[0]


@pytest.mark.parametrize(("status", "request_of"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_headers_of_every_answer(door, status, request_of):
    if status == 301 and not door.router:
        pytest.skip("the router says what came by http: run it without --url")
    path, method, *headers = request_of(door)
    proto = "http" if status == 301 else "https"
    answer = door.ask(path, method, *headers, session=door.session, proto=proto)
    assert answer.status == status
    assert_headers(answer, https=https_of(path) and status != 301)
    assert not [name for name, _ in answer.headers if name in ("x-powered-by", "via")]


def test_a_request_with_an_odd_version(door):
    lines = ["GET / HTTP/9.9", f"Host: {door.host}", *door.routed()]
    [answer] = door.raw(lines)
    assert answer.status in (401, 505)
    assert b"streamlit" not in answer.body.lower()


def test_the_bundle_is_kept_by_the_browser_and_by_nobody_else(door):
    answer = door.ask(bundle(door), session=door.session)
    assert answer.all("Cache-Control") == ["private, max-age=31536000, immutable"]


def test_an_answer_with_a_session_in_it_is_kept_by_nobody(door):
    for path in ("/favicon.png", "/_stcore/host-config"):
        answer = door.ask(path, "GET", door.password_of())
        assert answer.session
        assert answer.all("Cache-Control") == ["private, no-store"]


@pytest.mark.parametrize("path", ["/static/js/none.0123abcd.js", "/static/js/", "/static/"])
def test_a_missing_part_of_the_bundle_is_not_kept(door, path):
    answer = door.ask(path, session=door.session)
    assert answer.all("Cache-Control") == ["private, no-store"]


def test_by_http_nothing_is_said_of_https(door):
    if not door.router:
        pytest.skip("the router says what came by http: run it without --url")
    assert not door.ask("/", proto="http").all("Strict-Transport-Security")


# -- Other sites -------------------------------------------------------------------------------

ORIGINS = {
    "foreign": "https://elsewhere.example",
    "null": "null",
    "ours with a suffix": "https://{host}.elsewhere.example",
    "ours with a letter more": "https://{host}x",
    "ours at the end": "https://elsewhere{host}",
    "ours as a user": "https://{host}@elsewhere.example",
    "ours after a user": "https://elsewhere.example@{host}",
    "ours as a path": "https://elsewhere.example/{host}",
    "ours as a query": "https://elsewhere.example?{host}",
    "ours as a fragment": "https://elsewhere.example#{host}",
    "ours with a slash": "https://{host}/",
    "ours without a scheme": "{host}",
    "ours with //": "//{host}",
    "ours by another scheme": "ftp://{host}",
    "ours of an extension": "chrome-extension://{host}",
    "ours after another": "https://elsewhere.example https://{host}",
    "ours before another": "https://{host} https://elsewhere.example",
    "twice ours": "https://{host} {host}",
    "another port": "https://{hostname}:1",
    "localhost": "http://localhost:3000",
    "localhost by https": "https://localhost",
    "a file": "file://",
    "Streamlit's own cloud": "https://share.streamlit.io",
    "a dot at the end": "https://{host}.",
}


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())
def test_a_page_of_another_site_opens_no_websocket(door, origin):
    origin = origin.format(host=door.host, hostname=door.url.hostname)
    header = f"Origin: {origin}"
    assert_closed(door.upgrade("/_stcore/stream", header))
    for path in (
        "/_stcore/stream",
        "//_stcore/stream",
        "/_stcore%2fstream",
        "/x/../_stcore/stream",
    ):
        answer = door.upgrade(path, header, session=door.session)
        assert answer.status == 403
        assert_headers(answer)


@pytest.mark.parametrize("upgrade", ["WebSocket", "WEBSOCKET", "websocket, h2c", "h2c, websocket"])
def test_an_upgrade_in_other_letters_is_no_way_round(door, upgrade):
    foreign = [f"Upgrade: {upgrade}", "Origin: https://elsewhere.example"]
    answer = door.upgrade("/_stcore/stream", *foreign, session=door.session)
    assert answer.status != 101


def test_our_own_page_opens_the_websocket(door):
    for origin in (f"Origin: {door.origin}", f"Origin: http://{door.host}"):
        assert door.upgrade("/_stcore/stream", origin, session=door.session).status == 101
    answer = door.upgrade("/_stcore/stream", f"Origin: {door.origin}", door.password_of())
    assert answer.status == 101
    assert answer.session is None


def test_what_is_no_browser_sends_no_origin_and_is_let_in(door):
    assert door.upgrade("/_stcore/stream", session=door.session).status == 101


def test_the_websocket_works_with_the_cookie_alone(door):
    cookie = f"Cookie: {COOKIE}={door.session}"
    assert "Sales Report" in door.run("", cookie, f"Origin: {door.origin}")


def test_the_websocket_of_nobody(door):
    with pytest.raises(InvalidStatus) as refused:
        door.websocket()
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "websocket/13", "HTTP/2.0"])
def test_no_other_upgrade(door, upgrade):
    settings = "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"
    headers = [f"Upgrade: {upgrade}", settings, "Connection: Upgrade, HTTP2-Settings"]
    # Without an upgrade there is nothing at the second: page.py leads to the end of the address.
    for path, status in (("/", 200), ("/_stcore/stream", 307)):
        answer = door.ask(path, "GET", *headers, session=door.session)
        assert answer.status == status
        assert not answer.all("Upgrade")


# -- Who it is ---------------------------------------------------------------------------------


def seen_by_app(door: Door, *headers: str) -> dict[str, str]:
    """Return the headers that reach an app, and the address that it takes for the client's."""
    seen = re.findall(r"<([^\s:]+): ([^>]*)>", door.run("headers", *headers))
    assert "host" in dict(seen)
    return dict(seen)


def test_the_app_gets_the_name_of_who_is_logged_in(door, inside):
    for user in USERS:
        by_session = seen_by_app(door, f"Cookie: {COOKIE}={door.session_of(user)}")
        by_password = seen_by_app(door, door.password_of(user))
        assert by_session["x-forwarded-user"] == by_password["x-forwarded-user"] == user


def test_a_claim_changes_no_name(door, inside):
    bob = f"Cookie: {COOKIE}={door.session_of('bob')}"
    for claimed in (USER, "bobby", "by", "mallory", "bob\r\nX-Forwarded-User: anna.b"):
        seen = seen_by_app(door, bob, basic(claimed, "x"))
        assert seen["x-forwarded-user"] == "bob"
        assert "mallory" not in seen.values()


IDENTITIES = [
    "X-Forwarded-User",
    "x-forwarded-user",
    "X-FORWARDED-USER",
    "X_Forwarded_User",
    "X-Forwarded_User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "Remote-User",
    "REMOTE_USER",
    "X-Remote-User",
    "X-User",
    "X-Username",
    "X-Authenticated-User",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Webauth-User",
    "X-Goog-Authenticated-User-Email",
    "X-Ms-Client-Principal-Name",
    "X-Amzn-Oidc-Identity",
    "Cf-Access-Authenticated-User-Email",
    "Tailscale-User-Login",
    "X-Streamlit-User",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Client-IP",
    "Forwarded",
    "Proxy",
    "Proxy-Authorization",
    "From",
    "Via",
    "TE",
    "Keep-Alive",
    "Proxy-Connection",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "Ssl-Client-S-Dn",
    "X-Whatever-Comes-Next",
]


@pytest.mark.parametrize("name", IDENTITIES)
def test_a_forged_header_does_not_arrive(door, inside, name):
    session = f"Cookie: {COOKIE}={door.session_of('bob')}"
    seen = seen_by_app(door, session, f"{name}: mallory")
    assert seen["x-forwarded-user"] == "bob"
    assert "mallory" not in seen.values()


def test_no_header_can_be_struck_out(door, inside):
    """Connection names the headers that a proxy takes away: not these."""
    session = f"Cookie: {COOKIE}={door.session_of('bob')}"
    for path in ("/_stcore/health", "/"):
        struck = "Connection: close, X-Forwarded-User, X-Forwarded-For, Cookie, Host"
        assert door.ask(path, "GET", struck, session=door.session).status == 200
    seen = seen_by_app(door, session, "Connection: X-Forwarded-User")
    assert seen["x-forwarded-user"] == "bob"


def test_the_app_sees_the_one_address_that_the_router_saw(door, inside):
    # Without a router in between, the second of two headers is the router's.
    other = "" if isinstance(door, RoutedDoor) else r"|6\.6\.6\.6|127\.0\.0\.1"
    for forged in ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: , "):
        header = f"Cookie: {COOKIE}={door.session}"
        seen = seen_by_app(door, header, forged)
        assert re.fullmatch(r"127\.51\.\d+\.\d+" + other, seen["x-forwarded-for"])
    seen = seen_by_app(door, f"Cookie: {COOKIE}={door.session}")
    assert re.fullmatch(r"127\.51\.\d+\.\d+", seen["x-forwarded-for"])
    assert not any("192.0.2." in value for value in seen.values())
    assert seen["x-forwarded-proto"] == "https"
    assert seen["host"] == door.host


def test_neither_password_nor_session_reaches_an_app(door, inside):
    cookies = f"Cookie: before=1; {COOKIE}={door.session}; after=2"
    seen = seen_by_app(door, cookies, door.password_of())
    assert seen["cookie"] == "before=1; after=2"
    everything = "\n".join(seen.values())
    for secret in (door.session, GOOD, PASSWORD):
        assert secret not in everything
    good = f"{COOKIE}={door.session}"
    for cookies in (good, f"{good}; after=2", f"{good}; {COOKIE}=x", f"a=b; {good}; {good}; c=d"):
        assert door.session not in seen_by_app(door, f"Cookie: {cookies}").get("cookie", "")


def test_what_an_app_may_use_arrives(door, inside):
    used = {"accept-language": "fi", "user-agent": "Odd/1.0", "referer": f"{door.origin}/x"}
    headers = [f"{name}: {value}" for name, value in used.items()]
    seen = seen_by_app(door, f"Cookie: {COOKIE}={door.session}", *headers)
    assert used.items() <= seen.items()


# -- Who sees what -----------------------------------------------------------------------------


def test_an_app_for_some_is_shown_to_them(door, inside):
    anna = f"Cookie: {COOKIE}={door.session_of(USER)}"
    assert "private" in door.run("", anna).lower()
    assert "for anna's eyes alone" in door.run("private", anna)


@pytest.mark.parametrize("user", ["bob", "bobby"])
def test_an_app_for_some_is_not_there_for_others(door, inside, user):
    other = f"Cookie: {COOKIE}={door.session_of(user)}"
    menu = door.run("", other)
    assert "Headers" in menu
    assert "private" not in menu.lower()
    for page in ("private", "/private", "private/", "PRIVATE", "apps.private"):
        assert "eyes alone" not in door.run(page, other)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("header", ["Accept: */*", "Range: bytes=0-9", "If-None-Match: *"])
def test_an_address_does_not_tell_whether_others_have_an_app_there(door, inside, method, header):
    session = door.session_of("bob")

    def told(path: str) -> tuple[int, list, bytes]:
        answer = door.ask(path, method, header, session=session)
        return answer.status, [each for each in answer.headers if each[0] != "date"], answer.body

    assert told("/private") == told("/nothing")


def test_what_others_apps_cache_is_not_told(door):
    """Streamlit tells there which function of which app has cached how much, and how often."""
    for path in ("/_stcore/metrics", "/_stcore/%6detrics", "/_stcore/metrics?families=x"):
        assert door.ask(path, session=door.session).status == 404


def test_nobody_goes_on_with_anothers_streamlit_session(door, inside):
    """Its number is no secret to those who can read the log: uploads have it in their path."""
    anna, bob = (f"Cookie: {COOKIE}={door.session_of(user)}" for user in (USER, "bob"))
    with door.websocket(anna) as websocket:
        annas = door.run_in(websocket, "state")
        assert f"<owner: {USER}>" in annas
        assert f"<st.user: {USER}>" in annas
        number = session_number(annas)
        # To the dyno where that session is.
        same = affinity(websocket.response.headers.raw_items())
        anna, bob = (f"{cookie}; {same}" if same else cookie for cookie in (anna, bob))
        bobs = door.run("state", bob, session_number=number)
        assert "<owner: bob>" in bobs
        assert number not in bobs
        assert f"<owner: {USER}>" in door.run_in(websocket, "state")
    # Who it belongs to may come back to it.
    assert session_number(door.run("state", anna, session_number=number)) == number


# -- Odd requests ------------------------------------------------------------------------------

SECRETS = (b"$2b$", b"auth_basic", b"set_real_ip", b"import streamlit", b"apps.private", b"root:x:")
FILES = [
    ".htpasswd",
    "config/nginx.conf",
    "config/htpasswd",
    "apps.json",
    "log.py",
    "replica.py",
    "server.py",
    "apps/private.py",
]
WAYS = [
    "/{file}",
    "//{file}",
    "/./{file}",
    "/../{file}",
    "/%2e%2e/{file}",
    "/..%2f{file}",
    "/..%5c{file}",
    "/static/../{file}",
    "/static../{file}",
    "/static/..%2f..%2f{file}",
    "/static/../../../../../../../{file}",
    "/media../{file}",
    "/component/../../{file}",
    "/component/a/..%2f..%2f{file}",
    "/_stcore/../{file}",
    "/app/static/../{file}",
    "/app/static/..%2f{file}",
    "/.refused/../{file}",
    "/{file}%00.js",
    "/{file}~",
    "/{file}/",
    "/{file}?x",
    "/;/{file}",
]


@pytest.mark.parametrize("way", WAYS)
def test_no_file_of_the_project_gets_out(door, way):
    for file in [*FILES, "../../../etc/passwd", ".git/config", ".env"]:
        answer = door.ask(way.format(file=file), session=door.session)
        assert answer.status < 500
        for secret in SECRETS:
            assert secret not in answer.body


@pytest.mark.parametrize("path", ["//elsewhere.example/", "/\\elsewhere.example/", "/a/", "/a//"])
def test_no_path_leads_to_another_site(door, path):
    for location in door.ask(path, session=door.session).all("Location"):
        assert re.match(r"/(?![/\\])|\.\./|\w+$", location), location


NEXT = ["GET /_stcore/health HTTP/1.1", "Host: x", "", ""]
SMUGGLED = {
    "length and chunks": ["Content-Length: 6", "Transfer-Encoding: chunked", "", "0", "", *NEXT],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 6", "", "0", "", *NEXT],
    "two lengths": ["Content-Length: 0", "Content-Length: 60", "", *NEXT],
    "a list of lengths": ["Content-Length: 0, 60", "", *NEXT],
    "a signed length": ["Content-Length: +0", "", *NEXT],
    "a negative length": ["Content-Length: -1", "", *NEXT],
    "a length in hexadecimal": ["Content-Length: 0x0", "", *NEXT],
    "a length of nothing": ["Content-Length:", "", *NEXT],
    "a blank before the colon": ["Transfer-Encoding : chunked", "", "0", "", *NEXT],
    "a folded line": ["Transfer-Encoding:", " chunked", "", "0", "", *NEXT],
    "a wrong coding": ["Transfer-Encoding: xchunked", "", "0", "", *NEXT],
    "two codings": ["Transfer-Encoding: chunked, identity", "", "0", "", *NEXT],
    "two lines of codings": [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: x",
        "",
        "0",
        "",
        *NEXT,
    ],
    "a vertical tab": ["Transfer-Encoding: \x0bchunked", "", "0", "", *NEXT],
    "a bad chunk": ["Transfer-Encoding: chunked", "", "zz", "", *NEXT],
    "a huge chunk": ["Transfer-Encoding: chunked", "", "fffffffffffffffff", "", *NEXT],
    "a NUL in a header": ["X: a\0b", "", *NEXT],
    "a header without a colon": ["nonsense", "", *NEXT],
    "a header that begins with a blank": [" X: y", "", *NEXT],
    "two hosts": ["Host: y", "", *NEXT],
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED.keys())
@pytest.mark.parametrize("inside_or_outside", ["inside", "outside"])
def test_nothing_is_smuggled(door, lines, inside_or_outside):
    """Whatever the ends of the first request may be, the second one is not answered with a page."""
    session = [f"Cookie: {COOKIE}={door.session}"] if inside_or_outside == "inside" else []
    head = ["POST /_stcore/health HTTP/1.1", f"Host: {door.host}", *door.routed(), *session]
    # nginx may find a chunk bad, and hang up, while it passes on what Streamlit says to the head.
    answers = door.raw("\r\n".join([*head, *lines]).encode(), silence=1, may_be_cut=True)
    assert not [answer for answer in answers if answer.status == 200]
    if not session:
        assert {answer.status for answer in answers} <= {400, 401}


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1"],
        ["GET / HTTP/1.1", "Host: x", "Host: y"],
        ["GET / HTTP/1.1", "Host: x y"],
        ["GET / HTTP/1.1", "Host:"],
        ["GET / HTTP/1.0"],
        ["GET http://elsewhere.example/ HTTP/1.1", "Host: x"],
        ["CONNECT example.com:443 HTTP/1.1", "Host: x"],
        ["OPTIONS * HTTP/1.1", "Host: x"],
        ["GET * HTTP/1.1", "Host: x"],
        ["GET / HTTP/1.1", "Host: x", "X: " + "a" * 9000],
        ["GET / HTTP/1.1", "Host: x", *["X: " + "a" * 7000] * 8],
        ["PRI * HTTP/2.0", "", "SM", ""],
        ["GET /"],
        ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
        ["get / http/1.1", "host: x"],
        ["GET  /  HTTP/1.1", "Host: x"],
    ],
    ids=lambda lines: " ".join(lines)[:40],
)
def test_what_is_no_proper_request_gets_an_error_and_nothing_else(door, lines):
    answers = door.raw("\r\n".join([*lines, "", ""]).encode("latin-1"), silence=1)
    assert {answer.status for answer in answers} <= {0, 400, 401}  # 0: HTTP/0.9 has none
    for answer in answers:
        assert b"streamlit" not in answer.body.lower()
        assert not answer.all("Set-Cookie")


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1", "x:99", "[::1]", "a.b."])
def test_another_host_changes_nothing(door, host):
    if not door.router:
        pytest.skip("the router goes by Host: run it without --url")
    lines = ["GET / HTTP/1.1", f"Host: {host}", "Connection: close", *door.routed()]
    [answer] = door.raw(lines)
    assert_closed(answer)
    # The Origin has to be the very host that was asked.
    ours = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Origin: {door.origin}"]
    lines += [*ours, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    [answer] = door.raw([*lines, f"Cookie: {COOKIE}={door.session}"])
    assert answer.status == 403


def test_too_large_a_body_is_asked_for_the_password_first(door):
    """The limit is Streamlit's 200 MB and 1 MB for the wrapping."""
    too_large = f"Content-Length: {201 * 2**20 + 1}"
    path = "/_stcore/upload_file/a/b"
    assert_closed(door.ask(path, "PUT", too_large))
    assert door.ask(path, "PUT", too_large, session=door.session).status == 413
    # When the client says no more, nginx looks at the size once more. TLS knows no such half end.
    for _ in range(20 if door.url.scheme == "http" else 0):
        lines = ["PUT / HTTP/1.1", f"Host: {door.host}", *door.routed(), too_large]
        with door.connection() as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            connection.shutdown(1)
            assert connection.recv(12) == b"HTTP/1.1 401"
    answer = door.ask(path, "PUT", session=door.session, body=b"x" * 100_000)
    assert answer.status in (400, 403)  # Streamlit's word


def test_nobody_has_to_say_the_version(door):
    for path in ("/", "/%00", "/.refused/400"):
        answer = door.ask(path)
        assert answer.all("Server") == ["nginx"]
        assert not re.search(rb"nginx/\d", answer.body)


# -- The log -----------------------------------------------------------------------------------


def test_the_log_holds_no_secret(door, inside):
    path = "/sales_report?token=secret-token"
    door.ask(path, "GET", basic(USER, "a mistyped secret"))
    door.ask(path, "GET", basic("typed-into-the-wrong-field", "x"))
    door.ask(path, "GET", door.password_of(), door.password_of())
    door.ask(path, "GET", f"Authorization: {GOOD}")
    door.ask(path, "GET", "Referer: https://x.example/?secret-token", session=door.session)
    door.ask("/log-ends-here", session=door.session)
    log = inside.log_with("/log-ends-here")
    assert 'GET path="/sales_report" status=200' in log
    secrets = ["a mistyped secret", PASSWORD, GOOD, "typed-into", "secret-token", "uthorization"]
    for secret in [*secrets, door.session, "$2b$"]:
        assert secret not in log


# -- Guessing: last, since the line is full afterwards. Each dyno has a line of its own ---------


class Guesses(threading.Thread):
    """Wrong passwords, all at once, from the addresses that are given."""

    def __init__(self, door: Door, addresses: list[str], user: str | None = None) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        wrong = basic(user or door.user, "a wrong password")

        def guess(address: str | None) -> None:
            with contextlib.suppress(OSError, HTTPException):  # the dyno ends before the line does
                self.answers.append(door.ask("/", "GET", wrong, address=address))

        self.threads = [threading.Thread(target=guess, args=(each,)) for each in addresses]
        for thread in self.threads:
            thread.daemon = True

    def run(self) -> None:
        for thread in self.threads:
            thread.start()

    @property
    def statuses(self) -> Counter:
        return Counter(answer.status for answer in self.answers)


def work_on(door: Door, seconds: float) -> Counter:
    """Ask in the name of somebody who is logged in; count the answers' statuses.

    They stand in no line: one that is full takes 20 s.
    """
    statuses: Counter = Counter()
    until = time.monotonic() + seconds
    cookie = f"Cookie: {COOKIE}={door.session}"
    with door.websocket(cookie) as websocket:
        while time.monotonic() < until:
            # A password besides, as browsers send it, makes no guess of it.
            for password in ([], [door.password_of()]):
                asked = time.monotonic()
                statuses[door.ask("/", "GET", *password, session=door.session).status] += 1
                assert time.monotonic() - asked < 5
            assert websocket.ping().wait(10)
        assert "Sales Report" in door.run("", cookie)
    return statuses


def test_guesses_at_nobody_keep_nobody_out(door):
    """They cost no bcrypt, so they do not stand in the line of those who do."""
    if not door.router:
        pytest.skip("one client has one address: run it without --url")
    addresses = [f"127.113.0.{n}" for n in (11, 12, 13, 14)] * 20
    guesses = Guesses(door, addresses, user="nobody.here")
    guesses.start()
    started = time.monotonic()
    time.sleep(1)
    assert door.ask("/", "GET", door.password_of(), address="127.113.0.20").status == 200
    assert time.monotonic() - started < 10
    assert guesses.statuses[200] == 0


def test_guesses_from_one_address(door):
    door.session_of(door.user)
    guesses = Guesses(door, ["127.113.0.5"] * 70 * door.dynos)
    guesses.start()
    assert set(work_on(door, 3)) == {200}
    refused = [answer for answer in guesses.answers if answer.status == 429]
    assert len(refused) >= 25 * door.dynos, guesses.statuses
    for answer in refused:
        assert answer.all("Retry-After") == ["10"]
        assert not answer.all("Set-Cookie")
        assert_headers(answer)
    assert set(guesses.statuses) <= {401, 429}
    if door.router:
        # Somebody else still gets in, if not at once.
        assert door.ask("/", "GET", door.password_of(), address="127.113.0.6").status == 200


def test_guesses_from_many_addresses(door):
    if not door.router:
        pytest.skip("one client has one address: run it without --url")
    session = door.session
    guesses = Guesses(door, [f"127.113.0.{n}" for n in range(50, 50 + 100 * door.dynos)])
    guesses.start()
    assert set(work_on(door, 3)) == {200}
    assert guesses.statuses[429] >= 40 * door.dynos
    assert guesses.statuses[200] == 0
    assert door.ask("/", session=session).status == 200
