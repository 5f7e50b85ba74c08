"""Checks that no module of the project has the name of another one that Python needs.

The project's folder comes first on Heroku's import path, and apps/ for a script in it, as under
`streamlit run apps/sales.py`: a secrets.py there is imported in place of Python's own. For a script
in a folder of its own it is the same without the hub.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apphub.check.project import Project

# The template's own names at the root. Some packages install a module "tests" or "docs".
TEMPLATE = {"app", "apps", "bin", "config", "docs", "manage", "tests"}


def check(project: Project) -> Iterator[Finding]:
    """Yield a finding for each module that shadows another one."""
    owners = _find_owners(project)
    for name, path in _find_modules(project.root):
        if name in TEMPLATE or path == project.root / "apphub" or name not in owners:
            continue
        if _is_hidden(path):
            yield Finding(
                "shadowed-module",
                f"`import {name}` does not find it, but {owners[name]}.",
                _describe(project, path),
                _rename(project, path),
                "warning",
            )
        else:
            yield Finding(
                "shadowing-module",
                f"it would be imported in place of {owners[name]}, and nothing would start on "
                "Heroku.",
                _describe(project, path),
                _rename(project, path),
            )
    script = next((app.name for app in project.menu or () if app.script and not app.folder), "")
    for name, path in _find_modules(project.root / "apps"):
        if name in owners and not _is_hidden(path):
            who = script or "`streamlit run` with an app in apps/"
            yield Finding(
                "shadowing-app",
                f"{who} would import it in place of {owners[name]}.",
                _describe(project, path),
                _rename(project, path, ", in apps.json, too"),
                "error" if script else "warning",
            )


def _find_owners(project: Project) -> dict[str, str]:
    """Return the names that are taken, each with what has it."""
    owners: dict[str, str] = {}
    try:
        packages, installed = project.pins.for_heroku, project.installed
        for package in project.with_dependencies(packages) & installed.keys():
            for name in installed[package].top_level_modules:
                owners[name] = f"the package {package}"
    except CheckSkipped:
        pass  # without the packages, only Python's own modules are known
    owners |= dict.fromkeys(sys.stdlib_module_names, "Python's own module")
    return owners | {"apphub": "the template's code"}


def _find_modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of each module in a folder."""
    for path in sorted(folder.glob("*")):
        is_package = path.is_dir() and path.name.isidentifier() and any(path.glob("*.py"))
        if is_package or (path.suffix == ".py" and path.stem.isidentifier() and path.is_file()):
            yield path.stem, path


def _describe(project: Project, path: Path) -> str:
    return f"{project.name(path)}{'/' if path.is_dir() else ''}"


def _is_hidden(path: Path) -> bool:
    """Return whether Python prefers any other module of this name.

    It does so for a folder without __init__.py, and for a file beside a folder that has one.
    """
    if path.is_dir():
        return not (path / "__init__.py").is_file()
    return (path.with_suffix("") / "__init__.py").is_file()


def _rename(project: Project, path: Path, also: str = "") -> str:
    new = path.with_name(f"my_{path.name}")
    return f"Rename it{also}: git mv {project.name(path)} {project.name(new)}"
