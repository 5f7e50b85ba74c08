"""Access from outside: who gets in, who does not, and what either of them receives.

What only nginx decides is sent to nginx with an echo behind it; what Streamlit answers, to a dyno
behind a fake of Heroku's router. All of it can be sent to a project that is online instead:

    AUTH_PASSWORD=... .venv/bin/pytest tests/dyno/test_access.py --url https://… --user anna

What is seen only from inside (the log, what reaches Streamlit or an app) is skipped then.
test_rate_limits.py can be run in the same way: its queue is full afterwards.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from assertions import LONG_CACHE, assert_headers, assert_refused, find_script
from baked import PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, wait_until
from fakes.router import Router
from http_client import (
    COOKIE,
    SESSION,
    HttpClient,
    RoutedClient,
    affinity,
    basic,
    credentials,
    session_number,
)
from login_attempts import SLOW, LoginAttempts, make_addresses, remove_rate_limits, set_rate
from nginx_probe import NginxProbe, make_project, running_nginx
from websockets.exceptions import InvalidStatus

from apphub.accounts import set_password

if TYPE_CHECKING:
    from collections.abc import Iterator

# "bob" and the start of a password must not add up to "bobby".
USERS = {USER: PASSWORD, "bob": "bob's long password", "bobby": "bobby's long password"}

SECRET = {"SESSION_SECRET": "s" * 32}

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
    st.text("only for anna")
"""
SESSION_STATE = """
import streamlit as st

def run():
    user = st.context.headers["X-Forwarded-User"]
    st.text(f"<owner: {st.session_state.setdefault('owner', user)}>")
    st.text(f"<st.user: {st.user.get('name')}>")
"""


# -- nginx with an echo behind it --------------------------------------------------------------


@pytest.fixture(scope="module")
def probe(request, online_client, tmp_path_factory) -> Iterator[NginxProbe | None]:
    """nginx with three users; None with --url. Its rate limits have tests of their own."""
    if online_client:
        yield None
        return
    root = make_project(tmp_path_factory.mktemp("project"), users=USERS)
    remove_rate_limits(root)
    with running_nginx(root, request.getfixturevalue("nginx")) as probe:
        yield probe


@pytest.fixture(scope="module")
def client(probe, online_client) -> HttpClient:
    """A client of nginx. It does what Heroku's router does."""
    return online_client or HttpClient(probe.url, USERS, router=True)


@pytest.fixture
def nothing_passes(probe, client) -> Iterator[None]:
    """Nothing that the test sends reaches Streamlit."""
    assert client.session  # is cached: logging in is not part of the test
    before = len(probe.upstream.paths) if probe else 0
    yield
    assert not probe or probe.upstream.paths[before:] == []


@pytest.fixture
def received(local, client):
    """Send a request that nginx passes on, and return the headers that reach Streamlit."""

    def received(*headers: str, upgrade: bool = False) -> list[tuple[str, str]]:
        answer = client.upgrade("/", *headers) if upgrade else client.request("/", "GET", *headers)
        assert answer.status == 200
        return [(name.lower(), value) for name, value in json.loads(answer.body)["headers"]]

    return received


# -- A dyno behind the router ------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(baked_project: BakedProject) -> BakedProject:
    """The project with three users, three more apps, and the tests as the router before it."""
    for user, password in USERS.items():
        set_password(user, password, baked_project.path)
    baked_project.write("apps/headers.py", SHOW_HEADERS)
    baked_project.write("apps/private.py", PRIVATE)
    baked_project.write("apps/state.py", SESSION_STATE)
    baked_project.add_to_menu(
        {"name": "Headers", "module": "apps.headers"},
        {"name": "State", "module": "apps.state"},
        {"name": "Private", "module": "apps.private", "users": [USER]},
    )
    baked_project.trust_the_tests()
    remove_rate_limits(baked_project.path)
    return baked_project


@pytest.fixture(scope="module")
def dyno(request, online_client) -> Iterator[FakeDyno | None]:
    """The running dyno; None with --url."""
    if online_client:
        yield None
        return
    hub, nginx = request.getfixturevalue("hub"), request.getfixturevalue("nginx")
    with FakeDyno(hub.path, nginx, **SECRET) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def app_client(dyno, online_client) -> Iterator[HttpClient]:
    """A client behind the router."""
    if online_client:
        yield online_client
        return
    with Router([dyno], affinity=True) as router:
        yield RoutedClient(router, USERS)


@pytest.fixture(scope="module")
def direct_client(dyno, online_client) -> HttpClient:
    """A client of the dyno's nginx, without a router that reads its requests first."""
    return online_client or HttpClient(dyno.url, USERS, router=True)


