"""Deploys the project to Heroku: sees what is there already, and takes the steps that are left.

The steps are made first and carried out after, each by commands that one could type as well. So a
dry run shows what a run would do, and a second run goes on where the first one ended.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

import click

from check import faults, secret_in
from users import ROOT, load_users

HOMES = {
    "git": "https://git-scm.com/downloads",
    "heroku": "https://devcenter.heroku.com/articles/heroku-cli",
}

# Heroku's rule for the names of apps, and how git says where one is.
NAME = r"[a-z][a-z0-9-]{1,28}[a-z0-9]"
REMOTE = re.compile(rf"heroku\.com[:/]({NAME})(\.git)?/?$")

# "1. heroku/python", without the number where it is the only one; some are shown by their archives.
BUILDPACK = re.compile(
    r"^ *(?:\d+\. )?(?:https://\S+/buildpacks/)?(\S+?/\S+?)(?:\.tgz)?$", re.MULTILINE
)

# What stands in the step. The digits are made when it is carried out, and shown nowhere.
SECRET = "SESSION_SECRET=<64 random digits>"

# The build and the dyno have these from Heroku, whatever is set on this machine.
CONFIG = ("FRAME_ANCESTORS", "HTPASSWD", "SESSION_SECRET")

NOT_LOGGED_IN = 100  # the exit status of `heroku auth:whoami`

DONE = "done already"
LOOKING = "Looking at what is there already ...\n"
MEND = "To be mended first:"
AGAIN = "python manage.py deploy goes on from here."


class Step(NamedTuple):
    """One step: what it does, in words, and its commands. Without any, it is the user's to do."""

    words: str
    commands: Sequence[Sequence[str]] = ()
    done: str = ""  # how it was done already; empty: it is left to do
    way_out: str = ""  # what to do where a command fails
    needed: bool = True  # whether all that follows needs it


class Repository(NamedTuple):
    """What git knows of the project."""

    there: bool = False
    branch: str = "main"
    head: str = ""  # the last commit
    changed: Sequence[str] = ()  # the files that the next commit would take
    ignores_users: bool = False  # whether .htpasswd is left out
    app: str = ""  # where the remote "heroku" leads


class App(NamedTuple):
    """What Heroku knows of the app."""

    stack: str
    next_stack: str  # from the next build on
    buildpacks: Sequence[str]
    config: dict[str, str]
    built: bool  # whether anything was ever deployed to it
    commit: str  # the one that was pushed last


class Seen(NamedTuple):
    """What there is before the first step."""

    name: str  # what the app is called, or will be
    git: Repository
    account: str  # who is logged in at Heroku; empty: nobody
    app: App | None  # None: it is not there, or nobody is logged in to see it
    users: Sequence[str]  # who can log in to the apps
    in_the_way: Sequence[str]  # what has to be mended before the first step


