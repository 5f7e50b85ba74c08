"""Adding, changing and removing users in .htpasswd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.files import write_atomically
from apphub.finding import InvalidInput
from apphub.passwords import hash_password
from apphub.paths import ROOT
from apphub.users import BLANK_OR_COMMENT, USER_NAME_RULE, is_user_name, split_lines

if TYPE_CHECKING:
    from pathlib import Path


def validate_user_name(name: str) -> None:
    """Check a user name.

    Raises:
        InvalidInput: it breaks its rule.
    """
    if not is_user_name(name):
        raise InvalidInput(
            f"The user name {name!r} is not valid: it must be {USER_NAME_RULE}. Example: anna.b"
        )


def set_password(user: str, password: str, root: Path = ROOT) -> bool:
    """Write the user's line in .htpasswd: a new user, or a new password for an existing one.

    The file is replaced in one step, and only its owner may read it (mode 0600).

    Returns:
        Whether the user is new.

    Raises:
        InvalidInput: the name or the password breaks its rule, another user's name differs only
            in case, or .htpasswd cannot be read.
    """
    validate_user_name(user)
    lines = _read_lines(root)
    names = [line.partition(":")[0] for line in lines]
    for other in names:
        if other != user and other.lower() == user.lower():
            raise InvalidInput(
                f"The user {other!r} exists, and {user!r} differs only in case. Choose another "
                f"name, or change that user's password: python manage.py passwd {other}"
            )
    digest = hash_password(password)
    # nginx reads only the first line of a user. A second one would be an old password: remove it.
    place = names.index(user) if user in names else len(lines)
    lines = [line for line, name in zip(lines, names, strict=True) if name != user]
    lines.insert(place, f"{user}:{digest}")
    _write_lines(lines, root)
    return user not in names


def remove_user(user: str, root: Path = ROOT) -> None:
    """Remove a user's line from .htpasswd.

    Raises:
        InvalidInput: there is no such user, it is the only one, or .htpasswd cannot be read.
    """
    lines = _read_lines(root)
    names = _names_in(lines)
    if user not in names:
        raise InvalidInput(f"There is no user {user!r} in .htpasswd. {describe_users(names)}")
    if set(names) == {user}:
        raise InvalidInput(
            f"{user} is the only user: without users nobody could log in. Add another one first: "
            "python manage.py passwd anna"
        )
    _write_lines([line for line in lines if line.partition(":")[0] != user], root)


def list_names(root: Path = ROOT) -> list[str]:
    """Return the names in .htpasswd, valid or not; none where there is no file.

    Raises:
        InvalidInput: .htpasswd cannot be read.
    """
    return _names_in(_read_lines(root))


def describe_users(names: list[str]) -> str:
    """Return a sentence that lists the users."""
    return f"Users: {', '.join(names)}." if names else "There are no users yet."


def _read_lines(root: Path) -> list[str]:
    path = root / ".htpasswd"
    try:
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError:
        raise InvalidInput(".htpasswd is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise InvalidInput(f".htpasswd cannot be read: {error.strerror}.") from None
    return split_lines(text.rstrip("\r\n")) if text.strip() else []


def _names_in(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines if not BLANK_OR_COMMENT.fullmatch(line)]


def _write_lines(lines: list[str], root: Path) -> None:
    write_atomically(root / ".htpasswd", "".join(f"{line}\n" for line in lines), mode=0o600)