# -- Without a session or a password -----------------------------------------------------------

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


def is_https(path: str) -> bool | None:
    """Return whether nginx knows that a request came by https.

    Where the path is malformed, it does not read the header that says so: None.
    """
    return None if path.startswith(("/%", "/../", "/aaa")) else True


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_without_a_password(client, path):
    assert_refused(client.request(path), is_https(path))


@pytest.mark.usefixtures("local", "nothing_passes")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_by_http(client, path):
    answer = client.request(path, "GET", client.password_of(), proto="http")
    assert answer.status == (301 if is_https(path) else 401)
    assert not answer.all("Set-Cookie")
    assert_headers(answer, https=False)
    if answer.status == 301:
        assert answer.all("Location")[0].startswith(f"https://{client.url.hostname}/")


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "ODD"]
UPGRADES = ["", "websocket", "WebSocket", "h2c"]


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: upgrade or "no-upgrade")
@pytest.mark.parametrize("method", METHODS)
def test_a_method_without_a_password(client, method, upgrade):
    headers = [f"Upgrade: {upgrade}", "Connection: Upgrade"] if upgrade else []
    for path in PATHS:
        assert_refused(client.request(path, method, *headers), is_https(path))


GOOD = credentials(f"{USER}:{PASSWORD}").removeprefix("Basic ")
MALFORMED = {
    "only the scheme": "Basic",
    "a blank after the scheme": "Basic ",
    "not base64": "Basic !!!",
    "base64 cut off": f"Basic {GOOD[:-5]}",
    "no scheme": GOOD,
    "two schemes": f"Basic Basic {GOOD}",
    "no blank": f"Basic{GOOD}",
    "another scheme": f"Bearer {GOOD}",
    "digest": f'Digest username="{USER}", response="{GOOD}"',
    "no colon": credentials(USER),
    "an empty password": credentials(f"{USER}:"),
    "an empty user": credentials(f":{PASSWORD}"),
    "only a colon": "Basic Og==",
    "plain text": f"Basic {USER}:{PASSWORD}",
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


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_password_is_refused(client, value):
    assert_refused(client.request("/", "GET", f"Authorization: {value}"))


@pytest.mark.usefixtures("nothing_passes")
def test_two_passwords_in_one_request_are_refused(client):
    wrong = basic(client.user, "a wrong password")
    for pair in ([wrong, client.password_of()], [client.password_of(), wrong]):
        answer = client.request("/", "GET", *pair)
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
    "the hash as password": lambda user, password: (user, "$2b$12$" + "a" * 53),
}


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_password_is_refused(client, change):
    wrong = basic(*change(client.user, client.users[client.user]))
    assert_refused(client.request("/", "GET", wrong))


@pytest.mark.usefixtures("local", "nothing_passes")
def test_the_password_of_another_user_is_refused(client):
    assert_refused(client.request("/", "GET", basic("bob", USERS["bobby"])))


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
    "after a forged one": lambda good: f"{COOKIE}={'0' * 64}; {COOKIE}={good}",
    "the user": lambda good: f"{COOKIE}={USER}",
    "a pattern": lambda good: f"{COOKIE}=.*",
}


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_cookie_is_not_a_session(client, forge):
    cookie = f"Cookie: {forge(client.session)}"
    assert_refused(client.request("/", "GET", cookie))
    assert_refused(client.upgrade("/_stcore/stream", cookie))


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize(
    "elsewhere",
    ["/?{cookie}={good}", "/?{good}", "Cookie2: {cookie}={good}", "Authorization: Bearer {good}"],
)
def test_a_session_counts_only_in_its_cookie(client, elsewhere):
    place = elsewhere.format(cookie=COOKIE, good=client.session)
    answer = client.request(place) if place.startswith("/") else client.request("/", "GET", place)
    assert_refused(answer)


@pytest.mark.usefixtures("nothing_passes")
def test_a_session_is_not_a_password(client):
    assert_refused(client.request("/", "GET", basic(client.user, client.session)))


