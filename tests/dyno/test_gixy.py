"""Gixy-Next (https://gixy.io), which knows nginx's common faults, reads what a project renders."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import crossplane
import pytest
from nginx_probe import hash_fast, make_project, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What it finds, and why that is not a fault here.
ALLOWED = {
    "host_spoofing": "Streamlit compares Host with the WebSocket's Origin, and both have the port; "
    "$host has none. Heroku's router passes on only the app's own names.",
    "stale_dns_cache": "It takes the variable in proxy_pass for a name that has to be looked up. "
    "Each of its values is an upstream of unix sockets.",
    "try_files_is_evil_too": "It looks for one file, where a request is refused. A return would "
    "answer before the password is asked for.",
    "worker_rlimit_nofile_vs_connections": "Both sides of a request count as connections already, "
    "with one open file each, and nothing is buffered in files.",
}


@pytest.fixture(scope="module")
def combined(nginx: str, tmp_path_factory) -> Callable[..., str]:
    """Return the whole configuration as one text, for some environment."""
    root = make_project(tmp_path_factory.mktemp("project"))
    (root / ".htpasswd").write_text(f"anna.b:{hash_fast('correct horse battery')}\n")

    def combined(**environ: str) -> str:
        parsed = crossplane.parse(str(render(root, **environ)), combine=True)
        assert parsed["status"] == "ok", parsed["errors"]
        return crossplane.build(parsed["config"][0]["parsed"])

    return combined


def find_faults(configuration: str, folder: Path) -> list[str]:
    """Return the name of the plugin for each thing that it finds."""
    path = folder / "nginx.conf"
    path.write_text(configuration, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "gixy", "--format", "json", path], capture_output=True, text=True
    )
    assert ended.returncode in (0, 1), ended.stderr  # 1: it has found something
    return sorted(finding["plugin"] for finding in json.loads(ended.stdout))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"FRAME_ANCESTORS": "https://intranet.example.com https://*.example.org:8443"},
        {"STREAMLIT_PROCESSES": "3"},
    ],
    ids=lambda environ: next(iter(environ), "default"),
)
def test_it_finds_only_what_is_explained(combined, tmp_path, environ):
    assert find_faults(combined(**environ), tmp_path) == sorted(ALLOWED)


@pytest.mark.parametrize(
    ("plugin", "old", "new"),
    [
        ("version_disclosure", "server_tokens off;", ""),
        ("add_header_redefinition", "/.nothing/ =403;", "/.nothing/ =403; add_header X-A b;"),
        ("alias_traversal", "server_name _;", "location /a { alias /b/; }"),
        ("http_splitting", "server_name _;", "location ~ /(?<a>[^.]*)$ { return 302 /$a; }"),
        ("ssrf", "http://$backend;", "http://$http_x_upstream;"),
    ],
)  # fmt: skip
def test_it_would_find_a_fault(combined, tmp_path, plugin, old, new):
    text = combined()
    assert old in text
    assert plugin in find_faults(text.replace(old, new), tmp_path)
    assert plugin not in ALLOWED
