"""server/streamlit_config.py: Streamlit's settings on a dyno, as `streamlit run` reads them."""

from __future__ import annotations

import threading

import click
import pytest
from streamlit import config

from apphub.server import worker
from apphub.server.streamlit_config import load_streamlit_config


@pytest.fixture(autouse=True)
def streamlit_settings(project, monkeypatch):
    """Streamlit's settings are those of the project, and those of before after the test."""
    monkeypatch.chdir(project.path)
    config.get_config_options(force_reparse=True)
    yield
    monkeypatch.undo()
    config.get_config_options(force_reparse=True)


def load(project, toml: str | None = None) -> None:
    """Load the settings of a .streamlit/config.toml."""
    if toml is not None:
        (project.path / ".streamlit").mkdir()
        project.write(".streamlit/config.toml", toml)
    config.get_config_options(force_reparse=True)
    load_streamlit_config()


@pytest.mark.parametrize(
    ("toml", "size"),
    [
        (None, 200),
        ("", 200),
        ("[server]\nmaxUploadSize = 200\n", 200),
        ("[server]\nmaxUploadSize = 50 # MB\n", 50),
        ("[server]\nmaxUploadSize = 1_000\n", 1000),
        ("[server]\nmaxUploadSize = 0x10\n", 16),
        ("server.maxUploadSize = 500\n", 500),
        ("server = {maxUploadSize = 300}\n", 300),
        ("[server]\n# maxUploadSize = 50\n", 200),
        ("[client]\nmaxUploadSize = 50\n", 200),
    ],
)
def test_largest_upload_is_what_streamlit_reads(project, toml, size):
    load(project, toml)
    assert config.get_option("server.maxUploadSize") == size


def test_environment_comes_before_the_file(project, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "7")
    load(project, "[server]\nmaxUploadSize = 50\n")
    assert config.get_option("server.maxUploadSize") == 7


def test_invalid_environment_is_an_error(project, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "x")
    with pytest.raises(click.BadParameter, match="'x'"):
        load(project)


@pytest.mark.parametrize(
    ("given", "watcher"), [("auto", "none"), ("none", "none"), ("poll", "poll")]
)
def test_files_are_not_watched_unless_asked_for(project, given, watcher):
    load(project, f'[server]\nfileWatcherType = "{given}"\n')
    assert config.get_option("server.fileWatcherType") == watcher


@pytest.mark.parametrize(
    ("environ", "details"),
    [({}, "full"), ({"DYNO": "web.1"}, "none"), ({"DYNO": "web.1", "SHOW_ERRORS": "1"}, "full")],
)
def test_visitors_see_no_tracebacks_on_a_dyno(project, monkeypatch, environ, details):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    load(project, '[client]\nshowErrorDetails = "full"\n')
    assert config.get_option("client.showErrorDetails") == details


def test_user_comes_from_nginx_header_only(project):
    load(project, '[server.trustedUserHeaders]\nX-Evil = "name"\n')
    assert config.get_option("server.trustedUserHeaders") == {"X-Forwarded-User": "name"}


# -- The end of a worker ---------------------------------------------------------------------------


def test_worker_waits_for_running_scripts():
    end = threading.Event()
    script = threading.Thread(target=end.wait, name="ScriptRunner.scriptThread")
    script.start()
    threading.Timer(0.1, end.set).start()
    worker.wait_for_scripts()
    assert not script.is_alive()


def test_worker_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(worker, "SCRIPT_GRACE", 0.1)
    end = threading.Event()
    threads = [
        threading.Thread(target=end.wait, name=name)
        for name in ("ScriptRunner.scriptThread", "ScriptRunner.scriptThread", "another")
    ]
    for thread in threads:
        thread.start()
    worker.wait_for_scripts()
    assert all(thread.is_alive() for thread in threads)
    end.set()
