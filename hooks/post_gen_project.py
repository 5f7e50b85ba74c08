"""Checks the answers, and installs the files. In an existing project it keeps what is edited.

First the rendered files are moved into _hook/, and the folder is restored as it was before. The
rest is made there as well, with the new project's own code. Then the files are installed, as
apphub.update.decide says. A failure rolls all of it back.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from apphub.update.changes import Changes

# Answers come in as data, never as code.
ANSWERS: dict[str, Any] = json.loads(r"""{{ cookiecutter | tojson }}""")

USER_OWNED = [Path(name) for name in ANSWERS["_user_owned"]]
TEMPLATE_OWNED = [Path(name) for name in ANSWERS["_template_owned"]]
FOLDERS = sorted({Path("apps"), *(folder for path in USER_OWNED for folder in path.parents)})
BACKUP = Path(".cookiecutter-backup")
STAGE = Path("_hook")

START = Path(os.environ.get("PWD", "/"))  # where cookiecutter was started
COMMAS = "[,，、،]"  # noqa: RUF001 - in every script


def stage_rendered_files() -> None:
    """Move what cookiecutter has rendered into _hook/."""
    for path in [*USER_OWNED, *TEMPLATE_OWNED]:
        (STAGE / path).parent.mkdir(parents=True, exist_ok=True)
        path.rename(STAGE / path)


def restore_user_files() -> None:
    """Bring back what was in the folder before cookiecutter rendered into it."""
    for path in USER_OWNED:
        saved = BACKUP / path
        if not saved.exists():
            path.unlink(missing_ok=True)
        elif not path.exists() or saved.read_bytes() != path.read_bytes():
            shutil.copy2(saved, path)
    for path in TEMPLATE_OWNED:
        shutil.rmtree(path, ignore_errors=True)
        if (BACKUP / path).is_dir():
            shutil.copytree(BACKUP / path, path)
    for folder in reversed(FOLDERS):  # the innermost first
        if not (BACKUP / folder).is_dir():
            with suppress(OSError):  # it is not empty: another program writes here
                folder.rmdir()


def load_apphub() -> None:
    """Make `import apphub` find _hook/apphub, and nothing else in the user's folder."""
    sys.dont_write_bytecode = True
    for cache in [*STAGE.rglob("__pycache__")]:  # from a template that its author has just tested
        shutil.rmtree(cache)
    path = Path.cwd() / STAGE / "apphub" / "__init__.py"
    spec = importlib.util.spec_from_file_location("apphub", path)
    if spec and spec.loader:
        module = sys.modules["apphub"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def validate_project_name(name: str) -> None:
    """Check app_name. Raises ValueError with the rule and an example, like the others here."""
    from apphub.text import validate_line

    try:
        validate_line(name, 30)
    except ValueError as error:
        rule = "It must be 1 to 30 characters on one line (Heroku's limit in app.json)."
        raise ValueError(f"{name!r} {error}. {rule} Example: Data Apps") from None


def validate_project_slug(slug: str) -> None:
    """Check project_slug, the folder's name."""
    from apphub.text import validate_heroku_name

    try:
        validate_heroku_name(slug)
    except ValueError as error:
        raise ValueError(f"{slug!r} {error}. Example: data-apps") from None


def validate_user(name: str) -> None:
    """Check auth_user."""
    from apphub.accounts import validate_user_name

    validate_user_name(name)


def validate_apps(apps: str) -> None:
    """Check the names in apps, each by itself and against the ones before it."""
    from apphub.registry import validate_app_name
    from apphub.text import name_key

    seen: set[str] = set()
    for name in split_names(apps):
        validate_app_name(name)
        if name_key(name) in seen:
            raise ValueError(f"{name!r} is there twice (case is ignored). Give each name once.")
        seen.add(name_key(name))


def validate_password_source(source: str) -> None:
    """Check password_source."""
    if source not in ("generate", "ask"):
        raise ValueError(f"{source!r} is not valid: it must be generate or ask. Example: generate")
    is_given = os.path.lexists(".htpasswd") or "AUTH_PASSWORD" in os.environ or is_throwaway()
    if source == "ask" and not is_given and not sys.stdin.isatty():
        raise ValueError(
            "'ask' requires a terminal to type on, and there is none: set AUTH_PASSWORD. "
            "Example: generate"
        )


CHECKS = {
    "app_name": validate_project_name,
    "project_slug": validate_project_slug,
    "auth_user": validate_user,
    "apps": validate_apps,
    "password_source": validate_password_source,
}


def find_wrong_answers() -> list[str]:
    """Return a line for each wrong answer: what was given, the rule, an example."""
    from apphub.finding import InvalidInput
    from apphub.passwords import validate_password

    wrong = []
    for question, validate in CHECKS.items():
        answer = ANSWERS[question]
        try:
            if not isinstance(answer, str):
                raise ValueError(f'{answer!r} is not text. Put it in quotes: "{answer}"')
            validate(answer)
        except (ValueError, InvalidInput) as error:
            wrong.append(f"{question}: {error}")
    try:
        if "AUTH_PASSWORD" in os.environ:
            validate_password(os.environ["AUTH_PASSWORD"])
    except InvalidInput as error:
        wrong.append(f"AUTH_PASSWORD: {error}")
    return wrong


def split_names(apps: str) -> list[str]:
    """Return the names in the answer to apps."""
    return [name.strip(" ") for name in re.split(COMMAS, apps)]


def is_throwaway() -> bool:
    """Return whether cruft makes this project to compare it with another one, and deletes it then.

    `cruft update` and `cruft diff` pass no _repo_dir, as `cruft create` does not either, but they
    write into a new temporary folder.
    """
    parent = Path.cwd().parent
    if "_repo_dir" in ANSWERS or not re.fullmatch("tmp[a-z0-9_]{8}", parent.name):
        return False
    return parent.parent.samefile(tempfile.gettempdir())


def stage_new_files() -> list[str]:
    """Make .htpasswd, the apps and .cookiecutter.json in _hook/.

    Returns:
        The lines of the report on the password.
    """
    from apphub.record import write_record
    from apphub.registry import add_app
    from apphub.update.answers import write_answers
    from apphub.update.report import describe_users

    write_record(STAGE / "apphub")
    write_answers(ANSWERS, STAGE, START)
    if not os.path.lexists("apps.json"):
        for name in split_names(ANSWERS["apps"]):
            add_app(name, STAGE, STAGE / "config/app_template.py")
    if os.path.lexists(".htpasswd"):
        return describe_users(Path(), ANSWERS["auth_user"])
    return stage_password()


def stage_password() -> list[str]:
    """Write .htpasswd with the first user. Returns the lines of the report."""
    from apphub.accounts import set_password
    from apphub.passwords import generate_password, prompt_password

    user, password = ANSWERS["auth_user"], os.environ.get("AUTH_PASSWORD")
    if password is not None:
        lines = [f"The password of {user} is the one in AUTH_PASSWORD."]
    elif is_throwaway():
        return []
    elif ANSWERS["password_source"] == "ask":  # noqa: S105
        password = prompt_password(user)
        lines = [f"{user} logs in with the password that you typed."]
    else:
        password = generate_password()
        lines = ["Write this down; it is shown only once and not stored:", ""]
        lines += [f"    user      {user}", f"    password  {password}"]
    set_password(user, password, STAGE)
    return lines


def stop(*_: object) -> NoReturn:
    """End this run as Ctrl-C does."""
    raise KeyboardInterrupt


def on_signals(action: Any) -> None:
    """Do this on the signals that would end the run. Windows has no SIGHUP."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), action)


def install(changes: Changes) -> str:
    """Make and install all files.

    Returns:
        The report; "" for a copy that cruft makes and deletes.

    Raises:
        SystemExit: an answer is wrong.
    """
    from apphub.update.install import Installer
    from apphub.update.report import Report

    if wrong := [f"  - {line}" for line in find_wrong_answers()]:
        last = "The traceback below comes from cookiecutter; ignore it."
        raise SystemExit("\n".join(["Nothing was written:", *wrong, "", last]))
    password = stage_new_files()
    installer = Installer.prepare(Path(), STAGE, changes, ANSWERS)
    foreign = installer.install()
    if is_throwaway():
        return ""
    written, is_update = installer.changes.paths, installer.is_update
    name, folder = ANSWERS["app_name"], Path.cwd()
    return str(Report(name, folder, START, password, written, foreign, is_update))


def roll_back(changes: Changes | None) -> None:
    """Leave the folder as it was before cookiecutter began."""
    if changes:
        changes.undo()
    restore_user_files()
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.rmtree(BACKUP)


def main() -> None:
    """Install all files, or none."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    on_signals(stop)
    changes: Changes | None = None
    try:
        stage_rendered_files()
        restore_user_files()
        load_apphub()
        from apphub.update.changes import Changes

        changes = Changes(Path(), BACKUP)
        report = install(changes)
        on_signals(signal.SIG_IGN)
        if report:
            print(report, flush=True)  # where nobody can read the password, it is rolled back
    except BaseException as error:  # noqa: BLE001 - whatever it is, nothing is left half done
        on_signals(signal.SIG_IGN)
        roll_back(changes)
        if not isinstance(error, KeyboardInterrupt):
            reason = error if isinstance(error, SystemExit) else f"Nothing was written: {error}"
            sys.exit(f"\n{reason}\n")
        # The same signal has stopped cookiecutter, which would leave an empty folder behind.
        folder = Path.cwd()
        os.chdir(folder.parent)
        if not any(folder.iterdir()):
            folder.rmdir()
        sys.exit("\nStopped. Nothing was written.")
    shutil.rmtree(STAGE)
    shutil.rmtree(BACKUP)


if __name__ == "__main__":
    main()