def test_a_session_ends_with_its_request(client):
    """The next request on the connection may be another user's: the router shares connections."""
    head = ["GET /_stcore/health HTTP/1.1", f"Host: {client.host}", *client.routed()]
    first = "\r\n".join([*head, f"Cookie: {COOKIE}={client.session}", "", ""])
    second = "\r\n".join([*head, "Connection: close", "", ""])
    with_session, without = client.raw((first + second).encode())
    assert (with_session.status, without.status) == (200, 401)


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize(
    "header",
    [
        "If-None-Match: *",
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        "Range: bytes=0-9",
        "If-Range: x",
        "If-Match: *",
        "Expect: 100-continue",
        "Accept: */*",
        "Max-Forwards: 0",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Original-URL: /x",
        "X-Rewrite-URL: /x",
        "X-Forwarded-User: anna.b",
        "Remote-User: anna.b",
        "Content-Length: 0",
    ],
)
def test_a_header_does_not_replace_a_password(client, header):
    for path in ("/", "/static/js/index.js", "/favicon.png"):
        assert_refused(client.request(path, "GET", header))


def test_a_path_of_a_dyno_without_a_password(direct_client, app_client):
    """Its nginx has the same rules as the one with the echo, by way of the supervisor."""
    for client in (direct_client, app_client):
        for path in PATHS:
            assert_refused(client.request(path), is_https(path))


# -- The session -------------------------------------------------------------------------------


def test_a_password_opens_the_page_and_gets_a_session(app_client):
    page = app_client.request("/", "GET", app_client.password_of())
    assert page.status == 200
    assert b"<title>" in page.body
    [cookie] = [value for value in page.all("Set-Cookie") if SESSION.match(value)]
    session, *attributes = cookie.split("; ")
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{64}}", session)
    assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert_headers(page)


def test_a_session_opens_the_page_and_gets_no_other(app_client):
    session = app_client.session
    for path in ("/", "/_stcore/health", "/sales_report"):
        page = app_client.request(path, session=session)
        assert page.status == 200
        assert page.session is None
    among_others = f"Cookie: a=b; {COOKIE}={session}; c=d"
    assert app_client.request("/", "GET", among_others).status == 200
    two_lines = ["Cookie: a=b", f"Cookie: {COOKIE}={session}"]
    assert app_client.request("/", "GET", *two_lines).status == 200


def test_with_a_session_no_password_is_checked(app_client):
    wrong, good = basic(app_client.user, "wrong one"), app_client.password_of()
    for authorization in (wrong, "Authorization: x", good):
        answer = app_client.request(
            "/_stcore/health", "GET", authorization, session=app_client.session
        )
        assert (answer.status, answer.body, answer.session) == (200, b"ok", None)


def test_the_scheme_of_a_password_ignores_case(client):
    for scheme in ("basic", "BASIC"):
        header = client.password_of().replace("Basic", scheme)
        assert client.request("/", "GET", header).status == 200


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("claim", ["by:x", "by:", "bobby:x", "by", f"{USER}:x", "by:" * 9])
def test_a_session_does_not_get_another_users(client, claim):
    """bob's name and "by" must not add up to bobby."""
    header = f"Authorization: {credentials(claim)}"
    answer = client.request("/", "GET", header, session=client.session_of("bob"))
    assert answer.status == 200
    assert answer.session is None


@pytest.mark.usefixtures("local")
def test_each_user_has_their_own_session(client):
    assert len({client.session_of(user) for user in USERS}) == len(USERS)


# Each of these is answered before the password is asked for, or instead of it.
WITHOUT_CHECK = {
    "401": ("/", "GET", []),
    "400": ("/%00", "GET", []),
    "405": ("/", "TRACE", []),
    "403": ("/_stcore/stream", "GET", ["Upgrade: websocket", "Origin: https://x.example"]),
    "413": ("/", "PUT", ["Content-Length: 99999999999"]),
    "414": ("/" + "a" * 9000, "GET", []),
    "501": ("/", "POST", ["Transfer-Encoding: odd"]),
}


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize(
    ("path", "method", "headers"), WITHOUT_CHECK.values(), ids=WITHOUT_CHECK.keys()
)
def test_a_name_without_its_password_gets_no_session(client, path, method, headers):
    """Anybody can write any name into the Authorization header."""
    wrong = basic(client.user, "a wrong password")
    for proto in ("https", "http"):
        answer = client.request(path, method, wrong, *headers, proto=proto)
        assert answer.status in (401, 301)
        assert not answer.all("Set-Cookie")


# -- The headers of every response -------------------------------------------------------------

