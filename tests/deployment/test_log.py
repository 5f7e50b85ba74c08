"""The log: a line a request that a program can read, and lines of Python that say whose they are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest
from baked import PASSWORD, ROOT, USER, BakedProject
from door import Door, basic
from dyno import Dyno, python_environment
from test_door import bundle

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
    log.warning("no rows for %s", "x\nat=info user=eve\rat=info user=eve\u2028at=info user=eve\x1b[1A")
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

# logfmt: words without blanks, or in quotes. Nothing else may stand in a line of nginx's.
FIELD = re.compile(
    r'([a-z_]+(?:#[a-z0-9.]+)?)=(?:"((?:[^"\\\x00-\x1f]|\\x[0-9A-F]{2})*)"|([^\s"]*))'
)
KEYS = ["at", "user", "method", "path", "status", "bytes", "fwd", "request_id"]
PYTHON = re.compile(r"at=(debug|info|warning|error)( user=[\w.@-]+)?( app=\w+)? [\w.]+: .*")


def parse(line: str) -> dict[str, str]:
    """Read a line of nginx's as l2met does.

    Raises:
        ValueError: it is none, down to its last character.
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
def dyno(baked: BakedProject, nginx: str):
    manage = baked.load("manage")
    for user, password in USERS.items():
        manage.set_password(user, password, baked.path)
    baked.write("apps/writes.py", WRITES)
    baked.write("apps/fails.py", FAILS)
    baked.write("apps/売上.py", WRITES)
    baked.add_to_menu(*MENU)
    baked.trust_the_tests()
    dyno = Dyno(baked.path, nginx)
    hub = "    st.html(STYLE)\n"
    BakedProject(dyno.home).change("hub.py", hub, f'{hub}    log.warning("the hub")\n')
    with dyno:
        yield dyno


@pytest.fixture(scope="module")
def door(dyno: Dyno) -> Door:
    return Door(dyno.url, USERS, router=True)


@pytest.fixture
def line_of(dyno: Dyno, request) -> Callable[..., dict[str, str]]:
    """Send something from an address of its own, and read the one line that the log has of it."""

    def line_of(send: Callable[[str], object]) -> dict[str, str]:
        address = f"203.0.113.{next(addresses)}"
        send(address)
        dyno.log_with(f'fwd="{address}"')
        [line] = [line for line in dyno.log().splitlines() if f'fwd="{address}"' in line]
        return parse(line)

    return line_of


addresses = iter(range(1, 255))


def raw(door: Door, first: bytes, address: str, *headers: str) -> None:
    """Send a request whose first line is this very one."""
    lines = [f"Host: {door.host}", "Connection: close", *door.routed(address), *headers, "", ""]
    door.raw(first + b"\r\n" + "\r\n".join(lines).encode(), 2)


# -- A line a request --------------------------------------------------------------------------

REQUESTS = {
    "page": (
        lambda door, a: door.ask("/", session=door.session, address=a),
        {"user": USER, "path": "/", "status": "200", "upstream": True},
    ),
    "query": (
        lambda door, a: door.ask("/sales_report?t=secret", session=door.session, address=a),
        {"user": USER, "path": "/sales_report", "status": "200", "upstream": True},
    ),
    "bob": (
        lambda door, a: door.ask("/", session=door.session_of("bob"), address=a),
        {"user": "bob", "status": "200", "upstream": True},
    ),
    "password": (
        lambda door, a: door.ask("/", "GET", door.password_of(), address=a),
        {"user": USER, "status": "200", "upstream": True},
    ),
    "session before password": (
        lambda door, a: door.ask(
            "/", "GET", door.password_of(), session=door.session_of("bob"), address=a
        ),
        {"user": "bob", "status": "200", "upstream": True},
    ),
    "nobody": (
        lambda door, a: door.ask("/", address=a),
        {"user": "-", "path": "/", "status": "401", "upstream": False},
    ),
    "wrong password": (
        lambda door, a: door.ask("/", "GET", basic(USER, "a wrong password"), address=a),
        {"user": "-", "status": "401", "upstream": False},
    ),
    "static": (
        lambda door, a: door.ask(bundle(door), session=door.session, address=a),
        {"user": USER, "status": "200", "upstream": False},
    ),
    "static with a password": (
        lambda door, a: door.ask(bundle(door), "GET", door.password_of(), address=a),
        {"user": USER, "status": "200", "upstream": False},
    ),
    "no such file": (
        lambda door, a: door.ask("/static/x.js", session=door.session, address=a),
        {"user": USER, "path": "/static/x.js", "status": "404", "upstream": False},
    ),
    "upload": (
        lambda door, a: door.ask(
            "/_stcore/upload_file/a/b", "PUT", session=door.session, body=b"x" * 9, address=a
        ),
        {"user": USER, "method": "PUT", "path": "/_stcore/upload_file/a/b", "upstream": True},
    ),
    "too large": (
        lambda door, a: raw(
            door, b"PUT /big HTTP/1.1", a, door.password_of(), "Content-Length: 999999999"
        ),
        {"user": "-", "path": "/big", "status": "413", "upstream": False},
    ),
    "http": (
        lambda door, a: door.ask("/", "GET", door.password_of(), address=a, proto="http"),
        {"user": "-", "path": "/", "status": "301", "upstream": False},
    ),
    "foreign page": (
        lambda door, a: door.upgrade(
            "/_stcore/stream",
            "Origin: https://x.example",
            session=door.session,
            address=a,
        ),
        {"user": USER, "path": "/_stcore/stream", "status": "403", "upstream": False},
    ),
}


