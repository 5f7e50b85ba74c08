"""Passwords: their rule, generating one, and asking for one on the terminal."""

from __future__ import annotations

import getpass
import secrets
import sys
import unicodedata

from apphub.finding import InvalidInput

# bcrypt takes 72 bytes at most (https://github.com/pyca/bcrypt).
MIN_BYTES, MAX_BYTES = 12, 72
PASSWORD_RULE = f"{MIN_BYTES} to {MAX_BYTES} bytes of UTF-8 without control characters"

# 32 characters that cannot be confused: 5 bits each.
PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105 - not a password

# 180 ms for each login, and for each guess of an attacker.
BCRYPT_COST = 12


def validate_password(password: str) -> None:
    """Check a password. It is never shown.

    Raises:
        InvalidInput: it breaks its rule.
    """
    size = len(password.encode(errors="replace"))
    has_controls = any(unicodedata.category(c) in {"Cc", "Cs"} for c in password)
    if has_controls or not MIN_BYTES <= size <= MAX_BYTES:
        raise InvalidInput(
            f"The password is not valid: it must be {PASSWORD_RULE}. Four random words will do."
        )


def generate_password() -> str:
    """Return a new password of 120 random bits: six groups of four characters."""
    return "-".join("".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(4)) for _ in range(6))


def prompt_password(user: str) -> str:
    """Return a password typed twice on the terminal, hidden. There are three attempts.

    Raises:
        InvalidInput: there is no terminal, or no attempt succeeded.
    """
    if not sys.stdin.isatty():
        raise InvalidInput(
            "A password is typed on a terminal, and there is none here. Set AUTH_PASSWORD in the "
            "environment, or generate a password: --generate"
        )
    for _ in range(3):
        try:
            password = getpass.getpass(
                f"Password for {user} (at least {MIN_BYTES} characters, hidden): "
            )
            validate_password(password)
            if getpass.getpass("Repeat password: ") == password:
                return password
        except EOFError:  # Ctrl-D
            break
        except InvalidInput as error:
            print(error, file=sys.stderr)
        else:
            print("Passwords do not match. Try again.", file=sys.stderr)
    raise InvalidInput("No password given.")


def hash_password(password: str) -> str:
    """Return the password's bcrypt hash.

    Raises:
        InvalidInput: the password breaks its rule.
    """
    import bcrypt  # the other commands work without it

    validate_password(password)
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode("ascii")
