"""config/nginx.conf.erb, rendered by erb and read by nginx, with a stand-in for Streamlit behind it."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest
import requests
from baked import NASTY, PASSWORD
from door import Answer
from dyno import rendered
from echo import Nginx
from test_door import assert_headers

NAMES = {
    **{key: name[:30].strip() for key, name in NASTY.items()},
    "variable": "$host",
    "quote": 'a"; return 200; #',
    "newline": "a\nreturn 200;",
    "backslash": "a\\",
    "long": "x" * 5000,
    "off in capitals": "OFF",
}


@pytest.fixture
def render(project, nginx):
    """Render the configuration with some environment, as start-nginx does."""

    def render(**environment: str) -> str:
        # The same text each time.
        ended = rendered(project.path, **{"SESSION_SECRET": "0123456789abcdef" * 2, **environment})
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return render


def body_limit(configuration: str) -> str:
    return re.search(r"client_max_body_size (\w+);", configuration)[1]


def test_uploads_are_as_large_as_streamlit_allows(project, render):
    assert body_limit(render()) == "201m"
    assert body_limit(render(STREAMLIT_SERVER_MAX_UPLOAD_SIZE="500")) == "501m"
    settings = project.read(".streamlit/config.toml")
    project.write(".streamlit/config.toml", settings.replace("= 200", "= 50 # MB"))
    assert body_limit(render()) == "51m"
    project.write(".streamlit/config.toml", settings.replace("maxUploadSize", "# maxUploadSize"))
    assert body_limit(render()) == "201m"
    (project.path / ".streamlit/config.toml").write_bytes(b"# \xff\nmaxUploadSize = 7\n")
    assert body_limit(render()) == "8m"
    (project.path / ".streamlit/config.toml").unlink()
    assert body_limit(render()) == "201m"


def test_it_renders_whatever_the_locale(project, render):
    project.write("app.json", json.dumps({"name": "Café 売上"}, ensure_ascii=False))
    assert render(LANG="C") == render(LANG="C.UTF-8") == render()
    assert "Café 売上" in render(LANG="C")


@pytest.mark.parametrize(
    "environment",
    [
        {"PORT": "80; }"},
        {"NGINX_WORKERS": "1; user root"},
        {"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "x"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_nothing_from_the_environment_is_taken_on_trust(render, environment):
    with pytest.raises(AssertionError, match="invalid value for Integer|is no number"):
        render(**environment)


def test_what_reaches_streamlit(project, nginx):
    with Nginx(project.path, nginx) as alone:

        def seen(path: str = "/", **headers: str) -> dict:
            answer = requests.get(alone.url + path, auth=("anna.b", PASSWORD), headers=headers)
            return {name.lower(): value for name, value in answer.json()["headers"]}

        forged = {
            "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "elsewhere.example",
            "Forwarded": "for=6.6.6.6",
            "Proxy": "http://elsewhere.example",
            "Accept-Encoding": "gzip",  # nginx compresses, and nothing twice
        }
        arrived = seen(**forged)
        assert arrived["host"] == f"127.0.0.1:{alone.port}"
        assert arrived["x-forwarded-for"] == "203.0.113.7"  # the router's, the last
        assert arrived["x-forwarded-proto"] == "https"
        for name in ("authorization", "x-forwarded-host", "forwarded", "proxy", "accept-encoding"):
            assert name not in arrived
        assert seen()["x-forwarded-for"] == "127.0.0.1"
        assert seen(**{"X-Forwarded-Proto": "odd\tvalue"})["x-forwarded-proto"] == "http"

        upgrade = {"Connection": "Upgrade", "Upgrade": "WebSocket"}
        assert seen(**upgrade)["upgrade"] == "websocket"
        assert seen(**upgrade)["connection"] == "upgrade"
        for other in ("h2c", "websocket, h2c", "TLS/1.0"):
            arrived = seen(**{**upgrade, "Upgrade": other})
            assert "upgrade" not in arrived
            assert "connection" not in arrived


def test_an_upload_may_pause_and_goes_straight_through(project, nginx):
    """The buildpack's sample configuration gives up after 5 seconds of silence."""
    prepared = requests.Request("GET", "http://x", auth=("anna.b", PASSWORD)).prepare()
    head = f"PUT / HTTP/1.1\r\nHost: x\r\nAuthorization: {prepared.headers['Authorization']}\r\n"
    with (
        Nginx(project.path, nginx) as alone,
        socket.create_connection(("127.0.0.1", alone.port), 30) as connection,
    ):
        connection.sendall(f"{head}Content-Length: 200000\r\n\r\n".encode() + b"x" * 100_000)
        time.sleep(7)
        assert (alone.home / "first-byte").exists()  # nothing waits for the end of it
        connection.sendall(b"x" * 100_000)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"body": 200000' in answer


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_opens_the_door_or_ends_its_quotes(project, nginx, name):
    project.write("app.json", json.dumps({"name": name}, ensure_ascii=False))
    with Nginx(project.path, nginx) as alone:
        for auth in (None, ("anna.b", "wrong password")):
            answer = requests.get(alone.url, auth=auth)
            assert answer.status_code == 401
            realm = answer.headers["WWW-Authenticate"]
            # What a browser reads out of the quoted string: RFC 9110, section 5.6.4.
            shown = re.fullmatch(r'Basic realm="((?:[^"\\]|\\.)*)"', realm)[1]
            shown = re.sub(r"\\(.)", r"\1", shown).encode("latin-1").decode("utf-8")
            assert shown == {"off": "Off"}.get(name, name.replace("\n", " ")[:100])


