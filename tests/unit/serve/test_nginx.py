"""nginx's configuration on a computer, its passwords on macOS, and its command."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from typing import TYPE_CHECKING

import click
import pytest

from apphub.serve import nginx

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8000
ECHO_ERB = """
import os, sys
if sys.argv[1] != "config/nginx.conf.erb":
    raise SystemExit("which template?")
print(open(sys.argv[1]).read().replace("<%= PORT %>", os.environ["PORT"]), end="")
"""


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "adapted"),
    [
        ("    listen 8000;", "    listen 127.0.0.1:8000;"),
        ("listen  8000 default_server;", "listen  127.0.0.1:8000 default_server;"),
        ("listen 80001;", "listen 80001;"),
        ("# listen 8000;", "# listen 8000;"),
        ("error_log logs/nginx/error.log alert;", "error_log stderr alert;"),
        ("access_log logs/nginx/access.log access;", "access_log logs/nginx/access.log access;"),
    ],
)
def test_what_differs_from_a_dyno(line, adapted):
    assert nginx.adapt_for_localhost(f"a\n{line}\nb\n", PORT) == f"a\n{adapted}\nb\n"


def test_the_configuration_is_rendered_for_localhost(write_program, root, capsys):
    (root / "config/nginx.conf.erb").write_text("listen <%= PORT %>;\n# caf\xe9\n", "utf-8")
    erb = write_program("erb", ECHO_ERB)
    nginx.write_configuration(root, erb, PORT, {"PORT": str(PORT), "LANG": "C.UTF-8"})
    written = root / "config/nginx.conf"
    assert written.read_text("utf-8") == "listen 127.0.0.1:8000;\n# caf\xe9\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert (root / "logs/nginx").is_dir()
    assert capsys.readouterr().out == ""


def test_a_configuration_that_does_not_listen_at_the_port_warns(write_program, root, capsys):
    (root / "config/nginx.conf.erb").write_text("listen 0.0.0.0:8000;\n")
    erb = write_program("erb", ECHO_ERB)
    nginx.write_configuration(root, erb, PORT, {"PORT": str(PORT)})
    assert "Warning" in capsys.readouterr().out


def test_an_error_of_erb_is_shown(write_program, root):
    (root / "config/nginx.conf.erb").write_text("<% raise %>")
    erb = write_program("erb", "raise SystemExit('line 1: unhandled exception')")
    with pytest.raises(click.ClickException) as error:
        nginx.write_configuration(root, erb, PORT, {})
    assert "config/nginx.conf.erb" in error.value.message
    assert "line 1: unhandled exception" in error.value.message
    assert not (root / "config/nginx.conf").exists()


def test_a_shared_password_for_all_users(tmp_path):
    htpasswd = tmp_path / "htpasswd"
    htpasswd.touch(0o600)
    htpasswd.write_text("anna.b:$2b$12$abc\nbob:$2b$12$def\n")
    password = nginx.set_shared_password(htpasswd)
    assert len(password) == 16
    salts = set()
    for user, line in zip(("anna.b", "bob"), htpasswd.read_text().splitlines(), strict=True):
        name, _, hashed = line.partition(":{SSHA}")
        digest = base64.b64decode(hashed)
        salt = digest[20:]
        salts.add(salt)
        assert name == user
        expected = hashlib.sha1(password.encode() + salt, usedforsecurity=False)
        assert digest[:20] == expected.digest()
    assert len(salts) == 2
    assert stat.S_IMODE(htpasswd.stat().st_mode) == 0o600
    assert nginx.set_shared_password(htpasswd) != password


@pytest.mark.parametrize(
    ("version", "has_error_log_option"),
    [("nginx version: nginx/1.30.2", True), ("nginx version: nginx/1.18.0 (Ubuntu)", False)],
)
def test_errors_go_to_the_terminal_where_nginx_can(
    write_program, tmp_path, version, has_error_log_option
):
    program = write_program("nginx", f"import sys; sys.stderr.write({version!r})")
    assert ("stderr" in nginx.nginx_command(program, tmp_path)) == has_error_log_option


@pytest.mark.parametrize(("user", "names_a_user"), [(0, True), (1000, False)])
def test_the_workers_of_roots_nginx_are_roots(
    write_program, tmp_path, monkeypatch, user, names_a_user
):
    program = write_program("nginx", "")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    command = nginx.nginx_command(program, tmp_path)
    assert any(word.startswith("user root ") for word in command) == names_a_user


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ('unknown directive "x" in /p/config/nginx.conf:2', "The line is: x on;"),
        ('open() "/p/config/generated/limits.conf" failed in /p/apphub/http.conf:2', "limits.conf"),
    ],
)
def test_a_configuration_that_nginx_rejects(write_program, root, output, words):
    (root / "config/nginx.conf").write_text("daemon off;\n  x on;\n")
    source = f"import sys; sys.exit('nginx: [emerg] ' + {output!r} if '-t' in sys.argv else 0)"
    program = write_program("nginx", source)
    with pytest.raises(click.ClickException) as error:
        nginx.check_configuration(root, [program])
    assert output in error.value.message
    assert words in error.value.message


def test_a_configuration_that_nginx_accepts(write_program, root):
    nginx.check_configuration(root, [write_program("nginx", "")])
