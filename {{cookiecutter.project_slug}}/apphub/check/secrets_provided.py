"""Checks that each secret that an app reads is provided: by SECRETS, a file, or a variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from apphub.app_secrets import (
    SECRETS_FILE,
    VARIABLE,
    Secrets,
    SecretsError,
    collect_files,
    load,
    read_text,
    select,
)
from apphub.check.secrets_read import Secret, find_secrets
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apphub.apps import App
    from apphub.check.project import Project

MAX_BYTES = 2**16  # https://devcenter.heroku.com/articles/config-vars#limits
# What Heroku sets on a dyno, but not in a build: https://devcenter.heroku.com/articles/dynos
DYNO_VARIABLES = {"DYNO", "HOME", "LANG", "PATH", "PORT", "PWD", "PYTHONPATH", "TZ", "USER"}


def check(project: Project) -> Iterator[Finding]:
    """Yield each file of secrets that is not valid, and a warning for each missing secret."""
    menu = project.menu or []
    try:
        in_files = collect_files(project.root, menu) or {}
        secrets = {**in_files, **(load(project.environ) or {})}
    except SecretsError as error:
        yield from error.findings
        return
    if len((read_text(project.root, menu) or "").encode()) > MAX_BYTES:
        text = f"it is longer than {MAX_BYTES // 1024} kB, the most that Heroku stores."
        hint = "Move what is not secret, such as data, into a file that is in git."
        yield Finding("secrets-size", text, SECRETS_FILE, hint)
    seen: set[tuple[App | None, str]] = set()
    for path, tree in project.sources.trees.items():
        name = project.name(path)
        if name.startswith("apphub/"):
            continue
        app = _find_owner(menu, path, project.root)
        visible = select(app, secrets) if app else secrets
        for secret in find_secrets(tree):
            missing = _find_missing(secret, visible, project.environ)
            if missing and not secret.optional and (app, str(missing)) not in seen:
                seen.add((app, str(missing)))
                yield _describe_missing(missing, app, name)


def _find_owner(menu: list[App], path: Path, root: Path) -> App | None:
    """Return the app in whose folder a file is. A file elsewhere sees all secrets: None."""
    return next((app for app in menu if app.folder and root / app.folder in path.parents), None)


def _find_missing(secret: Secret, visible: Secrets, environ: Mapping[str, str]) -> Secret | None:
    """Return the secret, or the table around it, that is missing; None where it is there."""
    if secret.is_variable:
        [name] = secret.names
        # Streamlit makes each secret outside of a table a variable.
        is_promoted = type(visible.get(name)) in (str, int, float)
        return None if is_promoted or name in environ or name in DYNO_VARIABLES else secret
    value: object = visible
    for number, name in enumerate(secret.names, 1):
        if not isinstance(value, Mapping):
            return None  # what follows is an attribute of the value, such as strip()
        if name not in value:
            return secret._replace(names=secret.names[:number])
        value = value[name]
    return None


def _describe_missing(secret: Secret, app: App | None, name: str) -> Finding:
    *tables, key = (app.url_path, *secret.names) if app else secret.names
    to = f"under [{'.'.join(tables)}] in" if tables else "to"
    hint = f"Add {key} {to} {SECRETS_FILE}: `python manage.py deploy` sets {VARIABLE} from it."
    if secret.is_variable:
        hint += f" Or set {key} in the environment."
    return Finding(
        "variable-missing" if secret.is_variable else "secret-missing",
        f"reads {secret}, and nothing provides it.",
        f"{name}, line {secret.line}",
        hint,
        "warning",
    )
