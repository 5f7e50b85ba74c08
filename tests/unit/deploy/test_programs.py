"""How programs are found, what app.json has to say, and what the project is checked with."""

from __future__ import annotations

import shutil

import click
import pytest

from apphub.deploy.programs import query, run_readonly, with_path
from apphub.deploy.state import Manifest, app_environ, read_manifest


def test_programs_are_found_by_the_name_that_they_have_here(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: rf"C:\bin\{name}.cmd")
    assert with_path(["heroku", "login"]) == [r"C:\bin\heroku.cmd", "login"]


def test_the_environment_to_check_with_is_the_apps():
    here = {"PATH": "/bin", "SESSION_SECRET": "here", "HTPASSWD": "here"}
    config = {"SESSION_SECRET": "on Heroku", "FRAME_ANCESTORS": "x", "PATH": "on Heroku"}
    assert app_environ(config, here) == {
        "PATH": "/bin",
        "SESSION_SECRET": "on Heroku",
        "FRAME_ANCESTORS": "x",
    }


def test_a_program_that_is_not_installed(tmp_path):
    assert run_readonly(tmp_path, "no-such-program").returncode == 127
    with pytest.raises(click.ClickException, match="no-such-program is not installed"):
        query(tmp_path, "no-such-program")


def test_app_json_names_the_stack_and_the_buildpacks(tmp_path):
    text = '\ufeff{"stack": "heroku-24", "buildpacks": [{"url": "heroku/python"}]}'
    (tmp_path / "app.json").write_text(text, "utf-8")
    assert read_manifest(tmp_path) == Manifest("heroku-24", ["heroku/python"])


@pytest.mark.parametrize(
    "text",
    [
        None,
        "not JSON",
        "[]",
        '{"stack": "heroku-24"}',
        '{"stack": "heroku-24", "buildpacks": []}',
        '{"stack": "heroku-24", "buildpacks": ["heroku/python"]}',
        '{"stack": "heroku-24", "buildpacks": [{"url": ""}]}',
        '{"stack": 24, "buildpacks": [{"url": "heroku/python"}]}',
    ],
)
def test_an_app_json_that_does_not(tmp_path, text):
    if text is not None:
        (tmp_path / "app.json").write_text(text, "utf-8")
    with pytest.raises(click.ClickException, match=r"app\.json"):
        read_manifest(tmp_path)
