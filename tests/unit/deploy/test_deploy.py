"""deploy() against git and the fake Heroku CLI: what it executes, and what a second run does."""

from __future__ import annotations

import re
import sys

import pytest
from fakes.deployments import (
    ADD_NGINX,
    ADD_PYTHON,
    ALL,
    BY_HAND,
    CONFIG_SECRET,
    CREATE,
    CREATE_ON_OLD_STACK,
    HASH,
    OPEN,
    REMOVE_NGINX,
    SET_SECRET,
    SET_STACK,
    USE_APP,
    app_without_remote,
    created,
    feature_branch,
    logged_out,
    nothing,
    pushed,
    pushed_and_changed,
    repository,
)

from apphub.deploy import command

PROMPT = "   Run this step? [Y/n]: "
ONLINE = "\nThe apps are at https://data-apps-"
CTRL_C, CTRL_D = KeyboardInterrupt, ""

# What there is before; the commands that Heroku gets; the number of commits.
STARTS = {
    "nothing": (nothing, ALL, 1),
    "a repository": (repository, ALL, 0),
    "an app without buildpacks": (
        created("create data-apps"),
        [ADD_PYTHON, ADD_NGINX, SET_SECRET, OPEN],
        0,
    ),
    "an app with Python only": (created(CREATE), [ADD_NGINX, SET_SECRET, OPEN], 0),
    "an app with nginx only": (
        created("create data-apps -b heroku-community/nginx", CONFIG_SECRET),
        [ADD_PYTHON, REMOVE_NGINX, ADD_NGINX, OPEN],
        0,
    ),
    "an app with nginx first": (
        created(
            "create data-apps -b heroku-community/nginx",
            "buildpacks:add heroku/python",
            CONFIG_SECRET,
        ),
        [REMOVE_NGINX, ADD_NGINX, OPEN],
        0,
    ),
    "an app with another buildpack": (
        created("create data-apps -b heroku-community/apt", "buildpacks:add heroku/python"),
        [ADD_NGINX, SET_SECRET, OPEN],
        0,
    ),
    "an app on an old stack": (created(CREATE_ON_OLD_STACK, *BY_HAND[1:]), [SET_STACK, OPEN], 0),
    "an app before the push": (created(*BY_HAND), [OPEN], 0),
    "all done by hand": (pushed(*BY_HAND), [], 0),
    "a change": (pushed_and_changed, [OPEN], 1),
    "online without a secret": (pushed(*BY_HAND[:2]), [SET_SECRET], 0),
    "online without nginx": (pushed(CREATE, CONFIG_SECRET), [ADD_NGINX, OPEN], 1),
    "online on an old stack": (pushed(CREATE_ON_OLD_STACK, *BY_HAND[1:]), [SET_STACK, OPEN], 1),
    "an app without a remote": (
        app_without_remote,
        [USE_APP, ADD_PYTHON, ADD_NGINX, SET_SECRET, OPEN],
        1,
    ),
    "a branch": (feature_branch, [OPEN], 0),
}


@pytest.mark.parametrize(("prepare", "changes", "commits"), STARTS.values(), ids=STARTS)
def test_it_does_what_is_left_and_a_second_run_does_nothing(workstation, prepare, changes, commits):
    prepare(workstation)
    before = workstation.run("git", "rev-list", "--count", "HEAD", fails=True)
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert workstation.changes == changes
    assert workstation.run("git", "rev-list", "--count", "HEAD") == str(int(before or 0) + commits)
    assert workstation.run("git", "status", "--porcelain") == ""
    assert output.count(ONLINE) == 1
    assert output.endswith("\nUsers: anna.b\n")

    release = workstation.app["releases"][-1]
    assert release["commit"] == workstation.head
    assert release["stack"] == "heroku-24"
    buildpacks = [name for name in release["buildpacks"] if not name.endswith("/apt")]
    assert buildpacks == ["heroku/python", "heroku-community/nginx"]
    secret = workstation.app["config"]["SESSION_SECRET"]
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert secret not in output

    workstation.set(calls=[])
    state, files = workstation.state, workstation.project.files
    status, output = workstation.deploy(yes=True)
    assert status == 0
    assert workstation.changes == []
    assert workstation.project.files == files
    assert workstation.state | {"calls": []} == state
    done = re.findall(r"^(\d+)\..*: (?:already done.*|passed)$", output, re.MULTILINE)
    assert done == [str(number) for number in range(1, 10)]
    assert output.count(ONLINE) == 1


