"""The steps of a deploy, planned from the state. Nothing here reads or changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile
from typing import NamedTuple

from apphub.app_secrets import SECRETS_FILE
from apphub.deploy.state import ANOTHER_NAME, State
from apphub.text import summarize

Command = Sequence[str]

# In the plan in place of the secret, which is generated when the step runs, and never shown.
SECRET_PLACEHOLDER = "SESSION_SECRET=<64 random digits>"  # noqa: S105 -- a placeholder

DONE = "already done"


class Step(NamedTuple):
    """One step.

    Attributes:
        title: what it does.
        commands: the commands that do it; without any, the user has to.
        done: why nothing is left to do, such as "already done"; "" where it is left.
        hint: how to go on where a command fails.
        is_required: whether the steps after it need it.
        can_skip: whether the user may decline it, and go on.
    """

    title: str
    commands: Sequence[Command] = ()
    done: str = ""
    hint: str = ""
    is_required: bool = True
    can_skip: bool = False


LOG_IN = Step("Log in to Heroku", [["heroku", "login"]])


def plan(state: State, options: Sequence[str], message: str) -> Iterator[Step]:
    """Yield all the steps in their order, with those that are done already.

    Args:
        state: what there is.
        options: the options of `heroku create`: the region and the team.
        message: the message of the commit.
    """
    yield Step("Check the project", done="passed" if state.users else "problems found, see below")
    yield LOG_IN._replace(done=f"{DONE}, as {state.account}") if state.account else LOG_IN
    yield Step(
        "Create a git repository in this folder",
        [["git", "init", "--quiet"], ["git", "symbolic-ref", "HEAD", "refs/heads/main"]],
        DONE if state.repository.exists else "",
    )
    yield _plan_commit(state, message)
    yield _plan_app(state, options)
    yield from _plan_settings(state)
    yield from _plan_push(state)


def describe_files(files: Sequence[str]) -> str:
    """Return how many files there are, and the names of the first ones."""
    if not files:  # without git nobody knows
        return "all files"
    return f"{len(files)} file{'s' if len(files) > 1 else ''}: {summarize(files)}"


def order_buildpacks(required: Sequence[str], existing: Sequence[str]) -> Iterator[list[str]]:
    """Yield the commands that put the required buildpacks in their order; others stay."""
    rest = iter(existing)
    # `in` continues in the rest from where it was: the first one that does not come after the one
    # before it has to move to the end, and so do all that follow.
    for buildpack in dropwhile(lambda buildpack: buildpack in rest, required):
        if buildpack in existing:
            yield ["buildpacks:remove", buildpack]
        yield ["buildpacks:add", buildpack]


def _is_new(state: State) -> bool:
    """Return whether the app has to be created, as far as one can see."""
    return not state.app and not state.repository.heroku_app


def _is_pushed(state: State) -> bool:
    head = state.repository.head
    commit = state.app.commit if state.app else ""
    return bool(head) and commit == head and not state.repository.changed_files


def _buildpack_commands(state: State) -> list[list[str]]:
    required = state.manifest.buildpacks
    if _is_new(state):
        return list(order_buildpacks(required, required[:1]))  # `create` sets the first one
    return list(order_buildpacks(required, state.app.buildpacks if state.app else ()))


def _needs_rebuild(state: State) -> bool:
    """Return whether Heroku has the commit, and has to build it once more.

    Buildpacks and stack take effect with the next build, and Heroku builds when it gets a commit.
    """
    if not state.app or not _is_pushed(state):
        return False
    return bool(_buildpack_commands(state)) or state.app.stack != state.manifest.stack


def _plan_commit(state: State, message: str) -> Step:
    if _needs_rebuild(state):
        return Step(
            "Create an empty commit: Heroku builds commits, and the next steps need a new build",
            [["git", "commit", "--quiet", "--allow-empty", "-m", message]],
        )
    repository = state.repository
    return Step(
        f"Commit {describe_files(repository.changed_files)}",
        [["git", "add", "--all"], ["git", "commit", "--quiet", "-m", message]],
        DONE if repository.head and not repository.changed_files else "",
    )


def _plan_app(state: State, options: Sequence[str]) -> Step:
    has_remote = bool(state.repository.heroku_app)
    if state.app and not has_remote:
        return Step(
            f"Use the app {state.name}, which {state.account} has on Heroku, with nothing in it",
            [["heroku", "git:remote", "--app", state.name]],
        )
    base = ["--stack", state.manifest.stack, "--buildpack", state.manifest.buildpacks[0]]
    return Step(
        f"Create the app {state.name} on Heroku (its dyno costs money: "
        "https://www.heroku.com/pricing)",
        [["heroku", "create", state.name, *base, *options]],
        DONE if has_remote else "",
        f"Is the name taken? {ANOTHER_NAME}",
    )


def _plan_settings(state: State) -> Iterator[Step]:
    app, at = state.app, ["--app", state.name]
    config = app.config if app else {}
    stack, required = state.manifest
    buildpacks = _buildpack_commands(state)
    yield Step(
        f"Set the buildpacks: {', then '.join(required)}",
        [["heroku", *command, *at] for command in buildpacks],
        "" if buildpacks else DONE,
    )
    is_set = DONE if app and app.next_stack == stack else ""
    yield Step(
        f"Set the stack: {stack}",
        [["heroku", "stack:set", stack, *at]],
        "set when the app is created" if _is_new(state) else is_set,
    )
    yield Step(
        "Set SESSION_SECRET, so that users stay logged in when the dyno restarts",
        [["heroku", "config:set", SECRET_PLACEHOLDER, *at]],
        DONE if config.get("SESSION_SECRET") else "",
    )
    if state.secrets.has_file:
        yield _plan_secrets(state)
    if state.repository.ignores_users and "HTPASSWD" not in config:
        yield Step(
            "Give Heroku the users: git ignores .htpasswd, and HTPASSWD is not set on Heroku. "
            "Remove .htpasswd from .gitignore, or, in a public repository, put its text into the "
            f'environment: heroku config:set HTPASSWD="$(cat .htpasswd)" --app {state.name}'
        )


def _plan_secrets(state: State) -> Step:
    """Return the step for SECRETS. A user who has other secrets here may decline it."""
    names = {"new or changed": state.secrets.changed, "removed": state.secrets.removed}
    parts = [f"{title}: {summarize(some)}" for title, some in names.items() if some]
    what = f" ({'; '.join(parts)})" if parts else ""
    return Step(
        f"Set SECRETS to what is in {SECRETS_FILE}{what}",
        [["python", "-m", "apphub.deploy.set_secrets", "--app", state.name]],
        "" if parts else DONE,
        can_skip=True,
    )


def _plan_push(state: State) -> Iterator[Step]:
    branch = state.repository.branch
    source = "main" if branch == "main" else f"{branch}:refs/heads/main"
    done = DONE if _is_pushed(state) and not _needs_rebuild(state) else ""
    yield Step(
        "Push to Heroku, which builds and starts the app", [["git", "push", "heroku", source]], done
    )
    if not done:
        yield Step(
            "Open the app in the browser",
            [["heroku", "open", "--app", state.name]],
            is_required=False,
            can_skip=True,
        )
