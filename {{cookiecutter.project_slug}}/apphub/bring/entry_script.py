"""Finding the script of a Streamlit project that `streamlit run` starts."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from typing import TYPE_CHECKING

from apphub.check.apps import find_run, required_arguments, top_level
from apphub.check.git import list_files
from apphub.check.imports import find_imports, parse_source, referenced_names
from apphub.finding import InvalidInput
from apphub.text import summarize

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Choose = Callable[[str, list[str]], str | None]

# In the order in which they are preferred, in lower case.
NAMES = ("streamlit_app.py", "app.py", "main.py", "home.py")
TEST = re.compile(r"(test_.*|.*_test|conftest)\.py")
IMPORTS_STREAMLIT = re.compile(rb"^\s*(import|from)\s+streamlit\b", re.MULTILINE)
# Their scripts are not an app's first page.
OTHER_FOLDERS = {"pages", "tests", "test", "docs", "examples", "node_modules", "site-packages"}


def find_entry_script(folder: Path, label: str, choose: Choose) -> Path:
    """Return the script that `streamlit run` starts.

    Args:
        folder: the project's folder.
        label: how the user knows it.
        choose: asks the user for one of some paths; None where there is nobody to ask.

    Raises:
        InvalidInput: there is none, or it is not clear which one it is.
    """
    scripts = [path for path in list_files(folder) if path.suffix == ".py"]
    drawing = {path for path in scripts if imports_streamlit(path)}
    if not drawing:
        raise InvalidInput(
            f"No Python file in {label} imports streamlit. Name the script that "
            "`streamlit run` starts: --script FILE"
        )
    candidates = _find_candidates(folder, scripts, drawing)
    if len(candidates) == 1:
        return candidates[0]
    names = [path.relative_to(folder).as_posix() for path in candidates]
    chosen = choose(f"Which script does `streamlit run` start in {label}?", names)
    if chosen is None:
        raise InvalidInput(
            f"{label} has several scripts that import streamlit: {summarize(names, 8)}. "
            f"Name the one that `streamlit run` starts: --script {shlex.quote(names[0])}"
        )
    return folder / chosen


def _find_candidates(folder: Path, scripts: list[Path], drawing: set[Path]) -> list[Path]:
    """Return the scripts that may be the first one, at least one; only one where it is clear."""
    top = [path for path in scripts if path.parent == folder]
    named = sorted((path for path in top if path.name.lower() in NAMES), key=_rank)
    for path in named:
        if path in drawing:
            return [path]
    if at_top := [path for path in top if path in drawing]:
        helpers = _find_helpers(folder, scripts)
        return [path for path in at_top if path not in helpers] or at_top
    if named:  # it imports streamlit by way of its own modules
        return named[:1]
    inner = [
        path
        for path in scripts
        if path in drawing and not OTHER_FOLDERS & set(path.relative_to(folder).parts[:-1])
    ]
    named = [path for path in inner if path.name.lower() in NAMES]
    return named if len(named) == 1 else inner or sorted(drawing)


def _find_helpers(folder: Path, scripts: list[Path]) -> set[Path]:
    """Return the scripts that others import, and the tests: `streamlit run` starts none of them."""
    helpers = {path for path in scripts if TEST.fullmatch(path.name)}
    for path in scripts:
        if tree := parse(path):
            names = {found.names[0] for found in find_imports(tree, path, ()) if found.names}
            helpers |= {folder / f"{name}.py" for name in names} - {path}
    return helpers


def _rank(path: Path) -> int:
    return NAMES.index(path.name.lower())


def parse(path: Path) -> ast.Module | None:
    """Return a file's syntax tree, or None where Python cannot read it."""
    try:
        return parse_source(path.read_bytes(), path.name, sys.version_info[:2])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imports_streamlit(path: Path) -> bool:
    """Return whether a script imports streamlit, even if this Python cannot read all of it."""
    if not (tree := parse(path)):
        return bool(IMPORTS_STREAMLIT.search(path.read_bytes()))
    return any(found.names[0] == "streamlit" for found in find_imports(tree, path, ()))


def draws_in_run(path: Path) -> bool:
    """Return whether a file is a module for the hub: run() draws it, and nothing else has to.

    What calls another function as a script, or calls run() at its top level, is a script.
    """
    tree = parse(path)
    run = find_run(tree) if tree else None
    if not tree or not run or isinstance(run, ast.AsyncFunctionDef | ast.ClassDef):
        return False
    if isinstance(run, ast.FunctionDef) and required_arguments(run):
        return False
    guards = [node for node in tree.body if isinstance(node, ast.If) and _is_guard(node)]
    if guards and not any("run" in referenced_names(node) for node in guards):
        return False
    guarded = {id(node) for guard in guards for node in ast.walk(guard)}
    return not any(_calls_run(node) for node in top_level(tree) if id(node) not in guarded)


def _is_guard(node: ast.If) -> bool:
    """Return whether it is `if __name__ == "__main__":`."""
    return "__name__" in referenced_names(node.test)


def _calls_run(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(ast.Call(ast.Name("run"))):
            return True
    return False