def deploy(
    name: str | None, region: str | None, team: str | None, message: str, yes: bool, dry_run: bool
) -> None:
    """Take the steps that are left, each after a question, or list them.

    Raises:
        click.ClickException: something is in the way, or a command has failed.
        click.exceptions.Exit: the user has stopped it.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.ClickException(
            "Each step is asked for on a terminal, and there is none here. --yes takes them all "
            "without asking, --dry-run lists them."
        )
    where = {"--region": region, "--team": team}
    options = [word for option, value in where.items() if value for word in (option, value)]
    try:
        click.echo(LOOKING)
        seen = look(name)
        steps = list(plan(seen, options, message))
        if dry_run:
            show_all(steps, seen)
            return
        refuse(seen)
        left = 0
        if not seen.account:  # what is at Heroku shows after the login only
            left = [step.commands for step in steps].index(LOGIN) + 1
            take(steps[:left], 1, yes)
            click.echo(f"\n{LOOKING}")
            seen = look(name)
            steps = list(plan(seen, options, message))
            refuse(seen)
        take(steps[left:], left + 1, yes)
        click.echo(f"\nThe apps are at {address(seen.name)}")
        click.echo(f"Who may log in: {some(seen.users)}")
    except KeyboardInterrupt:
        click.echo(f"\nStopped. {AGAIN}", err=True)
        raise click.exceptions.Exit(1) from None


# What is there. Nothing in this part changes anything.


def look(name: str | None) -> Seen:
    """Return what there is, and what is in the way. The name is the app's, where one is given.

    Raises:
        click.ClickException: git or Heroku does not answer.
    """
    missing = [program for program in HOMES if not shutil.which(program)]
    in_the_way = [f"{program} is not installed. Get it: {HOMES[program]}" for program in missing]
    git = Repository() if "git" in missing else look_at_git(in_the_way)
    if name and git.app and name != git.app:
        in_the_way.append(
            f"The git remote heroku leads to the app {git.app}, and not to {name}. For a new app, "
            "take the remote away: git remote remove heroku"
        )
    name = git.app or name or ROOT.name
    if not re.fullmatch(NAME, name):
        in_the_way.append(
            f"{name!r} is no name for an app on Heroku. It begins with a letter, then lower-case "
            "letters, digits and dashes, 3 to 30 in all, no dash at the end. Give one: "
            "python manage.py deploy --name team-numbers"
        )
    account = "" if "heroku" in missing else whoami()
    if not account and "heroku" not in missing and not sys.stdin.isatty():
        in_the_way.append(
            "Nobody is logged in at Heroku, and there is no terminal here to do it on. On one: "
            "heroku login. For a script: https://devcenter.heroku.com/articles/authentication"
        )
    app = look_at_app(name, must_be=bool(git.app)) if account else None
    if app and app.built and not git.app:
        in_the_way.append(
            f"{account} has an app {name} on Heroku already, and something was deployed to it. If "
            f"it was this project: heroku git:remote --app {name}. If not, take another name: "
            "python manage.py deploy --name team-numbers"
        )
        app = None
    with environment(app.config if app else {}):
        wrong = faults()
        users = [] if wrong else load_users()
    return Seen(name, git, account, app, users, [*wrong, *in_the_way])


def look_at_git(in_the_way: list[str]) -> Repository:
    """Return what git knows. What has to be mended first is put on the list."""
    top = ask("git", "rev-parse", "--show-toplevel")
    there = top.returncode == 0 and Path(top.stdout.strip()).samefile(ROOT)
    if top.returncode and (ROOT / ".git").exists():
        in_the_way.append(f"git does not read this repository: {top.stderr.strip()}")
    elif not top.returncode and not there:
        in_the_way.append(
            f"This folder lies in the git repository {top.stdout.strip()}, and Heroku builds what "
            "is at the top of one. Move it out, or make it a repository of its own: git init"
        )
    with tempfile.TemporaryDirectory() as empty:
        # Where there is no repository yet, the folder is compared with an empty one.
        where = [] if there else ["--git-dir", empty, "--work-tree", str(ROOT)]
        if not there:
            answer("git", "init", "--quiet", "--bare", empty)
        plainly = ["-c", "core.quotePath=false", "-c", "status.renames=false"]
        status = answer("git", *where, *plainly, "status", "--porcelain", "--untracked-files=all")
        ignored = ask("git", *where, "check-ignore", "--quiet", ".htpasswd").returncode == 0
    states = re.findall(r"^(..) (.+)$", status, re.MULTILINE)
    changed = [name.strip('"') for _, name in states]
    new = [name.strip('"') for state, name in states if state == "??"]
    for name in new:  # check looks at those that git has
        if what := secret_in(ROOT, name):
            in_the_way.append(
                f"{name} would be committed, and {what}. Write {name} into .gitignore, or take the "
                "file away."
            )
    if any("U" in state or state in ("AA", "DD") for state, _ in states):
        in_the_way.append("A merge is not finished: git status says where. Finish it, and commit.")
    who = ask("git", "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if changed and who.returncode:
        in_the_way.append(
            "A commit bears a name, and git does not know yours. Say it once: "
            'git config --global user.name "Anna Berg", '
            "git config --global user.email anna@example.com"
        )
    if not there:
        return Repository(changed=changed, ignores_users=ignored)
    remote = ask("git", "config", "remote.heroku.url").stdout.strip()
    app = REMOTE.search(remote)
    if remote and not app:
        in_the_way.append(
            "The git remote heroku does not lead to Heroku. Give it another name: "
            "git remote rename heroku other"
        )
    branch = ask("git", "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip()
    head = ask("git", "rev-parse", "--quiet", "--verify", "HEAD").stdout.strip()
    return Repository(True, branch or "HEAD", head, changed, ignored, app[1] if app else "")


def whoami() -> str:
    """Return who is logged in at Heroku, or nothing.

    Raises:
        click.ClickException: Heroku does not answer.
    """
    ended = ask("heroku", "auth:whoami")
    if ended.returncode == NOT_LOGGED_IN:
        return ""
    return said(ended)


def look_at_app(name: str, must_be: bool) -> App | None:
    """Return what Heroku knows of the app, or None where it is not there and need not be.

    Raises:
        click.ClickException: Heroku does not show it.
    """
    at = ("--app", name)
    info = ask("heroku", "apps:info", "--json", *at)
    if info.returncode and not must_be:
        return None
    if info.returncode:
        raise click.ClickException(
            f"{info.stderr.strip()}\n\nThe git remote heroku leads to the app {name}, and Heroku "
            "does not show it to you. Log in as somebody who may see it: heroku login. If it is "
            "gone, take the remote away, and deploy makes a new one: git remote remove heroku"
        )
    app = json.loads(info.stdout)["app"]
    buildpacks = click.unstyle(answer("heroku", "buildpacks", *at))
    return App(
        stack=app["stack"]["name"],
        next_stack=app["build_stack"]["name"],
        buildpacks=[match[1] for match in BUILDPACK.finditer(buildpacks)],
        config=json.loads(answer("heroku", "config", "--json", *at)),
        built=app["slug_size"] is not None,
        commit=ask("git", "ls-remote", "heroku", "refs/heads/main").stdout.partition("\t")[0],
    )


def address(name: str) -> str:
    """Return where the app is in the web."""
    return json.loads(answer("heroku", "apps:info", "--json", "--app", name))["app"]["web_url"]


@contextmanager
def environment(config: dict[str, str]) -> Iterator[None]:
    """Have in the environment what the app has there, and not what is set on this machine."""
    here = {name: os.environ.pop(name) for name in CONFIG if name in os.environ}
    os.environ.update({name: config[name] for name in CONFIG if name in config})
    try:
        yield
    finally:
        for name in CONFIG:
            os.environ.pop(name, None)
        os.environ.update(here)


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that changes nothing, and return how it ended and what it said."""
    if not shutil.which(command[0]):
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not installed.")
    return subprocess.run(
        with_path(command),
        cwd=ROOT,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def with_path(command: Sequence[str]) -> list[str]:
    """Return the command with its program's path: on Windows heroku is heroku.cmd."""
    return [shutil.which(command[0]) or command[0], *command[1:]]


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a command said, or raise click.ClickException with it where it failed."""
    if ended.returncode:
        raise click.ClickException(ended.stderr.strip() or f"{ended.args} failed.")
    return ended.stdout.rstrip()


def answer(*command: str) -> str:
    """Return what a command says that changes nothing.

    Raises:
        click.ClickException: it has failed.
    """
    return said(ask(*command))


# The steps. Nothing in this part looks at anything.

LOGIN = [["heroku", "login"]]


def plan(seen: Seen, options: Sequence[str], message: str) -> Iterator[Step]:
    """Return all the steps in their order, with those that are done already.

    Raises:
        click.ClickException: app.json does not say what Heroku needs.
    """
    git, app = seen.git, seen.app
    stack, wanted = manifest()
    at = ["--app", seen.name]
    new = not app and not git.app
    buildpacks = list(reorder(wanted, wanted[:1] if new else app.buildpacks if app else ()))
    config = app.config if app else {}
    pushed = app and git.head and app.commit == git.head and not git.changed
    # Buildpacks and stack hold from the next build on, and Heroku builds when it gets a commit.
    rebuild = pushed and (buildpacks or app.stack != stack)

    yield Step(
        "Check the users, the menu and the apps",
        done="they are in order" if seen.users else "they need mending, see below",
    )
    yield Step("Log in at Heroku", LOGIN, f"{DONE}, as {seen.account}" if seen.account else "")
    yield Step(
        "Make this folder a git repository",
        [["git", "init", "--quiet"], ["git", "symbolic-ref", "HEAD", "refs/heads/main"]],
        DONE if git.there else "",
    )
    if rebuild:
        yield Step(
            "Make an empty commit: Heroku builds commits, and what follows needs a new build",
            [["git", "commit", "--quiet", "--allow-empty", "-m", message]],
        )
    else:
        yield Step(
            f"Commit {count(git.changed)}",
            [["git", "add", "--all"], ["git", "commit", "--quiet", "-m", message]],
            DONE if git.head and not git.changed else "",
        )
    if app and not git.app:
        yield Step(
            f"Take the app {seen.name}, which {seen.account} has on Heroku with nothing in it",
            [["heroku", "git:remote", *at]],
        )
    else:
        base = ["--stack", stack, "--buildpack", wanted[0]]
        yield Step(
            f"Create the app {seen.name} on Heroku",
            [["heroku", "create", seen.name, *base, *options]],
            DONE if git.app else "",
            "Is the name taken? Take another: python manage.py deploy --name team-numbers",
        )
    yield Step(
        f"Set its buildpacks: {', then '.join(wanted)}",
        [["heroku", *command, *at] for command in buildpacks],
        "" if buildpacks else DONE,
    )
    yield Step(
        f"Set its stack: {stack}",
        [["heroku", "stack:set", stack, *at]],
        "comes with the app" if new else DONE if app and app.next_stack == stack else "",
    )
    yield Step(
        "Set SESSION_SECRET, so that browsers stay logged in when the dyno restarts",
        [["heroku", "config:set", SECRET, *at]],
        DONE if config.get("SESSION_SECRET") else "",
    )
    if git.ignores_users and "HTPASSWD" not in config:
        yield Step(
            "Say who may log in: git ignores .htpasswd, and HTPASSWD is not set on Heroku. Take it "
            "out of .gitignore, or, in a public repository, put its text into the environment: "
            f'heroku config:set HTPASSWD="$(cat .htpasswd)" --app {seen.name}'
        )
    source = "main" if git.branch == "main" else f"{git.branch}:refs/heads/main"
    done = DONE if pushed and not rebuild else ""
    yield Step(
        "Push it to Heroku, which builds it and starts it",
        [["git", "push", "heroku", source]],
        done,
    )
    if not done:
        yield Step("Open it in the browser", [["heroku", "open", *at]], needed=False)


def manifest() -> tuple[str, list[str]]:
    """Return the stack and the buildpacks that app.json names.

    Raises:
        click.ClickException: it names none.
    """
    try:
        told = json.loads((ROOT / "app.json").read_text("utf-8-sig"))
        stack, buildpacks = told["stack"], [entry["url"] for entry in told["buildpacks"]]
        if buildpacks and all(text and isinstance(text, str) for text in (stack, *buildpacks)):
            return stack, buildpacks
    except (OSError, ValueError, LookupError, TypeError):
        pass
    raise click.ClickException(
        "app.json does not say what Heroku needs. It is JSON, with these among the rest: "
        '"stack": "heroku-24", '
        '"buildpacks": [{"url": "heroku/python"}, {"url": "heroku-community/nginx"}]'
    )


def reorder(wanted: Sequence[str], there: Sequence[str]) -> Iterator[list[str]]:
    """Return the commands that put the wanted buildpacks in order, and leave others alone."""
    rest = iter(there)
    # `in` goes on in the rest from where it was: the first one that does not come after the one
    # before it has to be put at the end, and so have all that follow.
    for buildpack in dropwhile(lambda buildpack: buildpack in rest, wanted):
        if buildpack in there:
            yield ["buildpacks:remove", buildpack]
        yield ["buildpacks:add", buildpack]


# Carrying them out.


def refuse(seen: Seen) -> None:
    """Raise click.ClickException where something has to be mended first."""
    if seen.in_the_way:
        raise click.ClickException("\n".join([MEND, *seen.in_the_way]))


def take(steps: Sequence[Step], first: int, yes: bool) -> None:
    """Carry out what is left of the steps, each after a question.

    Raises:
        click.ClickException: a command has failed, or a step is the user's to do.
        click.exceptions.Exit: the user has stopped it.
    """
    gap = False
    for number, step in enumerate(steps, first):
        click.echo("\n" * gap, nl=False)
        show(number, step)
        gap = not step.done
        if step.done:
            continue
        if not step.commands:
            raise click.ClickException(f"Step {number} is yours to do. {AGAIN}")
        try:
            carry_out(number, step, yes)
        except (click.Abort, KeyboardInterrupt):
            click.echo(f"\nStopped at step {number}; what was done stays. {AGAIN}", err=True)
            raise click.exceptions.Exit(1) from None


def carry_out(number: int, step: Step, yes: bool) -> None:
    """Run a step's commands, after a question.

    Raises:
        click.Abort: the user has said no to a step that is needed.
        click.ClickException: a command of such a step has failed.
    """
    if not yes and not click.confirm("   Do it?", default=True):
        if step.needed:
            raise click.Abort
        return
    for command in step.commands:
        status = run(command)
        if status and step.needed:
            raise click.ClickException(
                f"Step {number} failed: {shown(command)} ended with status {status}; the reason "
                f"stands above. {step.way_out or AGAIN}"
            )


def run(command: Sequence[str]) -> int:
    """Run a command on the user's terminal, and return its exit status."""
    secret = f"SESSION_SECRET={secrets.token_hex(32)}"
    words = [secret if word == SECRET else word for word in command]
    quiet = subprocess.DEVNULL if SECRET in command else None  # the CLI repeats what it has set
    return subprocess.run(with_path(words), cwd=ROOT, stdout=quiet).returncode


# What is shown.


def show_all(steps: Sequence[Step], seen: Seen) -> None:
    """Print all the steps, and what has to be mended before the first one."""
    for number, step in enumerate(steps, 1):
        show(number, step)
    if seen.git.app and not seen.app:
        click.echo(
            "\nWhat is done on Heroku already shows after the login; until then, all is listed."
        )
    if seen.in_the_way:
        click.echo("\n".join(["", MEND, *seen.in_the_way]))
    click.echo("\nThis was a dry run: nothing was changed.")


def show(number: int, step: Step) -> None:
    """Print a step, with the commands of one that is left."""
    if step.done:
        click.echo(f"{number}. {step.words}: {step.done}")
        return
    click.echo(f"{number}. {step.words}")
    for command in step.commands:
        click.echo(f"       {shown(command)}")


def shown(command: Sequence[str]) -> str:
    """Return a command as one would type it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def some(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    first = [*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])]
    return " and ".join(filter(None, [", ".join(first[:-1]), *first[-1:]]))


def count(files: Sequence[str]) -> str:
    """Return how many files there are, and what the first ones are called."""
    if not files:  # without git nobody knows
        return "all files"
    return f"{len(files)} file{'s' if len(files) > 1 else ''}: {some(files)}"
