"""Which process answers at a script app's address, and to whom: nginx with echoes behind it."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from assertions import assert_headers, assert_refused
from baked import PASSWORD, USER
from http_client import HttpClient, Response, basic
from login_attempts import remove_rate_limits
from nginx_probe import Echo, Upstream, make_project, running_echo, running_nginx

from apphub.paths import app_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Names like that of anna.b, the only one who may enter Forecast.
OTHERS = ("anna", "anna.bb", "annaxb")
USERS = {USER: PASSWORD, **{name: f"{name}'s long password" for name in (*OTHERS, "bob")}}
APPS = [
    {"name": "Forecast", "script": "apps/forecast/streamlit_app.py", "users": [USER]},
    {"name": "Café", "script": "apps/café-2.py"},
    {"name": "Several", "script": "apps/several.py", "processes": 3, "users": [USER, "Bob"]},
    {"name": "Fore", "script": "apps/fore.py", "users": ["bob"]},
]
PROCESS_COOKIE = "__Secure-app-process"
UPLOAD_MB = 250  # more than the hub's


class LoginEcho(Echo):
    """An echo that sets cookies as a login with sixty groups does."""

    def end_headers(self) -> None:
        if self.path.endswith("/oauth2callback?large"):
            for number in range(3):
                self.send_header("Set-Cookie", f"claims_{number}={'x' * 4000}; Path=/forecast")
        super().end_headers()


class LoginUpstream(Upstream):
    """An app with such a login."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.RequestHandlerClass = LoginEcho


class Probe(NamedTuple):
    """A running nginx with an echo at each socket."""

    client: HttpClient
    hub: Upstream
    apps: dict[str, Upstream]

    def send(
        self, user: str, path: str, method: str = "GET", *headers: str
    ) -> tuple[Response, str]:
        """Send a request with a user's session, and return the answer and who gave it.

        That is the name of an app's process, "hub", or "nginx" where the request reached neither.
        """
        session = self.client.session_of(user)
        upstreams = {"hub": self.hub, **self.apps}
        before = {name: len(each.paths) for name, each in upstreams.items()}
        if any(line.startswith("Upgrade") for line in headers):
            answer = self.client.upgrade(path, *headers, session=session)
        else:
            answer = self.client.request(path, method, *headers, session=session)
        reached = [name for name, each in upstreams.items() if len(each.paths) > before[name]]
        assert len(reached) < 2
        return answer, (reached or ["nginx"])[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path_factory.mktemp("project"), users=USERS)
    (root / "apps.json").write_text(json.dumps(APPS), "utf-8")
    (root / "apps/forecast/.streamlit").mkdir(parents=True)
    config = root / "apps/forecast/.streamlit/config.toml"
    config.write_text(f"[server]\nmaxUploadSize = {UPLOAD_MB}\n", "utf-8")
    remove_rate_limits(root)
    return root


@pytest.fixture(scope="module")
def probe(nginx: str, root: Path) -> Iterator[Probe]:
    names = {"forecast": ("forecast", 1), "café-2": ("café-2", 1), "fore": ("fore", 1)}
    names |= {f"several {number}": ("several", number) for number in (1, 2, 3)}
    with running_nginx(root, nginx) as running, ExitStack() as stack:
        apps = {
            name: stack.enter_context(
                running_echo(
                    app_socket(*where, running.runtime),
                    LoginUpstream if name == "forecast" else Upstream,
                )
            )
            for name, where in names.items()
        }
        yield Probe(HttpClient(running.url, USERS, router=True), running.upstream, apps)


# Each way into an app: a path after its address, the method, and headers.
UPGRADE = ("Upgrade: websocket",)
WAYS = {
    "WebSocket": ("/_stcore/stream", "GET", UPGRADE),
    "health": ("/_stcore/health?start", "GET", ()),
    "settings": ("/_stcore/host-config", "GET", ()),
    "upload": ("/_stcore/upload_file/a/b", "PUT", ("Content-Length: 0",)),
    "media": ("/media/0123.png", "GET", ()),
    "component": ("/component/a.b/index.html", "GET", ()),
    "static file of the app's": ("/app/static/a.csv", "GET", ()),
    "static file of Streamlit's": ("/static/js/a.js", "GET", ()),
    "login": ("/auth/login", "GET", ()),
    "return from the login": ("/oauth2callback?code=1", "GET", ()),
    "form": ("/", "POST", ("Content-Length: 0",)),
    "encoded": ("%2F_stcore/health", "GET", ()),
    "encoded dots": ("/a/%2e%2e/_stcore/health", "GET", ()),
    "dots": ("/a/../_stcore/health", "GET", ()),
    "two slashes": ("//_stcore//health", "GET", ()),
}
DOCUMENTS = {
    "address": "/",
    "address without a slash": "",
    "query": "/?a=b&embed=true",
    "page": "/two",
    "page of a page": "/a/b/",
    "page called media": "/media",
    "page that begins like media": "/media2/a",
    "two slashes": "//",
    "encoded slash": "%2f",
    "line break": "/a%0Ab",
}
# How a client may write "/forecast".
SPELLINGS = ["/forecast", "//forecast", "/%66orecast", "/x/../forecast", "/x/%2e%2e%2fforecast"]


