"""Sets SECRETS on Heroku to what is in .streamlit/secrets.toml:

    python -m apphub.deploy.set_secrets --app data-apps

Heroku's CLI takes values only as arguments, which everybody on the computer sees in the list of
processes, and repeats them on the terminal. So this sends them to Heroku's API itself.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING

import click

from apphub.app_secrets import SECRETS_FILE, VARIABLE, read_text
from apphub.deploy.programs import query
from apphub.finding import InvalidFile
from apphub.menu import load_menu
from apphub.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

API = "https://api.heroku.com"
TIMEOUT = 30  # seconds


@click.command()
@click.option("--app", "name", required=True, help="The app's name on Heroku.")
def main(name: str) -> None:
    """Set SECRETS on Heroku to what is in .streamlit/secrets.toml. The app restarts."""
    set_secrets(name, ROOT)
    click.echo(f"Set {VARIABLE} on {name}. No value was shown.")


def set_secrets(name: str, root: Path) -> None:
    """Set SECRETS on Heroku.

    Args:
        name: the app's name there.
        root: the project's folder.

    Raises:
        click.ClickException: there are no secrets, they are not valid, or Heroku refuses them.
    """
    try:
        text = read_text(root, load_menu(root))
    except InvalidFile as error:
        raise click.ClickException(str(error)) from None
    if text is None:
        raise click.ClickException(f"{SECRETS_FILE} is missing. Create it, or skip this step.")
    set_config_var(name, VARIABLE, text, get_token(root))


def get_token(root: Path) -> str:
    """Return what authorizes requests to Heroku's API.

    Raises:
        click.ClickException: nobody is logged in.
    """
    words = query(root, "heroku", "auth:token").split()
    if not words:
        raise click.ClickException("You are not logged in to Heroku. Log in: heroku login")
    return words[-1]


def set_config_var(name: str, variable: str, value: str, token: str) -> None:
    """Set an environment variable of an app on Heroku.

    See https://devcenter.heroku.com/articles/platform-api-reference#config-vars-update.

    Args:
        name: the app's name.
        variable: the variable's name.
        value: its value.
        token: what authorizes the request.

    Raises:
        click.ClickException: Heroku does not answer, or refuses it. The text has no value.
    """
    request = urllib.request.Request(  # noqa: S310 -- the scheme is not from outside
        f"{API}/apps/{urllib.parse.quote(name, safe='')}/config-vars",
        json.dumps({variable: value}).encode(),
        {
            "Accept": "application/vnd.heroku+json; version=3",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
        method="PATCH",
    )
    try:
        # The answer has all variables of the app: it is not read.
        urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310
        return
    except urllib.error.HTTPError as error:
        error.close()
        reason = f"Heroku answered {error.code} ({error.reason})"
    except urllib.error.URLError as error:
        reason = f"Heroku does not answer ({error.reason})"
    except (OSError, HTTPException) as error:  # after the request was sent
        reason = f"Heroku did not answer ({type(error).__name__})"
    raise click.ClickException(
        f"{variable} was not set: {reason}. Try again, or paste the text into the app's settings: "
        f"https://dashboard.heroku.com/apps/{name}/settings"
    )


if __name__ == "__main__":
    main()
