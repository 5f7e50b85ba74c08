"""What nginx is told of the script apps: where their processes listen, and who may enter.

An address belongs to the app of its first part, in the very case that it is written in. Where that
is none, or not the user's, the hub answers: so a user cannot find out which apps others have.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING
from urllib.parse import quote as quote_url

from apphub.paths import app_socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from apphub.apps import App


def quote(text: str) -> str:
    """Return the text in nginx's own quotes, which nothing inside can end."""
    return '"' + re.sub(r'["\\]', r"\\\g<0>", text) + '"'


def build_apps_conf(apps: Sequence[App], runtime: Path, *, pages: bool) -> list[str]:
    """Return the lines of apps.conf.

    They define $backend, the upstream that answers; $app_page, the file of an app's index page; and
    $app_process_cookie, the Set-Cookie of an app with several processes.

    Args:
        apps: the script apps.
        runtime: the folder of their sockets.
        pages: whether nginx has their index pages.
    """
    lines: list[str] = []
    backends = ["map $uri $backend {", "  default $streamlit;"]
    page_files = ['map "$is_document:$backend" $app_page {', '  default "";']
    cookies = ["map $backend $app_process_cookie {", '  default "";']
    for number, app in enumerate(apps, 1):
        name = f"app_{number}"
        lines += [*_upstreams(name, app, runtime), *_choose_process(name, app)]
        lines += _choose_backend(name, app)
        # Up to the end of the address's first part. A regular expression, as nginx compares
        # everything else regardless of case.
        backends.append(f"  {quote(f'~^/{re.escape(app.url_path)}(?![^/])')} ${name};")
        if pages:
            page_files.append(f'  "~^1:{name}(?![0-9])" /{name}.html;')
        if app.processes > 1:
            cookies.append(f'  "~^{name}_[0-9]+$" ${name}_cookie;')
    for block in (backends, page_files, cookies):
        lines += [*block, "}"]
    return lines


def _upstreams(name: str, app: App, runtime: Path) -> list[str]:
    """Return an upstream for each process.

    None is another's backup: the supervisor holds the sockets, so each of them always answers.
    """
    lines = []
    for number in range(1, app.processes + 1):
        socket = quote(f"unix:{app_socket(app.url_path, number, runtime)}")
        upstream = f"{name}_{number}" if app.processes > 1 else name
        lines.append(f"upstream {upstream} {{ server {socket} max_fails=0;")
        # Less than uvicorn's, in worker.py.
        lines.append("  keepalive 8; keepalive_timeout 30s; }")
    return lines


def _choose_process(name: str, app: App) -> list[str]:
    """Return the maps that keep a browser at one of an app's processes by a cookie."""
    if app.processes == 1:
        return []
    numbers = range(1, app.processes + 1)
    share = f"{100 / app.processes:.2f}%"
    shares = "".join(f" {share} {number};" for number in numbers[:-1])
    known = "".join(f" {number} {number};" for number in numbers)
    upstreams = "".join(f" {number} {name}_{number};" for number in numbers[1:])
    path = quote_url(f"/{app.url_path}")
    cookie = f"$app_process_cookie_name=${name}_number; Path={path}; $set_cookie_attributes"
    return [
        f"split_clients $request_id ${name}_any {{{shares} * {app.processes}; }}",
        f"map $app_process ${name}_number {{ default ${name}_any;{known} }}",
        f"map ${name}_number ${name}_process {{ default {name}_1;{upstreams} }}",
        f'map $app_process ${name}_cookie {{ default "{cookie}";',
        "".join(f' {number} "";' for number in numbers) + " }",
    ]


def _choose_backend(name: str, app: App) -> list[str]:
    """Return the map from the user to what answers them at the app's address."""
    upstream = f"${name}_process" if app.processes > 1 else name
    users = [f"^{re.escape(user)}$" for user in app.users] or ["."]
    entries = (f"  {quote(f'~{user}')} {upstream};" for user in users)
    return [f"map $user ${name} {{", "  default $streamlit;", *entries, "}"]


def read_upload_sizes(root: Path) -> Iterator[int]:
    """Yield the largest upload in MB of each app whose folder has a .streamlit/config.toml with it.

    A file that is not valid is skipped: the app's own process reports it.
    """
    for path in root.glob("apps/*/.streamlit/config.toml"):
        try:
            size = tomllib.loads(path.read_text("utf-8"))["server"]["maxUploadSize"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        if isinstance(size, int):
            yield size
