"""The log: one line per request that a program can read, and the user and app in Python's lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from assertions import find_script
from baked import PASSWORD, ROOT, USER, BakedProject
from fake_dyno import FakeDyno, WithLog, python_environment, wait_until
from http_client import HttpClient, basic
from login_attempts import SLOW, LoginAttempts, remove_rate_limits, set_rate
from nginx_probe import make_project, running_nginx

from apphub.accounts import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

USERS = {USER: PASSWORD, "bob": "bob's long password"}
WRITES = r"""
import logging
import sys
import threading
import streamlit as st
from streamlit.logger import get_logger

def run():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log = logging.getLogger(__name__)
    log.info("all is well")
    forged = "at=info user=eve"
    log.warning("no rows for %s", f"x\n{forged}\r{forged}\u2028{forged}\x1b[1A")
    get_logger("streamlit.later").warning("too old")
    thread = threading.Thread(target=log.warning, args=["by myself"])
    thread.start()
    thread.join()
    print("printed as it is", file=sys.stderr)
    st.text(f"<request: {st.context.headers['X-Request-ID']}>")
"""
FAILS = r"""
import streamlit as st

def called():
    raise RuntimeError("no calls today")

@st.fragment
def part():
    if st.button("Fail in a part"):
        raise RuntimeError("no parts today")

def run():
    part()
    st.button("Fail in a callback", on_click=called)
    if st.button("Fail"):
        raise RuntimeError("no data today\nat=info user=eve method=GET")
