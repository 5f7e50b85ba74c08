"""The state before the first step: the project, git and Heroku. Nothing here changes anything."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from apphub.app_secrets import (
    SECRETS_FILE,
    VARIABLE,
    Secrets,
    SecretsError,
    collect_files,
    parse,
)
from apphub.apps import MenuError
from apphub.check import run_checks
from apphub.deploy.git import Repository, inspect_repository
from apphub.deploy.heroku import HerokuApp, get_account, inspect_app
from apphub.deploy.programs import DOWNLOADS, find_missing_programs
from apphub.menu import load_menu
from apphub.text import validate_heroku_name
from apphub.users import load_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# The check uses the values of these on Heroku, not those on this machine.
CONFIG_VARS = (
    "APP_IDLE_MINUTES",
    "FRAME_ANCESTORS",
    "HTPASSWD",
    "NGINX_WORKERS",
    "SECRETS",
    "SESSION_SECRET",
    "STREAMLIT_PROCESSES",
)
ANOTHER_NAME = "Choose another name: python manage.py deploy --name team-numbers"


class Manifest(NamedTuple):
    """The stack and the buildpacks that app.json names."""

    stack: str
    buildpacks: Sequence[str]


class SecretsChange(NamedTuple):
    """How the secrets on this computer differ from SECRETS on Heroku. It has names, no values.

    Attributes:
        has_file: whether there are any on this computer.
        changed: the names of those that are new, or have another value.
        removed: the names of those that only Heroku has.
    """

    has_file: bool = False
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()


class State(NamedTuple):
    """The state before the first step.

    Attributes:
        name: the app's name on Heroku, or the name that it will have.
        manifest: what app.json says.
        repository: what git knows.
        account: the account that is logged in to Heroku; "" where there is none.
        app: what Heroku knows; None where there is no app, or nobody is logged in to see it.
        secrets: what the secrets on this computer would change on Heroku.
        users: the names of those who can log in to the apps.
        blockers: what has to be fixed before the first step, and how.
    """

    name: str
    manifest: Manifest
    repository: Repository
    account: str
    app: HerokuApp | None
    secrets: SecretsChange
    users: Sequence[str]
    blockers: Sequence[str]


def inspect(name: str | None, root: Path) -> State:
    """Return the state, with all that blocks a deploy.

    Args:
        name: the app's name on Heroku, where one was given.
        root: the project's folder.

    Raises:
        click.ClickException: git or Heroku does not answer, or app.json is not valid.
    """
    missing = find_missing_programs()
    blockers = [f"{program} is not installed. Get it: {DOWNLOADS[program]}" for program in missing]
    repository = Repository()
    if "git" not in missing:
        repository, found = inspect_repository(root)
        blockers += found
    remote_app = repository.heroku_app
    app_name = remote_app or name or root.name
    blockers += _check_name(app_name, name, remote_app)

    account = ""
    if "heroku" not in missing:
        account = get_account(root)
        blockers += _check_login(account)
    app = inspect_app(root, app_name, has_remote=bool(remote_app)) if account else None
    if app and app.has_release and not remote_app:
        blockers.append(_describe_foreign_app(app_name, account))
        app = None

    environ = app_environ(app.config if app else {})
    secrets = compare_secrets(root, environ.get(VARIABLE, ""))
    if secrets.has_file or (root / SECRETS_FILE).is_file():
        environ.pop(VARIABLE, None)  # a step will replace it: the check is for the file
    errors = [str(error) for error in run_checks(root, environ).errors]
    users = [] if errors else [user.name for user in load_users(root, environ)]
    manifest = read_manifest(root)
    blockers = [*errors, *blockers]
    return State(app_name, manifest, repository, account, app, secrets, users, blockers)


def compare_secrets(root: Path, on_heroku: str) -> SecretsChange:
    """Return what the secrets on this computer would change on Heroku.

    Args:
        root: the project's folder.
        on_heroku: the text of SECRETS there, "" where it is not set.
    """
    try:
        here = collect_files(root, load_menu(root))
    except (MenuError, SecretsError):  # the check reports it
        here = None
    if here is None:
        return SecretsChange()
    there: Secrets = {}
    with contextlib.suppress(SecretsError):
        there = parse(on_heroku, VARIABLE)
    changed = tuple(name for name in here if name not in there or here[name] != there[name])
    return SecretsChange(True, changed, tuple(name for name in there if name not in here))


def app_environ(
    config: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment to check the project with.

    Args:
        config: the app's environment variables on Heroku.
        environ: this machine's environment.

    Returns:
        This machine's environment, in which CONFIG_VARS are as on Heroku.
    """
    here = {name: value for name, value in environ.items() if name not in CONFIG_VARS}
    return here | {name: config[name] for name in CONFIG_VARS if name in config}


def read_manifest(root: Path) -> Manifest:
    """Return the stack and the buildpacks that app.json names.

    Raises:
        click.ClickException: it names none.
    """
    try:
        manifest = json.loads((root / "app.json").read_text("utf-8-sig"))
        stack, buildpacks = manifest["stack"], [entry["url"] for entry in manifest["buildpacks"]]
        if buildpacks and all(text and isinstance(text, str) for text in (stack, *buildpacks)):
            return Manifest(stack, buildpacks)
    except (OSError, ValueError, LookupError, TypeError):
        pass
    raise click.ClickException(
        "app.json does not name the stack and the buildpacks. It is JSON, and contains: "
        '"stack": "heroku-24", '
        '"buildpacks": [{"url": "heroku/python"}, {"url": "heroku-community/nginx"}]'
    )


def _check_name(app_name: str, given: str | None, remote_app: str) -> Iterator[str]:
    if given and remote_app and given != remote_app:
        yield (
            f"The git remote heroku points to the app {remote_app}, not to {given}. To deploy to a "
            "new app, remove the remote: git remote remove heroku"
        )
    try:
        validate_heroku_name(app_name)
    except ValueError as error:
        yield f"{app_name!r} {error}. {ANOTHER_NAME}"


def _check_login(account: str) -> Iterator[str]:
    if not account and not sys.stdin.isatty():
        yield (
            "You are not logged in to Heroku, and there is no terminal here to log in on. On a "
            "terminal: heroku login. In a script: "
            "https://devcenter.heroku.com/articles/authentication"
        )


def _describe_foreign_app(name: str, account: str) -> str:
    return (
        f"{account} has an app {name} on Heroku that something was deployed to. If it was this "
        f"project: heroku git:remote --app {name}. If not: {ANOTHER_NAME}"
    )
