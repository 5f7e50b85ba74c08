"""The modules that run on Heroku: those that it starts, the menu's, and what they import."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from apphub.check.imports import (
    Import,
    find_imports,
    find_own_files,
    is_own_module,
    parse_source,
)
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass
class Sources:
    """The project's modules, parsed.

    Attributes:
        root: the project's folder.
        python: the version of Python that runs them.
        trees: each file's syntax tree.
        in_hub: the files that run in the hub's process. The others belong to scripts.
        imports: the imports of modules that are not the project's own.
        findings: files that cannot be read, and own modules that are missing.
    """

    root: Path
    python: tuple[int, int]
    trees: dict[Path, ast.Module] = field(default_factory=dict)
    in_hub: set[Path] = field(default_factory=set)
    imports: list[Import] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def parse(self, path: Path) -> None:
        """Read a file into trees. One that cannot be read becomes a finding."""
        if path in self.trees:
            return
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

    def add_missing(self, where: Import, module: str, folder: Path) -> None:
        """Add a finding for a module that is not there, unless there is one.

        Args:
            where: the import.
            module: the module's name.
            folder: the folder that it would be in.
        """
        file = (folder / module.replace(".", "/")).relative_to(self.root).as_posix()
        text = f"imports {module}, and there is no {file}.py."
        if all(finding.text != text for finding in self.findings):
            hint = "Create the file, or correct the import."
            place = location(self.root, where)
            self.findings.append(Finding("import-missing-module", text, place, hint))


class _Start(NamedTuple):
    """A file that runs, and the folders that its process imports from, the first one first."""

    path: Path
    import_path: tuple[Path, ...]


def read_sources(
    root: Path, python: tuple[int, int], start: Iterable[Path], scripts: Iterable[Path] = ()
) -> Sources:
    """Read modules, and those of the project's own that they import in turn.

    Args:
        root: the project's folder.
        python: the version of Python that runs them.
        start: the files to start with, which import from the project's folder, and from apps/.
        scripts: the scripts with a process of their own. As under `streamlit run`, the script's
            folder comes first on their import path, and pages/ in it has more of their pages.
    """
    sources = Sources(root, python)
    todo = [_Start(path, (root, root / "apps")) for path in start]
    for script in scripts:
        pages = sorted((script.parent / "pages").glob("*.py"))
        todo += [_Start(path, (script.parent, root)) for path in (script, *pages)]
    seen: set[_Start] = set()
    while todo:
        current = todo.pop(0)
        if current not in seen:
            seen.add(current)
            todo += _read(current, sources)
    # What a module and a script import is found twice.
    sources.imports = list(dict.fromkeys(sources.imports))
    sources.findings = list(dict.fromkeys(sources.findings))
    return sources


def _read(current: _Start, sources: Sources) -> Iterator[_Start]:
    """Read one file, and yield those that it runs in turn."""
    root, (path, import_path) = sources.root, current
    sources.parse(path)
    runs_in_hub = import_path[0] == root
    if runs_in_hub:
        sources.in_hub.add(path)
    if not (tree := sources.trees.get(path)):
        return
    if not runs_in_hub:
        yield from (_Start(page, import_path) for page in find_pages(tree, import_path[0]))
    base = next(folder for folder in import_path if folder in path.parents)
    for found in find_imports(tree, path, path.relative_to(base).parent.parts):
        owner = next((f for f in import_path if is_own_module(f, found.names[0])), None)
        if not owner:
            sources.imports.append(found)
            continue
        files, gone = find_own_files(owner, found.names)
        yield from (_Start(file, import_path) for file in files)
        if gone and not found.optional:
            sources.add_missing(found, gone, owner)


def find_pages(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Yield the files that a script names, as in st.Page("views/plot.py").

    Args:
        tree: the syntax tree of a file of the script's process.
        folder: the script's folder. Streamlit finds pages relative to it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            is_path = name.endswith(".py") and name.isprintable() and ".." not in name
            if is_path and len(name) < 200 and (folder / name).is_file():
                path = folder / name.removeprefix("./")
                if folder in path.parents:
                    yield path


def location(root: Path, where: Import) -> str:
    """Return the place of an import: "apps/sales.py, line 3"."""
    return f"{where.path.relative_to(root).as_posix()}, line {where.line}"
