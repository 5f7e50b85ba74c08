"""Who gets in: nobody without the password, on any path, by any method."""

from __future__ import annotations

import socket

import pytest
import requests
from baked import AUTH, PASSWORD, USER
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

PATHS = [
    "/",
    "/sales_report",
    "/nothing?query=1",
    "/_stcore/stream",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/upload_file/a/b",
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
    "/.refused/",
    "/_stcore%2fstream",
    "/é%20☃",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "ODD"]
UPGRADES = ["", "websocket", "WebSocket", "h2c"]


def ask(dyno, method: str, path: str, body: bytes = b"", **headers: str) -> requests.Response:
    """Send a request whose path is left as it is."""
    with requests.Session() as session:
        session.trust_env = False
        auth = headers.pop("auth", None)
        request = requests.Request(method, dyno.url, headers=headers, data=body, auth=auth)
        prepared = session.prepare_request(request)
        prepared.url = dyno.url + path
        return session.send(prepared, allow_redirects=False, timeout=30)


def upgrade_headers(upgrade: str) -> dict[str, str]:
    if not upgrade:
        return {}
    return {
        "Connection": "Upgrade",
        "Upgrade": upgrade,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: upgrade or "no-upgrade")
@pytest.mark.parametrize("method", METHODS)
def test_without_a_password_there_is_nothing_but_401(dyno, method, upgrade):
    for path in PATHS:
        answer = ask(dyno, method, path, **upgrade_headers(upgrade))
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Data Apps"'
        assert b"streamlit" not in answer.content.lower()


@pytest.mark.parametrize("method", METHODS)
def test_by_http_there_is_nothing_but_301(dyno, method):
    for path in PATHS:
        for auth in (None, AUTH):
            answer = ask(dyno, method, path, auth=auth, **{"X-Forwarded-Proto": "http"})
            # What nginx cannot make sense of it refuses before it reads the headers.
            unread = path.startswith(("/%", "/..", "/aaa"))
            assert answer.status_code == (401 if unread else 301), path
            if not unread:
                assert answer.headers["Location"].startswith("https://127.0.0.1/")


def test_by_http_the_address_stays_the_same(dyno):
    answer = ask(dyno, "GET", "/sales_report?a=%20b", **{"X-Forwarded-Proto": "http"})
    assert answer.headers["Location"] == "https://127.0.0.1/sales_report?a=%20b"
    assert ask(dyno, "GET", "/", **{"X-Forwarded-Proto": "https"}).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YW5uYS5i",  # anna.b, without a colon
        "Basic YW5uYS5iOg==",  # an empty password
        "Basic Og==",  # nothing but a colon
        "Bearer YW5uYS5iOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==",
        "Basic " + "A" * 4000,
    ],
)
def test_a_malformed_password_is_no_password(dyno, authorization):
    assert ask(dyno, "GET", "/", Authorization=authorization).status_code == 401


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (USER, "a wrong password"),
        (USER, PASSWORD + "x"),
        (USER, PASSWORD[:-1]),
        (USER, PASSWORD.upper()),
        ("nobody", PASSWORD),
        (USER.upper(), PASSWORD),
        ("anna", PASSWORD),
        ("", PASSWORD),
    ],
)
def test_a_wrong_password_or_user_is_refused(dyno, user, password):
    assert ask(dyno, "GET", "/", auth=(user, password)).status_code == 401


def test_the_password_opens_it(dyno):
    page = ask(dyno, "GET", "/", auth=AUTH)
    assert page.status_code == 200
    assert b"<title>Streamlit</title>" in page.content
    assert ask(dyno, "GET", "/_stcore/health", auth=AUTH).text == "ok"


def handshake(dyno, **options: object):
    return connect(f"ws://127.0.0.1:{dyno.port}/_stcore/stream", proxy=None, **options)


def test_the_websocket_asks_for_the_password(dyno):
    for path in ("/_stcore/stream", "//_stcore/stream", "/_stcore/stream?x"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{dyno.port}{path}", proxy=None)
        assert refused.value.response.status_code == 401


def test_the_websocket_opens_with_the_password(dyno):
    authorization = requests.Request("GET", dyno.url, auth=AUTH).prepare().headers["Authorization"]
    headers = {"Authorization": authorization}
    with handshake(dyno, additional_headers=headers, origin=dyno.url) as websocket:
        assert websocket.response.status_code == 101
    # Streamlit compares the Origin with the Host, which nginx passes on with its port.
    with pytest.raises(InvalidStatus) as refused:
        handshake(dyno, additional_headers=headers, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403


def test_too_large_a_body_is_asked_for_the_password_first(dyno):
    """The limit is Streamlit's 200 MB and 1 MB for the wrapping."""

    def status_of(size: int, *headers: str) -> bytes:
        lines = ["PUT /_stcore/upload_file/a/b HTTP/1.1", "Host: x", f"Content-Length: {size}"]
        with socket.create_connection(("127.0.0.1", dyno.port), 10) as connection:
            connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
            return connection.recv(12)

    prepared = requests.Request("GET", dyno.url, auth=AUTH).prepare()
    authorization = f"Authorization: {prepared.headers['Authorization']}"
    too_large = 201 * 2**20 + 1
    assert status_of(too_large) == b"HTTP/1.1 401"
    assert status_of(too_large, authorization) == b"HTTP/1.1 413"
    for _ in range(20):  # when the client says no more, nginx looks at the size once more
        with socket.create_connection(("127.0.0.1", dyno.port), 10) as connection:
            connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(12) == b"HTTP/1.1 401"
    assert status_of(0, authorization) in (b"HTTP/1.1 400", b"HTTP/1.1 403")  # Streamlit's word


def test_a_method_that_nginx_refuses_is_asked_for_the_password_first(dyno):
    assert ask(dyno, "TRACE", "/").status_code == 401
    assert ask(dyno, "TRACE", "/", auth=AUTH).status_code == 405


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1"],
        ["GET / HTTP/1.1", "Host: x", "Host: y"],
        ["POST / HTTP/1.1", "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked"],
        ["POST / HTTP/1.1", "Host: x", "Content-Length: x"],
        ["GET / HTTP/1.1", "Host: x", "Transfer-Encoding: odd"],
        ["CONNECT example.com:443 HTTP/1.1", "Host: x"],
        ["GET / HTTP/1.1", "Host: x", "X: " + "a" * 9000],
        ["PRI * HTTP/2.0"],
        ["GET / HTTP/9.9", "Host: x"],
    ],
    ids=lambda lines: " ".join(lines)[:40],
)
def test_what_is_no_proper_request_gets_an_error_and_nothing_else(dyno, lines):
    with socket.create_connection(("127.0.0.1", dyno.port), 10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    # Too long a header line is a 400 without a password, and so is CONNECT in nginx 1.30.
    closed = [b"401", b"400"] if "CONNECT" in lines[0] or len(lines[-1]) > 8000 else [b"401"]
    assert answer.split(b" ")[1] in closed
    assert b"streamlit" not in answer.lower()


def test_the_log_holds_no_password_and_no_query(dyno):
    ask(dyno, "GET", "/sales_report?token=secret-token", auth=(USER, "a mistyped secret"))
    ask(dyno, "GET", "/sales_report?token=secret-token", auth=AUTH)
    log = dyno.log_with("GET /sales_report 200")
    assert "GET /sales_report 200" in log
    for secret in ("a mistyped secret", PASSWORD, "YW5uYS5i", "Authorization"):
        assert secret not in log
    assert not [line for line in log.splitlines() if "secret-token" in line and "200" in line]
