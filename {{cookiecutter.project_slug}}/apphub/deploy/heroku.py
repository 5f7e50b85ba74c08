"""The state of the app on Heroku."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from apphub.deploy.programs import output_or_raise, query, run_readonly
from apphub.text import HEROKU_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GIT_URL = re.compile(rf"heroku\.com[:/]({HEROKU_NAME})(\.git)?/?$")

# "1. heroku/python", without the number where it is the only one; some are shown by their archives.
BUILDPACK = re.compile(
    r"^ *(?:\d+\. )?(?:https://\S+/buildpacks/)?(\S+?/\S+?)(?:\.tgz)?$", re.MULTILINE
)

NOT_LOGGED_IN = 100  # the exit status of `heroku auth:whoami`


class HerokuApp(NamedTuple):
    """The state of the app on Heroku.

    Attributes:
        stack: the stack that it runs on.
        next_stack: the stack of its next build.
        buildpacks: their names in their order.
        config: its environment variables.
        has_release: whether anything was ever deployed to it.
        commit: the last one that was pushed; "" where there is none.
    """

    stack: str
    next_stack: str
    buildpacks: Sequence[str]
    config: Mapping[str, str]
    has_release: bool
    commit: str


def get_account(root: Path) -> str:
    """Return the account that is logged in to Heroku; "" where there is none.

    Raises:
        click.ClickException: Heroku does not answer.
    """
    result = run_readonly(root, "heroku", "auth:whoami")
    return "" if result.returncode == NOT_LOGGED_IN else output_or_raise(result)


def inspect_app(root: Path, name: str, *, has_remote: bool) -> HerokuApp | None:
    """Return what Heroku knows of the app; None where there is none that the user may see.

    Args:
        root: the project's folder.
        name: the app's name.
        has_remote: whether the git remote "heroku" points to it, so that it has to exist.

    Raises:
        click.ClickException: Heroku does not answer, or does not show an app that has to exist.
    """
    info = run_readonly(root, "heroku", "apps:info", "--json", "--app", name)
    if info.returncode and not has_remote:
        return None
    if info.returncode:
        raise click.ClickException(
            f"{info.stderr.strip()}\n\nThe git remote heroku points to the app {name}, and Heroku "
            "does not show it to you. Log in with an account that may see it: heroku login. If the "
            "app was deleted, remove the remote, and deploy creates a new app: "
            "git remote remove heroku"
        )
    app = json.loads(info.stdout)["app"]
    buildpacks = click.unstyle(query(root, "heroku", "buildpacks", "--app", name))
    pushed = run_readonly(root, "git", "ls-remote", "heroku", "refs/heads/main").stdout
    return HerokuApp(
        stack=app["stack"]["name"],
        next_stack=app["build_stack"]["name"],
        buildpacks=[match[1] for match in BUILDPACK.finditer(buildpacks)],
        config=_query_json(root, "config", name),
        has_release=app["slug_size"] is not None,
        commit=pushed.partition("\t")[0],
    )


def get_web_url(root: Path, name: str) -> str:
    """Return the app's address on the web.

    Raises:
        click.ClickException: Heroku does not answer.
    """
    return str(_query_json(root, "apps:info", name)["app"]["web_url"])


def _query_json(root: Path, command: str, name: str) -> dict[str, Any]:
    return dict(json.loads(query(root, "heroku", command, "--json", "--app", name)))
