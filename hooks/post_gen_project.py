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
from pathlib import Path

# Answers come in as data, never as code.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
STAGE = Path("_hook")
LEFT = {".new", ".old"}  # the ends of what is laid beside
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


def put_in_place():
    """Move the files out of _hook/, past those that are there already.

    Returns:
        The files that were kept. Where the template's version differs, it is beside.
    """
    menu_is_new = not Path("apps.json").exists()
    kept = []
    for made in sorted(path for path in STAGE.rglob("*") if path.is_file()):
        target = made.relative_to(STAGE)
        if not target.exists():
            # An app that its owner took away from apps/ stays away.
            if menu_is_new or target.parent.name != "apps":
                target.parent.mkdir(exist_ok=True)
                shutil.move(made, target)
            continue
        kept.append(target)
        if made.read_bytes() != target.read_bytes():
            os.replace(made, f"{target}.new")
    shutil.rmtree(STAGE)
    return kept


def keep():
    """Undo what cookiecutter itself has overwritten, but for the template's own code.

    Returns:
        The files that were kept. The other version is beside: the template's as <file>.new, what
        was there before its own code as <file>.old.
    """
    kept = []
    for saved in sorted(path for path in UNDO.rglob("*") if path.is_file()):
        path = saved.relative_to(UNDO)
        if not path.exists() or saved.read_bytes() == path.read_bytes():
            continue
        if path.as_posix() in ANSWERS["_renewed"]:
            shutil.copy2(saved, f"{path}.old")
        else:
            os.replace(path, f"{path}.new")
            shutil.copy2(saved, path)
            kept.append(path)
    return kept


def take_back():
    """Leave a folder that was there before as it was."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for folder in map(Path, ANSWERS["_folders"]):
        if not (UNDO / folder).is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for path in folder.iterdir():
            if path.is_file() and not (UNDO / path).exists():
                path.unlink()
        for saved in (UNDO / folder).iterdir():
            if saved.is_file():
                shutil.copy2(saved, folder / saved.name)


def tell(password, kept):
    """Say what there is now and what comes next."""
    folder, start = Path.cwd(), Path(os.environ.get("PWD", "/"))  # where the user stands
    there = folder.relative_to(start) if folder.is_relative_to(start) else folder
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"

    print(f"\n{ANSWERS['app_name']} is in {folder}\n", *password, sep="\n")
    if kept:
        print("\nYours, and left as they are:", *kept, sep="\n    ")
        print("Another app: python manage.py add-app NAME")
    folders = map(Path, ANSWERS["_folders"])
    beside = [path for folder in folders for path in folder.iterdir() if path.suffix in LEFT]
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
    print("\nREADME.md goes on from there: your own apps, more users, Heroku.\n")


def stop(*_):
    raise KeyboardInterrupt


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    # Ctrl-C stops cookiecutter too, and then it leaves a new folder behind.
    new = not any(UNDO.iterdir())
    try:
        told = make()
        kept = sorted(keep() + put_in_place())
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if not new:
            take_back()
        shutil.rmtree(UNDO)
        if new and interrupted:
            folder = Path.cwd()
            os.chdir(folder.parent)
            shutil.rmtree(folder)
        sys.exit("\nStopped; nothing was kept." if interrupted else f"\n{error}\n")
    shutil.rmtree(UNDO)
    tell(told, kept)


if __name__ == "__main__":
    main()