@pytest.mark.parametrize(("send", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_each_request_has_its_line(door, line_of, send, expected):
    line = line_of(lambda address: send(door, address))
    upstream = "measure#nginx.upstream" in line
    assert {key: {**line, "upstream": upstream}[key] for key in expected} == expected
    assert line["at"] == "info"
    assert line[f"count#nginx.status.{line['status']}"] == "1"
    assert "measure#nginx.service" in line


def test_a_websocket_is_measured_by_itself(door, line_of):
    """It is open as long as its page, which would spoil the times of what somebody waits for."""

    def send(address: str) -> None:
        door.upgrade("/_stcore/stream?t=secret", session=door.session, address=address)

    line = line_of(send)
    assert (line["user"], line["path"], line["status"]) == (USER, "/_stcore/stream", "101")
    assert "measure#nginx.websocket" in line
    assert "measure#nginx.service" not in line
    assert "measure#nginx.upstream" not in line


def test_the_bytes_are_the_bodys(door, line_of):
    sizes = []
    line = line_of(lambda a: sizes.append(len(door.ask("/", session=door.session, address=a).body)))
    assert line["bytes"] == str(sizes[0]) != "0"


def test_who_was_refused_for_guessing_is_counted(dyno, door):
    """Each 401 and each 429 has its line, and none says that the user was there."""
    address = "192.0.2.77"
    routed = door.routed(address)
    lines = ["GET /guess HTTP/1.1", f"Host: {door.host}", "Connection: close", *routed]
    lines += [basic("bob", "a wrong password"), "", ""]
    guesses, statuses = [], Counter()
    for _ in range(60):
        guess = door.connection()
        guess.sendall("\r\n".join(lines).encode())
        guesses.append(guess)
    until = time.monotonic() + 5
    for guess in guesses:
        guess.settimeout(max(0.01, until - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            statuses[guess.recv(4096).split()[1].decode()] += 1
        guess.close()
    assert statuses["429"] > 10
    assert statuses["401"] >= 1

    def counted(status: str) -> int:
        mine = [line for line in dyno.log().splitlines() if f'fwd="{address}"' in line]
        assert all(parse(line)["user"] == "-" for line in mine)
        return sum(f"count#nginx.status.{status}=1" in line for line in mine)

    while counted("429") < statuses["429"] and time.monotonic() < until + 10:
        time.sleep(0.1)
    assert counted("429") == statuses["429"]
    assert counted("401") >= statuses["401"]


# -- What somebody would like to stand there ---------------------------------------------------

FORGED = "at=info user=eve method=GET"
PATHS = {
    "line break": (f"/%0a{FORGED.replace(' ', '%20')}", None),
    "quotes": (f"/%22%20{FORGED.replace(' ', '%20')}", None),
    "raw quotes": ('/x"user=eve"', r"/x\x22user=eve\x22"),
    "backslashes": ("/x\\\\x22", r"/x\x5C\x5Cx22"),
    "no ascii": ("/é", r"/\xC3\xA9"),
    "percent": ("/caf%C3%A9", None),
    "fragment": ("/x#secret", "/x"),
    "question": ("/x?secret", "/x"),
    "metric": ("/x#count#nginx.status.429=1", "/x"),
    "long": ("/" + "a" * 7000, "/" + "a" * 499),
    "long and odd": ("/" + "é" * 3500, "/" + r"\xC3\xA9" * 249 + r"\xC3"),
    "variable": ("/$session", None),
}


@pytest.mark.parametrize(("path", "logged"), PATHS.values(), ids=PATHS)
def test_no_path_forges_a_line(door, line_of, path, logged):
    cookie = f"Cookie: __Host-session={door.session}"
    line = line_of(lambda a: raw(door, f"GET {path} HTTP/1.1".encode(), a, cookie))
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
def test_nor_does_what_nginx_cannot_read(dyno, door, first):
    """It has not read the client's address then, nor a path."""

    def lines() -> list[str]:
        return [line for line in dyno.log().splitlines() if 'path=""' in line]

    before, until = len(lines()), time.monotonic() + 10
    raw(door, first.encode(), "203.0.113.255", basic("eve", "secret"))
    while len(lines()) == before and time.monotonic() < until:
        time.sleep(0.1)
    found = [parse(line) for line in lines()[before:]]
    assert [(line["user"], line["path"]) for line in found] == [("-", "")]


IDS = {
    "the router's": ("f9ed4675f1c53513c61a3b3b4e25b4c0", True),
    "all that the router takes": ("Az09+/=-Az09+/=-Az09", True),
    "as long as can be": ("a" * 200, True),
    "too long": ("a" * 201, False),
    "too short": ("a" * 19, False),
    "none": (None, False),
    "a line": (f"aaaaaaaaaaaaaaaaaaaa {FORGED}", False),
    "quotes": ('aaaaaaaaaaaaaaaaaaaa" user="eve', False),
    "no ascii": ("é" * 20, False),
    "metric": ("count#nginx.status.429=1", False),
}


@pytest.mark.parametrize(("given", "taken"), IDS.values(), ids=IDS)
def test_one_request_id_is_in_the_log_and_at_the_app(door, line_of, given, taken):
    header = [f"X-Request-ID: {given}"] if given else []
    cookie = f"Cookie: __Host-session={door.session_of('bob')}"
    seen = []

    def send(address: str) -> None:
        door.routed, routed = lambda: routed(address), door.routed
        try:
            seen.append(door.run("writes", cookie, *header))
        finally:
            del door.routed

    line = line_of(send)
    assert line["user"] == "bob"
    assert f"<request: {line['request_id']}>" in seen[0]
    if taken:
        assert line["request_id"] == given
    else:
        assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])


@pytest.mark.parametrize(
    "name",
    ["eve", USER, USER.upper(), f"{USER}\n{FORGED}", f"{USER} {FORGED}", '"', "-", "", "$session"],
)
def test_who_is_not_let_in_is_nobody(door, line_of, name):
    line = line_of(lambda a: door.ask("/", "GET", basic(name, "a wrong password"), address=a))
    assert (line["user"], line["status"]) == ("-", "401")


def test_nor_is_who_says_so_before_the_password_is_looked_at(dyno, door):
    """Too much of a header: nginx answers before it looks at the password."""
    door.raw(
        ["GET /too-much HTTP/1.1", f"Host: {door.host}", door.password_of(), f"X: {'a' * 40000}"]
    )
    door.ask("/ends-here", session=door.session)
    lines = dyno.log_with("/ends-here").splitlines()
    [line] = [parse(line) for line in lines if "/too-much" in line]
    assert (line["user"], line["status"]) == ("-", "400")


# -- Python's lines ----------------------------------------------------------------------------


def test_what_an_app_logs_says_which_app_and_whose(dyno, door):
    door.run("writes", f"Cookie: __Host-session={door.session_of('bob')}")
    door.run("売上", f"Cookie: __Host-session={door.session}")
    lines = dyno.log_with(f"user={USER} app=売上 streamlit.later: too old").splitlines()
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
        assert f"at=warning {module}: by myself" in lines  # a thread of its own is nobody's
    assert "printed as it is" in lines


def fail(dyno: Dyno, chromium, button: str, reason: str) -> str:
    """Press the button as bob, and return what the log has of it, and what comes after."""
    context = chromium.new_context(
        base_url=dyno.url, http_credentials={"username": "bob", "password": USERS["bob"]}
    )
    page = context.new_page()
    page.goto("/fails")
    before = len(dyno.log())
    page.get_by_role("button", name=button, exact=True).click()
    until = time.monotonic() + 30
    while reason not in (log := dyno.log()[before:]) and time.monotonic() < until:
        time.sleep(0.1)
    context.close()
    return log


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ("Fail", "RuntimeError: no data today"),
        ("Fail in a part", "RuntimeError: no parts today"),
        ("Fail in a callback", "RuntimeError: no calls today"),
    ],
)
def test_a_failure_says_so_in_each_line(dyno, chromium, button, reason):
    log = fail(dyno, chromium, button, reason)
    assert reason in log
    lines = log[: log.index(reason) + len(reason)].splitlines()
    told = [line for line in lines if " fwd=" not in line]
    begin = re.compile(r"at=error user=bob app=fails [a-z_.]+: (.*)")
    texts = [begin.fullmatch(line)[1] for line in told]
    assert texts[1] == "Traceback (most recent call last):"
    assert texts[-1] == reason
    assert ("Fails (apps.fails) has failed" in texts) == (button == "Fail")