ICON = "/favicon.png"
RESPONSES = {
    "200 page": (200, lambda client: ("/", "GET")),
    "200 health": (200, lambda client: ("/_stcore/health", "GET")),
    "200 host-config": (200, lambda client: ("/_stcore/host-config", "GET")),
    "200 static": (200, lambda client: (find_script(client), "GET")),
    "200 favicon": (200, lambda client: (ICON, "GET")),
    "206": (206, lambda client: (find_script(client), "GET", "Range: bytes=0-99")),
    "301": (301, lambda client: ("/", "GET")),
    "304": (304, lambda client: (ICON, "GET", f"If-None-Match: {etag(client, ICON)}")),
    "304 static": (
        304,
        lambda client: (
            (script := find_script(client)),
            "GET",
            f"If-None-Match: {etag(client, script)}",
        ),
    ),
    "400": (400, lambda client: ("/", "GET", "Content-Length: x")),
    "403": (403, lambda client: WITHOUT_CHECK["403"][:2] + tuple(WITHOUT_CHECK["403"][2])),
    "404": (404, lambda client: ("/media/none.png", "GET")),
    "405": (405, lambda client: ("/", "TRACE")),
    "413": (413, lambda client: ("/", "PUT", "Content-Length: 99999999999")),
    "501": (501, lambda client: ("/", "POST", "Transfer-Encoding: odd")),
}


def etag(client: HttpClient, path: str) -> str:
    return client.request(path, session=client.session).all("ETag")[0]


@pytest.mark.parametrize(("status", "request_of"), RESPONSES.values(), ids=RESPONSES.keys())
def test_the_headers_of_every_response(app_client, status, request_of):
    if status == 301 and not app_client.router:
        pytest.skip("the router says what came by http: run it without --url")
    path, method, *headers = request_of(app_client)
    proto = "http" if status == 301 else "https"
    answer = app_client.request(path, method, *headers, session=app_client.session, proto=proto)
    assert answer.status == status
    assert_headers(answer, https=is_https(path) and status != 301)
    assert not [name for name, _ in answer.headers if name in ("x-powered-by", "via")]


@pytest.mark.usefixtures("nothing_passes")
def test_a_request_with_an_odd_version(client):
    [answer] = client.raw(["GET / HTTP/9.9", f"Host: {client.host}", *client.routed()])
    assert answer.status in (401, 505)
    assert b"streamlit" not in answer.body.lower()


def test_only_the_browser_caches_static_files(app_client):
    answer = app_client.request(find_script(app_client), session=app_client.session)
    assert answer.all("Cache-Control") == LONG_CACHE


def test_a_response_with_a_session_is_not_cached(app_client):
    for path in ("/favicon.png", "/_stcore/host-config"):
        answer = app_client.request(path, "GET", app_client.password_of())
        assert answer.session
        assert answer.all("Cache-Control") == ["private, no-store"]


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("path", ["/static/js/none.0123abcd.js", "/static/js/", "/static/"])
def test_a_missing_static_file_is_not_cached(client, path):
    answer = client.request(path, session=client.session)
    assert answer.status in (403, 404)
    assert answer.all("Cache-Control") == ["private, no-store"]


@pytest.mark.usefixtures("local", "nothing_passes")
def test_by_http_there_is_no_strict_transport_security(client):
    assert not client.request("/", proto="http").all("Strict-Transport-Security")


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
    "ours twice": "https://{host} {host}",
    "another port": "https://{hostname}:1",
    "localhost": "http://localhost:3000",
    "localhost by https": "https://localhost",
    "a file": "file://",
    "Streamlit's own cloud": "https://share.streamlit.io",
    "a dot at the end": "https://{host}.",
}


@pytest.mark.usefixtures("nothing_passes")
@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())
def test_a_page_of_another_site_cannot_open_a_websocket(client, origin):
    header = f"Origin: {origin.format(host=client.host, hostname=client.url.hostname)}"
    assert_refused(client.upgrade("/_stcore/stream", header))
    for path in (
        "/_stcore/stream",
        "//_stcore/stream",
        "/_stcore%2fstream",
        "/x/../_stcore/stream",
    ):
        answer = client.upgrade(path, header, session=client.session)
        assert answer.status == 403
        assert_headers(answer)


UPGRADES_TO_TRY = ["WebSocket", "WEBSOCKET", "websocket, h2c", "h2c, websocket"]


@pytest.mark.parametrize("upgrade", UPGRADES_TO_TRY)
def test_no_spelling_of_the_upgrade_evades_that(direct_client, upgrade):
    foreign = [f"Upgrade: {upgrade}", "Origin: https://elsewhere.example"]
    answer = direct_client.upgrade("/_stcore/stream", *foreign, session=direct_client.session)
    assert answer.status != 101


def test_the_projects_own_page_opens_the_websocket(app_client):
    for origin in (f"Origin: {app_client.origin}", f"Origin: http://{app_client.host}"):
        answer = app_client.upgrade("/_stcore/stream", origin, session=app_client.session)
        assert answer.status == 101
    origin = f"Origin: {app_client.origin}"
    answer = app_client.upgrade("/_stcore/stream", origin, app_client.password_of())
    assert answer.status == 101
    assert answer.session is None


