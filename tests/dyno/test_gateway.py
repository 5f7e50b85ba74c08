"""What apphub/server/gateway.py and erb write, read by nginx with an echo behind it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import crossplane
import pytest
import requests
from assertions import assert_headers
from baked import AUTH, NASTY, PASSWORD, USER
from fake_dyno import wait_until
from http_client import Response, basic
from login_attempts import remove_rate_limits
from nginx_probe import (
    PROJECT,
    NginxProbe,
    hash_fast,
    make_project,
    render,
    run_erb,
    running_nginx,
)

from apphub.passwords import generate_password
from apphub.server import gateway
from apphub.settings import read_settings
from apphub.users import load_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = {
    **{key: name[:30].strip() for key, name in NASTY.items()},
    "variable": "$host",
    "quote": 'a"; return 200; #',
    "newline": "a\nreturn 200;",
    "backslash": "a\\",
    "long": "x" * 5000,
    "off in capitals": "OFF",
}
# The environment of a rendering that is the same each time.
SAME = {"SESSION_SECRET": "0123456789abcdef" * 2}


@pytest.fixture(scope="module")
def htpasswd() -> str:
    """.htpasswd with the user USER, whose password is PASSWORD."""
    return f"{USER}:{hash_fast(PASSWORD)}\n"


@pytest.fixture
def root(tmp_path: Path, htpasswd: str) -> Path:
    """What nginx needs of a project."""
    make_project(tmp_path)
    (tmp_path / ".htpasswd").write_text(htpasswd)
    return tmp_path


@pytest.fixture(scope="module")
def probe(nginx: str, htpasswd: str, tmp_path_factory) -> Iterator[NginxProbe]:
    """A running nginx, for all tests that change nothing in its project."""
    root = make_project(tmp_path_factory.mktemp("project"))
    (root / ".htpasswd").write_text(htpasswd)
    remove_rate_limits(root)
    with running_nginx(root, nginx) as probe:
        yield probe


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, timeout=60, **options)


def read_generated(root: Path) -> dict[str, str]:
    """Return the text of each file that a rendering writes."""
    files = [root / "config/nginx.conf", *(root / "config/generated").iterdir()]
    return {file.name: file.read_text("utf-8") for file in files}


# -- Rendering -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("megabytes", "limit"), [(200, "201m"), (1000, "1001m")])
def test_the_upload_limit_has_one_megabyte_more_for_the_wrapping(root, megabytes, limit):
    render(root)
    gateway.write_limits(megabytes, root)
    assert f"client_max_body_size {limit};" in read_generated(root)["limits.conf"]


# Prints what a worker reports, in each folder that is given.
UPLOAD_LIMIT = """
import os, sys
from streamlit import config
from apphub.server.streamlit_config import load_streamlit_config
for folder in sys.argv[1:]:
    os.chdir(folder)
    config.get_config_options(force_reparse=True)
    load_streamlit_config()
    print(int(config.get_option("server.maxUploadSize")))
