"""The command that `serve` takes from the Procfile."""

from __future__ import annotations

import shlex
import sys

import click
import pytest

from apphub.serve.procfile import WEB_LINE, read_command

COMMANDS = {
    f"{WEB_LINE}\n": "{} -m apphub.server",
    "web: bin/start-nginx python -m apphub.server\n": "{} -m apphub.server",
    # As the template wrote it up to 2026.11.1.
    "web: python server.py bin/start-nginx\n": "{} server.py",
    "web: bin/start-nginx python server.py\n": "{} server.py",
    "worker: python x.py\nweb:exec ./bin/start-nginx gunicorn a:b": "exec  gunicorn a:b",
    "web: A=1 python3 -u -m apphub.server bin/start-nginx\r\n": "A=1 {} -u -m apphub.server",
    "web: my-python bin/start-nginx python.py": "my-python  python.py",
}


@pytest.mark.parametrize(("text", "command"), COMMANDS.items())
def test_the_command_without_start_nginx(tmp_path, monkeypatch, text, command):
    monkeypatch.setattr(sys, "executable", r"/my \1/python")
    (tmp_path / "Procfile").write_bytes(text.encode())
    assert read_command(tmp_path) == command.format(shlex.quote(r"/my \1/python"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "missing"),
        (b"\xff", "cannot be read"),
        (b"worker: python x.py\n", 'no line begins with "web:"'),
        (b"web:\nworker: bin/start-nginx", 'no line begins with "web:"'),
        (b"web: streamlit run app.py", "bin/start-nginx is missing"),
        (b"web: python -m apphub.server bin/start-nginx-solo", "bin/start-nginx is missing"),
    ],
)
def test_a_procfile_that_does_not_start_nginx_is_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "Procfile").write_bytes(content)
    with pytest.raises(click.ClickException) as error:
        read_command(tmp_path)
    assert words in error.value.message
    assert WEB_LINE in error.value.message  # the fix
