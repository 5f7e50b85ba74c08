"""The apps' secrets: SECRETS in the environment, which is the text of .streamlit/secrets.toml.

No finding and no exception repeats a value: each names a place, or a secret's name.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apphub.finding import Finding, InvalidFile
from apphub.paths import ROOT
from apphub.text import name_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from apphub.apps import App

VARIABLE = "SECRETS"
SECRETS_FILE = ".streamlit/secrets.toml"  # of the project, or of an app that is a folder
# Variables of the server that no app needs. A module shares the server's process and has them.
SERVER_SECRETS = ("HTPASSWD", "SESSION_SECRET")

Secrets = dict[str, Any]

# The end of tomllib's message. What is before it may repeat a part of the text.
POSITION = re.compile(r"\(at (line \d+, column \d+|end of document)\)\Z")


class SecretsError(InvalidFile):
    """SECRETS, or .streamlit/secrets.toml, is not valid."""


def load(environ: Mapping[str, str] = os.environ) -> Secrets | None:
    """Return the secrets in SECRETS, as st.App takes them.

    Args:
        environ: the environment.

    Returns:
        The secrets by name; None where SECRETS is not set, and Streamlit reads its files.

    Raises:
        SecretsError: SECRETS is not valid.
    """
    return parse(environ[VARIABLE], VARIABLE) if VARIABLE in environ else None


def load_file(path: Path, place: str = SECRETS_FILE) -> Secrets | None:
    """Return the secrets in a file, or None where there is none.

    Args:
        path: the file.
        place: what findings call it.

    Raises:
        SecretsError: it cannot be read, or is not valid.
    """
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        finding = Finding("secrets-unreadable", f"cannot be read: {error.strerror}.", place)
    except UnicodeDecodeError:
        finding = Finding("secrets-encoding", "it is not UTF-8.", place, "Save it as UTF-8.")
    else:
        return parse(text, place)
    raise SecretsError([finding])


def load_project(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> Secrets | None:
    """Return the secrets in SECRETS, or else in the project's file; None where there are none.

    Raises:
        SecretsError: they are not valid.
    """
    return load(environ) if VARIABLE in environ else load_file(root / SECRETS_FILE)


def for_app(app: App, environ: Mapping[str, str] = os.environ, root: Path = ROOT) -> Secrets:
    """Return the secrets that an app may see.

    Args:
        app: the app. One in a folder has the table with the folder's name, and nothing else.
        environ: the environment.
        root: the project's folder, whose file counts where SECRETS is not set.

    Raises:
        SecretsError: the secrets are not valid.
    """
    return select(app, load_project(root, environ) or {})


def select(app: App, secrets: Secrets) -> Secrets:
    """Return those of the project's secrets that an app may see."""
    if not app.folder:
        return secrets
    key = name_key(app.url_path)  # a folder's name may be in another Unicode form than the table's
    tables = (table for name, table in secrets.items() if name_key(name) == key)
    return next((table for table in tables if isinstance(table, dict)), {})


def environ_for_app(
    app: App, environ: Mapping[str, str] = os.environ, root: Path = ROOT
) -> dict[str, str]:
    """Return the environment of a script's process, in which load() finds what the app may see.

    Args:
        app: the script.
        environ: the server's environment.
        root: the project's folder.

    Raises:
        SecretsError: the secrets are not valid.
    """
    result = {name: value for name, value in environ.items() if name not in SERVER_SECRETS}
    if app.folder:
        result.pop(VARIABLE, None)
        if secrets := for_app(app, environ, root):
            result[VARIABLE] = format_toml(secrets)
    return result


def files_for_app(app: App, files: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return those of Streamlit's `secrets.files` that an app may see.

    On a dyno the home folder is the project's: without this, an app in a folder would find the
    project's file as the one of the home folder.
    """
    project = (root / SECRETS_FILE).resolve()
    return [file for file in files if not app.folder or Path(file).resolve() != project]


def parse(text: str, place: str) -> Secrets:
    """Return the secrets in a text.

    Args:
        text: TOML.
        place: the variable or the file that it is from.

    Raises:
        SecretsError: it is not TOML, or Streamlit does not accept a value's type.
    """
    try:
        text.encode()
        secrets = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        position = POSITION.search(str(error))
        where = f"{place}, {position[1]}" if position else place
    else:
        if findings := list(_find_invalid(secrets, place)):
            raise SecretsError(findings)
        return secrets
    # Outside of the handler: the other exception's text may be shown with this one's.
    hint = 'Each line is like api_key = "...", and a name is there once: https://toml.io'
    raise SecretsError([Finding("secrets-toml", "the secrets are not valid TOML.", where, hint)])


def _find_invalid(secrets: Secrets, place: str) -> Iterator[Finding]:
    """Yield what Streamlit would raise an exception for when the server starts."""
    for name, value in secrets.items():
        yield from _find_invalid_types(value, name, place)
        # Streamlit makes each an environment variable.
        is_variable = type(value) in (str, int, float)
        has_null = "\0" in name or (isinstance(value, str) and "\0" in value)
        if is_variable and (not name or "=" in name or has_null):
            text = f"{name!r} cannot be an environment variable, which Streamlit makes of it."
            yield Finding("secrets-name", text, place, "Use letters, digits and _ for its name.")


def _find_invalid_types(value: object, name: str, place: str) -> Iterator[Finding]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _find_invalid_types(each, f"{name}.{key}", place)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _find_invalid_types(each, f"{name}[{number}]", place)
    elif not isinstance(value, str | int | float):
        text = f"{name!r} is a date or a time, which Streamlit does not accept."
        yield Finding("secrets-type", text, place, "Put it in quotes, and parse it in the app.")


def collect_files(root: Path, apps: Sequence[App]) -> Secrets | None:
    """Return what SECRETS has to be for the apps to see what they see on this computer.

    Args:
        root: the project's folder.
        apps: the menu's. The file of one in a folder becomes the table with the folder's name.

    Returns:
        The secrets; None where there is no file.

    Raises:
        SecretsError: a file is not valid.
    """
    secrets = load_file(root / SECRETS_FILE)
    for app in apps:
        place = f"{app.folder}/{SECRETS_FILE}"
        own = load_file(root / place, place) if app.folder else None
        if own is not None:
            # As Streamlit does it: what the environment has goes before what the file has.
            secrets = {**(secrets or {}), app.url_path: {**own, **select(app, secrets or {})}}
    return secrets


def read_text(root: Path, apps: Sequence[App]) -> str | None:
    """Return the text that SECRETS has to have, or None where there is no file.

    It is the text of the project's file, as long as no app in a folder has a file of its own.

    Raises:
        SecretsError: a file is not valid.
    """
    secrets = collect_files(root, apps)
    if secrets is None:
        return None
    if secrets == load_file(root / SECRETS_FILE):
        return (root / SECRETS_FILE).read_bytes().decode()
    return format_toml(secrets)


def format_toml(secrets: Secrets) -> str:
    """Return secrets as TOML, one line for each name."""
    return "".join(f"{_format(name)} = {_format(value)}\n" for name, value in secrets.items())


def _format(value: object) -> str:
    if isinstance(value, str):  # JSON's escapes are TOML's, but JSON does not escape DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_format, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_format(name)} = {_format(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value)