def content(answer: Response, name: str) -> tuple[int, list[tuple[str, str]], object]:
    """Return an answer of the hub's echo without what differs from request to request."""
    headers = [header for header in answer.headers if header[0] not in ("date", "content-length")]
    seen = json.loads(answer.body.replace(name.encode(), b"nothing!") or b'{"headers": []}')
    differing = ("X-Forwarded-For", "X-Request-ID")
    seen["headers"] = [header for header in seen["headers"] if header[0] not in differing]
    return answer.status, headers, seen


def same_answer(one: Response, other: Response, name: str) -> bool:
    """Return whether two answers are the same but for the name."""
    return content(one, name) == content(other, name)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("path", "method", "headers"), WAYS.values(), ids=WAYS)
def test_only_its_users_reach_an_app(probe, spelling, path, method, headers):
    answer, who = probe.send(USER, spelling + path, method, *headers)
    assert (answer.status, who) == (200, "forecast")
    assert json.loads(answer.body)["path"] == "/" + f"{spelling}{path}".lstrip("/")
    assert dict(json.loads(answer.body)["headers"])["X-Forwarded-User"] == USER
    for user in ("anna", "bob"):
        answer, who = probe.send(user, spelling + path, method, *headers)
        assert who == "hub"
        unknown = spelling.replace("%66", "f").replace("forecast", "nothing!")
        of_nothing, who = probe.send(user, unknown + path, method, *headers)
        assert who == "hub"
        if "%66" not in spelling:
            assert same_answer(answer, of_nothing, "forecast")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("path", DOCUMENTS.values(), ids=DOCUMENTS)
def test_nginx_sends_the_page_to_the_apps_users(probe, spelling, path):
    for method in ("GET", "HEAD"):
        answer, who = probe.send(USER, spelling + path, method)
        assert (answer.status, who) == (200, "nginx")
        assert answer.all("Content-Type") == ["text/html; charset=utf-8"]
        assert answer.all("Set-Cookie") == []
        assert_headers(answer)
        assert (b"<title>Forecast</title>" in answer.body) == (method == "GET")
        answer, who = probe.send("bob", spelling + path, method)
        assert who == "hub"
        if "%66" not in spelling:
            unknown = spelling.replace("forecast", "nothing!")
            assert same_answer(answer, probe.send("bob", unknown + path, method)[0], "forecast")


@pytest.mark.parametrize(
    "path",
    [
        *("/Forecast/", "/FORECAST/_stcore/health", "/forecast2/", "/forecas/", "/forecast.py"),
        *("/forecast%0A", "/forecast%20/", "/x/forecast/", "/_stcore/health", "/", "/several2/"),
        *("/forecast/..", "/forecast/../_stcore/stream", "/forecast/%2e%2e/cafe/"),
    ],
)
def test_another_address_is_the_hubs(probe, path):
    assert probe.send(USER, path)[1] == "hub"


def test_users_names_are_compared_as_a_whole_and_with_their_case(probe):
    """As the menu compares them."""
    for user in OTHERS:
        assert probe.send(user, "/forecast/_stcore/health")[1] == "hub"
    assert probe.send("bob", "/several/_stcore/health")[1] == "hub"  # Bob may
    assert probe.send("bob", "/fore/_stcore/health")[1] == "fore"


def test_an_app_without_users_is_for_everybody_who_has_logged_in(probe):
    for user in USERS:
        assert probe.send(user, "/caf%C3%A9-2/_stcore/health")[1] == "café-2"
        answer, who = probe.send(user, "/caf%C3%A9-2/")
        assert (who, "<title>Café</title>" in answer.body.decode()) == ("nginx", True)
    assert_refused(probe.client.request("/caf%C3%A9-2/"))
    assert_refused(probe.client.request("/caf%C3%A9-2/_stcore/health"))


