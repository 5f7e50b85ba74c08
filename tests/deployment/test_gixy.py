"""Gixy-Next (https://gixy.io), which knows nginx's common faults, reads what a project renders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# What it finds, and why that is no fault here.
ALLOWED = {
    "host_spoofing": "Streamlit compares Host with the WebSocket's Origin, and both have the port; "
    "$host has none. Heroku's router passes on the app's own names alone.",
    "try_files_is_evil_too": "It looks for one file, where a request is refused. A return would "
    "answer before the password is asked for.",
    "worker_rlimit_nofile_vs_connections": "Both sides of a request count as connections already, "
    "with one open file each, and nothing is buffered in files.",
}


def gixy(configuration: str, folder: Path) -> list[str]:
    """Return the name of the plugin for each thing that it finds."""
    path = folder / "nginx.conf"
    path.write_text(configuration, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "gixy", "--format", "json", path], capture_output=True, text=True
    )
    assert ended.returncode in (0, 1), ended.stderr  # 1: it has found something
    return sorted(finding["plugin"] for finding in json.loads(ended.stdout))


@pytest.mark.parametrize("sites", ["", "https://intranet.example.com https://*.example.org:8443"])
def test_nothing_is_found_but_what_is_explained(render, tmp_path, sites):
    assert gixy(render(FRAME_ANCESTORS=sites), tmp_path) == sorted(ALLOWED)


def test_several_processes_have_names_that_nginx_knows(render, tmp_path):
    """It takes the variable for a name that has to be looked up; each of its values is an upstream."""
    found = gixy(render(STREAMLIT_PROCESSES="3"), tmp_path)
    assert sorted(found) == sorted([*ALLOWED, "stale_dns_cache"])


@pytest.mark.parametrize(
    ("plugin", "old", "new"),
    [
        ("version_disclosure", "server_tokens off;", ""),
        ("add_header_redefinition", "/.nothing/ =403;", "/.nothing/ =403; add_header X-A b;"),
        ("alias_traversal", "server_name _;", "server_name _; location /a { alias /b/; }"),
        ("http_splitting", "server_name _;", "server_name _; location ~ /(?<a>[^.]*)$ { return 302 /$a; }"),
        ("ssrf", "http://streamlit;", "http://$http_x_upstream;"),
    ],
)  # fmt: skip
def test_it_would_find_a_fault(render, tmp_path, plugin, old, new):
    rendered = render()
    assert old in rendered
    assert plugin in gixy(rendered.replace(old, new), tmp_path)
    assert plugin not in ALLOWED