def test_a_client_that_is_not_a_browser_needs_no_origin(app_client):
    assert app_client.upgrade("/_stcore/stream", session=app_client.session).status == 101


def test_the_websocket_needs_only_the_cookie(app_client):
    cookie = f"Cookie: {COOKIE}={app_client.session}"
    assert "Sales Report" in app_client.run("", cookie, f"Origin: {app_client.origin}")


def test_without_a_session_there_is_no_websocket(app_client):
    with pytest.raises(InvalidStatus) as refused:
        app_client.websocket()
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "websocket/13", "HTTP/2.0"])
def test_no_other_upgrade_is_passed_on(app_client, upgrade):
    settings = "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"
    headers = [f"Upgrade: {upgrade}", settings, "Connection: Upgrade, HTTP2-Settings"]
    # Without an upgrade nothing is at the second path: the index page redirects to its last part.
    for path, status in (("/", 200), ("/_stcore/stream", 307)):
        answer = app_client.request(path, "GET", *headers, session=app_client.session)
        assert answer.status == status
        assert not answer.all("Upgrade")


# -- The user's identity -----------------------------------------------------------------------


def seen_by_app(client: HttpClient, *headers: str) -> dict[str, str]:
    """Return the headers that reach an app, and the address that it takes for the client's."""
    seen = re.findall(r"<([^\s:]+): ([^>]*)>", client.run("headers", *headers))
    assert "host" in dict(seen)
    return dict(seen)


@pytest.mark.usefixtures("local")
def test_an_app_gets_the_name_of_the_user(app_client):
    for user in USERS:
        by_session = seen_by_app(app_client, f"Cookie: {COOKIE}={app_client.session_of(user)}")
        by_password = seen_by_app(app_client, app_client.password_of(user))
        assert by_session["x-forwarded-user"] == by_password["x-forwarded-user"] == user


@pytest.mark.usefixtures("local")
def test_a_claimed_name_does_not_change_it(app_client):
    bob = f"Cookie: {COOKIE}={app_client.session_of('bob')}"
    for claimed in (USER, "bobby", "by", "mallory", "bob\r\nX-Forwarded-User: anna.b"):
        seen = seen_by_app(app_client, bob, basic(claimed, "x"))
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
def test_a_forged_header_is_not_passed_on(client, received, name):
    """Neither with a request nor with the handshake of a WebSocket."""
    session = f"Cookie: {COOKIE}={client.session_of('bob')}"
    for upgrade in (False, True):
        headers = received(session, f"{name}: mallory", upgrade=upgrade)
        assert [value for key, value in headers if key == "x-forwarded-user"] == ["bob"]
        assert not [value for _, value in headers if "mallory" in value]
        assert not [key for key, _ in headers if "_" in key]


@pytest.mark.usefixtures("local")
def test_no_forged_header_reaches_an_app(app_client, direct_client):
    for client in (app_client, direct_client):
        session = f"Cookie: {COOKIE}={client.session_of('bob')}"
        seen = seen_by_app(client, session, *(f"{name}: mallory" for name in IDENTITIES))
        assert seen["x-forwarded-user"] == "bob"
        assert "mallory" not in seen.values()


@pytest.mark.usefixtures("local")
def test_a_client_cannot_remove_a_header(app_client, direct_client, received, client):
    """Connection names the headers that a proxy removes: not these."""
    removed = "Connection: close, X-Forwarded-User, X-Forwarded-For, Cookie, Host"
    for each in (app_client, direct_client):
        session = f"Cookie: {COOKIE}={each.session_of('bob')}"
        for path in ("/_stcore/health", "/"):
            assert each.request(path, "GET", removed, session=each.session).status == 200
        seen = seen_by_app(each, session, "Connection: X-Forwarded-User")
        assert seen["x-forwarded-user"] == "bob"
    headers = dict(received(f"Cookie: a=b; {COOKIE}={client.session_of('bob')}", removed))
    assert headers["x-forwarded-user"] == "bob"
    assert headers["cookie"] == "a=b"
    assert headers["host"] == client.host
    assert headers["x-forwarded-for"].startswith("127.51.")


ADDRESS = r"127\.51\.\d+\.\d+"