def test_the_app_is_the_one_that_is_open(dyno, door):
    """Not the one that this browser had open before, nor another browser's."""
    with door.websocket(f"Cookie: __Host-session={door.session_of('bob')}") as websocket:
        door.run_in(websocket, "writes")
        before = len(dyno.log())
        door.run_in(websocket, "")
    hub = "at=warning user=bob apps: the hub\n"
    assert hub in dyno.log_with(hub)[before:]


@pytest.mark.parametrize(
    ("user", "app", "begin"),
    [
        ("anna.b", "sales_report", "at=warning user=anna.b app=sales_report apps: "),
        (None, "", "at=warning apps: "),
        ("Eve\nat=info user=anna.b", "a b", r'at=warning user="Eve\nat=info user=anna.b" app="a b" apps: '),
        ("Eve\u2028", 'a"b', r'at=warning user="Eve\u2028" app="a\"b" apps: '),
    ],
)  # fmt: skip
def test_no_name_forges_a_line(baked, user, app, begin):
    """They have rules of their own, in users.py and menu.py. This holds without them."""
    code = f"""if True:
        import logging, log
        class Pages: pass
        class Run: user_info, pages_manager = {{"name": {user!r}}}, Pages()
        log.get_script_run_ctx = lambda suppress_warning: Run
        log.note_app({app!r})
        log.set_up()
        logging.getLogger("apps").warning("%s", "one\\ntwo")
    """
    python = python_environment(baked.path / "requirements.txt") / "python"
    command = [python, "-B", "-c", code]
    ended = subprocess.run(command, cwd=baked.path, capture_output=True, text=True, check=True)
    assert ended.stderr == f"{begin}one\n{begin}two\n"