"""
MENU = [
    {"name": "Writes", "module": "apps.writes"},
    {"name": "Fails", "module": "apps.fails"},
    {"name": "売上", "module": "apps.売上"},
]

# logfmt: words without blanks, or in quotes. A line of nginx's contains nothing else.
FIELD = re.compile(
    r'([a-z_]+(?:#[a-z0-9.]+)?)=(?:"((?:[^"\\\x00-\x1f]|\\x[0-9A-F]{2})*)"|([^\s"]*))'
)
KEYS = ["at", "user", "method", "path", "status", "bytes", "fwd", "request_id"]
PYTHON = re.compile(r"at=(debug|info|warning|error)( user=[\w.@-]+)?( app=\w+)? [\w.]+: .*")


def parse(line: str) -> dict[str, str]:
    """Read a line of nginx's as l2met does.

    Raises:
        ValueError: it is not one, down to its last character.
    """
    fields = [FIELD.fullmatch(word) for word in line.split(" ")]
    if not all(fields):
        raise ValueError(line)
    read = {found[1]: found[2] if found[3] is None else found[3] for found in fields}
    metrics = [key for key in read if "#" in key]
    if [*read] != [*KEYS, *metrics] or len(read) != len(fields):
        raise ValueError(line)
    for key in metrics:
        kind, _, name = key.partition("#")
        value = {"measure": r"\d+\.\d{3}s", "count": "1"}.get(kind, "")
        if not name.startswith("nginx.") or not re.fullmatch(value, read[key]):
            raise ValueError(line)
    return read


@pytest.fixture(scope="module")
def hub(baked_project: BakedProject) -> BakedProject:
    """The project with two users and three more apps. Its home page writes to the log."""
    for user, password in USERS.items():
        set_password(user, password, baked_project.path)
    baked_project.write("apps/writes.py", WRITES)
    baked_project.write("apps/fails.py", FAILS)
    baked_project.write("apps/売上.py", WRITES)
    baked_project.add_to_menu(*MENU)
    baked_project.trust_the_tests()
    remove_rate_limits(baked_project.path)
    style = "    st.html(STYLE)\n"
    warning = '    __import__("logging").getLogger("apps").warning("the home page")\n'
    baked_project.change("apphub/web/home.py", style, style + warning)
    return baked_project


@pytest.fixture(scope="module")
def dyno(hub: BakedProject, nginx: str):
    with FakeDyno(hub.path, nginx) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def client(dyno: FakeDyno) -> HttpClient:
    return HttpClient(dyno.url, USERS, router=True)


def lines_from(source: WithLog, address: str) -> list[dict[str, str]]:
    """Return the lines of all requests from an address, at least one."""
    ours = f'fwd="{address}"'
    wait_until(lambda: re.search(f"{re.escape(ours)}.*\n", source.log()))
    return [parse(line) for line in source.log().splitlines() if ours in line]


@pytest.fixture
def line_of(dyno: FakeDyno) -> Callable[..., dict[str, str]]:
    """Send something from an address of its own, and read the one line that the log has of it."""

    def line_of(send: Callable[[str], object]) -> dict[str, str]:
        address = f"203.0.113.{next(addresses)}"
        send(address)
        [line] = lines_from(dyno, address)
        return line

    return line_of


addresses = iter(range(1, 255))


def raw(client: HttpClient, first: bytes, address: str, *headers: str) -> None:
    """Send a request whose first line is this very one."""
    lines = [f"Host: {client.host}", "Connection: close", *client.routed(address), *headers, "", ""]
    client.raw(first + b"\r\n" + "\r\n".join(lines).encode())


WRONG = basic(USER, "a wrong password")

# -- One line per request ------------------------------------------------------------------------

REQUESTS = {
    "page": (
        lambda client, a: client.request("/", session=client.session, address=a),
        {"user": USER, "path": "/", "status": "200", "upstream": True},
    ),
    "query": (
        lambda client, a: client.request(
            "/sales_report?t=secret", session=client.session, address=a
        ),
        {"user": USER, "path": "/sales_report", "status": "200", "upstream": True},
    ),
    "bob": (
        lambda client, a: client.request("/", session=client.session_of("bob"), address=a),
        {"user": "bob", "status": "200", "upstream": True},
    ),
    "password": (
        lambda client, a: client.request("/", "GET", client.password_of(), address=a),
        {"user": USER, "status": "200", "upstream": True},
    ),
    "session before password": (
        lambda client, a: client.request(
            "/", "GET", client.password_of(), session=client.session_of("bob"), address=a
        ),
        {"user": "bob", "status": "200", "upstream": True},
    ),
    "no password": (
        lambda client, a: client.request("/", address=a),
        {"user": "-", "path": "/", "status": "401", "upstream": False},
    ),
    "wrong password": (
        lambda client, a: client.request("/", "GET", WRONG, address=a),
        {"user": "-", "status": "401", "upstream": False},
    ),
    "static": (
        lambda client, a: client.request(find_script(client), session=client.session, address=a),
        {"user": USER, "status": "200", "upstream": False},
    ),
    "static with a password": (
        lambda client, a: client.request(
            find_script(client), "GET", client.password_of(), address=a
        ),
        {"user": USER, "status": "200", "upstream": False},
    ),
    "no such file": (
        lambda client, a: client.request("/static/x.js", session=client.session, address=a),
        {"user": USER, "path": "/static/x.js", "status": "404", "upstream": False},
    ),
    "upload": (
        lambda client, a: client.request(
            "/_stcore/upload_file/a/b", "PUT", session=client.session, body=b"x" * 9, address=a
        ),
        {"user": USER, "method": "PUT", "path": "/_stcore/upload_file/a/b", "upstream": True},
    ),
    "too large": (
        lambda client, a: client.request(
            "/big", "PUT", client.password_of(), "Content-Length: 999999999", address=a
        ),
        {"user": "-", "path": "/big", "status": "413", "upstream": False},
    ),
    "http": (
        lambda client, a: client.request("/", "GET", client.password_of(), address=a, proto="http"),
        {"user": "-", "path": "/", "status": "301", "upstream": False},
    ),
    "page of another site": (
        lambda client, a: client.upgrade(
            "/_stcore/stream",
            "Origin: https://x.example",
            session=client.session,
            address=a,
        ),
        {"user": USER, "path": "/_stcore/stream", "status": "403", "upstream": False},
    ),
}


@pytest.mark.parametrize(("send", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_each_request_has_one_line(client, line_of, send, expected):
    line = line_of(lambda address: send(client, address))
    upstream = "measure#nginx.upstream" in line
    assert {key: {**line, "upstream": upstream}[key] for key in expected} == expected
    assert line["at"] == "info"
    assert line[f"count#nginx.status.{line['status']}"] == "1"
    assert "measure#nginx.service" in line


def test_a_websocket_has_a_measure_of_its_own(client, line_of):
    """It is open as long as its page: among the times of requests it would hide the others."""

    def send(address: str) -> None:
        client.upgrade("/_stcore/stream?t=secret", session=client.session, address=address)

    line = line_of(send)
    assert (line["user"], line["path"], line["status"]) == (USER, "/_stcore/stream", "101")
    assert "measure#nginx.websocket" in line
    assert "measure#nginx.service" not in line
    assert "measure#nginx.upstream" not in line


def test_the_bytes_are_those_of_the_body(client, line_of):
    received = []

    def send(address: str) -> None:
        received.append(client.request("/", session=client.session, address=address))

    assert line_of(send)["bytes"] == str(len(received[0].body)) != "0"


def test_login_attempts_are_counted(nginx, tmp_path):
    """Each 401 and each 429 has its line, and none names the user."""
    root = make_project(tmp_path, users=USERS)
    set_rate(root, "login_per_ip", SLOW)
    address = "192.0.2.77"
    with running_nginx(root, nginx) as probe:
        with LoginAttempts(HttpClient(probe.url, USERS, router=True), user="bob") as attempts:
            attempts.send([address] * 60, "/login-attempt")
            attempts.receive_refusals(40)
            attempts.receive_until(lambda: attempts.statuses[401])
            received = attempts.statuses
        # The others have closed their connections: in the queue (499), or with a response unread.
        wait_until(lambda: probe.log().count("\n") == 60)
        lines = [parse(line) for line in probe.log().splitlines()]
    assert {line["fwd"] for line in lines} == {address}
    assert {line["user"] for line in lines} == {"-"}
    logged = Counter(name for line in lines for name in line if name.startswith("count#"))
    assert logged.total() == 60
    assert set(logged) == {f"count#nginx.status.{status}" for status in (401, 429, 499)}
    assert received[401] <= logged["count#nginx.status.401"]
    assert received[429] <= logged["count#nginx.status.429"] <= 60 - 41


# -- Forged lines --------------------------------------------------------------------------------

FORGED = "at=info user=eve method=GET"
PATHS = {
    "line break": (f"/%0a{FORGED.replace(' ', '%20')}", None),
    "quotes": (f"/%22%20{FORGED.replace(' ', '%20')}", None),
    "raw quotes": ('/x"user=eve"', r"/x\x22user=eve\x22"),
    "backslashes": ("/x\\\\x22", r"/x\x5C\x5Cx22"),
    "not ASCII": ("/é", r"/\xC3\xA9"),
    "percent": ("/caf%C3%A9", None),
    "fragment": ("/x#secret", "/x"),
    "question": ("/x?secret", "/x"),
    "metric": ("/x#count#nginx.status.429=1", "/x"),
    "long": ("/" + "a" * 7000, "/" + "a" * 499),
    "long and odd": ("/" + "é" * 3500, "/" + r"\xC3\xA9" * 249 + r"\xC3"),
    "variable": ("/$session", None),
}


@pytest.mark.parametrize(("path", "logged"), PATHS.values(), ids=PATHS)
def test_no_path_forges_a_line(client, line_of, path, logged):
    cookie = f"Cookie: __Host-session={client.session}"
    line = line_of(lambda a: raw(client, f"GET {path} HTTP/1.1".encode(), a, cookie))
    assert line["path"] == (path if logged is None else logged)
    assert line["user"] == USER


@pytest.mark.parametrize(
    "first",
    [
        f"GET /x {FORGED} HTTP/1.1",
        f"GET /x\v{FORGED} HTTP/1.1",
        "GET http://eve:secret@x/y?secret HTTP/1.1",
        f'G"T user=eve /{FORGED} HTTP/1.1',
        f"/{FORGED}",
        "\x16\x03\x01 user=eve",
    ],
)
def test_no_unreadable_request_forges_a_line(hub, nginx, tmp_path, first):
    """nginx has not read the router's address of the client then, nor a path."""
    root = make_project(tmp_path, hub.path)
    with running_nginx(root, nginx) as probe:
        client = HttpClient(probe.url, USERS, router=True)
        raw(client, first.encode(), "203.0.113.255", basic("eve", "secret"))
        [line] = lines_from(probe, "127.0.0.1")
    assert (line["user"], line["path"]) == ("-", "")