@pytest.mark.usefixtures("local")
def test_an_app_sees_the_address_that_the_router_saw(app_client):
    cookie = f"Cookie: {COOKIE}={app_client.session}"
    for forged in ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: , "):
        assert re.fullmatch(ADDRESS, seen_by_app(app_client, cookie, forged)["x-forwarded-for"])
    seen = seen_by_app(app_client, cookie)
    assert re.fullmatch(ADDRESS, seen["x-forwarded-for"])
    assert seen["client"] == seen["x-forwarded-for"]
    assert not any("192.0.2." in value for value in seen.values())
    assert seen["x-forwarded-proto"] == "https"
    assert seen["host"] == app_client.host


@pytest.mark.usefixtures("local")
def test_nginx_passes_on_one_address(client, received):
    """Where there are two headers, nginx takes the last: the router sends only one."""
    cookie = f"Cookie: {COOKIE}={client.session}"
    for forged in (["X-Forwarded-For: 6.6.6.6"], ["X-Forwarded-For: , "], []):
        headers = received(cookie, *forged)
        [address] = [value for key, value in headers if key == "x-forwarded-for"]
        assert re.fullmatch(rf"{ADDRESS}|6\.6\.6\.6|127\.0\.0\.1" if forged else ADDRESS, address)
        assert not [value for _, value in headers if "192.0.2." in value]
        assert dict(headers)["x-forwarded-proto"] == "https"
        assert dict(headers)["host"] == client.host


@pytest.mark.usefixtures("local")
def test_neither_password_nor_session_reaches_an_app(app_client):
    good = f"{COOKIE}={app_client.session}"
    cookies = f"Cookie: before=1; {good}; after=2"
    seen = seen_by_app(app_client, cookies, app_client.password_of())
    assert seen["cookie"] == "before=1; after=2"
    everything = "\n".join(seen.values())
    for secret in (app_client.session, GOOD, PASSWORD):
        assert secret not in everything
    for cookies in (good, f"{good}; after=2", f"{good}; {COOKIE}=x", f"a=b; {good}; {good}; c=d"):
        seen = seen_by_app(app_client, f"Cookie: {cookies}")
        assert app_client.session not in seen.get("cookie", "")


@pytest.mark.usefixtures("local")
def test_the_headers_that_an_app_may_use_reach_it(app_client):
    used = {"accept-language": "fi", "user-agent": "Odd/1.0", "referer": f"{app_client.origin}/x"}
    headers = [f"{name}: {value}" for name, value in used.items()]
    seen = seen_by_app(app_client, f"Cookie: {COOKIE}={app_client.session}", *headers)
    assert used.items() <= seen.items()


# -- Apps for some users -----------------------------------------------------------------------


@pytest.mark.usefixtures("local")
def test_an_app_for_some_users_is_shown_to_them(app_client):
    anna = f"Cookie: {COOKIE}={app_client.session_of(USER)}"
    assert "private" in app_client.run("", anna).lower()
    assert "only for anna" in app_client.run("private", anna)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("user", ["bob", "bobby"])
def test_an_app_for_some_users_does_not_exist_for_others(app_client, user):
    other = f"Cookie: {COOKIE}={app_client.session_of(user)}"
    menu = app_client.run("", other)
    assert "Headers" in menu
    assert "private" not in menu.lower()
    for page in ("private", "/private", "private/", "PRIVATE", "apps.private"):
        assert "only for anna" not in app_client.run(page, other)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("header", ["Accept: */*", "Range: bytes=0-9", "If-None-Match: *"])
def test_a_response_does_not_reveal_another_users_app(app_client, method, header):
    session = app_client.session_of("bob")

    def response(path: str) -> tuple[int, list, bytes]:
        answer = app_client.request(path, method, header, session=session)
        return answer.status, [each for each in answer.headers if each[0] != "date"], answer.body

    assert response("/private") == response("/nothing")


def test_streamlits_metrics_are_not_served(app_client):
    """They list which function of which app has cached how much, and how often."""
    for path in ("/_stcore/metrics", "/_stcore/%6detrics", "/_stcore/metrics?families=x"):
        assert app_client.request(path, session=app_client.session).status == 404


@pytest.mark.usefixtures("local")
def test_nobody_can_continue_another_users_streamlit_session(app_client):
    """Its number is known to everybody who can read the log: uploads have it in their path."""
    anna, bob = (f"Cookie: {COOKIE}={app_client.session_of(user)}" for user in (USER, "bob"))
    with app_client.websocket(anna) as websocket:
        annas = app_client.run_in(websocket, "state")
        assert f"<owner: {USER}>" in annas
        assert f"<st.user: {USER}>" in annas
        number = session_number(annas)
        # The router leads to the dyno where that session is.
        same = affinity(websocket.response.headers.raw_items())
        anna, bob = (f"{cookie}; {same}" if same else cookie for cookie in (anna, bob))
        bobs = app_client.run("state", bob, session_number=number)
        assert "<owner: bob>" in bobs
        assert number not in bobs
        assert f"<owner: {USER}>" in app_client.run_in(websocket, "state")
    # Its owner can continue it.
    assert session_number(app_client.run("state", anna, session_number=number)) == number