"""


def run_streamlit_config(*folders: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(PROJECT), **environ}
    command = [sys.executable, "-c", UPLOAD_LIMIT, *map(str, folders)]
    return subprocess.run(command, env=environ, capture_output=True, text=True)


def test_the_upload_limit_is_the_one_that_streamlit_reads(tmp_path):
    """However config.toml is written, nginx and Streamlit have the same limit."""
    shipped = (PROJECT / ".streamlit/config.toml").read_text("utf-8")
    assert "maxUploadSize = 200" in shipped
    cases = {
        "shipped": (shipped, 200),
        "comment": (shipped.replace("= 200", "= 50 # MB"), 50),
        "underscore": (shipped.replace("= 200", "= 1_000"), 1000),
        "dotted": ("server.maxUploadSize = 500\n", 500),
        "default": (shipped.replace("maxUploadSize", "# maxUploadSize"), 200),
        "no file": (None, 200),
    }
    for name, (text, _) in cases.items():
        (tmp_path / name / ".streamlit").mkdir(parents=True)
        if text is not None:
            (tmp_path / name / ".streamlit/config.toml").write_text(text, "utf-8")
    folders = [tmp_path / name for name in cases]
    ended = run_streamlit_config(*folders)
    assert ended.returncode == 0, ended.stderr
    assert dict(zip(cases, map(int, ended.stdout.split()), strict=True)) == {
        name: limit for name, (_, limit) in cases.items()
    }
    variable = "STREAMLIT_SERVER_MAX_UPLOAD_SIZE"
    assert run_streamlit_config(folders[0], **{variable: "500"}).stdout == "500\n"
    assert run_streamlit_config(folders[0], **{variable: "x"}).returncode != 0


def test_it_renders_the_same_in_any_locale(root):
    name = "Café 売上"
    (root / "app.json").write_text(json.dumps({"name": name}, ensure_ascii=False), "utf-8")
    code = "from pathlib import Path; from nginx_probe import render; render(Path(), **{environ})"
    texts = []
    for locale in ({"LANG": "C"}, {"LANG": "C.UTF-8"}, {}):
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONUTF8": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            **locale,
        }
        command = [sys.executable, "-c", code.replace("{environ}", repr({**locale, **SAME}))]
        subprocess.run(command, cwd=root, env=environ, check=True)
        texts.append(read_generated(root))
    assert texts[0] == texts[1] == texts[2]
    assert name in texts[0]["settings.conf"]


@pytest.mark.parametrize(("name", "value"), [("PORT", "80; }"), ("NGINX_WORKERS", "1; user root")])
def test_the_environment_cannot_add_directives(root, name, value):
    ended = run_erb(root, **{name: value})
    assert ended.returncode != 0
    assert "invalid value for Integer" in ended.stderr


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
def test_without_a_name_there_is_still_a_realm(root, app_json):
    if app_json is not None:
        (root / "app.json").write_bytes(app_json)
    gateway.write_rules(load_users(root, {}), read_settings({}), root)
    text = (root / "config/generated/settings.conf").read_text("utf-8")
    [realm] = re.findall(r'geo \$app_name \{ default "(.*)"; \}', text)
    assert realm == ("?" if app_json and b"udc00" in app_json else "Apps")


# -- nginx ---------------------------------------------------------------------------------------


def test_what_reaches_streamlit(probe):
    def seen(path: str = "/", **headers: str) -> dict:
        answer = get(probe.url + path, auth=AUTH, headers=headers)
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
    assert arrived["host"] == f"127.0.0.1:{probe.port}"
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


def test_an_upload_is_passed_on_while_it_arrives(probe):
    """Nothing waits for its end."""
    head = ["PUT / HTTP/1.1", "Host: x", basic(*AUTH), "Content-Length: 200000", "", ""]
    with socket.create_connection(("127.0.0.1", probe.port), 60) as connection:
        connection.sendall("\r\n".join(head).encode() + b"x" * 100_000)
        assert probe.upstream.first_byte.wait(60)
        connection.sendall(b"x" * 100_000)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"body": 200000' in answer


def test_an_upload_may_pause_for_a_minute(root):
    """The buildpack's sample configuration gives up after 5 seconds of silence."""
    [parsed] = crossplane.parse(str(render(root)), combine=True)["config"]
    [http] = [each["block"] for each in parsed["parsed"] if each["directive"] == "http"]
    [server] = [each["block"] for each in http if each["directive"] == "server"]

    def timeouts(block: list[dict]) -> list[str]:
        found = [each["args"] for each in block if each["directive"] == "client_body_timeout"]
        return [*found, *(inner for each in block for inner in timeouts(each.get("block", [])))]

    assert timeouts(server) == [["60s"]]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_ends_its_quotes_or_turns_authentication_off(root, nginx, name):
    (root / "app.json").write_text(json.dumps({"name": name}, ensure_ascii=False), "utf-8")
    with running_nginx(root, nginx) as probe:
        for auth in (None, (USER, "a wrong password")):
            answer = get(probe.url, auth=auth)
            assert answer.status_code == 401
            realm = answer.headers["WWW-Authenticate"]
            # What a browser reads out of the quoted string: RFC 9110, section 5.6.4.
            shown = re.fullmatch(r'Basic realm="((?:[^"\\]|\\.)*)"', realm)[1]
            shown = re.sub(r"\\(.)", r"\1", shown).encode("latin-1").decode("utf-8")
            assert shown == {"off": "Off"}.get(name, name.replace("\n", " ")[:100])
        assert not probe.upstream.paths