IDS = {
    "the router's": ("f9ed4675f1c53513c61a3b3b4e25b4c0", True),
    "every sign that the router accepts": ("Az09+/=-Az09+/=-Az09", True),
    "of the greatest length": ("a" * 200, True),
    "too long": ("a" * 201, False),
    "too short": ("a" * 19, False),
    "none": (None, False),
    "a line": (f"aaaaaaaaaaaaaaaaaaaa {FORGED}", False),
    "quotes": ('aaaaaaaaaaaaaaaaaaaa" user="eve', False),
    "not ASCII": ("é" * 20, False),
    "metric": ("count#nginx.status.429=1", False),
}


@pytest.mark.parametrize(("given", "is_kept"), IDS.values(), ids=IDS)
def test_the_log_and_the_app_have_the_same_request_id(client, line_of, given, is_kept):
    header = [f"X-Request-ID: {given}"] if given else []
    cookie = f"Cookie: __Host-session={client.session_of('bob')}"
    seen = []

    def send(address: str) -> None:
        client.routed, routed = lambda: routed(address), client.routed
        try:
            seen.append(client.run("writes", cookie, *header))
        finally:
            del client.routed

    line = line_of(send)
    assert line["user"] == "bob"
    assert f"<request: {line['request_id']}>" in seen[0]
    if is_kept:
        assert line["request_id"] == given
    else:
        assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])


