"""Checks the apps: each can be read, and a module has a run() that the launcher can call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from apphub.apps import MenuError, hint_at_script, missing_run
from apphub.check.imports import referenced_names
from apphub.check.process_wide import find_process_wide
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the apps, and with the modules that they import."""
    sources = project.sources
    entries = set()
    for app in project.menu or ():
        try:
            path = app.find(project.root)
            entries.add(path)
        except MenuError as error:
            yield from error.findings
            continue
        tree = sources.trees.get(path)
        if tree and app.module:  # a script is run as it is
            yield from check_run_function(tree, project.name(path))
    for path, tree in sources.trees.items():
        if project.root / "apps" in path.parents and path in sources.in_hub:
            yield from _check_module(tree, project.name(path), path in entries)
    yield from sources.findings


def _check_module(tree: ast.Module, name: str, is_entry: bool) -> Iterator[Finding]:
    """Yield what a module, or a part of it, does to the others in the hub's process."""
    or_script = f" Or {hint_at_script(name)}" if is_entry else ""
    if line := find_navigation(tree):
        yield Finding(
            "app-navigation",
            "st.navigation replaces the hub's menu, and there is no link back from its pages.",
            f"{name}, line {line}",
            f'See "Several pages in one app" in docs/apps.md.{or_script}',
            "warning",
        )
    for found in {each.name: each for each in reversed([*find_process_wide(tree)])}.values():
        yield Finding(
            "app-process-wide",
            f"{found.name} changes {found.effect} for every module of the hub.",
            f"{name}, line {found.line}",
            f"Avoid it.{or_script}",
            "warning",
        )


def check_run_function(tree: ast.Module, name: str) -> Iterator[Finding]:
    """Yield what is wrong with the function run() of an app.

    Args:
        tree: the app's syntax tree.
        name: the file's name.
    """
    run = find_run(tree)
    if not run:
        yield missing_run(name)
    elif isinstance(run, ast.AsyncFunctionDef):
        yield Finding(
            "app-run-async",
            "run() is `async`, and the launcher does not wait for it: the page would stay empty.",
            f"{name}, line {run.lineno}",
            "Write `def run():`, and in it asyncio.run() where something is awaited.",
        )
    elif isinstance(run, ast.FunctionDef) and (required := required_arguments(run)):
        yield Finding(
            "app-run-arguments",
            f"run() requires {', '.join(required)}, and the launcher calls it without arguments.",
            f"{name}, line {run.lineno}",
            f"Give each a default, or remove them. Or {hint_at_script(name)}",
        )


def find_run(tree: ast.Module) -> ast.stmt | None:
    """Return the last statement that defines the name run, or None.

    A decorated function may have become anything, like an assigned or imported name: it counts as
    a plain statement.
    """
    run: ast.stmt | None = None
    for node in top_level(tree):
        if _bound_names(node) & {"run", "*"}:
            run = node
    if isinstance(run, ast.FunctionDef | ast.AsyncFunctionDef) and run.decorator_list:
        return ast.Pass()
    return run


def _bound_names(node: ast.stmt) -> set[str]:
    match node:
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        case ast.Assign():
            return {name for target in node.targets for name in referenced_names(target)}
        case ast.AnnAssign():
            return referenced_names(node.target)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
    return set()


def required_arguments(run: ast.FunctionDef) -> list[str]:
    """Return the arguments without a default."""
    arguments = run.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = positional[: len(positional) - len(arguments.defaults)]
    required += [
        argument
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if not default
    ]
    return [argument.arg for argument in required]


def top_level(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        has_own_scope = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if isinstance(child, ast.stmt | ast.ExceptHandler) and not has_own_scope:
            yield from top_level(child)


def find_navigation(tree: ast.Module) -> int | None:
    """Return the line that calls st.navigation, which only the launcher may call."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("st" | "streamlit"), "navigation"):
                return node.lineno
    return None
