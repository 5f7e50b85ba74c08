"""Streamlit's configuration on a dyno, of the hub and of a script."""

from __future__ import annotations

import logging
import os
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from apphub.app_secrets import files_for_app
from apphub.paths import ROOT
from apphub.settings import on_dyno, shows_errors
from apphub.users import USER_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.apps import App

CONFIG = ".streamlit/config.toml"


def load_streamlit_config() -> None:
    """Load the configuration from the environment, as `streamlit run` does, and add the dyno's."""
    from streamlit import config

    _load({})
    if config.get_option("server.fileWatcherType") == "auto":
        config.set_option("server.fileWatcherType", "none")  # a dyno's files never change
    if not shows_errors():
        # What the launcher does not see: an error in a fragment, or in a widget's callback.
        config.set_option("client.showErrorDetails", "none")
    # Without it Streamlit would let a user continue another user's session by its ID. It is in
    # st.user, too.
    config.set_option("server.trustedUserHeaders", {USER_HEADER: "name"})


def load_app_config(app: App) -> None:
    """Load a script's configuration, as `streamlit run` does in its folder, and add the server's.

    st.App has been created, and with it Streamlit knows the script's folder.

    Args:
        app: the script.

    Raises:
        Exception: whatever Streamlit raises for a file or a variable that is not valid.
    """
    from streamlit import config

    options = _server_options(app)
    with _own_home(app):
        _load(options)
        overruled = [name for name in options if _is_set_by_app(name, options[name])]
    files = config.get_option("secrets.files")
    config.set_option("secrets.files", files_for_app(app, files))
    if overruled:
        text = "%s: %s: no effect in an app, the server sets this."
        place = f"{app.folder or 'apps'}/{CONFIG}"
        logging.getLogger("server").warning(text, place, ", ".join(overruled))


def _load(flags: dict[str, object]) -> None:
    """Read the files and the environment, and then what the flags of `streamlit run` would set."""
    from streamlit import config

    if any(name.startswith("STREAMLIT_") for name in os.environ):
        import click
        from streamlit.web import bootstrap, cli

        @click.command()
        @cli.configurator_options
        def load(**options: object) -> None:
            given = {name.replace(".", "_"): value for name, value in flags.items()}
            bootstrap.load_config_options(flag_options={**options, **given})

        load(args=[], standalone_mode=False)
    elif flags:
        config.get_config_options(force_reparse=True, options_from_flags=flags)


def _server_options(app: App) -> dict[str, object]:
    """Return the options that decide where the app is, and who may use it."""
    options: dict[str, object] = {
        "global.developmentMode": False,
        "server.address": "localhost",
        "server.allowedHosts": [],  # nginx checks the host and the origin
        "server.baseUrlPath": app.url_path,
        "server.corsAllowedOrigins": [],
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.port": 8501,
        "server.sslCertFile": "",
        "server.sslKeyFile": "",
        "server.trustedUserHeaders": {USER_HEADER: "name"},
    }
    if on_dyno():
        options["server.fileWatcherType"] = "none"  # a dyno's files never change
    if not shows_errors():
        options["client.showErrorDetails"] = "none"
    return options


@contextmanager
def _own_home(app: App) -> Iterator[None]:
    """Hide the hub's configuration from an app in a folder: it is in a dyno's home folder."""
    home = os.environ.get("HOME")
    if app.folder and home and Path(home).resolve() == ROOT:
        os.environ["HOME"] = str(ROOT / app.folder)
    try:
        yield
    finally:
        if home is not None:
            os.environ["HOME"] = home


def _is_set_by_app(name: str, value: object) -> bool:
    """Return whether a file of the app's has another value for an option."""
    from streamlit import config

    section, _, key = name.partition(".")
    for path in map(Path, config.get_config_files("config.toml")):
        if path.is_file() and path.resolve() != ROOT / CONFIG:
            options = tomllib.loads(path.read_text("utf-8")).get(section)
            if isinstance(options, dict) and options.get(key, value) != value:
                return True
    return False