def test_users_and_passwords_of_every_shape_can_log_in(root, nginx):
    """The bcrypt package makes the hashes; nginx checks them with the system's libcrypt."""
    users = {
        USER: PASSWORD,
        "Z": "x" * 12,
        "0.A-z_9@example.com": "é" * 36,
        "x" * 64: "y" * 72,
        "generated": generate_password(),
        "signs": "a:b \"c\" 'd' \\e $f {g} %h",
        "emoji": "🔑🔑🔑",
    }
    lines = (f"{user}:{hash_fast(password)}\n" for user, password in users.items())
    (root / ".htpasswd").write_text("".join(lines))
    remove_rate_limits(root)
    with running_nginx(root, nginx) as probe:
        for user, password in users.items():
            right = (user.encode(), password.encode())
            assert get(probe.url, auth=right).status_code == 200, user
            wrong = (user.encode(), password[:-1].encode())
            assert get(probe.url, auth=wrong).status_code == 401, user


def test_without_streamlit_the_error_has_all_headers(root, nginx):
    with running_nginx(root, nginx) as probe:
        (probe.runtime / "streamlit.socket").unlink()
        headers = {"X-Forwarded-Proto": "https"}
        answer = get(f"{probe.url}/?secret-token", auth=AUTH, headers=headers)
        wait_until(lambda: "status=502" in probe.log())
        assert "secret" not in probe.log()
    assert answer.status_code == 502
    assert_headers(Response(502, tuple(answer.headers.lower_items()), answer.content))
    assert "Set-Cookie" not in answer.headers


def test_streamlit_serves_static_files_that_nginx_cannot_find(root, nginx, monkeypatch):
    with running_nginx(root, nginx) as probe:
        assert get(f"{probe.url}/static/js/none.js", auth=AUTH).status_code == 404
        assert not probe.upstream.paths
    monkeypatch.setattr(gateway, "find_static_files", lambda: None)
    with running_nginx(root, nginx) as probe:
        assert "location" not in read_generated(root)["limits.conf"]
        answer = get(f"{probe.url}/static/js/none.js", auth=AUTH)
        assert answer.json()["path"] == "/static/js/none.js"
        assert get(f"{probe.url}/static/js/none.js").status_code == 401


def test_other_sites_may_frame_it_where_they_are_named(root, nginx):
    """Inside another site's frame a browser sends no cookie but a partitioned one."""
    sites = "https://intranet.example.com, https://*.example.org:8443"
    with running_nginx(root, nginx, FRAME_ANCESTORS=sites) as probe:
        answer = get(probe.url, auth=AUTH)
        policy = f"frame-ancestors 'self' {sites.replace(',', '')}"
        assert answer.headers["Content-Security-Policy"] == policy
        cookie, attributes = answer.headers["Set-Cookie"].split("; ", 1)
        assert cookie.startswith("__Host-framed-session=")
        assert attributes == "Path=/; Secure; HttpOnly; SameSite=None; Partitioned"
        # A cookie from before, by its other name, does not hide the new one.
        before = f"__Host-session={'0' * 64}; {cookie}"
        answer = get(probe.url, headers={"Cookie": before})
        assert answer.status_code == 200
        assert dict(answer.json()["headers"])["Cookie"] == f"__Host-session={'0' * 64}"


def test_nginx_accepts_as_many_workers_as_the_settings(root, nginx):
    """Its zones have to be large enough for all of them."""
    render(root, STREAMLIT_PROCESSES="99")
    command = [nginx, "-t", "-p", root, "-c", "config/nginx.conf", "-e", "stderr"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
