"""deploy() with dry_run: it lists each step with its commands, and changes nothing."""

from __future__ import annotations

import re

import pytest
from fakes.deployments import (
    ADD_NGINX,
    ADD_PYTHON,
    BY_HAND,
    CONFIG_SECRET,
    CREATE,
    OPEN,
    SET_STACK,
    feature_branch,
    logged_out,
    nothing,
    pushed,
    repository,
    with_file,
    without,
)

COMMANDS = """\
git init --quiet
git symbolic-ref HEAD refs/heads/main
git add --all
git commit --quiet -m Deploy
heroku create data-apps --stack heroku-24 --buildpack heroku/python
heroku buildpacks:add heroku-community/nginx --app data-apps
heroku config:set 'SESSION_SECRET=<64 random digits>' --app data-apps
git push heroku main
heroku open --app data-apps
""".splitlines()

# What there is; the commands that are listed; words of what has to be fixed.
STARTS = {
    "nothing": (nothing, COMMANDS, ""),
    "logged out": (logged_out, ["heroku login", *COMMANDS], "not logged in to Heroku"),
    "no heroku": (without("heroku"), ["heroku login", *COMMANDS], "heroku is not installed"),
    "no git": (without("git"), COMMANDS, "git is not installed"),
    "broken menu": (with_file("apps.json", "[]"), COMMANDS, "apps.json: "),
    "a repository": (repository, COMMANDS[4:], ""),
    "all done": (pushed(*BY_HAND), [], ""),
    "online without nginx": (
        pushed(CREATE, CONFIG_SECRET),
        ["git commit --quiet --allow-empty -m Deploy", COMMANDS[5], *COMMANDS[7:]],
        "",
    ),
    "a branch": (feature_branch, ["git push heroku feature:refs/heads/main", COMMANDS[8]], ""),
}


@pytest.mark.parametrize(("prepare", "commands", "words"), STARTS.values(), ids=STARTS)
def test_it_lists_every_command_and_changes_nothing(workstation, prepare, commands, words):
    prepare(workstation)
    files, apps = workstation.project.files, workstation.state["apps"]
    status, output = workstation.deploy(dry_run=True)
    assert status == 0
    assert re.findall(r"^ {7}(.*)", output, re.MULTILINE) == commands
    assert words in output
    assert ("Fix these first:" in output) == bool(words)
    assert output.endswith("\nThis was a dry run: nothing was changed.\n")
    assert workstation.project.files == files
    assert workstation.changes == []
    assert workstation.state["apps"] == apps


def test_before_the_login_it_lists_all_steps_of_an_existing_app(workstation):
    pushed(*BY_HAND)(workstation)
    logged_out(workstation)
    output = workstation.deploy(dry_run=True).output
    assert "after the login" in output
    for command in (ADD_PYTHON, ADD_NGINX, SET_STACK, OPEN):
        assert f"       heroku {command}\n" in output
    assert "heroku create" not in output


def test_it_lists_what_would_be_committed(workstation):
    files = sorted(workstation.project.files)
    output = workstation.deploy(dry_run=True).output
    first = ", ".join(files[:3])
    assert f"Commit {len(files)} files: {first} and {len(files) - 3} more\n" in output
    repository(workstation)
    workstation.project.write("apps/Umsätze 2024.py", "")
    output = workstation.deploy(dry_run=True).output
    assert "Commit 1 file: apps/Umsätze 2024.py\n" in output


def test_creating_an_app_says_that_it_costs_money(workstation):
    output = workstation.deploy(dry_run=True).output
    assert re.search("Create the app data-apps .*costs money", output)
