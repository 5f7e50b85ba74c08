"""Users of every shape: each is refused with a message, or logs in at nginx under that very name."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import bcrypt
import pytest
from baked import NASTY, BakedProject
from door import credentials
from dyno import free_port, rendered
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

ODD_NAMES = [
    # Words of nginx's, and of those the ones that mean something inside a map or a geo.
    *["default", "include", "hostnames", "volatile", "ranges", "delete", "proxy", "off", "on"],
    *["host", "localhost", "server", "return", "map", "true", "nobody", "root", "0", "000", "1e5"],
    "www.example.com",
    # Every letter, digit and sign that a name may hold.
    f"{string.ascii_lowercase}._@-{string.digits}",
    f"9-@_.{string.ascii_uppercase}-",
    # Each the beginning of the next.
    *("b" * length for length in range(1, 65)),
]
GOOD_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", fullmatch=True)
NAMES = st.sampled_from(["anna", "ann", "Anna", "anna.b", *ODD_NAMES]) | GOOD_NAMES
VISIBLE = st.characters(exclude_categories=["Cc", "Cs"])
PASSWORDS = st.text(VISIBLE, min_size=12, max_size=72).map(
    lambda text: text.encode()[:72].decode(errors="ignore")
)

# Each example starts Ruby, and nginx: to make a failing one smaller would take minutes.
EXPENSIVE = {"deadline": None, "phases": set(Phase) - {Phase.shrink, Phase.explain}}

# -- What .htpasswd may hold --------------------------------------------------------------------

BCRYPT = st.text(f"./{string.ascii_letters}{string.digits}", min_size=53, max_size=53)
USER_LINES = st.builds(
    "{}:$2{}${}${}".format, NAMES, st.sampled_from("aby"), st.integers(10, 31), BCRYPT
)
NO_USERS = st.sampled_from(["", " \t", "# Ünal left", "\t#anna:x", "#", "# \udcff \u2028 \r"])
ODD_TEXTS = [
    *["", " ", "\t", "\r", "\n", "\0", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\xa0", "\u2028"],
    *["\ufeff", "é", "ſ", "٢", "\udcff", ":", "::", "#", "$", "$host", "~.*", "\\", '"', "'", ";"],
]
SECRET = "hunter2-hunter2"  # what somebody typed in the wrong place
GOOD_LINE = f"anna:$2b$12${'x' * 53}"
# What nginx, or a reader in a hurry, would take for a user.
WRONG_LINES = [
    *["carol", SECRET, f"anna {SECRET}", "carol:", f":{SECRET}", f"a:b:{SECRET}"],
    *[f"carol:{SECRET}", f"carol:{{PLAIN}}{SECRET}", "carol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
    *["carol:$apr1$salt$aIVvMbWMsnnwkFyWpYCaO1", "carol:$1$salt$qJH7.N4xYta3aEG/dfqo/0"],
    *["carol:rqXexS6ZhobKA", f"carol:$5$salt${'x' * 43}", f"carol:$6$salt${'x' * 86}"],
    *[f"carol:${kind}${'x' * 53}" for kind in ("2b$09", "2b$04", "2b$32", "2b$1", "2x$12", "2$12")],
    *[f"carol:$2b$1{digit}${'x' * 53}" for digit in "٢２²"],
    *[f"carol:$2b$12${'x' * length}" for length in (0, 52, 54)],
    *[f"{name}{GOOD_LINE[4:]}" for name in ("anna", "ANNA", ".anna", "$host", "ánna", "a" * 65)],
    *[f"{GOOD_LINE} ", f" {GOOD_LINE}", f"\ufeff{GOOD_LINE}", f"{GOOD_LINE}\r", f"{GOOD_LINE}:x"],
]


@st.composite
def spoilt_lines(draw: st.DrawFn) -> str:
    """A user's line with something else in one place."""
    line = draw(USER_LINES)
    place = draw(st.integers(0, len(line)) | st.sampled_from([0, len(line)]))
    return line[:place] + draw(st.sampled_from(ODD_TEXTS)) + line[place + draw(st.booleans()) :]