# -- All of it: last, since it reads what the tests before have left there ------------------------


def test_every_line_is_one_that_a_program_can_read(dyno):
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
            assert "HTTP/1" not in line  # uvicorn says all that nginx says, too
    assert requests > 50


def seeing(project: BakedProject) -> list[str]:
    """Return the README's three commands: is it up, who is in, what failed."""
    part = project.read("README.md").partition("\n## See what is going on\n")[2]
    return re.search(r"```sh\n(.*?)```", part, re.DOTALL)[1].splitlines()


def test_the_readmes_commands_answer(baked, dyno, chromium, tmp_path):
    """Typed against the dyno's own log, as Heroku shows it."""
    fail(dyno, chromium, "Fail", "RuntimeError: no data today")
    log = dyno.log().splitlines()
    shown = [f"2026-01-01T00:00:00.000000+00:00 app[web.1]: {line}" for line in log]
    crashed = "2026-01-01T00:00:00.000000+00:00 heroku[web.1]: State changed from up to crashed"
    (tmp_path / "log").write_text("\n".join([*shown, crashed, ""]))
    (tmp_path / "heroku").write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    (tmp_path / "heroku").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    _, who, failed = (
        subprocess.check_output(["bash", "-c", command], env=environment, text=True).splitlines()
        for command in seeing(baked)
    )
    read = [parse(line)["user"] for line in log if re.match(r"at=\w+ user=\S+ method=", line)]
    counts = Counter(user for user in read if user != "-")
    assert set(counts) == set(USERS)
    assert {line.split()[1]: int(line.split()[0]) for line in who} == {
        f"user={user}": count for user, count in counts.items()
    }
    assert crashed in failed
    told = "\n".join(line.partition("app[web.1]: ")[2] for line in failed if line != crashed)
    assert "at=error user=bob app=fails apps: RuntimeError: no data today" in told
    assert all(line.startswith("at=error ") for line in told.splitlines())


def test_the_stand_in_for_herokus_cli_shows_such_lines(dyno, tmp_path):
    """What test_readmes.py types its commands against is no invention."""
    environment = {**os.environ, "HEROKU_STATE": str(tmp_path / "heroku.json")}

    def heroku(*words: str) -> list[str]:
        command = [sys.executable, ROOT / "tests/heroku", *words]
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
