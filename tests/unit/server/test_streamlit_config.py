"""server/streamlit_config.py: Streamlit's settings on a dyno, as `streamlit run` reads them."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import click
import pytest
from streamlit import App as StreamlitApp
from streamlit import config

from apphub import menu
from apphub.apps import App, MenuError
from apphub.finding import Finding
from apphub.server import streamlit_config, worker
from apphub.server.streamlit_config import load_app_config, load_streamlit_config


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


def test_on_a_workstation_an_apps_files_are_watched(load_app):
    load_app(FORECAST, "")
    assert config.get_option("server.fileWatcherType") == "auto"


# -- Of a script -----------------------------------------------------------------------------------

FORECAST = App("Forecast", script="apps/forecast/app.py")
SALES = App("Sales", script="apps/sales.py")


@pytest.fixture
def load_app(project, monkeypatch, caplog):
    """Load an app's configuration in its folder, with the texts of the files of both."""
    monkeypatch.setattr(streamlit_config, "ROOT", project.path)
    monkeypatch.setattr(config, "_main_script_path", None)

    def load_app(app: App, own: str, hub: str = "") -> str:
        """Return what is logged."""
        folder = project.path / (app.folder or "apps")
        for path, text in ((folder, own), (project.path, hub)):
            (path / ".streamlit").mkdir(parents=True, exist_ok=True)
            (path / ".streamlit/config.toml").write_text(text, "utf-8")
        script = project.path / app.script
        script.touch()
        monkeypatch.chdir(project.path / app.folder)
        StreamlitApp(str(script))
        load_app_config(app)
        return "\n".join(each.getMessage() for each in caplog.records if each.name == "server")

    return load_app


@pytest.mark.parametrize("app", [FORECAST, SALES])
def test_an_apps_own_configuration_counts(load_app, app, monkeypatch):
    monkeypatch.setenv("DYNO", "web.1")
    text = '[theme]\nbase = "dark"\n[server]\nmaxUploadSize = 5\n[client]\ntoolbarMode = "viewer"\n'
    assert load_app(app, text) == ""
    assert config.get_option("theme.base") == "dark"
    assert config.get_option("server.maxUploadSize") == 5
    assert config.get_option("client.toolbarMode") == "viewer"
    assert config.get_option("server.baseUrlPath") == app.url_path
    assert config.get_option("server.fileWatcherType") == "none"
    assert config.get_option("server.trustedUserHeaders") == {"X-Forwarded-User": "name"}


def test_options_that_would_open_or_move_the_server_are_overruled(load_app, project):
    text = """
[server]
address = "0.0.0.0"
allowedHosts = ["elsewhere.example"]
baseUrlPath = "x"
corsAllowedOrigins = ["https://elsewhere.example"]
enableCORS = false
enableXsrfProtection = false
port = 80
trustedUserHeaders = {X-Evil = "name"}
"""
    logged = load_app(FORECAST, text)
    assert config.get_option("server.baseUrlPath") == "forecast"
    assert config.get_option("server.allowedHosts") == []
    assert config.get_option("server.corsAllowedOrigins") == []
    assert config.get_option("server.enableCORS") is True
    assert config.get_option("server.enableXsrfProtection") is True
    assert config.get_option("server.trustedUserHeaders") == {"X-Forwarded-User": "name"}
    assert len(logged.splitlines()) == 1
    assert "apps/forecast/.streamlit/config.toml: server.address, " in logged
    for name in ("allowedHosts", "baseUrlPath", "enableCORS", "port", "trustedUserHeaders"):
        assert f"server.{name}" in logged


def test_what_an_app_sets_as_the_server_does_is_not_said(load_app):
    assert load_app(FORECAST, "[server]\nenableCORS = true\nport = 8501\n") == ""


def test_hubs_configuration_is_that_of_a_file_in_apps(load_app):
    hub = '[theme]\nbase = "dark"\n[server]\nport = 80\n'
    assert load_app(SALES, "", hub) == ""  # and nobody has to be told of the hub's options
    assert config.get_option("theme.base") == "dark"


def test_hubs_configuration_is_not_that_of_a_folder(load_app, project, monkeypatch):
    """On a dyno it is in the home folder, too."""
    monkeypatch.setenv("HOME", str(project.path))
    load_app(FORECAST, "", '[theme]\nbase = "dark"\n')
    assert config.get_option("theme.base") is None
    assert os.environ["HOME"] == str(project.path)


def test_environment_does_not_move_an_app(load_app, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_ENABLE_CORS", "false")
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "7")
    load_app(FORECAST, "[server]\nmaxUploadSize = 5\n")
    assert config.get_option("server.enableCORS") is True
    assert config.get_option("server.baseUrlPath") == "forecast"
    assert config.get_option("server.maxUploadSize") == 7


@pytest.mark.parametrize(("environ", "details"), [({}, "full"), ({"DYNO": "web.1"}, "none")])
def test_visitors_of_an_app_see_no_tracebacks_on_a_dyno(load_app, monkeypatch, environ, details):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    load_app(FORECAST, '[client]\nshowErrorDetails = "full"\n')
    assert config.get_option("client.showErrorDetails") == details


# -- What the worker reports -----------------------------------------------------------------------


def test_worker_reports_the_scripts(monkeypatch):
    module = App("Churn", module="apps.churn")
    monkeypatch.setattr(menu, "load_menu", lambda: [module, SALES, FORECAST])
    assert [App(**app) for app in worker.find_scripts()] == [
        replace(app, users=()) for app in (SALES, FORECAST)
    ]


def test_menu_that_is_not_valid_has_no_scripts(monkeypatch, caplog):
    def refuse() -> None:
        raise MenuError([Finding("menu-empty", "it lists no apps.", "apps.json")])

    monkeypatch.setattr(menu, "load_menu", refuse)
    assert worker.find_scripts() == []
    assert "apps.json: it lists no apps." in caplog.text


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
