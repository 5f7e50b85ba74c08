"""What blocks a deploy: all of it is shown at once, with the fix, and nothing is changed."""

from __future__ import annotations

import pytest
from fakes.deployments import (
    BY_HAND,
    logged_out,
    pushed,
    repository,
    with_file,
    without,
)
from fakes.workstation import READS


def outer_repository(workstation) -> None:
    workstation.run("git", "init", "-q", str(workstation.home))


def broken_repository(workstation) -> None:
    (workstation.project.path / ".git").mkdir()


def nameless(workstation) -> None:
    """Without a name, git would guess one from the machine's account."""
    workstation.configure_git("[user]\nemail = anna@example.com\n")


def unfinished_merge(workstation) -> None:
    repository(workstation)
    workstation.git("checkout -q -b other")
    workstation.project.write("README.md", "other\n")
    workstation.git("commit -q -a -m Other", "checkout -q main")
    workstation.project.write("README.md", "main\n")
    workstation.git("commit -q -a -m Main")
    workstation.run("git", "merge", "other", fails=True)


def remote_elsewhere(workstation) -> None:
    repository(workstation)
    workstation.git("remote add heroku https://anna:hunter2@example.com/data-apps.git")


def deleted_app(workstation) -> None:
    pushed(*BY_HAND)(workstation)
    workstation.set(apps={})


def app_of_another_project(workstation) -> None:
    pushed(*BY_HAND)(workstation)
    workstation.git("remote remove heroku")


def offline(command: str):
    """Heroku does not answer a command."""

    def prepare(workstation) -> None:
        pushed(*BY_HAND)(workstation)
        workstation.set(fails=[command])

    return prepare


def new_secret(workstation) -> None:
    pushed(*BY_HAND)(workstation)
    workstation.project.write(".env.production", "PASSWORD=hunter2\n")


# What there is, and words of the message: what is wrong, or the fix.
BLOCKERS = {
    "a key": (
        with_file("key.pem", "-----BEGIN PRIVATE KEY-----\nhunter2\n"),
        ("key.pem would be committed", "private key", ".gitignore"),
    ),
    "a new secret": (new_secret, (".env.production would be committed", ".gitignore")),
    "broken menu": (with_file("apps.json", "[]"), ("apps.json: ", "no apps")),
    "broken users": (with_file(".htpasswd", "anna.b:x\n"), (".htpasswd, line 1: ",)),
    "broken app.json": (with_file("app.json", "{}"), ("app.json ", "stack", "buildpacks")),
    "a short secret": (
        pushed(*BY_HAND[:2], "config:set SESSION_SECRET=short"),
        ("SESSION_SECRET: ", "shorter than 32"),
    ),
    "a bad setting": (
        pushed(*BY_HAND, "config:set NGINX_WORKERS=many"),
        ("NGINX_WORKERS: 'many'",),
    ),
    "an outer repository": (outer_repository, ("inside the git repository", "git init")),
    "a broken repository": (broken_repository, ("git cannot read this repository: ",)),
    "no name": (nameless, ('git config --global user.name "Anna Berg"',)),
    "an unfinished merge": (unfinished_merge, ("A merge is not finished",)),
    "a remote elsewhere": (remote_elsewhere, ("does not point to Heroku", "git remote rename")),
    "a deleted app": (deleted_app, ("the app data-apps", "git remote remove heroku")),
    "another project's app": (
        app_of_another_project,
        ("heroku git:remote --app data-apps", "--name"),
    ),
    "logged out": (logged_out, ("not logged in to Heroku", "heroku login")),
    "no git": (without("git"), ("git is not installed", "https://git-scm.com/downloads")),
    "no heroku": (
        without("heroku"),
        ("heroku is not installed", "https://devcenter.heroku.com/articles/heroku-cli"),
    ),
    **{
        f"{command} without an answer": (
            offline(command),
            ("getaddrinfo ENOTFOUND api.heroku.com",),
        )
        for command in READS
    },
}


@pytest.mark.parametrize(("prepare", "words"), BLOCKERS.values(), ids=BLOCKERS)
def test_a_blocker_is_shown_and_nothing_changes(workstation, prepare, words):
    prepare(workstation)
    before = workstation.project.files
    status, output = workstation.deploy(yes=True)
    assert status == 1
    for word in words:
        assert word in output
    assert "hunter2" not in output
    assert workstation.changes == []
    assert workstation.project.files == before


@pytest.mark.parametrize("name", ["Data", "x", "9apps", "data-", "--yes", "a" * 31])
def test_a_name_that_heroku_would_refuse(workstation, name):
    status, output = workstation.deploy(name=name, yes=True)
    assert status == 1
    assert f"{name!r} is not a valid Heroku app name" in output
    assert "python manage.py deploy --name" in output
    assert workstation.changes == []


def test_another_name_than_the_apps_is_refused(workstation):
    pushed(*BY_HAND)(workstation)
    status, output = workstation.deploy(name="other", yes=True)
    assert status == 1
    assert "points to the app data-apps, not to other" in output
    assert "git remote remove heroku" in output
    assert workstation.changes == []


def test_all_blockers_are_shown_at_once(workstation):
    workstation.project.write("apps.json", "[]")
    logged_out(workstation)
    nameless(workstation)
    output = workstation.deploy(yes=True).output
    assert output.count("Fix these first:") == 1
    for words in ("apps.json: ", "user.name", "heroku login"):
        assert words in output