# -- Files of the project ----------------------------------------------------------------------

# Each of FILES has one of these, and /etc/passwd the last.
SECRETS = (
    *(b"$2b$", b"auth_basic", b"set_real_ip", b"../apphub/nginx", b"apps.private"),
    *(b"import streamlit", b"from streamlit", b"from apphub", b"root:x:"),
)
FILES = [
    ".htpasswd",
    "config/generated/htpasswd",
    "config/nginx.conf",
    "apphub/nginx/server.conf",
    "apphub/nginx/http.conf",
    "apps.json",
    "apphub/logfmt.py",
    "apphub/server/worker.py",
    "manage.py",
    "apps/private.py",
]
OTHER_FILES = ["config/generated/sessions.map", "../../../etc/passwd", ".git/config", ".env"]
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


@pytest.mark.usefixtures("local")
def test_the_secrets_are_in_the_files(dyno):
    for file in FILES:
        content = (dyno.home / file).read_bytes()
        assert any(secret in content for secret in SECRETS), file


@pytest.mark.parametrize("way", WAYS)
def test_no_file_of_the_project_is_served(app_client, way):
    for file in [*FILES, *OTHER_FILES]:
        answer = app_client.request(way.format(file=file), session=app_client.session)
        assert answer.status < 500
        for secret in (*SECRETS, app_client.session.encode()):
            assert secret not in answer.body


@pytest.mark.parametrize("path", ["//elsewhere.example/", "/\\elsewhere.example/", "/a/", "/a//"])
def test_no_redirect_leads_to_another_site(app_client, path):
    for location in app_client.request(path, session=app_client.session).all("Location"):
        assert re.match(r"/(?![/\\])|\.\./|\w+$", location), location


# -- Malformed requests ------------------------------------------------------------------------

# The request that is smuggled. It would get 200 from Streamlit, and its path would reach the echo.
NEXT = ["GET /_stcore/health HTTP/1.1", "Host: x", "Connection: close", "", ""]
SMUGGLED = {
    "length and chunks": ["Content-Length: 6", "Transfer-Encoding: chunked", "", "0", "", *NEXT],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 6", "", "0", "", *NEXT],
    "two lengths": ["Content-Length: 0", "Content-Length: 60", "", *NEXT],
    "a list of lengths": ["Content-Length: 0, 60", "", *NEXT],
    "a signed length": ["Content-Length: +0", "", *NEXT],
    "a negative length": ["Content-Length: -1", "", *NEXT],
    "a length in hexadecimal": ["Content-Length: 0x0", "", *NEXT],
    "an empty length": ["Content-Length:", "", *NEXT],
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


def smuggle(client: HttpClient, lines: list[str], path: str, has_session: bool) -> set[int]:
    """Send a POST with another request in it, and return the statuses of what is answered."""
    session = [f"Cookie: {COOKIE}={client.session}"] if has_session else []
    head = [f"POST {path} HTTP/1.1", f"Host: {client.host}", *client.routed(), *session]
    # nginx may find a chunk bad, and hang up, while it passes on what Streamlit says to the head.
    answers = client.raw("\r\n".join([*head, *lines]).encode(), may_be_cut=True)
    return {answer.status for answer in answers}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED.keys())
@pytest.mark.parametrize("has_session", [True, False], ids=["session", "no-session"])
def test_no_request_is_smuggled_past_nginx(client, probe, lines, has_session):
    """Wherever the first request ends, the second one does not pass."""
    assert client.session
    before = len(probe.upstream.paths) if probe else 0
    statuses = smuggle(client, lines, "/first", has_session)
    assert not probe or set(probe.upstream.paths[before:]) <= ({"/first"} if has_session else set())
    if not has_session:
        assert statuses <= {400, 401}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED.keys())
@pytest.mark.parametrize("has_session", [True, False], ids=["session", "no-session"])
def test_no_smuggled_request_is_answered(direct_client, lines, has_session):
    """A POST to this path is not answered with 200, but a GET is."""
    statuses = smuggle(direct_client, lines, "/_stcore/health", has_session)
    assert 200 not in statuses
    if not has_session:
        assert statuses <= {400, 401}