@pytest.mark.parametrize(
    "name",
    ["eve", USER, USER.upper(), f"{USER}\n{FORGED}", f"{USER} {FORGED}", '"', "-", "", "$session"],
)
def test_a_refused_user_is_not_in_the_log(client, line_of, name):
    line = line_of(lambda a: client.request("/", "GET", basic(name, "a wrong password"), address=a))
    assert (line["user"], line["status"]) == ("-", "401")


def test_nor_is_a_user_whose_password_is_not_checked(dyno, client):
    """The header is too large: nginx answers before it checks the password."""
    too_large = f"X: {'a' * 40000}"
    client.raw(["GET /too-large HTTP/1.1", f"Host: {client.host}", client.password_of(), too_large])
    client.request("/ends-here", session=client.session)
    wait_until(lambda: "/ends-here" in dyno.log())
    lines = dyno.log().splitlines()
    [line] = [parse(line) for line in lines if "/too-large" in line]
    assert (line["user"], line["status"]) == ("-", "400")


# -- Python's lines ----------------------------------------------------------------------------


def test_what_an_app_logs_has_the_app_and_the_user(dyno, client):
    client.run("writes", f"Cookie: __Host-session={client.session_of('bob')}")
    client.run("売上", f"Cookie: __Host-session={client.session}")
    # Its last line is printed: that of either app.
    wait_until(lambda: dyno.log().count("printed as it is\n") >= 2)
    lines = dyno.log().splitlines()
    for begin, module in (
        ("user=bob app=writes", "apps.writes"),
        (f"user={USER} app=売上", "apps.売上"),
    ):
        assert f"at=info {begin} {module}: all is well" in lines
        begins = f"at=warning {begin} {module}: "
        first = lines.index(f"{begins}no rows for x")
        assert lines[first + 1 : first + 3] == [f"{begins}at=info user=eve"] * 2
        assert lines[first + 3] == f"{begins}at=info user=eve\\x1b[1A"
        assert f"at=warning {begin} streamlit.later: too old" in lines
        assert f"at=warning {module}: by myself" in lines  # it has a thread of its own
    assert "printed as it is" in lines


