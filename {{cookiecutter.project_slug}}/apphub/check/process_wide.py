"""Calls in a module that change the whole process: the other modules notice them, too.

The hub restores the working folder, sys.argv, logging and matplotlib's rcParams between the runs of
its modules. What is listed here it cannot undo, or not while two run at the same time.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from apphub.check.imports import imported_names

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = {
    "os.chdir": "the working folder",
    "locale.setlocale": "the locale",
    "socket.setdefaulttimeout": "the time limit of all connections",
    "pandas.set_option": "the options of pandas",
    "pandas.reset_option": "the options of pandas",
    "os.environ.update": "the environment",
    "os.putenv": "the environment",
}
ASSIGNMENTS = {"os.environ": "the environment", "pandas.options": "the options of pandas"}


class ProcessWide(NamedTuple):
    """A statement that changes the process.

    Attributes:
        line: its line.
        name: what it calls or assigns: "os.chdir".
        effect: what it changes.
    """

    line: int
    name: str
    effect: str


def find_process_wide(tree: ast.Module) -> Iterator[ProcessWide]:
    """Yield the statements that change what all modules of the process share."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted_name(node.func, names)
            if name in CALLS:
                yield ProcessWide(node.lineno, name, CALLS[name])
        elif isinstance(node, ast.Assign | ast.AugAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                inner = target
                while isinstance(inner, ast.Subscript | ast.Attribute):
                    inner = inner.value
                    name = dotted_name(inner, names)
                    if name in ASSIGNMENTS:
                        yield ProcessWide(node.lineno, name, ASSIGNMENTS[name])
                        break


def dotted_name(node: ast.expr, names: dict[str, str]) -> str:
    """Return what an expression names, such as "os.chdir"; "" where it is not a plain name.

    Args:
        node: the expression.
        names: what the file has imported, by the name that it has there.
    """
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (value := dotted_name(node.value, names)):
        return f"{value}.{node.attr}"
    return ""
