"""Users of every shape log in at nginx under that very name, and nobody else does.

What .htpasswd may contain: tests/unit/test_users.py.
"""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from http_client import HttpClient, basic
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from login_attempts import remove_rate_limits
from nginx_probe import hash_fast, make_project, running_nginx
from strategies import NAMES, ODD_NAMES, PASSWORDS

from apphub.server.gateway import derive_sessions
from apphub.users import User, load_users

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "0123456789abcdef" * 4
REFUSED = (401, None, None)
# Each example starts nginx: to shrink a failing one would take minutes.
EXPENSIVE = {"deadline": None, "phases": set(Phase) - {Phase.shrink, Phase.explain}}

BEGINNINGS = [name for name in ODD_NAMES if set(name) == {"b"}]
WORDS = [name for name in ODD_NAMES if name not in BEGINNINGS]
OTHERS = [f"user{number}" for number in range(200 - len(ODD_NAMES))]


class Login:
    """Requests for a page, by password or by session."""

    def __init__(self, url: str, root: Path) -> None:
        self.client = HttpClient(url, {"": ""}, router=True)
        self.users = load_users(root, {})
        self.sessions = derive_sessions(self.users, SECRET, "__Host-session")

    def request(
        self, user: str = "", password: str = "", cookie: str = ""
    ) -> tuple[int, str | None, str | None]:
        """Return the status, the user's name as Streamlit gets it, and the new session."""
        headers = [f"Cookie: {cookie}"] if cookie else []
        if password:
            headers.append(basic(user, password))
        response = self.client.request("/", "GET", *headers)
        if response.status != 200:
            return response.status, None, response.session
        name = dict(json.loads(response.body)["headers"])["X-Forwarded-User"]
        return 200, name, response.session

    def assert_session(self, user: str, place: int) -> None:
        """A session is enough by itself, in its user's name, and one that differs is nothing."""
        session = self.sessions[user]
        for cookies in ("{}", "a=b; {}", "{}; __Host-session=x", "a;{};b"):
            cookie = cookies.format(f"__Host-session={session}")
            assert self.request(cookie=cookie) == (200, user, None)
        place %= 64
        other = f"{int(session[place], 16) ^ 1:x}"
        for wrong in (
            session[:place] + other + session[place + 1 :],
            session[:place] + session[place + 1 :],
            f"{session}0",
            user,
        ):
            assert self.request(cookie=f"__Host-session={wrong}") == REFUSED
        assert self.request(cookie=f"__Host-framed-session={session}") == REFUSED
        assert self.request(cookie=f"x__Host-session={session}") == REFUSED


def write_users(root: Path, lines: list[User]) -> None:
    (root / ".htpasswd").write_text("".join(f"{user.line}\n" for user in lines), "ascii")


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    """The passwords of 200 users. Where a name begins with another one, the two differ."""
    passwords = {name: f"the password of number {n}" for n, name in enumerate(WORDS)}
    passwords |= {name: f"a password of {len(name) % 3}" for name in BEGINNINGS}
    return passwords | dict.fromkeys(OTHERS, "the password of many")


@pytest.fixture(scope="module")
def login(nginx: str, passwords, tmp_path_factory) -> Iterator[Login]:
    """nginx with these users."""
    root = make_project(tmp_path_factory.mktemp("project"))
    remove_rate_limits(root)
    unique = list(dict.fromkeys(passwords.values()))
    with ThreadPoolExecutor(2) as threads:
        hashes = dict(zip(unique, threads.map(hash_fast, unique), strict=True))
    write_users(root, [User(name, hashes[password]) for name, password in passwords.items()])
    with running_nginx(root, nginx, SESSION_SECRET=SECRET) as probe:
        yield Login(probe.url, root)


def test_200_users_log_in(login, passwords):
    assert len(set(login.sessions.values())) == 200

    def log_in(name: str) -> None:
        assert login.request(name, passwords[name]) == (200, name, login.sessions[name])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log_in, [*WORDS, *BEGINNINGS[::7], *OTHERS[:7]]))


def test_200_users_have_sessions(login, passwords):
    for number, name in enumerate(passwords):
        login.assert_session(name, number)


@pytest.mark.parametrize(("short", "long"), [("b", "bb"), ("b" * 63, "b" * 64), ("0", "000")])
def test_name_that_another_one_begins_with(login, passwords, short, long):
    assert login.request(short, passwords[long]) == REFUSED
    assert login.request(long, passwords[short]) == REFUSED


@pytest.mark.parametrize("name", ["root", "default", "include", "volatile", "b", "www.example.com"])
def test_password_of_another_user(login, name):
    assert login.request(name, "the password of many") == REFUSED
    assert login.request(name.upper(), "the password of many") == REFUSED


@settings(max_examples=3, **EXPENSIVE)
@given(
    accounts=st.lists(
        st.tuples(NAMES, PASSWORDS),
        min_size=5,
        max_size=8,
        unique_by=(lambda pair: pair[0].lower(), lambda pair: pair[1]),
    ),
    place=st.integers(0, 63),
)
def test_any_users_log_in_with_their_passwords(nginx, accounts, place):
    with tempfile.TemporaryDirectory() as folder:
        root = make_project(Path(folder) / "project")
        remove_rate_limits(root)
        write_users(root, [User(name, hash_fast(password)) for name, password in accounts])
        with running_nginx(root, nginx, SESSION_SECRET=SECRET) as probe:
            login = Login(probe.url, root)
            assert [user.name for user in login.users] == [name for name, _ in accounts]
            assert login.request() == REFUSED
            others = [*accounts[1:], accounts[0]]
            for (name, password), (other, others_password) in zip(accounts, others, strict=True):
                session = login.sessions[name]
                assert login.request(name, password) == (200, name, session)
                assert login.request(name, password[:-1]) == REFUSED
                assert login.request(name, others_password) == REFUSED
                if name.swapcase() != name:
                    assert login.request(name.swapcase(), password) == REFUSED
                login.assert_session(name, place)
                # The session counts, whatever is claimed besides, and there is no new one for it.
                cookie = f"__Host-session={session}"
                for claim in ((other, "x"), (other, others_password), (name, password)):
                    assert login.request(*claim, cookie=cookie) == (200, name, None)
