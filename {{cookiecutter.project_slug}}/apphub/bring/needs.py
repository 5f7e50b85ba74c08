"""What an app needs beside its code, said after it was added."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

from apphub.app_secrets import SECRETS_FILE
from apphub.bring.removed_calls import find_removed_calls
from apphub.check.git import list_files
from apphub.check.report import CheckSkipped
from apphub.check.secrets_provided import DYNO_VARIABLES
from apphub.check.secrets_read import find_secrets
from apphub.check.sources import read_sources
from apphub.text import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apphub.apps import App
    from apphub.bring.declared import Declared
    from apphub.check.project import Project
    from apphub.check.secrets_read import Secret
    from apphub.check.sources import Sources

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
DATA = re.compile(
    r"[^:*?\"<>|\n{}]+\.(csv|tsv|txt|json|xlsx?|parquet|feather|pkl|pickle|joblib|db|sqlite3?|"
    r"geojson|png|jpe?g|svg|md|css|html|ya?ml|toml|npy|npz|h5|onnx|pt)"
)
READS = re.compile(r"(read|load|open|scan|from)(_\w+)?|image|logo|Path|Image")
APT_BUILDPACK = "heroku-community/apt"


def find_needs(app: App, project: Project, declared: Declared) -> list[str]:
    """Return what the user should know of an app that was added, as sentences.

    Args:
        app: the app, whose files are in the project.
        project: the project.
        declared: what the app's own files ask for.
    """
    path = app.find(project.root)
    kinds = ([path], []) if app.module else ([], [path])
    sources = read_sources(project.root, project.python, *kinds)
    return [
        *_describe_syntax(sources),
        *_describe_secrets(app, sources),
        *_describe_declared(project, declared),
        *_describe_removed_calls(project, sources),
        *_describe_data(app, project, sources),
    ]


def _describe_syntax(sources: Sources) -> Iterator[str]:
    for finding in sources.findings:
        yield f"{finding.where}: {finding.text}"


def _describe_secrets(app: App, sources: Sources) -> Iterator[str]:
    secrets: dict[str, Secret] = {}
    variables: dict[str, Secret] = {}
    for tree in sources.trees.values():
        for secret in find_secrets(tree):
            if not secret.optional:
                (variables if secret.is_variable else secrets)[str(secret)] = secret
    if secrets:
        table = f", in the table [{app.url_path}]" if app.folder else ""
        yield (
            f"It reads {summarize([*secrets], 8)}. Put them into {SECRETS_FILE}{table}: "
            "python manage.py deploy sets SECRETS from it."
        )
    names = [secret.names[0] for secret in variables.values()]
    if names := [name for name in names if name not in DYNO_VARIABLES]:
        yield (
            f"It reads {summarize(names, 8)} from the environment. Set them on Heroku: "
            "heroku config:set, and here in your shell."
        )


def _describe_declared(project: Project, declared: Declared) -> Iterator[str]:
    if packages := declared.apt_packages:
        yield (
            f"packages.txt asks for {summarize(packages, 8)}, which apt installs. Write one per "
            "line into a file Aptfile in the project's folder, and run: "
            f"heroku buildpacks:add --index 1 {APT_BUILDPACK}"
        )
    if declared.file and not project.has("requirements.in"):
        yield (
            f"{declared.file} asks for {summarize(declared.lines.requirements, 8)}. Add them to "
            "this project's list of packages: it has no requirements.in."
        )
    here = "{}.{}".format(*project.python)
    if declared.python and declared.python != here:
        yield f"It asks for Python {declared.python}. This project has {here} (.python-version)."
    elif declared.python_range and not _allows(declared.python_range, here):
        text = f"It asks for Python {declared.python_range}."
        yield f"{text} This project has {here} (.python-version)."


def _allows(versions: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(versions).contains(f"{python}.99")
    except InvalidSpecifier:
        return True


def _describe_removed_calls(project: Project, sources: Sources) -> Iterator[str]:
    for path, tree in sources.trees.items():
        calls = {call.name: call for call in find_removed_calls(tree)}
        if calls:
            first = min(call.line for call in calls.values())
            yield (
                f"{project.name(path)}, line {first}: Streamlit has removed "
                f"{summarize([*map(str, calls.values())], 8)}."
            )


def _describe_data(app: App, project: Project, sources: Sources) -> Iterator[str]:
    files = list(list_files(project.root / app.folder)) if app.folder else []
    if pointers := [path for path in files if _is_lfs_pointer(path)]:
        yield (
            f"{summarize([*map(project.name, pointers)])}: git-lfs has only a pointer there. Get "
            "the content where the app comes from, git lfs pull, and copy it."
        )
    if ignored := _find_ignored(project, files):
        yield (
            f"git ignores {summarize(ignored)}, so Heroku would not get it. If the app reads it: "
            f"git add -f {shlex.quote(ignored[0])}"
        )
    folder = project.root / app.folder
    missing = {name for tree in sources.trees.values() for name in _find_missing(tree, folder)}
    if missing:
        place = f"{app.folder}/" if app.folder else "the project's folder"
        yield f"It reads {summarize(sorted(missing), 8)}, which {place} does not have."


def _is_lfs_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def _find_ignored(project: Project, files: list[Path]) -> list[str]:
    names = "\0".join(map(project.name, files))
    try:
        return project.git("check-ignore", "-z", "--stdin", stdin=names) if names else []
    except CheckSkipped:
        return []


def _find_missing(tree: ast.Module, folder: Path) -> Iterator[str]:
    """Yield the data files that a module reads by a fixed path, and that are not there."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                ast.Name(function) | ast.Attribute(_, function), [ast.Constant(str(name)), *rest]
            ) if READS.fullmatch(function) and DATA.fullmatch(name) and len(name) < 200:
                modes = [*rest, *(keyword.value for keyword in node.keywords)]
                writes = any(
                    isinstance(mode, ast.Constant)
                    and isinstance(mode.value, str)
                    and re.match(r"[wax]", mode.value)
                    for mode in modes
                )
                if not (function == "open" and writes) and not (folder / name).exists():
                    yield name