def fail(dyno: FakeDyno, chromium, button: str, reason: str) -> str:
    """Press the button as bob, and return what the log has of it, and what comes after."""
    context = chromium.new_context(
        base_url=dyno.url, http_credentials={"username": "bob", "password": USERS["bob"]}
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/fails")
    before = len(dyno.log())
    page.get_by_role("button", name=button, exact=True).click()
    wait_until(lambda: reason in dyno.log()[before:])
    context.close()
    return dyno.log()[before:]


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ("Fail", "RuntimeError: no data today"),
        ("Fail in a part", "RuntimeError: no parts today"),
        ("Fail in a callback", "RuntimeError: no calls today"),
    ],
)
def test_each_line_of_a_failure_has_the_app_and_the_user(dyno, chromium, button, reason):
    log = fail(dyno, chromium, button, reason)
    lines = log[: log.index(reason) + len(reason)].splitlines()
    begin = re.compile(r"at=error user=bob app=fails [a-z_.]+: (.*)")
    texts = [begin.fullmatch(line)[1] for line in lines if " fwd=" not in line]
    assert texts[1] == "Traceback (most recent call last):"
    assert texts[-1] == reason
    failed = [text for text in texts if text.startswith("Fails (apps.fails) failed (reference ")]
    assert len(failed) == (button == "Fail")


def test_the_app_is_the_one_that_is_open(dyno, client):
    """Not the one that this browser had open before, nor another browser's."""
    with client.websocket(f"Cookie: __Host-session={client.session_of('bob')}") as websocket:
        client.run_in(websocket, "writes")
        before = len(dyno.log())
        client.run_in(websocket, "")
    home = "at=warning user=bob apps: the home page\n"
    wait_until(lambda: home in dyno.log()[before:])


@pytest.mark.parametrize(
    ("user", "app", "begin"),
    [
        ("anna.b", "sales_report", "at=warning user=anna.b app=sales_report apps: "),
        (None, "", "at=warning apps: "),
        ("Eve\nat=info", "a b", r'at=warning user="Eve\nat=info" app="a b" apps: '),
        ("Eve\u2028", 'a"b', r'at=warning user="Eve\u2028" app="a\"b" apps: '),
    ],
)  # fmt: skip
def test_no_name_forges_a_line(hub, user, app, begin):
    """Names have rules of their own, in users.py and menu.py. This is true without them."""
    code = f"""if True:
        import logging
        from apphub import logfmt
        class Pages: pass
        class Run: user_info, pages_manager = {{"name": {user!r}}}, Pages()
        logfmt.get_script_run_ctx = lambda suppress_warning: Run
        logfmt.set_current_app({app!r})
        logfmt.configure_logging()
        logging.getLogger("apps").warning("%s", "one\\ntwo")
    """
    python = python_environment(hub.path / "requirements.txt") / "python"
    command = [python, "-B", "-c", code]
    ended = subprocess.run(command, cwd=hub.path, capture_output=True, text=True, check=True)
    assert ended.stderr == f"{begin}one\n{begin}two\n"


# -- The whole log: last, since it is what the tests before have written ------------------------