@pytest.mark.parametrize("host", ["buildpack-registry", "codon-buildpacks"])
def test_buildpacks_may_be_shown_by_their_archives(workstation, host):
    pushed(*BY_HAND)(workstation)
    archive = f"https://{host}.s3.amazonaws.com/buildpacks/{{}}.tgz".format
    urls = [archive(name) for name in workstation.app["buildpacks"]]
    workstation.set(apps={"data-apps": workstation.app | {"buildpacks": urls}})
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes == []


def test_each_app_has_its_own_secret(workstation):
    workstation.deploy(yes=True)
    first = workstation.app["config"]["SESSION_SECRET"]
    workstation.heroku("config:unset SESSION_SECRET")
    workstation.deploy(yes=True)
    assert workstation.app["config"]["SESSION_SECRET"] != first


def test_the_first_push_has_the_whole_project(workstation):
    before = set(workstation.project.files)
    workstation.deploy(yes=True)
    pushed_files = workstation.run("git", "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert set(pushed_files) == before
    assert workstation.run("git", "branch", "--show-current") == "main"


def test_options_of_a_new_app(workstation):
    status, output = workstation.deploy(
        name="team-numbers", region="eu", team="ours", message="First version", yes=True
    )
    assert status == 0, output
    created_as = CREATE.replace("data-apps", "team-numbers")
    assert workstation.changes[0] == f"{created_as} --region eu --team ours"
    assert workstation.changes[-1] == "open --app team-numbers"
    assert workstation.run("git", "log", "-1", "--format=%s") == "First version"
    assert "The apps are at https://team-numbers-" in output
    # The git remote has the name from then on; giving it again changes nothing.
    workstation.set(calls=[])
    assert workstation.deploy(yes=True).status == 0
    assert workstation.deploy(name="team-numbers", yes=True).status == 0
    assert workstation.changes == []


def test_app_json_has_the_buildpacks_and_the_stack(workstation):
    workstation.project.change("app.json", '{"url": "heroku/python"}', '{"url": "heroku/nodejs"}')
    workstation.project.change("app.json", "heroku-24", "heroku-22")
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes[:2] == [
        "create data-apps --stack heroku-22 --buildpack heroku/nodejs",
        ADD_NGINX,
    ]


# On a terminal.

CONFIRMED = [
    "Create a git repository",
    "Commit ",
    "Create the app data-apps on Heroku",
    "Set the buildpacks: heroku/python, then heroku-community/nginx",
    "Set SESSION_SECRET",
    "Push to Heroku",
    "Open the app",
]


def test_each_step_is_shown_and_confirmed_once(workstation):
    status, output = workstation.deploy(*["\n"] * len(CONFIRMED))
    assert status == 0
    titles = re.findall(rf"^\d+\. (.*)\n(?: {{7}}.*\n)+{re.escape(PROMPT)}", output, re.MULTILINE)
    assert len(titles) == len(CONFIRMED)
    for title, beginning in zip(titles, CONFIRMED, strict=True):
        assert title.startswith(beginning)
    assert workstation.changes == ALL
    assert ONLINE in output


STOPS = {
    **{f"no: {title}": (number, "n\n") for number, title in enumerate(CONFIRMED[:-1])},
    "Ctrl-C": (3, CTRL_C),
    "Ctrl-D": (4, CTRL_D),
}


@pytest.mark.parametrize(("number", "answer"), STOPS.values(), ids=STOPS)
def test_a_run_after_a_stop_continues_there(workstation, number, answer):
    before = workstation.project.files
    status, output = workstation.deploy(*["y\n"] * number, answer)
    assert status == 1
    assert re.search(r"\nStopped at step \d+; completed steps are kept\..* deploy\n$", output)
    assert workstation.changes == ALL[: max(0, number - 2)]
    assert number or workstation.project.files == before
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes == ALL


def test_the_command_that_continues_has_the_same_options(workstation):
    answers = ["y\n", "y\n", "n\n"]
    _, output = workstation.deploy(*answers, name="team-numbers", region="eu", message="It's new")
    assert output.endswith(
        "To continue: python manage.py deploy --name team-numbers --region eu "
        "--message 'It'\"'\"'s new'\n"
    )
    assert workstation.changes == []


def test_ctrl_c_before_the_first_step(workstation, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "inspect", interrupt)
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "\nStopped." in output
    assert workstation.changes == []


def test_opening_the_browser_may_be_declined(workstation):
    status, output = workstation.deploy(*["y\n"] * 6, "n\n")
    assert status == 0
    assert workstation.changes == ALL[:-1]
    assert ONLINE in output


def test_the_login_comes_first(workstation):
    pushed(*BY_HAND[:2])(workstation)
    logged_out(workstation)
    status, output = workstation.deploy("y\n", "y\n")
    assert status == 0
    assert workstation.changes == ["login", SET_SECRET]  # the login shows what is done
    assert ONLINE in output


def test_without_the_login_nothing_changes(workstation):
    logged_out(workstation)
    before = workstation.project.files
    status, output = workstation.deploy("n\n")
    assert status == 1
    assert "Stopped at step 2;" in output
    assert workstation.changes == []
    assert workstation.project.files == before


def test_without_a_terminal_it_asks_nothing_and_does_nothing(workstation):
    before = workstation.project.files
    status, output = workstation.deploy()
    assert status == 1
    assert output.startswith("Error: ")
    assert "--yes" in output
    assert "--dry-run" in output
    assert workstation.state["calls"] == []
    assert workstation.project.files == before


# Failures in between.

FAILURES = {
    "create": ({"taken": ["data-apps"]}, "Name data-apps is already taken", [CREATE]),
    "buildpacks": ({"fails": ["buildpacks:add"]}, "ENOTFOUND", ALL[:2]),
    "config": ({"fails": ["config:set"]}, "ENOTFOUND", ALL[:3]),
    "push": ({"push": "apps.json lists no apps."}, "!     apps.json lists no apps.", ALL[:3]),
}


@pytest.mark.parametrize(("state", "reason", "commands"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_shown_and_the_next_run_continues(workstation, state, reason, commands):
    workstation.set(**state)
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert reason in output
    after = output[output.index(reason) :]
    assert re.search(r"\nError: Step \d+ failed: .* exited with status \d+; see the output", after)
    assert ONLINE not in output
    assert workstation.changes == commands
    workstation.set(calls=[], taken=[], fails=[], push="")
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes == ALL[len(commands) - ("push" not in state) :]


def test_a_taken_name_has_a_hint(workstation):
    workstation.set(taken=["data-apps"])
    output = workstation.deploy(yes=True).output
    assert output.endswith("python manage.py deploy --name team-numbers\n")
    assert workstation.deploy(name="team-numbers", yes=True).status == 0


def test_a_failed_commit_is_not_pushed(workstation):
    repository(workstation)
    hook = workstation.project.path / ".git/hooks/pre-commit"
    hook.parent.mkdir()
    hook.write_text(f"#!{sys.executable}\nraise SystemExit('No, thank you')\n")
    hook.chmod(0o755)
    workstation.project.write("README.md", "changed\n")
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "No, thank you" in output
    assert workstation.changes == []


def test_without_a_browser_it_is_online(workstation):
    workstation.set(fails=["open"])
    status, output = workstation.deploy(yes=True)
    assert status == 0
    assert workstation.changes == ALL
    assert ONLINE in output


# Users.


def test_users_in_the_apps_environment_count(workstation):
    pushed(*BY_HAND)(workstation)
    workstation.set(apps={"data-apps": workstation.app | {"config": {"HTPASSWD": f"bob:{HASH}"}}})
    (workstation.project.path / ".htpasswd").unlink()
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert output.endswith("\nUsers: bob\n")


def test_the_workstations_environment_does_not_count(workstation, monkeypatch):
    monkeypatch.setenv("HTPASSWD", "nobody")
    monkeypatch.setenv("SESSION_SECRET", "short")
    monkeypatch.setenv("FRAME_ANCESTORS", "x")
    monkeypatch.setenv("NGINX_WORKERS", "many")
    monkeypatch.setenv("STREAMLIT_PROCESSES", "many")
    status, output = workstation.deploy(yes=True)
    assert status == 0, output
    assert output.endswith("\nUsers: anna.b\n")


def test_users_that_git_ignores_have_to_be_in_the_environment(workstation):
    workstation.project.write(".gitignore", workstation.project.read(".gitignore") + ".htpasswd\n")
    status, output = workstation.deploy(yes=True)
    assert status == 1
    assert "git ignores .htpasswd, and HTPASSWD is not set on Heroku" in output
    assert 'heroku config:set HTPASSWD="$(cat .htpasswd)" --app data-apps' in output
    assert workstation.changes == ALL[:3]
    assert workstation.app["releases"] == []
    config = workstation.app["config"] | {"HTPASSWD": workstation.project.read(".htpasswd")}
    workstation.set(calls=[], apps={"data-apps": workstation.app | {"config": config}})
    assert workstation.deploy(yes=True).status == 0
    assert workstation.changes == [OPEN]
    assert ".htpasswd" not in workstation.run("git", "ls-files").splitlines()


def test_many_users_are_summarized(workstation):
    names = ["anna", "bob", "carol", "dave", "eve"]
    workstation.project.write(".htpasswd", "".join(f"{name}:{HASH}\n" for name in names))
    output = workstation.deploy(yes=True).output
    assert output.endswith("\nUsers: anna, bob, carol and 2 more\n")