@pytest.mark.parametrize(
    "app_json",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": 1}',
        b'{"name": " "}',
        b'{"name": "\\udc00"}',
        b"\xff\xfe{",
        None,
    ],
    ids=repr,
)
def test_without_a_name_there_is_a_realm_all_the_same(project, render, app_json):
    (project.path / "app.json").unlink()
    if app_json is not None:
        (project.path / "app.json").write_bytes(app_json)
    assert 'default "Apps";' in render()


def test_users_and_passwords_of_every_shape_are_let_in(project, nginx):
    """bcrypt hashes as manage.py writes them, checked by nginx and the system's libcrypt."""
    manage = project.load("manage")
    users = {
        "anna.b": PASSWORD,
        "Z": "x" * 12,
        "0.A-z_9@example.com": "é" * 36,
        "x" * 64: "y" * 72,
        "generated": manage.generate_password(),
        "signs": "a:b \"c\" 'd' \\e $f {g} %h",
        "emoji": "🔑🔑🔑",
    }
    for user, password in users.items():
        manage.set_password(user, password, project.path)
    with Nginx(project.path, nginx) as alone:
        for user, password in users.items():
            right = (user.encode(), password.encode())
            assert requests.get(alone.url, auth=right).status_code == 200, user
            wrong = (user.encode(), password[:-1].encode())
            assert requests.get(alone.url, auth=wrong).status_code == 401, user


def test_when_streamlit_is_gone_the_headers_are_there(project, nginx):
    with Nginx(project.path, nginx) as alone:
        (alone.runtime / "streamlit.socket").unlink()
        headers = {"X-Forwarded-Proto": "https"}
        address = f"{alone.url}/?secret-token"
        answer = requests.get(address, auth=("anna.b", PASSWORD), headers=headers)
        assert "secret" not in alone.log_with(" 502 ")
    assert answer.status_code == 502
    assert_headers(Answer(502, tuple(answer.headers.lower_items()), answer.content))
    assert "Set-Cookie" not in answer.headers


def test_other_sites_may_frame_it_where_they_are_named(project, nginx):
    """Inside another site's frame a browser sends no cookie but a partitioned one."""
    sites = "https://intranet.example.com, https://*.example.org:8443"
    with Nginx(project.path, nginx, FRAME_ANCESTORS=sites) as alone:
        answer = requests.get(alone.url, auth=("anna.b", PASSWORD))
        policy = f"frame-ancestors 'self' {sites.replace(',', '')}"
        assert answer.headers["Content-Security-Policy"] == policy
        cookie, attributes = answer.headers["Set-Cookie"].split("; ", 1)
        assert cookie.startswith("__Host-framed-session=")
        assert attributes == "Path=/; Secure; HttpOnly; SameSite=None; Partitioned"
        # A cookie from before, by its other name, hides nothing.
        before = f"__Host-session={'0' * 64}; {cookie}"
        answer = requests.get(alone.url, headers={"Cookie": before})
        assert answer.status_code == 200
        assert dict(answer.json()["headers"])["Cookie"] == f"__Host-session={'0' * 64}"
