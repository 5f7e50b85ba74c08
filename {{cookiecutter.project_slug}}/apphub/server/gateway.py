"""Writes config/generated/ for nginx at each start: users, sessions, sockets, apps and limits.

The rules that these values fill in are static: apphub/nginx/. Where a file is missing, nginx does
not start.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import shutil
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from apphub.files import write_atomically
from apphub.paths import GENERATED, ICON, ROOT, RUNTIME, find_static_files, worker_socket
from apphub.server.app_page import build_app_page, read_icon, read_index_html
from apphub.server.gateway_apps import build_apps_conf, quote, read_upload_sizes
from apphub.settings import Settings, project_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from apphub.apps import App
    from apphub.users import User

MAX_REALM_LENGTH = 100


class Cookies(NamedTuple):
    """How the cookies are called, and their attributes."""

    prefix: str
    attributes: str


def clear(root: Path = ROOT) -> None:
    """Delete what an earlier start has written: without it nginx does not start."""
    folder = root / GENERATED
    if folder.exists():
        shutil.rmtree(folder)


def write_rules(
    users: Sequence[User],
    settings: Settings,
    root: Path = ROOT,
    *,
    runtime: Path = RUNTIME,
    local: bool = False,
) -> None:
    """Write everything but apps.conf and limits.conf.

    Args:
        users: who may log in, as load_users() returns them.
        settings: the environment, as read_settings() returns it.
        root: the project's folder.
        runtime: the folder of the workers' sockets.
        local: whether browsers come by http://localhost: Safari stores no Secure cookie there.

    Raises:
        OSError: a file cannot be written.
    """
    cookies = choose_cookies(settings, local)
    sessions = derive_sessions(users, settings.session_secret, f"{cookies.prefix}session")
    _write(root, "htpasswd", (user.line for user in users))
    _write(root, "users.map", (f'":{user.name}" "{user.name}";' for user in users))
    _write(root, "sessions.map", (f'"{value}" "{name}";' for name, value in sessions.items()))
    _write(root, "new_sessions.map", (f'":{name}" "{value}";' for name, value in sessions.items()))
    _write(root, "settings.conf", _settings_conf(cookies, settings, project_name(root)))
    _write(root, "upstreams.conf", _upstreams_conf(settings.streamlit_processes, runtime))


def write_apps(apps: Sequence[App], root: Path = ROOT, *, runtime: Path = RUNTIME) -> None:
    """Write apps.conf and the index pages of the script apps. Without apps, the hub answers all.

    Args:
        apps: the script apps.
        root: the project's folder.
        runtime: the folder of their sockets.

    Raises:
        OSError: a file cannot be written.
    """
    index = read_index_html()
    name = project_name(root)
    icon = read_icon(root / ICON.relative_to(ROOT))
    for number, app in enumerate(apps, 1) if index else ():
        _write(root, f"pages/app_{number}.html", [build_app_page(index, app, name, icon)])
    _write(root, "apps.conf", build_apps_conf(apps, runtime, pages=bool(index)))


def write_limits(max_upload_mb: int, root: Path = ROOT) -> None:
    """Write limits.conf: the largest upload, and where Streamlit's static files are.

    Streamlit itself refuses what is larger than the size that its own configuration has.

    Args:
        max_upload_mb: the hub's server.maxUploadSize, in MB.
        root: the project's folder.

    Raises:
        OSError: the file cannot be written.
    """
    largest = max(max_upload_mb, 0, *read_upload_sizes(root))
    # The browser wraps the file in up to 1 MB. nginx takes 0 for no limit.
    lines = [f"client_max_body_size {largest + 1}m;"]
    if folder := find_static_files():
        lines.append(f"location /static/ {{ alias {quote(f'{folder}/')};")
        lines.append("  include ../apphub/nginx/static.conf; }")
    _write(root, "limits.conf", lines)


def choose_cookies(settings: Settings, local: bool = False) -> Cookies:
    """Return how the cookies are called and sent.

    A link from another site must not end in a login, hence not Strict. Inside another site's frame
    a browser sends only None, and Partitioned keeps that to the frames of that very site. The name
    differs, so that a cookie from before does not hide the new one. __Host- requires Secure:
    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """
    if settings.frame_ancestors:
        return Cookies("__Host-framed-", "Secure; HttpOnly; SameSite=None; Partitioned")
    if local:
        return Cookies("local-", "HttpOnly; SameSite=Lax")
    return Cookies("__Host-", "Secure; HttpOnly; SameSite=Lax")


def derive_sessions(users: Iterable[User], secret: str, cookie: str) -> dict[str, str]:
    """Return each user's session: 256 bits in hex that nobody can guess.

    It changes with the user's line and with the secret.

    Args:
        users: their names and password hashes.
        secret: the key; "" for a new one, with which all sessions end at the next start.
        cookie: the cookie's name: a session is valid in this cookie only.
    """
    key = os.fsencode(secret or secrets.token_hex(32))
    return {
        user.name: hmac.new(key, (cookie + user.line).encode(), hashlib.sha256).hexdigest()
        for user in users
    }


def make_realm(name: str) -> str:
    """Return the realm of the password prompt, for `auth_basic`.

    nginx takes "off" for "no password", and the header has quotes of its own
    (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4).
    """
    name = "".join(" " if unicodedata.category(c) == "Cc" else c for c in name[:MAX_REALM_LENGTH])
    return re.sub(r'["\\]', r"\\\g<0>", "Off" if name == "off" else name)


def _settings_conf(cookies: Cookies, settings: Settings, name: str) -> list[str]:
    session, process = f"{cookies.prefix}session", f"{cookies.prefix}process"
    # Valid at one app's address only, which __Host- does not allow.
    app_process = f"{cookies.prefix.replace('__Host-', '__Secure-')}app-process"
    constants = {
        "app_name": make_realm(name),
        "frame_policy": " ".join(["frame-ancestors 'self'", *settings.frame_ancestors]),
        "session_cookie_name": session,
        "process_cookie_name": process,
        "app_process_cookie_name": app_process,
        "set_cookie_attributes": cookies.attributes,
    }
    return [
        # Only geo takes a "$" in a value as it is.
        *(f"geo ${name} {{ default {quote(value)}; }}" for name, value in constants.items()),
        "map $http_cookie $session {",
        '  default "";',
        f'  "~(?:^|; *){session}=([0-9a-f]{{64}})(?:;|$)" $1;',
        "}",
        *(
            line
            for variable, cookie in (("process", process), ("app_process", app_process))
            for line in (
                f"map $http_cookie ${variable} {{",
                '  default "";',
                f'  "~(?:^|; *){cookie}=([0-9]+)(?:;|$)" $1;',
                "}",
            )
        ),
        # The browser's other cookies: no app needs to know a session. Two of them: none at all.
        "map $http_cookie $passed_cookie {",
        "  default $http_cookie;",
        f'  "~{session}=.*{session}=" "";',
        f'  "~^{session}=[^;]*(?:; *(.*))?$" $1;',
        f'  "~^(.*); *{session}=[^;]*(.*)$" $1$2;',
        "}",
    ]


def _upstreams_conf(count: int, runtime: Path) -> list[str]:
    sockets = {number: worker_socket(number, runtime) for number in range(1, count + 1)}
    several = sockets if count > 1 else {}
    lines = []
    for own in (None, *several):
        name = "streamlit" if own is None else f"streamlit_{own}"
        lines.append(f"upstream {name} {{ zone {name} 256k;")  # nginx's workers share the turn
        for number, socket in sockets.items():
            backup = " backup" if own not in (None, number) else ""
            lines.append(f"  server {quote(f'unix:{socket}')} max_fails=0{backup};")
        # Less than uvicorn's, in worker.py.
        lines.append("  keepalive 32; keepalive_timeout 30s; }")
    entries = "".join(f" {number} streamlit_{number};" for number in several)
    lines.append(f"map $process $streamlit {{ default streamlit;{entries} }}")
    entries = "".join(
        f' "~/{re.escape(socket.name)}$" {number};' for number, socket in several.items()
    )
    lines.append(f'map $upstream_addr $answering_process {{ default "";{entries} }}')
    return lines


def _write(root: Path, name: str, lines: Iterable[str]) -> None:
    path = root / GENERATED / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{line}\n" for line in lines), mode=0o600)
