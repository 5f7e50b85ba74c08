"""What the project's modules import, read from their syntax trees. Nothing is imported or run."""

from __future__ import annotations

import ast
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Import(NamedTuple):
    """An import.

    Attributes:
        path: the file that it is in.
        line: its line there.
        names: the module's name in parts; the last one may be an attribute of the module.
        optional: whether it may fail: something catches the error, or it is only for some
            machines or for a type checker.
    """

    path: Path
    line: int
    names: tuple[str, ...]
    optional: bool


def parse_source(source: bytes, name: str, python: tuple[int, int]) -> ast.Module:
    """Return a module's syntax tree.

    Args:
        source: the file's content.
        name: the file's name.
        python: the version that the module is for. Its syntax is limited to that one's.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python cannot read it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as "invalid escape sequence": for the app's author
        version = min(python, sys.version_info[:2])
        return ast.parse(source, name, feature_version=version)


def find_imports(
    node: ast.AST, path: Path, package: tuple[str, ...], optional: bool = False
) -> Iterator[Import]:
    """Yield each import. `import a.b` is a.b.*, and `from a import b` is a.b.

    Args:
        node: a module's syntax tree, or a part of it.
        path: the module's file.
        package: the name in parts of the package that the module is in.
        optional: whether an import here may fail.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, node.lineno, (*alias.name.split("."), "*"), optional)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else ()
        base += tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            yield Import(path, node.lineno, (*base, alias.name), optional)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from find_imports(child, path, package, optional or may_fail(node, child))


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what a file has imported, by the name that it has there: {"st": "streamlit"}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def may_fail(node: ast.AST, child: ast.AST) -> bool:
    """Return whether an import in this part of a statement may fail."""
    if isinstance(node, ast.Try | ast.TryStar):
        return any(
            not handler.type or referenced_names(handler.type) & IMPORT_ERRORS
            for handler in node.handlers
        )
    if isinstance(node, ast.If):
        names = referenced_names(node.test)
        if names & {"platform", "version_info", "find_spec"} or names >= {"os", "name"}:
            return True
        return "TYPE_CHECKING" in names and child in node.body
    if isinstance(node, ast.With):  # suppress(ImportError)
        return any(referenced_names(item) & IMPORT_ERRORS for item in node.items)
    return False


def referenced_names(node: ast.AST) -> set[str]:
    """Return the names in an expression."""
    return {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    }


def is_own_module(root: Path, name: str) -> bool:
    """Return whether a module is the project's own: a file, or a folder with modules in it."""
    if (root / f"{name}.py").is_file() or (root / name / "__init__.py").is_file():
        return True
    return name not in sys.stdlib_module_names and any((root / name).rglob("*.py"))


def find_own_files(root: Path, names: tuple[str, ...]) -> tuple[list[Path], str | None]:
    """Return the files of the project that an import runs, and the module that is missing."""
    files: list[Path] = []
    path = root
    for number, name in enumerate(names, 1):
        path = path / name
        if (package := path / "__init__.py").is_file():
            files.append(package)
        elif (module := path.with_name(f"{name}.py")).is_file():
            return [*files, module], None
        elif not path.is_dir():
            return files, ".".join(names[:number]) if number < len(names) else None
    return files, None
