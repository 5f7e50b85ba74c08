"""server/gateway.py: what nginx is told. How nginx reads it: tests/dyno/test_gateway.py."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest
from baked import NASTY
from hypothesis import given
from hypothesis import strategies as st
from nginx_directives import constants, directives, find_map, match, unescape
from strategies import HASH, NAMES, ODD_NAMES

from apphub.apps import App
from apphub.server import gateway
from apphub.server.gateway import choose_cookies, derive_sessions, make_realm, quote
from apphub.settings import Settings
from apphub.users import User

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "0123456789abcdef" * 4
USERS = [User("anna.b", HASH), User("bob@example.com", HASH.replace("$12$", "$10$"))]
APPS = [App("Forecast", script="apps/forecast/app.py"), App("Sales", script="apps/sales.py")]
FRAMED = Settings(SECRET, ("https://intranet.example.com", "https://*.example.org:8443"))
FILES = {
    *("htpasswd", "users.map", "sessions.map", "new_sessions.map"),
    *("settings.conf", "upstreams.conf", "apps.conf", "limits.conf"),
}


@pytest.fixture
def generated(project) -> Path:
    return project.path / "config/generated"


@pytest.fixture
def write(project, generated):
    """Write the rules, and return the directives of a file."""

    def write(name: str, users=USERS, settings=Settings(SECRET), **options) -> list[dict]:  # noqa: B008
        gateway.write_rules(users, settings, project.path, **options)
        return directives(generated / name)

    return write


# -- The files -------------------------------------------------------------------------------------


def test_files_are_for_their_owner_only(project, generated):
    gateway.write_rules(USERS, Settings(), project.path)
    gateway.write_apps(APPS, project.path)
    gateway.write_limits(200, project.path)
    assert {path.name for path in generated.iterdir()} == {*FILES, "pages"}
    assert {path.name for path in (generated / "pages").iterdir()} == {"app_1.html", "app_2.html"}
    for path in (generated, *generated.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name


def test_files_are_those_that_nginx_includes(project):
    included = set()
    for path in (gateway.ROOT / "apphub/nginx").iterdir():
        text = path.read_text("utf-8")
        included |= set(re.findall(r"(?:include \.\./config|auth_basic_user_file) ?/?(\S+);", text))
    assert {name.rpartition("/")[2] for name in included} == FILES


def test_clear_deletes_all_of_it(project, generated):
    gateway.clear(project.path)
    gateway.write_rules(USERS, Settings(), project.path)
    (generated / "of_an_older_version").mkdir()
    gateway.clear(project.path)
    assert not generated.exists()


def test_htpasswd_has_the_users_and_nothing_else(write, generated):
    write("users.map")
    text = (generated / "htpasswd").read_text()
    assert text == "".join(f"{user.line}\n" for user in USERS)


# -- Users and sessions ----------------------------------------------------------------------------


def test_maps_of_users_and_sessions(write, generated):
    users = write("users.map")
    sessions = directives(generated / "sessions.map")
    new_sessions = directives(generated / "new_sessions.map")
    assert [(each["directive"], each["args"]) for each in users] == [
        (":anna.b", ["anna.b"]),
        (":bob@example.com", ["bob@example.com"]),
    ]
    by_session = {each["directive"]: each["args"][0] for each in sessions}
    assert list(by_session.values()) == ["anna.b", "bob@example.com"]
    assert {each["directive"]: each["args"][0] for each in new_sessions} == {
        f":{name}": session for session, name in by_session.items()
    }
    assert all(re.fullmatch("[0-9a-f]{64}", session) for session in by_session)
    assert by_session == {
        session: name for name, session in derive_sessions(USERS, SECRET, "__Host-session").items()
    }


def test_200_users(write, generated):
    names = [*ODD_NAMES, *(f"user{number}" for number in range(200 - len(ODD_NAMES)))]
    users = write("users.map", [User(name, HASH) for name in names])
    assert [each["directive"] for each in users] == [f":{name}" for name in names]
    sessions = directives(generated / "sessions.map")
    assert [each["args"] for each in sessions] == [[name] for name in names]
    assert len({each["directive"] for each in sessions}) == 200
    # None of them is a word that means something at the beginning of an entry.
    assert all(each["directive"].startswith(":") for each in users)


@given(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower))
def test_any_names_are_read_back(tmp_path_factory, names):
    root = tmp_path_factory.getbasetemp()
    gateway.write_rules([User(name, HASH) for name in names], Settings(), root)
    for file, directive in (("users.map", True), ("sessions.map", False)):
        found = directives(root / "config/generated" / file)
        assert [each["args"] for each in found] == [[name] for name in names]
        if directive:
            assert [each["directive"] for each in found] == [f":{name}" for name in names]


def session(user: User = USERS[0], secret: str = SECRET, cookie: str = "__Host-session") -> str:
    return derive_sessions([user], secret, cookie)[user.name]


def test_session_is_the_same_on_every_dyno_with_the_secret():
    assert session() == session()


def test_session_changes_with_the_password_the_secret_and_the_cookie():
    anna, bob = USERS
    assert session() not in {
        session(User(anna.name, bob.password_hash)),
        session(User("anna.c", anna.password_hash)),
        session(secret=SECRET[::-1]),
        session(cookie="__Host-framed-session"),
    }


def test_session_without_a_secret_ends_with_the_dyno():
    assert len({session(secret=""), session(secret=""), session()}) == 3


def test_secret_may_have_any_bytes():
    assert session(secret=os.fsdecode(b"\xff" * 32)) != session(secret=os.fsdecode(b"\xfe" * 32))


# -- Cookies and headers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "local", "prefix", "attributes"),
    [
        (Settings(), False, "__Host-", {"Secure", "HttpOnly", "SameSite=Lax"}),
        (Settings(), True, "local-", {"HttpOnly", "SameSite=Lax"}),
        *(
            (
                FRAMED,
                local,
                "__Host-framed-",
                {"Secure", "HttpOnly", "SameSite=None", "Partitioned"},
            )
            for local in (False, True)
        ),
    ],
)
def test_cookies(write, settings, local, prefix, attributes):
    cookies = choose_cookies(settings, local)
    assert (cookies.prefix, set(cookies.attributes.split("; "))) == (prefix, attributes)
    found = constants(write("settings.conf", settings=settings, local=local))
    assert found["$session_cookie_name"] == f"{prefix}session"
    assert found["$process_cookie_name"] == f"{prefix}process"
    # Its path is an app's, which __Host- does not allow.
    app_process = f"{prefix.replace('__Host-', '__Secure-')}app-process"
    assert found["$app_process_cookie_name"] == app_process
    assert found["$set_cookie_attributes"] == cookies.attributes


KEY = "0123456789abcdef" * 4
OTHER_KEY = KEY[::-1]


@pytest.mark.parametrize(
    ("cookie", "key", "passed_on"),
    [
        ("", "", ""),
        ("a=b", "", "a=b"),
        (f"__Host-session={KEY}", KEY, ""),
        (f"a=b; __Host-session={KEY}", KEY, "a=b"),
        (f"__Host-session={KEY}; a=b", KEY, "a=b"),
        (f"a=b;__Host-session={KEY};c=d", KEY, "a=b;c=d"),
        (f"__Host-session={KEY}; __Host-session=x", KEY, ""),
        (f"__Host-session={KEY[:-1]}", "", ""),
        (f"__Host-session={KEY}0", "", ""),
        (f"__Host-session={KEY.upper()}", "", ""),
        ("__Host-session=anna.b; a=b", "", "a=b"),
        (f"x__Host-session={KEY}", "", f"x__Host-session={KEY}"),
        (f"__Host-framed-session={KEY}", "", f"__Host-framed-session={KEY}"),
        (f"_streamlit_xsrf=x; __Host-session={KEY}; b=c", KEY, "_streamlit_xsrf=x; b=c"),
        (f"__Host-session={KEY}; __Host-process=2", KEY, "__Host-process=2"),
    ],
)
def test_session_is_read_from_the_cookie_and_not_passed_on(write, cookie, key, passed_on):
    found = write("settings.conf")
    assert match(find_map(found, "$session"), cookie) == key
    assert match(find_map(found, "$passed_cookie"), cookie) == passed_on


@pytest.mark.parametrize(
    ("cookie", "process"),
    [
        ("__Host-process=2", "2"),
        (f"a=b; __Host-process=17; __Host-session={KEY}", "17"),
        ("__Host-process=x", ""),
        ("x__Host-process=2", ""),
        ("__Host-framed-process=2", ""),
    ],
)
def test_process_is_read_from_the_cookie(write, cookie, process):
    assert match(find_map(write("settings.conf"), "$process"), cookie) == process


@pytest.mark.parametrize(
    ("cookie", "process"),
    [
        ("__Secure-app-process=2", "2"),
        ("__Host-process=1; __Secure-app-process=3", "3"),
        ("__Secure-app-process=x", ""),
        ("x__Secure-app-process=2", ""),
        ("__Host-process=1", ""),
    ],
)
def test_process_of_an_app_is_read_from_the_cookie(write, cookie, process):
    assert match(find_map(write("settings.conf"), "$app_process"), cookie) == process


def test_frame_policy(write):
    assert constants(write("settings.conf"))["$frame_policy"] == "frame-ancestors 'self'"
    policy = "frame-ancestors 'self' https://intranet.example.com https://*.example.org:8443"
    assert constants(write("settings.conf", settings=FRAMED))["$frame_policy"] == policy


REALMS = {
    **{key: name[:30].strip() for key, name in NASTY.items()},
    "variable": "$host",
    "quote": 'a"; return 200; #',
    "newline": "a\nreturn 200;",
    "backslash": "a\\",
    "long": "x" * 5000,
    "off in capitals": "OFF",
    "scripts": "Café 売上",
}


@pytest.mark.parametrize("name", REALMS.values(), ids=REALMS.keys())
def test_realm_is_the_projects_name_whatever_is_in_it(project, write, name):
    shown = re.sub(r"\\(.)", r"\1", make_realm(name))  # as a browser reads it out of its quotes
    assert shown == {"off": "Off"}.get(name, name.replace("\n", " ")[:100])
    project.write("app.json", json.dumps({"name": name}))
    assert constants(write("settings.conf"))["$app_name"] == make_realm(name)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20))
def test_nothing_ends_the_quotes(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "quoted.conf"
    path.write_text(f"geo $a {{ default {quote(text)}; }}\n", "utf-8")
    assert constants(directives(path)) == {"$a": text}


# -- Workers and limits ----------------------------------------------------------------------------


def upstreams(found: list[dict]) -> dict[str, list[list[str]]]:
    return {
        block["args"][0]: [each["args"] for each in block["block"] if each["directive"] == "server"]
        for block in found
        if block["directive"] == "upstream"
    }


def test_one_worker(write, tmp_path):
    found = write("upstreams.conf", runtime=tmp_path)
    socket = f"unix:{tmp_path}/streamlit.socket"
    assert upstreams(found) == {"streamlit": [[socket, "max_fails=0"]]}
    assert find_map(found, "$streamlit") == {"default": "streamlit"}
    assert find_map(found, "$answering_process") == {"default": ""}


def test_three_workers(write, tmp_path):
    found = write("upstreams.conf", settings=Settings(streamlit_processes=3), runtime=tmp_path)
    names = ("streamlit.socket", "streamlit.2.socket", "streamlit.3.socket")
    sockets = [f"unix:{tmp_path}/{name}" for name in names]
    servers = upstreams(found)
    assert servers["streamlit"] == [[socket, "max_fails=0"] for socket in sockets]
    for own in (1, 2, 3):
        backups = [["backup"] if number != own else [] for number in (1, 2, 3)]
        assert servers[f"streamlit_{own}"] == [
            [socket, "max_fails=0", *backup]
            for socket, backup in zip(sockets, backups, strict=True)
        ]
    entries = {"1": "streamlit_1", "2": "streamlit_2", "3": "streamlit_3"}
    assert find_map(found, "$streamlit") == {"default": "streamlit", **entries}
    answering = find_map(found, "$answering_process")
    for number, socket in enumerate(sockets, 1):
        assert match(answering, socket) == str(number)


@pytest.mark.parametrize("size", [1, 50, 200, 1000])
def test_largest_upload(project, generated, size):
    gateway.write_limits(size, project.path)
    first = directives(generated / "limits.conf")[0]
    assert (first["directive"], first["args"]) == ("client_max_body_size", [f"{size + 1}m"])


def test_limit_below_zero_is_not_no_limit(project, generated):
    gateway.write_limits(-1, project.path)
    assert directives(generated / "limits.conf")[0]["args"] == ["1m"]


def test_largest_upload_of_the_hub_and_of_all_folders(project, generated):
    texts = {
        "small": "[server]\nmaxUploadSize = 1\n",
        "large": "server.maxUploadSize = 500\n",
        "text": "[server]\nmaxUploadSize = '900'\n",
        "other": "[server]\nport = 1\n",
        "odd": "server = 9000\n",
        "broken": "maxUploadSize = 9000 = [\n",
        "binary": "\0",
    }
    for name, text in texts.items():
        folder = project.path / "apps" / name / ".streamlit"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(text)
    for of_hub, largest in ((200, 500), (600, 600)):
        gateway.write_limits(of_hub, project.path)
        assert directives(generated / "limits.conf")[0]["args"] == [f"{largest + 1}m"]


def test_static_files(project, generated, monkeypatch, tmp_path):
    monkeypatch.setattr(gateway, "find_static_files", lambda: tmp_path / 'a "b" \\c')
    gateway.write_limits(200, project.path)
    _, location = directives(generated / "limits.conf")
    assert (location["directive"], location["args"]) == ("location", ["/static/"])
    alias, include = location["block"]
    assert unescape(*alias["args"]) == f'{tmp_path}/a "b" \\c/'
    assert include["args"] == ["../apphub/nginx/static.conf"]


def test_streamlit_without_static_files_serves_them_itself(project, generated, monkeypatch):
    monkeypatch.setattr(gateway, "find_static_files", lambda: None)
    gateway.write_limits(200, project.path)
    assert len(directives(generated / "limits.conf")) == 1
