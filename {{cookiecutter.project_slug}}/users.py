"""The users: .htpasswd, or HTPASSWD in the environment in its place, read and checked.

manage.py and the build read the users here. config/nginx.conf.erb checks them once more when
the dyno starts, and the template's tests hold the two to one verdict.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# User names end up in nginx's configuration and in HTTP headers, and basic authentication
# cuts at the first colon.
USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
USER_RULE = "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"

# nginx tells Streamlit the name of who is logged in, and sets this header on each request.
USER_HEADER = "X-Forwarded-User"

# What crypt(3) calls bcrypt, of cost 10 to 31. nginx would take {PLAIN} and MD5 as well.
BCRYPT = re.compile(r"\$2[aby]\$([12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
NO_USER = re.compile(r"[ \t]*(#.*)?")  # a blank line or a comment


class UsersError(Exception):
    """What is wrong with the users: a line for each fault, with the rule and the way out."""


def source(root: Path = ROOT) -> tuple[str, str]:
    """Return what to call the place of the users, and its text.

    Raises:
        UsersError: it is not there, or cannot be read.
    """
    if "HTPASSWD" in os.environ:
        return "HTPASSWD", os.environ["HTPASSWD"]
    try:
        # Whatever is not ASCII breaks the rule for names: it is shown as a fault in its line.
        return ".htpasswd", (root / ".htpasswd").read_bytes().decode("ascii", "backslashreplace")
    except FileNotFoundError:
        raise UsersError(
            ".htpasswd is not there, so nobody could log in. "
            "Add a user: python manage.py passwd anna"
        ) from None
    except OSError as error:
        raise UsersError(f".htpasswd cannot be read: {error.strerror}.") from None


def is_user(name: object) -> bool:
    """Return whether the name keeps the rule for users."""
    return isinstance(name, str) and bool(USER.fullmatch(name))


def split_lines(text: str) -> list[str]:
    """Return the lines, wherever they were written: LF or CRLF ends one, and nothing else."""
    return re.split(r"\r?\n", text)


def load_users(root: Path = ROOT) -> list[str]:
    """Return the users' names in the order of their lines, one at least.

    Raises:
        UsersError: with a line for each thing that is wrong. Nothing is shown but a name
            with a hash after it: what else stands there may be somebody's password.
    """
    where, text = source(root)
    users: list[str] = []
    faults: list[str] = []
    first: dict[str, int] = {}
    for number, line in enumerate(split_lines(text), 1):
        if NO_USER.fullmatch(line):
            continue
        user, colon, digest = line.partition(":")
        if not colon or not is_user(user):
            faults.append(
                f"{where}, line {number}: no user name stands before a colon. The rule: "
                f"{USER_RULE}. Delete the line, and add the user: python manage.py passwd anna"
            )
            continue
        if not digest.startswith(("$", "{")):  # no hash: name and password may have changed places
            faults.append(
                f"{where}, line {number}: no hash stands after the colon. Delete the line, and add "
                "the user: python manage.py passwd anna"
            )
            continue
        if not BCRYPT.fullmatch(digest):
            faults.append(
                f"{where}, line {number}: what {user} has is not bcrypt of cost 10 or more. "
                f"Give a password anew: python manage.py passwd {user}"
            )
        users.append(user)
        earlier = first.setdefault(user.lower(), number)
        if earlier != number:
            faults.append(
                f"{where}, line {number}: {user} stands in line {earlier} already (capitals do "
                "not count). Delete one of the two."
            )
    if not users and not faults:
        faults = [f"{where} holds no user, so nobody could log in. Write a line a user."]
    if faults:
        raise UsersError("\n".join(faults))
    return users
