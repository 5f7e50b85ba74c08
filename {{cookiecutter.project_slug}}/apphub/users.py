"""The users: .htpasswd, or HTPASSWD in the environment in its place, read and checked."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from apphub.finding import Finding, InvalidFile
from apphub.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# User names end up in nginx's configuration and in HTTP headers, and basic authentication
# cuts at the first colon (https://www.rfc-editor.org/rfc/rfc7617#section-2).
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
USER_NAME_RULE = "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"

# nginx sends Streamlit the user's name in this header, on each request.
USER_HEADER = "X-Forwarded-User"

# crypt(3)'s bcrypt, with a cost from 10 to 31. nginx would accept {PLAIN} and MD5 as well.
BCRYPT_HASH = re.compile(r"\$2[aby]\$([12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
BLANK_OR_COMMENT = re.compile(r"[ \t]*(#.*)?")

ADD_USER = "python manage.py passwd anna"


class User(NamedTuple):
    """A user: the name, and the hash of the password."""

    name: str
    password_hash: str

    @property
    def line(self) -> str:
        """The user's line in .htpasswd."""
        return f"{self.name}:{self.password_hash}"


class UsersError(InvalidFile):
    """.htpasswd, or HTPASSWD, is not valid."""


def read_htpasswd(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the name of the place where the users are, and its text.

    Raises:
        UsersError: it is missing, or cannot be read.
    """
    if "HTPASSWD" in environ:
        return "HTPASSWD", environ["HTPASSWD"]
    try:
        # Whatever is not ASCII breaks the rule for names: its line becomes a finding.
        return ".htpasswd", (root / ".htpasswd").read_bytes().decode("ascii", "backslashreplace")
    except FileNotFoundError:
        finding = Finding(
            "users-missing",
            "the file is missing, so nobody could log in.",
            ".htpasswd",
            f"Add a user: {ADD_USER}",
        )
    except OSError as error:
        finding = Finding("users-unreadable", f"cannot be read: {error.strerror}.", ".htpasswd")
    raise UsersError([finding])


def is_user_name(name: object) -> bool:
    """Return whether this is a valid user name."""
    return isinstance(name, str) and bool(USER_NAME.fullmatch(name))


def split_lines(text: str) -> list[str]:
    """Return the lines of a file that any system wrote: LF or CRLF ends one, and nothing else."""
    return re.split(r"\r?\n", text)


def load_users(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> list[User]:
    """Return the users in the order of their lines, at least one.

    Raises:
        UsersError: with a finding for each thing that is wrong. No finding repeats more of a line
            than a name with a hash after it: anything else may be a password.
    """
    place, text = read_htpasswd(root, environ)
    users: list[User] = []
    findings: list[Finding] = []
    first_lines: dict[str, int] = {}
    for number, line in enumerate(split_lines(text), 1):
        if BLANK_OR_COMMENT.fullmatch(line):
            continue
        name, colon, digest = line.partition(":")
        where = f"{place}, line {number}"
        if not colon or not is_user_name(name):
            findings.append(
                Finding(
                    "users-name",
                    f"expected name:hash. A name is {USER_NAME_RULE}.",
                    where,
                    f"Delete the line and add the user: {ADD_USER}",
                )
            )
            continue
        if not digest.startswith(("$", "{")):  # name and password may have changed places
            findings.append(
                Finding(
                    "users-no-hash",
                    "expected a hash after the colon.",
                    where,
                    f"Delete the line and add the user: {ADD_USER}",
                )
            )
            continue
        if not BCRYPT_HASH.fullmatch(digest):
            findings.append(
                Finding(
                    "users-not-bcrypt",
                    f"{name}'s hash is not bcrypt with a cost of at least 10.",
                    where,
                    f"Set a new password: python manage.py passwd {name}",
                )
            )
        users.append(User(name, digest))
        first = first_lines.setdefault(name.lower(), number)
        if first != number:
            findings.append(
                Finding(
                    "users-duplicate",
                    f"{name} is in line {first} already (case is ignored).",
                    where,
                    "Delete one of the two lines.",
                )
            )
    if not users and not findings:
        findings = [
            Finding(
                "users-none",
                "there are no users, so nobody could log in.",
                place,
                f"Add one line per user: {ADD_USER}",
            )
        ]
    if findings:
        raise UsersError(findings)
    return users
