"""Writes what is the user's from now on: the password, the menu, the apps, Procfile, nginx.

All of it is made in _hook/ first, with the generated project's own code, and then put in place.
A file that is there already stays; the template's version is laid beside it as <file>.new. Only
the template's own code is renewed, and what was there before is laid beside as <file>.old.
"""

import json
import os
import re
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

# Answers come in as data, never as code.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
STAGE = Path("_hook")
RENDERED = [Path(name) for name in [*ANSWERS["_kept"], *ANSWERS["_renewed"]]]
FOLDERS = sorted({Path("apps"), *(folder for path in RENDERED for folder in path.parents)})
UNDO = Path(".undo")  # pre_gen_project.py put aside there what was in the folder before

# manage.py and menu.py of the project that is being made.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path.cwd()))


def make():
    """Make the files in _hook/.

    Returns:
        What to tell about the password, line by line.
    """
    import manage

    for name in re.split(ANSWERS["_comma"], ANSWERS["apps"]):
        manage.add_app(name.strip(), STAGE)
    user, told = ANSWERS["auth_user"], []
    if os.path.lexists(".htpasswd"):
        told.append("The users and passwords in .htpasswd are as they were.")
        if f"\n{user}:" not in "\n" + Path(".htpasswd").read_text("utf-8", "replace"):
            told.append(f"{user} is not among them: python manage.py passwd {user}")
        return told
    password = os.environ.get("AUTH_PASSWORD")
    if password is not None:
        told.append(f"The password of {user} is the one in AUTH_PASSWORD.")
    elif ANSWERS["password_source"] == "ask" and sys.stdin.isatty():
        password = manage.ask_password(user)
        told.append(f"{user} logs in with the password that you typed.")
    else:
        password = manage.generate_password()
        told += ["Write this down; it is shown once and kept nowhere:", ""]
        told += [f"    user      {user}", f"    password  {password}"]
        if "_repo_dir" not in ANSWERS:  # cruft: an update makes throw-away copies to compare
            told += ["", "(Under `cruft update` this password is for nothing: yours stays.)"]
    manage.set_password(user, password, STAGE)
    return told


class Changes:
    """The files that are put in place, with a way back."""

    def __init__(self):
        self.before = []  # what was at each path: bytes, or None for nothing

    def put(self, source, target):
        """Move a file to where it belongs."""
        self.before.append((target, target.read_bytes() if target.exists() else None))
        target.parent.mkdir(exist_ok=True)
        os.replace(source, target)

    def take_back(self):
        """Leave the folder as it was before cookiecutter began."""
        for path, content in reversed(self.before):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        for path in RENDERED:
            saved = UNDO / path
            if not saved.exists():
                path.unlink(missing_ok=True)
            elif not path.exists() or saved.read_bytes() != path.read_bytes():
                shutil.copy2(saved, path)
        shutil.rmtree(STAGE, ignore_errors=True)
        for folder in reversed(FOLDERS):  # what is inside first
            if not (UNDO / folder).exists():
                with suppress(OSError):  # somebody else's file may be in it by now
                    os.rmdir(folder)
        shutil.rmtree(UNDO)


def put_in_place(changes):
    """Move the files out of _hook/, past those that are there already.

    Returns:
        The files that were kept. Where the template's version differs, it is beside.
    """
    menu_is_new = not os.path.lexists("apps.json")
    kept = []
    for made in sorted(path for path in STAGE.rglob("*") if path.is_file()):
        target = made.relative_to(STAGE)
        if os.path.lexists(target):
            kept.append(target)
            if target.is_file() and made.read_bytes() != target.read_bytes():
                changes.put(made, Path(f"{target}.new"))
        # An app that its owner took away from apps/ stays away.
        elif menu_is_new or target.parent.name != "apps":
            changes.put(made, target)
    return kept


def keep(changes):
    """Undo what cookiecutter itself has overwritten, but for the template's own code.

    Returns:
        The files that were kept. The other version is beside: the template's as <file>.new, what
        was there before its own code as <file>.old.
    """
    kept = []
    for path in RENDERED:
        saved = UNDO / path
        if not saved.exists() or saved.read_bytes() == path.read_bytes():
            continue
        copy = shutil.copy2(saved, STAGE)
        if path.as_posix() in ANSWERS["_renewed"]:
            changes.put(copy, Path(f"{path}.old"))
        else:
            changes.put(path, Path(f"{path}.new"))
            changes.put(copy, path)
            kept.append(path)
    return kept


def tell(password, kept):
    """Say what there is now and what comes next."""
    folder, start = Path.cwd(), Path(os.environ.get("PWD", "/"))  # where the user stands
    there = folder.relative_to(start) if folder.is_relative_to(start) else folder
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"

    print(f"\n{ANSWERS['app_name']} is in {folder}\n", *password, sep="\n")
    if kept:
        print("\nYours, and left as they are:", *kept, sep="\n    ")
        print("Another app: python manage.py add-app NAME")
    beside = [path for folder in FOLDERS for path in folder.glob("*.*")]
    beside = [path for path in beside if path.suffix in (".new", ".old")]
    if beside:
        print("\nOther versions, to compare and delete:", *sorted(beside), sep="\n    ")
    print(
        "\nNext:",
        f"cd {shlex.quote(str(there))}",
        f"python3 -m venv .venv && {activate}",
        "pip install -r requirements.txt",
        "streamlit run app.py",
        sep="\n    ",
    )
    print("\nREADME.md goes on from there: your own apps, more users, Heroku.\n", flush=True)


def stop(*_):
    raise KeyboardInterrupt


def on_signals(action):
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), action)


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    on_signals(stop)
    changes = Changes()
    try:
        told = make()
        kept = keep(changes) + put_in_place(changes)
        tell(told, sorted(kept))
        on_signals(signal.SIG_IGN)
    except BaseException as error:
        on_signals(signal.SIG_IGN)
        changes.take_back()
        if not isinstance(error, KeyboardInterrupt):
            sys.exit(f"\n{error}\n")
        # The same signal has stopped cookiecutter, which would leave an empty folder behind.
        folder = Path.cwd()
        os.chdir(folder.parent)
        if not any(folder.iterdir()):
            folder.rmdir()
        sys.exit("\nStopped; nothing was kept.")
    shutil.rmtree(STAGE)
    shutil.rmtree(UNDO)


if __name__ == "__main__":
    main()
