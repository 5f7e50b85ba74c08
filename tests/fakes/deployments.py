"""What there may be before a deploy, on the workstation and at Heroku, and Heroku's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.workstation import Workstation

    Prepare = Callable[[Workstation], None]

HASH = "$2b$12$" + "./AZaz09" * 6 + "abcde"  # of no password

AT = "--app data-apps"
CREATE = "create data-apps --stack heroku-24 --buildpack heroku/python"
CREATE_ON_OLD_STACK = CREATE.replace("24", "22")
ADD_PYTHON = f"buildpacks:add heroku/python {AT}"
ADD_NGINX = f"buildpacks:add heroku-community/nginx {AT}"
REMOVE_NGINX = f"buildpacks:remove heroku-community/nginx {AT}"
SET_STACK = f"stack:set heroku-24 {AT}"
SET_SECRET = f"config:set SESSION_SECRET=... {AT}"
USE_APP = f"git:remote {AT}"
OPEN = f"open {AT}"
ALL = [CREATE, ADD_NGINX, SET_SECRET, OPEN]

# What a user types to deploy without `manage.py deploy`.
CONFIG_SECRET = f"config:set SESSION_SECRET={'5' * 64}"
BY_HAND = [CREATE, "buildpacks:add heroku-community/nginx", CONFIG_SECRET]


def nothing(workstation: Workstation) -> None:
    """Neither a repository nor an app."""


def repository(workstation: Workstation) -> None:
    workstation.git("init -q -b main", "add -A", "commit -q -m First")


def created(*commands: str) -> Prepare:
    """A repository, and an app that these commands have created."""

    def prepare(workstation: Workstation) -> None:
        repository(workstation)
        workstation.heroku(*commands)

    return prepare


def pushed(*commands: str) -> Prepare:
    """The same, with everything pushed."""

    def prepare(workstation: Workstation) -> None:
        created(*commands)(workstation)
        workstation.git("push -q heroku main")

    return prepare


def pushed_and_changed(workstation: Workstation) -> None:
    pushed(*BY_HAND)(workstation)
    workstation.project.write("apps/churn.py", "def run():\n    pass\n")


def feature_branch(workstation: Workstation) -> None:
    pushed(*BY_HAND)(workstation)
    workstation.git("checkout -q -b feature", "commit -q --allow-empty -m More")


def app_without_remote(workstation: Workstation) -> None:
    """The app exists, and the run was stopped before git had a remote."""
    workstation.heroku("create data-apps --no-remote")


def logged_out(workstation: Workstation) -> None:
    workstation.set(account="")


def without(program: str) -> Prepare:
    return lambda workstation: workstation.uninstall(program)


def with_file(name: str, text: str) -> Prepare:
    return lambda workstation: workstation.project.write(name, text)