@pytest.mark.parametrize("path", ["/forecast/", "/forecast/_stcore/health", "/forecast/two"])
def test_nobody_enters_without_the_password(probe, path):
    before = sum(len(each.paths) for each in probe.apps.values())
    for headers in ([], [basic(USER, "wrong")], [basic("nobody", PASSWORD)]):
        answer = probe.client.request(path, "GET", *headers)
        assert_refused(answer)
        assert b"Forecast" not in answer.body
    assert sum(len(each.paths) for each in probe.apps.values()) == before


def test_the_page_sets_the_session_of_who_gave_the_password(probe):
    answer = probe.client.request("/forecast/", "GET", probe.client.password_of())
    assert answer.status == 200
    assert answer.session == probe.client.session
    assert_headers(answer)
    # Another user's password is theirs, whatever the address.
    answer = probe.client.request("/forecast/", "GET", probe.client.password_of("bob"))
    assert answer.session == probe.client.session_of("bob")
    assert b"<title>Forecast" not in answer.body


@pytest.mark.parametrize("path", ["/.app-page", "/.app-page/app_1.html", "/app_1.html", "/pages/"])
def test_a_page_is_not_sent_at_an_address_of_its_own(probe, path):
    for user in USERS:
        answer, _ = probe.send(user, path)
        assert b"<title>Forecast" not in answer.body
    assert_refused(probe.client.request(path))


def test_a_request_with_a_large_body_gets_the_page_only_with_the_password(probe):
    """A body that is too large is refused before the password is asked for, but not here."""
    length = f"Content-Length: {10**10}"
    assert_refused(probe.client.request("/forecast/", "GET", length))
    assert_refused(probe.client.request("/forecast/_stcore/health", "GET", length))
    session = f"Cookie: __Host-session={probe.client.session}"
    [answer] = probe.client.raw(
        ["GET /forecast/_stcore/health HTTP/1.1", "Host: x", "Connection: close", session, length]
    )
    assert answer.status == 413


def test_the_largest_upload_is_that_of_any_app(probe):
    session = f"Cookie: __Host-session={probe.client.session}"
    for megabytes, status in ((UPLOAD_MB, None), (UPLOAD_MB + 2, 413)):
        head = ["PUT /forecast/_stcore/upload_file/a/b HTTP/1.1", "Host: x", session]
        length = f"Content-Length: {megabytes * 2**20}"
        answers = probe.client.raw([*head, length], silence=1)
        assert [answer.status for answer in answers] == ([status] if status else [])


def test_a_login_may_set_large_cookies(probe):
    answer, who = probe.send(USER, "/forecast/oauth2callback?large")
    assert (answer.status, who) == (200, "forecast")
    assert [len(cookie) for cookie in answer.all("Set-Cookie")] == [4025] * 3


# -- Several processes -------------------------------------------------------------------------


def process_cookie(answer: Response) -> str | None:
    found = [cookie for cookie in answer.all("Set-Cookie") if cookie.startswith(PROCESS_COOKIE)]
    if not found:
        return None
    [cookie] = found
    pattern = rf"{PROCESS_COOKIE}=([123]); Path=/several; Secure; HttpOnly; SameSite=Lax"
    return re.fullmatch(pattern, cookie)[1]


def send_with_cookie(probe: Probe, path: str, number: str) -> tuple[Response, str]:
    cookie = f"Cookie: __Host-session={probe.client.session}; {PROCESS_COOKIE}={number}"
    before = {name: len(each.paths) for name, each in probe.apps.items()}
    answer = probe.client.request(path, "GET", cookie)
    [who] = [name for name, each in probe.apps.items() if len(each.paths) > before[name]] or [""]
    return answer, who


def test_a_browser_stays_at_one_of_an_apps_processes(probe):
    given = {process_cookie(probe.send(USER, "/several/")[0]) for _ in range(60)}
    assert given == {"1", "2", "3"}
    for number in given:
        answer, who = send_with_cookie(probe, "/several/_stcore/health", number)
        assert (who, process_cookie(answer)) == (f"several {number}", None)
        assert process_cookie(send_with_cookie(probe, "/several/", number)[0]) is None


@pytest.mark.parametrize("number", ["0", "4", "99", "x", ""])
def test_a_process_that_is_not_there_is_replaced(probe, number):
    answer, who = send_with_cookie(probe, "/several/_stcore/health", number)
    assert who == f"several {process_cookie(answer)}"
    assert answer.all("Cache-Control") == ["private, no-store"]


def test_an_app_with_one_process_sets_no_cookie(probe):
    assert probe.send(USER, "/forecast/_stcore/health")[0].all("Set-Cookie") == []


def test_who_may_not_enter_gets_no_process(probe):
    answer, who = probe.send("bob", "/several/")
    assert (who, process_cookie(answer)) == ("hub", None)
