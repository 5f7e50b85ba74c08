"""Checks this machine and the folder, and backs up what cookiecutter is about to overwrite.

post_gen_project.py checks the answers, with the code of the project that is being made. Nothing is
gained by checking the folder's name here: cookiecutter has created the folder already.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

# Answers come in as data, never as code.
ANSWERS: dict[str, Any] = json.loads(r"""{{ cookiecutter | tojson }}""")

# cookiecutter overwrites these. post_gen_project.py has the same names.
USER_OWNED = [Path(name) for name in ANSWERS["_user_owned"]]
TEMPLATE_OWNED = [Path(name) for name in ANSWERS["_template_owned"]]
FOLDERS = sorted({Path("apps"), *(folder for path in USER_OWNED for folder in path.parents)})
BACKUP = Path(".cookiecutter-backup")
STAGE = Path("_hook")


def check_machine() -> Iterator[str]:
    """Yield what is missing in the environment that cookiecutter runs in."""
    if sys.version_info < (3, 11):  # noqa: UP036
        version = sys.version.split()[0]
        yield f"cookiecutter runs on Python {version} here; the template requires 3.11 or newer."
    try:
        import bcrypt  # noqa: F401
    except ImportError:
        command = get_bcrypt_command()
        yield f"bcrypt, which hashes the password, is not installed. Run this once: {command}"


def get_bcrypt_command() -> str:
    """Return the command that installs bcrypt next to cookiecutter."""
    # Tools that give each program its own environment are recognized by where they put it.
    home = Path(sys.prefix).as_posix()
    template = ANSWERS.get("_template", "gh:org/streamlit-heroku")
    template = re.sub(r"^([\w+.-]+://)[^/]*@", r"\1", template)  # without a password or token
    if "/pipx/venvs/" in home:
        return f"pipx inject {Path(home).name} bcrypt"
    if "/uv/tools/" in home:
        return f"uv tool install {Path(home).name} --with bcrypt"
    if "/uv/" in home:
        program = "cookiecutter" if "_repo_dir" in ANSWERS else "cruft create"
        return f"uvx --with bcrypt {program} {template}"
    python = shlex.quote(sys.executable)
    if not find_spec("pip"):
        return f"uv pip install --python {python} bcrypt"
    return f"{python} -m pip install bcrypt"


def check_encoding() -> Iterator[str]:
    """Yield the answers that cookiecutter could not write into a file."""
    for name, answer in ANSWERS.items():
        try:
            str(answer).encode()
        except UnicodeEncodeError:
            yield f"{name}: {answer!r} is not UTF-8 text."


def check_leftovers() -> Iterator[str]:
    """Yield what an earlier run left behind, and names that are taken."""
    if os.path.lexists(BACKUP):
        yield (
            f"{BACKUP}/ contains your files from a run that was cut off. Move them back where they "
            f"belong, delete {BACKUP}/ and {STAGE}/, and run this again."
        )
    elif os.path.lexists(STAGE):
        yield (
            f"{STAGE}/ exists, and the template needs that name for a moment. Move it away and run "
            "this again."
        )


def check_files() -> Iterator[str]:
    """Yield the files that cookiecutter could not overwrite, or would follow to another folder."""
    for path in USER_OWNED:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield f"{path} is a link or a folder; move it away and run this again."
        elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
            yield f"{path} cannot be read and written by you. Fix: chmod u+rw {path}"


def check_folders() -> Iterator[str]:
    """Yield the folders that cookiecutter could not write into, or must not replace."""
    for path in FOLDERS:
        if os.path.lexists(path) and not (path.is_dir() and os.access(path, os.W_OK)):
            yield f"{path} is not a folder that you can write into; move it away."
    for path in TEMPLATE_OWNED:
        if not os.path.lexists(path):
            continue
        if path.is_symlink() or not (path / "RECORD").is_file():
            yield (
                f"{path}/ is not the template's, since it has no RECORD file; move it away and run "
                "this again."
            )
        elif not all(os.access(folder, os.R_OK | os.W_OK) for folder in list_folders(path)):
            yield f"{path}/ cannot be read and written by you. Fix: chmod -R u+rwX {path}"


def list_folders(folder: Path) -> list[Path]:
    """Return a folder and all folders inside."""
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def back_up() -> None:
    """Copy what cookiecutter will overwrite, so that post_gen_project.py can restore it."""
    unfinished = Path(f"{BACKUP}.part")
    shutil.rmtree(unfinished, ignore_errors=True)  # a run that ended here had changed nothing
    unfinished.mkdir()
    try:
        for folder in FOLDERS:
            if folder.is_dir():
                (unfinished / folder).mkdir(exist_ok=True)
        for path in USER_OWNED:
            if path.is_file():
                shutil.copy2(path, unfinished / path)
        for path in TEMPLATE_OWNED:
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, unfinished / path, ignore=ignored)
        unfinished.rename(BACKUP)
    except BaseException:
        shutil.rmtree(unfinished)
        raise


def stop(*_: object) -> NoReturn:
    """End this run as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> None:
    """Check, and back up."""
    signal.signal(signal.SIGTERM, stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    checks = (check_machine, check_encoding, check_leftovers, check_files, check_folders)
    problems = [f"  - {problem}" for check in checks for problem in check()]
    if problems:
        last = "The traceback below comes from cookiecutter; ignore it."
        sys.exit("\n".join(["", "Nothing was written:", *problems, "", last, ""]))
    try:
        back_up()
    except (OSError, KeyboardInterrupt) as error:
        folder = Path.cwd()
        if isinstance(error, KeyboardInterrupt) and not any(folder.iterdir()):
            os.chdir(folder.parent)
            folder.rmdir()
        sys.exit(f"\nNothing was written: {str(error) or 'stopped'}\n")


if __name__ == "__main__":
    main()