def test_a_program_can_read_every_line(dyno, client):
    client.request("/log-ends-here", session=client.session)
    wait_until(lambda: re.search("/log-ends-here.*\n", dyno.log()))
    plain = {"printed as it is"}
    lines = [line for line in dyno.log().splitlines() if line not in plain]
    assert not [line for line in lines if "secret" in line]
    requests = 0
    for line in lines:
        if " fwd=" in line and not PYTHON.fullmatch(line):
            assert parse(line)["user"] in {"-", *USERS}
            requests += 1
        else:
            assert PYTHON.fullmatch(line), line
            assert "user=eve" not in line.split(": ")[0]
            assert "HTTP/1" not in line  # uvicorn would log all that nginx logs, too
    assert requests > 50


def find_commands(project: BakedProject) -> list[str]:
    """Return the three commands of docs/logs.md: for the status, the usage and the errors."""
    part = project.read("docs/logs.md").partition("\n## Status, usage and errors\n")[2]
    return re.search(r"```sh\n(.*?)```", part, re.DOTALL)[1].splitlines()


def test_the_commands_in_the_documents_read_the_log(hub, dyno, client, chromium, tmp_path):
    """They get the dyno's own log, as Heroku shows it."""
    assert client.request("/anna", session=client.session).status == 200
    wait_until(lambda: re.search("/anna.*\n", dyno.log()))
    fail(dyno, chromium, "Fail", "RuntimeError: no data today")
    log = dyno.log().splitlines()
    shown = [f"2026-01-01T00:00:00.000000+00:00 app[web.1]: {line}" for line in log]
    crashed = "2026-01-01T00:00:00.000000+00:00 heroku[web.1]: State changed from up to crashed"
    (tmp_path / "log").write_text("\n".join([*shown, crashed, ""]))
    (tmp_path / "heroku").write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    (tmp_path / "heroku").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    _, usage, errors = (
        subprocess.check_output(["bash", "-c", command], env=environment, text=True).splitlines()
        for command in find_commands(hub)
    )
    read = [parse(line)["user"] for line in log if re.match(r"at=\w+ user=\S+ method=", line)]
    counts = Counter(user for user in read if user != "-")
    assert set(counts) == set(USERS)
    assert {line.split()[1]: int(line.split()[0]) for line in usage} == {
        f"user={user}": count for user, count in counts.items()
    }
    assert crashed in errors
    ours = "\n".join(line.partition("app[web.1]: ")[2] for line in errors if line != crashed)
    assert "at=error user=bob app=fails apps: RuntimeError: no data today" in ours
    assert all(line.startswith("at=error ") for line in ours.splitlines())


def test_the_fake_heroku_shows_such_lines(dyno, client, tmp_path):
    """Other tests run the documents' commands with it."""
    client.request("/with-session", session=client.session)
    client.request("/without")
    wait_until(lambda: re.search("/without.*\n", dyno.log()))
    environment = {**os.environ, "HEROKU_STATE": str(tmp_path / "heroku.json")}

    def heroku(*words: str) -> list[str]:
        command = [sys.executable, ROOT / "tests/fakes/heroku", *words]
        options = {"cwd": tmp_path, "env": environment, "stderr": subprocess.DEVNULL}
        return subprocess.check_output(command, text=True, **options).splitlines()

    heroku("login")
    heroku("create", "data-apps")
    state = json.loads((tmp_path / "heroku.json").read_text())
    state["apps"]["data-apps"]["releases"] = [{"commit": "0" * 40}]
    (tmp_path / "heroku.json").write_text(json.dumps(state))
    lines = [line.split("app[web.1]: ") for line in heroku("logs", "--app", "data-apps")]
    ours = [found[1] for found in lines if found[1:]]
    requests = [parse(line) for line in ours if " fwd=" in line]
    real = [parse(line) for line in dyno.log().splitlines() if " fwd=" in line]
    assert {line["status"] for line in requests} == {"200", "401"}
    for line in requests:
        assert [*line] in [[*other] for other in real if other["status"] == line["status"]]
    assert all(PYTHON.fullmatch(line) for line in ours if " fwd=" not in line)
    assert len(heroku("logs", "--app", "data-apps", "--num", "2")) == 2