@st.composite
def user_files(draw: st.DrawFn) -> bytes:
    """An .htpasswd in order, or one with a line that may be wrong, as some editor saved it."""
    by_name = {"unique_by": lambda line: line.partition(":")[0].lower()}
    lines = draw(st.lists(USER_LINES, min_size=1, max_size=4, **by_name))
    again = st.sampled_from(lines).map(lambda line: line[:8].swapcase() + line[8:])
    wrong = spoilt_lines() | again
    for line in draw(st.lists(NO_USERS, max_size=2)) + draw(st.lists(wrong, max_size=1)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r\n", "\n\n", "\r", "\r\r\n"]))
    mark = draw(st.sampled_from(["", "", "", "", "\ufeff"]))
    text = mark + end.join(lines) + draw(st.sampled_from(["", end]))
    return text.encode("utf-8", "surrogateescape")


# -- What reads it ------------------------------------------------------------------------------

Render = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def manage(baked, monkeypatch_module) -> ModuleType:
    """manage.py of the project, with bcrypt as quick as the rules allow."""
    manage = baked.load("manage")
    assert manage.COST > 10
    monkeypatch_module.setattr(manage, "COST", 10)
    return manage


@pytest.fixture(scope="module")
def users_code(manage) -> ModuleType:
    """users.py of the project."""
    return sys.modules["users"]


@pytest.fixture(scope="module")
def render(baked, nginx) -> Render:
    """Render the configuration with some environment, and return how that went."""

    def render(**environment: str) -> subprocess.CompletedProcess:
        (baked.path / "config/htpasswd").unlink(missing_ok=True)
        given = {"PORT": str(free_port()), "NGINX_WORKERS": "2", **environment}
        return rendered(baked.path, **given)

    return render


def assert_shut(ended: subprocess.CompletedProcess, project: BakedProject) -> None:
    """There is no configuration, and one line says why."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert re.fullmatch(
        r"The door stays shut: .+\. `python manage\.py check` says more\.\n", ended.stderr
    )
    assert not (project.path / "config/htpasswd").exists()


def line_number(message: str) -> str | None:
    found = re.search(r"(?:HTPASSWD|\.htpasswd), line (\d+)", message)
    return found and found[1]


@pytest.fixture(scope="module")
def verdict(baked, users_code, render) -> Callable[..., tuple[list[str], str]]:
    """Return the users of an .htpasswd, and its refusal in Python; in Ruby both are the same."""

    def verdict(
        content: bytes, in_the_environment: bool = False, locale: str = "C.UTF-8"
    ) -> tuple[list[str], str]:
        (baked.path / ".htpasswd").write_bytes(b"" if in_the_environment else content)
        environment = {"HTPASSWD": os.fsdecode(content)} if in_the_environment else {}
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("HTPASSWD", raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                users, refusal = users_code.load_users(baked.path), ""
            except users_code.UsersError as error:
                users, refusal = [], str(error)

        rendered = render(LANG=locale, **environment)
        assert bool(users) != bool(refusal)
        if users:
            assert (rendered.returncode, rendered.stderr) == (0, "")
            assert list(sessions(rendered.stdout)) == users
            checked = baked.read("config/htpasswd").splitlines()
            assert [line.partition(":")[0] for line in checked] == users
            assert set(checked) <= set(re.split(r"\r?\n", content.decode(errors="replace")))
        else:
            assert_shut(rendered, baked)
            place = "HTPASSWD" if in_the_environment else ".htpasswd"
            assert rendered.stderr.startswith(f"The door stays shut: {place}")
            assert line_number(rendered.stderr) == line_number(refusal)
            assert SECRET not in rendered.stderr + refusal
        return users, refusal

    return verdict


@settings(max_examples=60, **EXPENSIVE)
@given(user_files(), st.booleans(), st.sampled_from(["C", "C.UTF-8"]))
def test_python_and_ruby_come_to_one_verdict(verdict, content, in_the_environment, locale):
    if in_the_environment:
        content = content.replace(b"\0", b"")
    verdict(content, in_the_environment, locale)


@pytest.mark.parametrize("line", WRONG_LINES)
def test_a_wrong_line_is_refused_and_named(verdict, line):
    content = f"# two users\n{GOOD_LINE}\n{line}\n\nbob{GOOD_LINE[4:]}\n".encode()
    _, refusal = verdict(content, in_the_environment=True)
    assert line_number(refusal) == "3"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HTPASSWD": ""}, "HTPASSWD holds no user."),
        ({"HTPASSWD": "# nobody"}, "HTPASSWD holds no user."),
        ({"HTPASSWD": SECRET}, "HTPASSWD, line 1 is no user with a bcrypt hash of cost 10"),
        ({"HTPASSWD": f"{GOOD_LINE}\nA{GOOD_LINE[1:]}"}, "HTPASSWD, line 2: Anna is there twice."),
        ({"SESSION_SECRET": "x" * 31}, "SESSION_SECRET is shorter than 32 characters."),
        ({"SESSION_SECRET": " "}, "SESSION_SECRET is shorter than 32 characters."),
        *(
            ({"FRAME_ANCESTORS": f"https://a.example {site}"}, f'"{shown}" in FRAME_ANCESTORS is no')
            for site, shown in {
                **{site: site for site in ("*", "'none'", "intranet", "http://", "https://a/b")},
                **{site: site for site in ("javascript://a", "https://*", "https://a.*.example")},
                "https://b.example; script-src *": "https://b.example;",
                "https://$host": "https://$host",
                'https://b"': r"https://b\"",
                "https://b:x": "https://b:x",
                "https://b\\": r"https://b\\",
            }.items()
        ),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_keeps_the_door_shut(baked, manage, render, environment, said):
    (baked.path / ".htpasswd").write_text(GOOD_LINE, "utf-8")
    ended = render(**environment)
    assert_shut(ended, baked)
    assert said in ended.stderr
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", ["FRAME_ANCESTORS", "SESSION_SECRET", "HTPASSWD"])
def test_bytes_that_are_no_text_keep_it_shut_too(baked, render, name, locale):
    (baked.path / ".htpasswd").write_text(GOOD_LINE, "utf-8")
    assert_shut(render(LANG=locale, **{name: "https://b\udcff"}), baked)


def test_without_htpasswd_the_door_stays_shut(baked, render):
    (baked.path / ".htpasswd").write_text(GOOD_LINE, "utf-8")
    assert render().returncode == 0
    (baked.path / ".htpasswd").unlink()
    assert_shut(render(), baked)
    (baked.path / ".htpasswd").mkdir()
    assert_shut(render(), baked)
    (baked.path / ".htpasswd").rmdir()


# -- The door -----------------------------------------------------------------------------------


def sessions(rendered: str) -> dict[str, str]:
    """Return each user's session, as the configuration has it."""
    [entries] = re.findall(r"map \$session \$session_user \{\n(.*?)\n  \}", rendered, re.DOTALL)
    return {user: key for key, user in re.findall(r'"([0-9a-f]{64})" "(.+)";', entries)}


REFUSED = (401, None, None)


@dataclass(frozen=True)
class Door:
    """nginx, with a stand-in for Streamlit behind it that tells who has come."""

    port: int
    sessions: dict[str, str]

    def ask(
        self, user: str = "", password: str = "", cookie: str = ""
    ) -> tuple[int, str | None, str | None]:
        """Return the status, who is behind the door by then, and the session that was given."""
        headers = {"Cookie": cookie} if cookie else {}
        if password:
            headers["Authorization"] = credentials(f"{user}:{password}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        name = answer.read().decode() if answer.status == 200 else None
        connection.close()
        given = re.match(r"__Host-session=(\w+);", answer.headers.get("Set-Cookie", ""))
        return answer.status, name, given and given[1]


def for_tests(rendered: str, streamlit: Path) -> str:
    """Return the configuration without limits, with its own Streamlit: one that repeats the name."""
    text, limits = re.subn(r" rate=\w+/\w;", " rate=1000r/s;", rendered)
    assert limits == rendered.count("limit_req_zone ") > 0
    assert text.count("unix:/tmp/streamlit.socket ") == 1
    text = text.replace("/tmp/streamlit.socket", str(streamlit))
    http, brace, _ = text.rpartition("}")
    names = "location / { return 200 $http_x_forwarded_user; }"
    # Workers are nobody where root starts nginx, and may not read what root wrote.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"{user}{http}  server {{ listen unix:{streamlit}; {names} }}\n{brace}\n"


@contextmanager
def door(rendered: str, nginx: str) -> Iterator[Door]:
    """Run nginx with a configuration, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="door-") as name:
        folder = Path(name)
        (folder / "logs/nginx").mkdir(parents=True)
        configuration = folder / "nginx.conf"
        configuration.write_text(for_tests(rendered, folder / "streamlit"), "utf-8")
        command = [nginx, "-p", folder, "-c", configuration, "-e", "stderr"]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0, tested.stderr
        assert len(tested.stderr.splitlines()) == 2, tested.stderr  # ok and successful, no warning
        port = int(re.search(r"listen (\d+);", rendered)[1])
        process = subprocess.Popen(command)
        try:
            wait_for(port, process)
            yield Door(port, sessions(rendered))
        finally:
            process.terminate()
            process.wait(10)


def wait_for(port: int, process: subprocess.Popen) -> None:
    """Wait until nginx listens."""
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)


def assert_session(door: Door, user: str, place: int) -> None:
    """A session opens by itself, in its user's name, and one with another character does not."""
    session = door.sessions[user]
    for cookies in ("{}", "a=b; {}", "{}; __Host-session=x", "a;{};b"):
        cookie = cookies.format(f"__Host-session={session}")
        assert door.ask(cookie=cookie) == (200, user, None)
    place %= 64
    other = f"{int(session[place], 16) ^ 1:x}"
    for wrong in (
        session[:place] + other + session[place + 1 :],
        session[:place] + session[place + 1 :],
        f"{session}0",
        user,
    ):
        assert door.ask(cookie=f"__Host-session={wrong}") == REFUSED
    assert door.ask(cookie=f"__Host-framed-session={session}") == REFUSED
    assert door.ask(cookie=f"x__Host-session={session}") == REFUSED


@settings(max_examples=12, **EXPENSIVE)
@given(
    users=st.lists(
        st.tuples(NAMES, PASSWORDS),
        min_size=2,
        max_size=4,
        unique_by=(lambda pair: pair[0].lower(), lambda pair: pair[1]),
    ),
    place=st.integers(0, 63),
)
def test_whoever_is_added_logs_in(baked, manage, users_code, render, nginx, users, place):
    (baked.path / ".htpasswd").unlink(missing_ok=True)
    for user, password in users:
        assert manage.set_password(user, password, baked.path)
        if user.swapcase() != user:
            with pytest.raises(manage.Refused, match="differs in capitals alone"):
                manage.set_password(user.swapcase(), password, baked.path)
    assert users_code.load_users(baked.path) == [user for user, _ in users]
    with door(render().stdout, nginx) as there:
        assert there.ask() == REFUSED
        others = [*users[1:], users[0]]
        for (user, password), (other, others_password) in zip(users, others, strict=True):
            session = there.sessions[user]
            assert there.ask(user, password) == (200, user, session)
            assert there.ask(user, password[:-1]) == REFUSED
            assert there.ask(user, others_password) == REFUSED
            if user.swapcase() != user:
                assert there.ask(user.swapcase(), password) == REFUSED
            assert_session(there, user, place)
            # The session counts, whatever is claimed beside it, and no other one is given for that.
            cookie = f"__Host-session={session}"
            for claim in ((other, "x"), (other, others_password), (user, password)):
                assert there.ask(*claim, cookie=cookie) == (200, user, None)


def test_200_users(baked, users_code, render, nginx):
    """The odd names have passwords of their own; the rest were all given one, hash and all."""
    others = [f"user{number}" for number in range(200 - len(ODD_NAMES))]
    names = [*ODD_NAMES, *others]
    passwords = {name: f"the password of number {n}" for n, name in enumerate(ODD_NAMES)}
    passwords |= dict.fromkeys(others, "the password of many")

    def digest(password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()

    given = list(dict.fromkeys(passwords.values()))
    with ThreadPoolExecutor(2) as pool:
        digests = dict(zip(given, pool.map(digest, given), strict=True))
    lines = [f"{name}:{digests[password]}\n" for name, password in passwords.items()]
    baked.write(".htpasswd", "".join(lines))
    assert users_code.load_users(baked.path) == names

    with door(render().stdout, nginx) as there, ThreadPoolExecutor(4) as pool:
        assert len(set(there.sessions.values())) == 200

        def log_in(name: str) -> None:
            assert there.ask(name, passwords[name]) == (200, name, there.sessions[name])

        list(pool.map(log_in, [*ODD_NAMES, *others[:12]]))
        for number, name in enumerate(names):
            assert_session(there, name, number)
        # A name that another one begins with opens nothing by the other's password.
        for short, long in (("b", "bb"), ("b" * 63, "b" * 64), ("0", "000")):
            assert there.ask(short, passwords[long]) == REFUSED
            assert there.ask(long, passwords[short]) == REFUSED


# -- The menu -----------------------------------------------------------------------------------

LINE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
APPS = st.text(LINE, min_size=1, max_size=60).map(str.strip).filter(bool)
ALIKE = "Café Cafe ｃａｆｅ Cafe\u0301 CAFÉ! ﬁ fi ß ss ſs İ ı i".split()  # noqa: SIM905
OTHERS = st.sampled_from(["con", "class", "json", "streamlit", *NASTY.values()])


@settings(max_examples=60, deadline=None)
@given(names=st.lists(APPS | OTHERS) | st.lists(st.sampled_from(ALIKE), min_size=2))
def test_any_list_of_apps_is_read_back(manage, names):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        added: dict[str, object] = {}
        for name in names:
            if manage.same_name(name) in map(manage.same_name, added):
                with pytest.raises(manage.Refused, match="is in apps.json already"):
                    manage.add_app(name, root)
            else:
                added[name] = manage.add_app(name, root)
            assert manage.load_menu(root) == list(added.values())
        written = json.loads((root / "apps.json").read_text("utf-8")) if names else []
        assert [entry["name"] for entry in written] == list(added)
        assert len({app.find(root) for app in added.values()}) == len(added)
