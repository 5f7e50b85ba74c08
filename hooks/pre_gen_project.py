"""Refuses wrong answers, all of them at once, before a file is written.

The rules for names and passwords are menu.py's and manage.py's in the generated project, which
is not there yet. tests/template/test_answers.py holds the two to the same verdicts.
"""

import json
import os
import re
import shlex
import shutil
import signal
import sys
import unicodedata
from importlib.util import find_spec
from pathlib import Path

# Answers come in as data, never as code.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")

# cookiecutter overwrites these where they are there already: they are put aside until the end.
RENDERED = [Path(name) for name in [*ANSWERS["_kept"], *ANSWERS["_renewed"]]]
FOLDERS = sorted({Path("apps"), *(folder for path in RENDERED for folder in path.parents)})
UNDO = Path(".undo")
STAGE = Path("_hook")  # where post_gen_project.py makes the rest


def is_line(text, longest):
    """Whether a text is 1 to `longest` characters on one line, without blanks at its ends."""
    hidden = any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)
    return 1 <= len(text) <= longest and text == text.strip() and not hidden


def check_app_name(name):
    if not is_line(name, 30):
        return "has 1 to 30 characters on one line (Heroku's limit in app.json)", "Data Apps"


def check_project_slug(slug):
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,28}[a-z0-9]", slug):
        rule = "begins with a letter, then lower-case letters, digits and dashes, 3 to 30 in all"
        return f"{rule}, no dash at the end (Heroku's rule)", "data-apps"


def check_auth_user(user):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", user):
        return "is 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit", "anna.b"


def check_apps(apps):
    example = "Sales Report, Churn Explorer"
    names = [name.strip(" ") for name in re.split(ANSWERS["_comma"], apps)]
    for number, name in enumerate(names, 1):
        if not is_line(name, 60):
            rule = "holds names of 1 to 60 characters on one line, separated by commas"
            return f"{rule}, but name {number} is {'not' if name else 'empty'}", example
    keys = [" ".join(unicodedata.normalize("NFKC", name).casefold().split()) for name in names]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            rule = "holds each name once, whatever the capitals"
            return f"{rule}, but {names[number]!r} stands there twice", example


def check_password_source(source):
    if source not in ("generate", "ask"):
        return "is generate or ask", "generate"
    # cruft passes no _repo_dir. It makes throw-away copies without a terminal to compare them,
    # and for those post_gen_project.py generates one.
    needed = not Path(".htpasswd").exists() and "AUTH_PASSWORD" not in os.environ
    if source == "ask" and needed and "_repo_dir" in ANSWERS and not sys.stdin.isatty():
        return "needs a terminal to type on, and there is none: set AUTH_PASSWORD", "generate"


def password_fault(password):
    """Return the rule that a password breaks, or None."""
    control = any(unicodedata.category(character) in {"Cc", "Cs"} for character in password)
    if control or not 12 <= len(password.encode(errors="replace")) <= 72:
        return "It has 12 to 72 bytes of UTF-8 without control characters."


# Each returns None, or the rule that the answer breaks and an example of a good one.
CHECKS = {
    "app_name": check_app_name,
    "project_slug": check_project_slug,
    "auth_user": check_auth_user,
    "apps": check_apps,
    "password_source": check_password_source,
}


def wrong_answers():
    """Return a line for each wrong answer: what was given, the rule, a good one."""
    for name, check in CHECKS.items():
        answer = ANSWERS[name]
        broken = check(answer) if isinstance(answer, str) else ("is text", '"text in quotes"')
        if broken:
            rule, example = broken
            yield f"{name}: {answer!r} is refused. It {rule}. Example: {example}"
    password = os.environ.get("AUTH_PASSWORD")
    if password is not None and (fault := password_fault(password)):
        yield f"AUTH_PASSWORD: what is in the environment is refused. {fault}"


def bcrypt_command():
    """Return the command that puts bcrypt beside cookiecutter."""
    # Tools that give each program an environment of its own are known by where they put it.
    home = Path(sys.prefix).as_posix()
    template = ANSWERS.get("_template", "gh:org/streamlit-heroku")
    if "/pipx/venvs/" in home:
        return f"pipx inject {Path(home).name} bcrypt"
    if "/uv/tools/" in home:
        return "uv tool install cookiecutter --with bcrypt"
    if "/uv/" in home:
        return f"uvx --with bcrypt cookiecutter {template}"
    python = shlex.quote(sys.executable)
    if not find_spec("pip"):
        return f"uv pip install --python {python} bcrypt"
    return f"{python} -m pip install bcrypt"


def wrong_surroundings():
    """Return a line for each thing that is amiss on this machine, with what to do."""
    if sys.version_info < (3, 11):  # noqa: UP036
        yield f"cookiecutter runs on Python {sys.version.split()[0]} here; it takes 3.11 or newer."
    try:
        import bcrypt  # noqa: F401
    except ImportError:
        yield f"bcrypt, which hashes the password, is missing. Run this once: {bcrypt_command()}"
    if os.path.lexists(UNDO):
        yield (
            f"{UNDO}/ holds your files from a run that was cut off. Move them back where they "
            f"belong, delete {UNDO}/ and {STAGE}/, and run this again."
        )
    elif os.path.lexists(STAGE):
        yield f"{STAGE}/ is in the way: the template uses that name for a moment. Move it aside."
    for path in RENDERED:
        # cookiecutter would stop halfway, or write through a link into another folder.
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield f"{path} is in the way: it is no file of its own. Move it aside."
        elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
            yield f"{path} cannot be read and written by you. Mend that: chmod u+rw {path}"
    for folder in FOLDERS:
        if os.path.lexists(folder) and not (folder.is_dir() and os.access(folder, os.W_OK)):
            yield f"{folder} is in the way: it is no folder that you may write into."


def put_aside():
    """Copy what cookiecutter will overwrite, so that a failure can put it back."""
    part = Path(".undo.part")  # from a run that ended here there may be one; it is worth nothing
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for folder in FOLDERS:
            if folder.is_dir():
                (part / folder).mkdir(exist_ok=True)
        for path in RENDERED:
            if path.is_file():
                shutil.copy2(path, part / path)
        part.rename(UNDO)
    except BaseException:
        shutil.rmtree(part)
        raise


def stop(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, stop)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    faults = [*wrong_answers(), *wrong_surroundings()]
    if faults:
        listed = (f"  - {fault}" for fault in faults)
        last = "What follows is cookiecutter's own report of the same."
        sys.exit("\n".join(["", "Nothing was written:", *listed, "", last, ""]))
    try:
        put_aside()
    except (OSError, KeyboardInterrupt) as error:
        folder = Path.cwd()
        if isinstance(error, KeyboardInterrupt) and not any(folder.iterdir()):
            os.chdir(folder.parent)
            folder.rmdir()
        sys.exit(f"\nNothing was written: {error or 'stopped'}\n")


if __name__ == "__main__":
    main()
