"""manage.py deploy, against a stand-in for Heroku that notes what it is asked (tests/heroku)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest
from baked import ROOT, BakedProject

HASH = "$2b$12$" + "./AZaz09" * 6 + "abcde"  # of no password
LOOKS = ["auth:whoami", "apps:info", "buildpacks", "config"]  # they change nothing
ASKED = "   Do it? [Y/n]: "

AT = "--app data-apps"
CREATE = "create data-apps --stack heroku-24 --buildpack heroku/python"
PYTHON = f"buildpacks:add heroku/python {AT}"
NGINX = f"buildpacks:add heroku-community/nginx {AT}"
NO_NGINX = f"buildpacks:remove heroku-community/nginx {AT}"
STACK = f"stack:set heroku-24 {AT}"
SECRET = f"config:set SESSION_SECRET=... {AT}"
OPEN = f"open {AT}"
ALL = [CREATE, NGINX, SECRET, OPEN]
ONLINE = "\nThe apps are at https://data-apps-"


@dataclass
class Laptop:
    """Somebody's machine, with a project, git and the stand-in, and Heroku behind it."""

    home: Path
    project: BakedProject

    def __post_init__(self) -> None:
        (self.home / "bin").mkdir()
        self.environment = {
            "PATH": str(self.home / "bin"),
            "HOME": str(self.home),
            "HEROKU_STATE": str(self.home / "heroku.json"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        for name, path in [
            ("git", shutil.which("git")),
            ("heroku", ROOT / "tests/heroku"),
            ("python3", sys.executable),
        ]:
            (self.home / "bin" / name).symlink_to(path)
        (self.home / ".gitconfig").write_text("[user]\nname = Anna\nemail = anna@example.com\n")
        self.set(account="anna@example.com", apps={}, calls=[])

    def without(self, program: str) -> None:
        (self.home / "bin" / program).unlink()

    def run(self, *command: str, fails: bool = False) -> str:
        """Type a command in the project's folder, and return what it says."""
        path = shutil.which(command[0], path=self.environment["PATH"])
        ended = subprocess.run(
            [path, *command[1:]],
            cwd=self.project.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert fails or ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip()

    def heroku(self, *commands: str) -> None:
        """Type commands of Heroku's, and have the stand-in forget that it was asked."""
        for command in commands:
            self.run("heroku", *command.split(" "))
        self.set(calls=[])

    def git(self, *commands: str) -> None:
        for command in commands:
            self.run("git", *command.split(" "))

    def deploy(self, *arguments: str) -> tuple[int, str]:
        """Run `manage.py deploy` without a terminal. Returns its exit status and all it says."""
        ended = subprocess.run(
            [sys.executable, "manage.py", "deploy", *arguments],
            cwd=self.project.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert "Traceback" not in ended.stdout
        return ended.returncode, ended.stdout

    def answer(self, *answers: str, until: str | None = None) -> tuple[int, str]:
        """Run it on a terminal and answer its questions, with Ctrl-C once a text is shown."""
        child = pexpect.spawn(
            sys.executable,
            ["manage.py", "deploy"],
            cwd=self.project.path,
            env=self.environment,
            encoding="utf-8",
            timeout=20,
        )
        told = ""
        for text in answers:
            child.expect_exact(ASKED)
            told += child.before + child.after
            child.send(text)
        if until:
            child.expect_exact(until)
            told += child.before + child.after
            child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        told = (told + child.before).replace("\r\n", "\n")
        assert "Traceback" not in told
        return child.exitstatus, told

    @property
    def state(self) -> dict:
        return json.loads((self.home / "heroku.json").read_text("utf-8"))

    def set(self, **state: object) -> None:
        path = self.home / "heroku.json"
        before = self.state if path.exists() else {}
        path.write_text(json.dumps(before | state), "utf-8")

    @property
    def app(self) -> dict:
        return self.state["apps"]["data-apps"]

    @property
    def head(self) -> str:
        return self.run("git", "rev-parse", "HEAD")

    @property
    def changes(self) -> list[str]:
        """What Heroku was asked for, but for looks. The digits of a secret are left out."""
        calls = [call for call in self.state["calls"] if call[0] not in LOOKS]
        return [re.sub(r"=[0-9a-f]{64}\b", "=...", " ".join(call)) for call in calls]


@pytest.fixture(scope="module")
def baked(bake_once) -> Path:
    return bake_once(project_slug="data-apps", auth_user="anna.b", apps="Sales Report").path


@pytest.fixture
def laptop(baked, tmp_path):
    """A machine with a fresh project, and somebody who is logged in at Heroku."""
    return Laptop(tmp_path, BakedProject(shutil.copytree(baked, tmp_path / "data-apps")))


def nothing(laptop: Laptop) -> None:
    pass


def repository(laptop: Laptop) -> None:
    laptop.git("init -q -b main", "add -A", "commit -q -m Ours")


def created(*commands: str):
    """A repository, and an app that was created by hand."""

    def prepare(laptop: Laptop) -> None:
        repository(laptop)
        laptop.heroku(*commands)

    return prepare


def pushed(*commands: str):
    """The same, with everything pushed."""

    def prepare(laptop: Laptop) -> None:
        repository(laptop)
        laptop.heroku(*commands)
        laptop.git("push -q heroku main")

    return prepare


def pushed_and_changed(laptop: Laptop) -> None:
    pushed(*BY_HAND)(laptop)
    laptop.run(sys.executable, "manage.py", "add-app", "Churn")


def half_created(laptop: Laptop) -> None:
    """The app is there, and the run was cut off before git knew of it."""
    laptop.heroku("create data-apps --no-remote")


def feature_branch(laptop: Laptop) -> None:
    pushed(*BY_HAND)(laptop)
    laptop.git("checkout -q -b feature", "commit -q --allow-empty -m More")


SET = f"config:set SESSION_SECRET={'5' * 64}"
BY_HAND = [CREATE, "buildpacks:add heroku-community/nginx", SET]

# What there is before; what Heroku is asked for; how many commits are made.
STARTS = {
    "nothing": (nothing, ALL, 1),
    "a repository": (repository, ALL, 0),
    "an app without buildpacks": (created("create data-apps"), [PYTHON, NGINX, SECRET, OPEN], 0),
    "an app with Python alone": (created(CREATE), [NGINX, SECRET, OPEN], 0),
    "an app with nginx alone": (
        created("create data-apps -b heroku-community/nginx", SET),
        [PYTHON, NO_NGINX, NGINX, OPEN],
        0,
    ),
    "an app with nginx first": (
        created("create data-apps -b heroku-community/nginx", "buildpacks:add heroku/python", SET),
        [NO_NGINX, NGINX, OPEN],
        0,
    ),
    "an app with a buildpack more": (
        created("create data-apps -b heroku-community/apt", "buildpacks:add heroku/python"),
        [NGINX, SECRET, OPEN],
        0,
    ),
    "an app on an old stack": (
        created(CREATE.replace("24", "22"), *BY_HAND[1:]),
        [STACK, OPEN],
        0,
    ),
    "an app that lacks the push": (created(*BY_HAND), [OPEN], 0),
    "all that the README says": (pushed(*BY_HAND), [], 0),
    "a change since": (pushed_and_changed, [OPEN], 1),
    "online without a secret": (pushed(*BY_HAND[:2]), [SECRET], 0),
    "online with nginx missing": (pushed(CREATE, SET), [NGINX, OPEN], 1),
    "online on an old stack": (
        pushed(CREATE.replace("24", "22"), *BY_HAND[1:]),
        [STACK, OPEN],
        1,
    ),
    "an app of which git does not know": (
        half_created,
        [f"git:remote {AT}", PYTHON, NGINX, SECRET, OPEN],
        1,
    ),
    "a branch": (feature_branch, [OPEN], 0),
}


@pytest.mark.parametrize(("prepare", "changes", "commits"), STARTS.values(), ids=STARTS)
def test_it_does_what_is_left_and_a_second_run_does_nothing(laptop, prepare, changes, commits):
    prepare(laptop)
    before = laptop.run("git", "rev-list", "--count", "HEAD", fails=True)
    status, told = laptop.deploy("--yes")
    assert status == 0, told
    assert laptop.changes == changes
    assert laptop.run("git", "rev-list", "--count", "HEAD") == str(int(before or 0) + commits)
    assert laptop.run("git", "status", "--porcelain") == ""
    assert told.count(ONLINE) == 1
    assert told.endswith("\nWho may log in: anna.b\n")

    release = laptop.app["releases"][-1]
    assert release["commit"] == laptop.head
    assert release["stack"] == "heroku-24"
    ours = [name for name in release["buildpacks"] if not name.endswith("/apt")]
    assert ours == ["heroku/python", "heroku-community/nginx"]
    secret = laptop.app["config"]["SESSION_SECRET"]
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert secret not in told

    laptop.set(calls=[])
    state, files = laptop.state, laptop.project.files
    status, told = laptop.deploy("--yes")
    assert status == 0
    assert laptop.changes == []
    assert laptop.project.files == files
    assert laptop.state | {"calls": []} == state
    assert re.findall(r"^(\d+)\..*: (?:done already.*|they are in order)$", told, re.MULTILINE) == [
        str(number) for number in range(1, 10)
    ]
    assert told.count(ONLINE) == 1


@pytest.mark.parametrize("host", ["buildpack-registry", "codon-buildpacks"])
def test_buildpacks_that_are_shown_by_their_archives(laptop, host):
    pushed(*BY_HAND)(laptop)
    archive = f"https://{host}.s3.amazonaws.com/buildpacks/{{}}.tgz".format
    urls = [archive(name) for name in laptop.app["buildpacks"]]
    laptop.set(apps={"data-apps": laptop.app | {"buildpacks": urls}})
    assert laptop.deploy("--yes")[0] == 0
    assert laptop.changes == []


def test_two_apps_have_two_secrets(laptop):
    laptop.deploy("--yes")
    first = laptop.app["config"]["SESSION_SECRET"]
    laptop.run("heroku", "config:unset", "SESSION_SECRET")
    laptop.deploy("--yes")
    assert laptop.app["config"]["SESSION_SECRET"] != first


def test_the_first_push_holds_the_whole_project(laptop):
    before = set(laptop.project.files)
    laptop.deploy("--yes")
    assert set(laptop.run("git", "ls-tree", "-r", "--name-only", "HEAD").splitlines()) == before
    assert laptop.run("git", "branch", "--show-current") == "main"


def test_a_new_app_is_called_and_placed_as_one_says(laptop):
    status, told = laptop.deploy(
        "--yes", "--name", "team-numbers", "--region", "eu", "--team", "ours", "-m", "First of all"
    )
    assert status == 0, told
    assert laptop.changes[0] == CREATE.replace("data-apps", "team-numbers") + (
        " --region eu --team ours"
    )
    assert laptop.changes[-1] == "open --app team-numbers"
    assert laptop.run("git", "log", "-1", "--format=%s") == "First of all"
    assert "The apps are at https://team-numbers-" in told
    # The remote knows from then on, and saying it once more does no harm.
    laptop.set(calls=[])
    assert laptop.deploy("--yes")[0] == laptop.deploy("--yes", "--name", "team-numbers")[0] == 0
    assert laptop.changes == []


def test_app_json_says_which_buildpacks_and_which_stack(laptop):
    laptop.project.change("app.json", '{"url": "heroku/python"}', '{"url": "heroku/nodejs"}')
    laptop.project.change("app.json", "heroku-24", "heroku-22")
    assert laptop.deploy("--yes")[0] == 0
    assert laptop.changes[:2] == [
        "create data-apps --stack heroku-22 --buildpack heroku/nodejs",
        NGINX,
    ]


# On a terminal.

QUESTIONS = [
    "Make this folder a git repository",
    "Commit ",
    "Create the app data-apps on Heroku",
    "Set its buildpacks: heroku/python, then heroku-community/nginx",
    "Set SESSION_SECRET, so that browsers stay logged in when the dyno restarts",
    "Push it to Heroku, which builds it and starts it",
    "Open it in the browser",
]


def test_each_step_is_shown_and_asked_for_once(laptop):
    status, told = laptop.answer(*["\r"] * len(QUESTIONS))
    assert status == 0
    asked = re.findall(rf"^\d+\. (.*)\n(?: {{7}}.*\n)+{re.escape(ASKED)}", told, re.MULTILINE)
    assert [words.split("Commit")[0] or "Commit " for words in asked] == QUESTIONS
    assert laptop.changes == ALL
    assert ONLINE in told


STOPS = {
    **{f"no: {question}": (number, "n\r") for number, question in enumerate(QUESTIONS[:-1])},
    "Ctrl-C": (3, "\x03"),
    "Ctrl-D": (4, "\x04"),
}


@pytest.mark.parametrize(("number", "no"), STOPS.values(), ids=STOPS)
def test_whoever_stops_it_goes_on_from_there(laptop, number, no):
    before = laptop.project.files
    status, told = laptop.answer(*["y\r"] * number, no)
    assert status == 1
    assert re.search(
        r"\nStopped at step \d+; what was done stays. python manage.py deploy goes on from here.\n$",
        told,
    )
    so_far = laptop.changes
    assert so_far == ALL[: max(0, number - 2)]
    assert number or laptop.project.files == before
    assert laptop.deploy("--yes")[0] == 0
    assert laptop.changes == ALL


def test_nobody_has_to_open_it(laptop):
    status, told = laptop.answer(*["y\r"] * 6, "n\r")
    assert status == 0
    assert laptop.changes == ALL[:-1]
    assert ONLINE in told


def test_whoever_is_not_logged_in_is_asked_to_log_in_first(laptop):
    pushed(*BY_HAND[:2])(laptop)
    laptop.set(account="")
    status, told = laptop.answer("y\r", "y\r")
    assert status == 0
    assert laptop.changes == ["login", SECRET]  # what is done already shows after the login
    assert ONLINE in told


def test_whoever_does_not_log_in_changes_nothing(laptop):
    laptop.set(account="")
    before = laptop.project.files
    status, told = laptop.answer("n\r")
    assert status == 1
    assert "Stopped at step 2;" in told
    assert laptop.changes == []
    assert laptop.project.files == before


@pytest.mark.parametrize(
    ("where", "questions", "after"),
    [
        # The app was there when it was stopped, and git did not know.
        ("create", 3, [f"git:remote {AT}", PYTHON, NGINX, SECRET, OPEN]),
        ("push", 6, [OPEN]),
    ],
)
def test_interrupted_in_a_command_it_goes_on(laptop, where, questions, after):
    laptop.set(hangs=[where])
    status, told = laptop.answer(*["y\r"] * questions, until="Hanging ...")
    assert status == 1
    assert "Stopped at step " in told
    laptop.set(hangs=[], calls=[])
    status, told = laptop.deploy("--yes")
    assert status == 0, told
    assert laptop.changes == after


# What does not go.


def test_without_a_terminal_it_asks_nothing_and_does_nothing(laptop):
    before = laptop.project.files
    status, told = laptop.deploy()
    assert status == 1
    assert told == (
        "Error: Each step is asked for on a terminal, and there is none here. --yes takes them all "
        "without asking, --dry-run lists them.\n"
    )
    assert laptop.state["calls"] == []
    assert laptop.project.files == before


def broken(name: str, text: str):
    return lambda laptop: laptop.project.write(name, text)


def larger_repository(laptop: Laptop) -> None:
    laptop.run("git", "init", "-q", str(laptop.home))


def broken_repository(laptop: Laptop) -> None:
    (laptop.project.path / ".git").mkdir()


def nameless(laptop: Laptop) -> None:
    """git would guess a name from the machine's account."""
    (laptop.home / ".gitconfig").write_text("[user]\nemail = anna@example.com\n")


def unfinished_merge(laptop: Laptop) -> None:
    repository(laptop)
    laptop.git("checkout -q -b other")
    laptop.project.write("README.md", "other\n")
    laptop.git("commit -q -a -m Other", "checkout -q main")
    laptop.project.write("README.md", "main\n")
    laptop.git("commit -q -a -m Main")
    laptop.run("git", "merge", "other", fails=True)


def other_remote(laptop: Laptop) -> None:
    repository(laptop)
    laptop.git("remote add heroku https://anna:hunter2@example.com/data-apps.git")


def gone(laptop: Laptop) -> None:
    pushed(*BY_HAND)(laptop)
    laptop.set(apps={})


def other_project(laptop: Laptop) -> None:
    pushed(*BY_HAND)(laptop)
    laptop.git("remote remove heroku")


def logged_out(laptop: Laptop) -> None:
    laptop.set(account="")


def offline(command: str):
    """Heroku does not answer a command."""

    def prepare(laptop: Laptop) -> None:
        pushed(*BY_HAND)(laptop)
        laptop.set(fails=[command])

    return prepare


def short_secret(laptop: Laptop) -> None:
    pushed(*BY_HAND[:2], "config:set SESSION_SECRET=short")(laptop)


def another_secret(laptop: Laptop) -> None:
    pushed(*BY_HAND)(laptop)
    laptop.project.write(".env.production", "PASSWORD=hunter2\n")


REFUSED = {
    "a key": (
        broken("key.pem", "-----BEGIN PRIVATE KEY-----\nhunter2\n"),
        "key.pem would be committed, and holds a private key. Write key.pem into .gitignore",
    ),
    "a secret since": (another_secret, ".env.production would be committed, and holds secrets."),
    "broken menu": (broken("apps.json", "[]"), "apps.json lists no app."),
    "broken users": (broken(".htpasswd", "anna.b:x\n"), ".htpasswd, line 1: no hash stands"),
    "broken app.json": (broken("app.json", "{}"), "app.json does not say what Heroku needs."),
    "a short secret": (short_secret, "SESSION_SECRET is shorter than 32 characters."),
    "a larger repository": (larger_repository, "This folder lies in the git repository "),
    "a broken repository": (broken_repository, "git does not read this repository: "),
    "nobody's name": (nameless, 'git config --global user.name "Anna Berg"'),
    "an unfinished merge": (unfinished_merge, "A merge is not finished"),
    "a remote to elsewhere": (other_remote, "The git remote heroku does not lead to Heroku."),
    "an app that is gone": (gone, "git remote remove heroku"),
    "another project's app": (other_project, "heroku git:remote --app data-apps"),
    "nobody logged in": (logged_out, "heroku login. For a script: "),
    "no git": (lambda laptop: laptop.without("git"), "https://git-scm.com/downloads"),
    "no heroku": (
        lambda laptop: laptop.without("heroku"),
        "https://devcenter.heroku.com/articles/heroku-cli",
    ),
    **{
        f"{look} without an answer": (offline(look), "getaddrinfo ENOTFOUND api.heroku.com")
        for look in LOOKS
    },
}


@pytest.mark.parametrize(("prepare", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_in_the_way_is_said_and_nothing_done(laptop, prepare, said):
    prepare(laptop)
    before = laptop.project.files
    status, told = laptop.deploy("--yes")
    assert status == 1
    assert said in told
    assert "hunter2" not in told
    assert laptop.changes == []
    assert laptop.project.files == before


@pytest.mark.parametrize("name", ["Data", "x", "9apps", "data-", "--yes", "a" * 31])
def test_a_name_that_heroku_would_refuse(laptop, name):
    status, told = laptop.deploy("--yes", f"--name={name}")
    assert status == 1
    assert f"{name!r} is no name for an app on Heroku." in told
    assert laptop.changes == []


def test_another_name_than_the_apps_is_refused(laptop):
    pushed(*BY_HAND)(laptop)
    status, told = laptop.deploy("--yes", "--name", "other")
    assert status == 1
    assert "The git remote heroku leads to the app data-apps, and not to other." in told
    assert laptop.changes == []


def test_all_that_is_in_the_way_is_said_at_once(laptop):
    laptop.project.write("apps.json", "[]")
    laptop.set(account="")
    nameless(laptop)
    _, told = laptop.deploy("--yes")
    for said in ("apps.json lists no app", "user.name", "heroku login"):
        assert said in told


# What fails on the way.

FAILURES = {
    "create": ({"taken": ["data-apps"]}, "Name data-apps is already taken", [CREATE]),
    "buildpacks": ({"fails": ["buildpacks:add"]}, "ENOTFOUND", ALL[:2]),
    "config": ({"fails": ["config:set"]}, "ENOTFOUND", ALL[:3]),
    "push": ({"push": "apps.json lists no app."}, "!     apps.json lists no app.", ALL[:3]),
}


@pytest.mark.parametrize(("state", "said", "asked"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_named_and_the_next_run_goes_on(laptop, state, said, asked):
    laptop.set(**state)
    status, told = laptop.deploy("--yes")
    assert status == 1
    assert said in told
    reason = told.index(said)
    assert re.search(
        r"\nError: Step \d+ failed: .* ended with status \d+; the reason", told[reason:]
    )
    assert ONLINE not in told
    assert laptop.changes == asked
    laptop.set(calls=[], taken=[], fails=[], push="")
    assert laptop.deploy("--yes")[0] == 0
    assert laptop.changes == ALL[len(asked) - ("push" not in state) :]


def test_a_name_that_is_taken_has_a_way_out(laptop):
    laptop.set(taken=["data-apps"])
    _, told = laptop.deploy("--yes")
    assert told.endswith(
        "Is the name taken? Take another: python manage.py deploy --name team-numbers\n"
    )
    assert laptop.deploy("--yes", "--name", "team-numbers")[0] == 0


def test_a_failed_commit_is_not_pushed(laptop):
    repository(laptop)
    hook = laptop.project.path / ".git/hooks/pre-commit"
    hook.write_text(f"#!{sys.executable}\nraise SystemExit('No, thank you')\n")
    hook.chmod(0o755)
    laptop.project.write("README.md", "changed\n")
    status, told = laptop.deploy("--yes")
    assert status == 1
    assert "No, thank you" in told
    assert laptop.changes == []


def test_without_a_browser_it_is_online_all_the_same(laptop):
    laptop.set(fails=["open"])
    status, told = laptop.deploy("--yes")
    assert status == 0
    assert laptop.changes == ALL
    assert ONLINE in told


# Who may log in.


def test_users_in_the_apps_environment_are_those_that_count(laptop):
    pushed(*BY_HAND)(laptop)
    laptop.set(apps={"data-apps": laptop.app | {"config": {"HTPASSWD": f"bob:{HASH}"}}})
    (laptop.project.path / ".htpasswd").unlink()
    status, told = laptop.deploy("--yes")
    assert status == 0, told
    assert told.endswith("\nWho may log in: bob\n")


def test_what_is_set_on_this_machine_does_not_count(laptop):
    laptop.environment |= {"HTPASSWD": "nobody", "SESSION_SECRET": "short", "FRAME_ANCESTORS": "x"}
    status, told = laptop.deploy("--yes")
    assert status == 0, told
    assert told.endswith("\nWho may log in: anna.b\n")


def test_users_whom_git_ignores_have_to_be_in_the_environment(laptop):
    laptop.project.write(".gitignore", laptop.project.read(".gitignore") + ".htpasswd\n")
    status, told = laptop.deploy("--yes")
    assert status == 1
    assert "Say who may log in: git ignores .htpasswd, and HTPASSWD is not set on Heroku." in told
    assert laptop.changes == ALL[:3]
    assert laptop.app["releases"] == []
    laptop.run("heroku", "config:set", f"HTPASSWD={laptop.project.read('.htpasswd')}")
    laptop.set(calls=[])
    assert laptop.deploy("--yes")[0] == 0
    assert laptop.changes == [OPEN]
    assert ".htpasswd" not in laptop.run("git", "ls-files").splitlines()


def test_many_users_are_not_all_named(laptop):
    names = ["anna", "bob", "carol", "dave", "eve"]
    laptop.project.write(".htpasswd", "".join(f"{name}:{HASH}\n" for name in names))
    assert laptop.deploy("--yes")[1].endswith("\nWho may log in: anna, bob, carol and 2 more\n")


# The dry run.

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

DRY = {
    "nothing": (nothing, COMMANDS, ""),
    "nobody logged in": (
        logged_out,
        ["heroku login", *COMMANDS],
        "Nobody is logged in at Heroku",
    ),
    "no heroku": (
        lambda laptop: laptop.without("heroku"),
        ["heroku login", *COMMANDS],
        "heroku is not installed. Get it: https://devcenter.heroku.com/articles/heroku-cli",
    ),
    "no git": (
        lambda laptop: laptop.without("git"),
        COMMANDS,
        "git is not installed. Get it: https://git-scm.com/downloads",
    ),
    "broken menu": (broken("apps.json", "[]"), COMMANDS, "apps.json lists no app."),
    "a repository": (repository, COMMANDS[4:], ""),
    "all done": (pushed(*BY_HAND), [], ""),
    "online with nginx missing": (
        pushed(CREATE, SET),
        ["git commit --quiet --allow-empty -m Deploy", COMMANDS[5], *COMMANDS[7:]],
        "",
    ),
    "a branch": (feature_branch, ["git push heroku feature:refs/heads/main", COMMANDS[8]], ""),
}


@pytest.mark.parametrize(("prepare", "commands", "said"), DRY.values(), ids=DRY)
def test_a_dry_run_lists_every_command_and_changes_nothing(laptop, prepare, commands, said):
    prepare(laptop)
    files, apps = laptop.project.files, laptop.state["apps"]
    status, told = laptop.deploy("--dry-run")
    assert status == 0
    assert re.findall(r"^ {7}(.*)", told, re.MULTILINE) == commands
    assert said in told
    assert "To be mended first:" in told or not said
    assert told.endswith("\nThis was a dry run: nothing was changed.\n")
    assert laptop.project.files == files
    assert laptop.changes == []
    assert laptop.state["apps"] == apps


def test_a_dry_run_lists_what_an_app_may_have_already_where_it_cannot_see(laptop):
    pushed(*BY_HAND)(laptop)
    laptop.set(account="")
    _, told = laptop.deploy("--dry-run")
    assert (
        "\nWhat is done on Heroku already shows after the login; until then, all is listed.\n"
        in told
    )
    for change in (PYTHON, NGINX, STACK, OPEN):
        assert f"       heroku {change}\n" in told
    assert "heroku create" not in told


def test_a_dry_run_says_what_would_be_committed(laptop):
    files = sorted(laptop.project.files)
    _, told = laptop.deploy("--dry-run")
    first = ", ".join(files[:3])
    assert f"Commit {len(files)} files: {first} and {len(files) - 3} more\n" in told
    repository(laptop)
    laptop.project.write("apps/Umsätze 2024.py", "")
    _, told = laptop.deploy("--dry-run")
    assert "Commit 1 file: apps/Umsätze 2024.py\n" in told


def test_programs_are_found_however_they_are_called_here(code, monkeypatch):
    deploy = code.load("deploy")
    monkeypatch.setattr(deploy.shutil, "which", lambda name: rf"C:\bin\{name}.cmd")
    assert deploy.with_path(["heroku", "login"]) == [r"C:\bin\heroku.cmd", "login"]
