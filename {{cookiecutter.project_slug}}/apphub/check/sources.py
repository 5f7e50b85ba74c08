"""The modules that run on Heroku: those that it starts, the menu's, and what they import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.check.imports import (
    Import,
    find_imports,
    find_own_files,
    is_own_module,
    parse_source,
)
from apphub.finding import Finding

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable
    from pathlib import Path


@dataclass
class Sources:
    """The project's modules, parsed.

    Attributes:
        root: the project's folder.
        python: the version of Python that runs them.
        trees: each file's syntax tree.
        imports: the imports of modules that are not the project's own.
        findings: files that cannot be read, and own modules that are missing.
    """

    root: Path
    python: tuple[int, int]
    trees: dict[Path, ast.Module] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def parse(self, path: Path) -> None:
        """Read a file into trees. One that cannot be read becomes a finding."""
        name = path.relative_to(self.root).as_posix()
        try:
            self.trees[path] = parse_source(path.read_bytes(), name, self.python)
        except SyntaxError as error:
            where = f"{name}, line {error.lineno}" if error.lineno else name
            text = f"Python cannot read the file: {error.msg}."
            self.findings.append(Finding("source-syntax", text, where, "Correct the syntax."))
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or error
            self.findings.append(Finding("source-unreadable", f"cannot be read: {reason}.", name))


def read_sources(root: Path, python: tuple[int, int], start: Iterable[Path]) -> Sources:
    """Read modules, and those of the project's own that they import in turn.

    Args:
        root: the project's folder.
        python: the version of Python that runs them.
        start: the files to start with.
    """
    sources = Sources(root, python)
    todo = list(start)
    seen: set[Path] = set()
    missing: set[str] = set()
    while todo:
        path = todo.pop(0)
        if path in seen:
            continue
        seen.add(path)
        sources.parse(path)
        if not (tree := sources.trees.get(path)):
            continue
        for found in find_imports(tree, path, path.relative_to(root).parent.parts):
            if not is_own_module(root, found.names[0]):
                sources.imports.append(found)
                continue
            files, gone = find_own_files(root, found.names)
            todo += files
            if gone and not found.optional and gone not in missing:
                missing.add(gone)
                sources.findings.append(_missing_module(root, found, gone))
    return sources


def _missing_module(root: Path, where: Import, module: str) -> Finding:
    return Finding(
        "import-missing-module",
        f"imports {module}, and there is no {module.replace('.', '/')}.py.",
        location(root, where),
        "Create the file, or correct the import.",
    )


def location(root: Path, where: Import) -> str:
    """Return the place of an import: "apps/sales.py, line 3"."""
    return f"{where.path.relative_to(root).as_posix()}, line {where.line}"
