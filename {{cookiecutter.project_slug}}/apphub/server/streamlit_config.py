"""Streamlit's configuration on a dyno."""

from __future__ import annotations

import os

from apphub.settings import shows_errors
from apphub.users import USER_HEADER


def load_streamlit_config() -> None:
    """Load the configuration from the environment, as `streamlit run` does, and add the dyno's."""
    from streamlit import config

    if any(name.startswith("STREAMLIT_") for name in os.environ):
        import click
        from streamlit.web import bootstrap, cli

        @click.command()
        @cli.configurator_options
        def load(**options: object) -> None:
            bootstrap.load_config_options(flag_options=options)

        load(args=[], standalone_mode=False)
    if config.get_option("server.fileWatcherType") == "auto":
        config.set_option("server.fileWatcherType", "none")  # a dyno's files never change
    if not shows_errors():
        # What the launcher does not see: an error in a fragment, or in a widget's callback.
        config.set_option("client.showErrorDetails", "none")
    # Without it Streamlit would let a user continue another user's session by its ID. It is in
    # st.user, too.
    config.set_option("server.trustedUserHeaders", {USER_HEADER: "name"})
