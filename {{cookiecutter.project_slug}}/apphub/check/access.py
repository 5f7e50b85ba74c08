"""Checks who may log in (the users, and those that the menu names), settings and secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from apphub.app_secrets import load_project
from apphub.apps import App, MenuError
from apphub.finding import Finding, InvalidFile
from apphub.menu import load_menu
from apphub.paths import ROOT
from apphub.settings import read_settings
from apphub.users import User, UsersError, load_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from apphub.check.project import Project


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the users, the menu, the settings and the secrets."""
    yield from check_access(project.root, project.environ)


def check_access(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Return what would let somebody in who should not get in, or stop the server's start.

    Args:
        root: the project's folder.
        environ: the environment; HTPASSWD in it replaces .htpasswd, and SECRETS the secrets' file.
    """
    findings: list[Finding] = []
    users: list[User] = []
    menu: list[App] = []
    try:
        users = load_users(root, environ)
    except UsersError as error:
        findings += error.findings
    try:
        menu = load_menu(root)
    except MenuError as error:
        findings += error.findings
    if users:
        findings += _find_unknown_users(menu, users)
    for read in (lambda: read_settings(environ), lambda: load_project(root, environ)):
        try:
            read()
        except InvalidFile as error:
            findings += error.findings
    return findings


def _find_unknown_users(menu: Sequence[App], users: Sequence[User]) -> Iterator[Finding]:
    names = {user.name.lower(): user.name for user in users}
    for number, app in enumerate(menu, 1):
        for user in app.users:
            known = names.get(user.lower())
            if known == user:
                continue
            hint = f"Write {known}" if known else f"Add the user: python manage.py passwd {user}"
            yield Finding(
                "access-unknown-user",
                f'{user}, in "users" of {app.name!r}, is not a user who can log in.',
                f"apps.json, entry {number}",
                f"{hint}, or remove the name.",
            )