@pytest.mark.usefixtures("nothing_passes")
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
def test_a_malformed_request_gets_only_an_error(client, lines):
    # With the second request nginx closes the connection: there is no silence to wait for.
    answers = client.raw("\r\n".join([*lines, "", "", *NEXT]).encode("latin-1"))
    assert {answer.status for answer in answers} <= {0, 400, 401}  # 0: HTTP/0.9 has none
    for answer in answers:
        assert b"streamlit" not in answer.body.lower()
        assert not answer.all("Set-Cookie")


@pytest.mark.usefixtures("local", "nothing_passes")
@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1", "x:99", "[::1]", "a.b."])
def test_another_host_changes_nothing(client, host):
    lines = ["GET / HTTP/1.1", f"Host: {host}", "Connection: close", *client.routed()]
    [answer] = client.raw(lines)
    assert_refused(answer)
    # The Origin has to be the very host of the request.
    ours = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Origin: {client.origin}"]
    lines += [*ours, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    [answer] = client.raw([*lines, f"Cookie: {COOKIE}={client.session}"])
    assert answer.status == 403


@pytest.mark.usefixtures("nothing_passes")
def test_a_body_that_is_too_large_is_asked_for_the_password_first(client):
    """The limit is Streamlit's 200 MB, and 1 MB for the wrapping."""
    too_large = f"Content-Length: {201 * 2**20 + 1}"
    path = "/_stcore/upload_file/a/b"
    assert_refused(client.request(path, "PUT", too_large))
    assert client.request(path, "PUT", too_large, session=client.session).status == 413
    # At the end of what the client sends, nginx checks the size once more. TLS has no half end.
    for _ in range(20 if client.url.scheme == "http" else 0):
        lines = ["PUT / HTTP/1.1", f"Host: {client.host}", *client.routed(), too_large]
        with client.connection() as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            connection.shutdown(1)
            assert connection.recv(12) == b"HTTP/1.1 401"


def test_a_body_that_is_not_too_large_reaches_streamlit(app_client):
    path = "/_stcore/upload_file/a/b"
    answer = app_client.request(path, "PUT", session=app_client.session, body=b"x" * 100_000)
    assert answer.status in (400, 403)  # Streamlit's


@pytest.mark.usefixtures("nothing_passes")
def test_nginxs_version_is_not_shown(client):
    for path in ("/", "/%00", "/.refused/400"):
        answer = client.request(path)
        assert answer.all("Server") == ["nginx"]
        assert not re.search(rb"nginx/\d", answer.body)


# -- The log -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("local")
def test_the_log_contains_no_secret(app_client, dyno):
    path = "/sales_report?token=secret-token"
    app_client.request(path, "GET", basic(USER, "a mistyped secret"))
    app_client.request(path, "GET", basic("typed-into-the-wrong-field", "x"))
    app_client.request(path, "GET", app_client.password_of(), app_client.password_of())
    app_client.request(path, "GET", f"Authorization: {GOOD}")
    referer = "Referer: https://x.example/?secret-token"
    app_client.request(path, "GET", referer, session=app_client.session)
    app_client.request("/log-ends-here", session=app_client.session)
    wait_until(lambda: "/log-ends-here" in dyno.log())
    log = dyno.log()
    assert 'GET path="/sales_report" status=200' in log
    secrets = ["a mistyped secret", PASSWORD, GOOD, "typed-into", "secret-token", "uthorization"]
    for secret in [*secrets, app_client.session, "$2b$"]:
        assert secret not in log


# -- While passwords are guessed: what is limited, and how, is in test_rate_limits.py ------------


@pytest.mark.usefixtures("local")
def test_an_open_page_works_while_passwords_are_guessed(hub, dyno, nginx, tmp_path):
    """In front of the dyno's Streamlit there is another nginx, where no second login is checked."""
    root = make_project(tmp_path, hub.path)
    set_rate(root, "bcrypt_total", SLOW)
    with running_nginx(root, nginx, dyno.runtime, **SECRET) as probe:
        client = HttpClient(probe.url, USERS, router=True)
        cookie = f"Cookie: {COOKIE}={client.session}"
        with client.websocket(cookie) as websocket, LoginAttempts(client) as attempts:
            attempts.send(make_addresses(100))
            attempts.receive_refusals(49)
            for _ in range(10):
                for password in ([], [client.password_of()]):
                    answer = client.request("/", "GET", *password, session=client.session)
                    assert answer.status == 200
                assert websocket.ping().wait(60)
            assert "Sales Report" in client.run("", cookie)
            assert "Sales Report" in client.run_in(websocket, "")
