"""Checks requirements.txt: one list of packages, with everything in it that is imported."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from apphub.check.installed import find_owners
from apphub.check.project import OLDEST_PYTHON
from apphub.check.sources import location
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.imports import Import
    from apphub.check.project import Project

# Heroku takes any one of these:
# https://devcenter.heroku.com/articles/python-package-managers
PACKAGE_FILES = ("requirements.txt", "uv.lock", "poetry.lock", "Pipfile.lock")
RECOMPILE = "recompile requirements.txt and install it"


def compile_command(python: tuple[int, int]) -> str:
    """Return the command that generates requirements.txt.

    Args:
        python: the version in .python-version. An older Python on this computer needs pins, too:
            uv lists those of each version.
    """
    version = "{}.{}".format(*max(min(python, sys.version_info[:2]), OLDEST_PYTHON))
    # Where requirements.in names another index, pip has to look there, too.
    return (
        f"uv pip compile requirements.in --universal --python-version {version} "
        "--emit-index-url --emit-find-links -o requirements.txt"
    )


def install_commands(python: tuple[int, int]) -> str:
    """Return the commands for a new line in requirements.in, indented as a hint's end."""
    commands = ["pip install uv", compile_command(python), "pip install -r requirements.txt"]
    return ":" + "".join(f"\n    {command}" for command in commands)


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the list of packages."""
    files = [name for name in PACKAGE_FILES if project.has(name)]
    if project.has("Pipfile") and "Pipfile.lock" not in files:
        files.append("Pipfile")
    if not set(files) & set(PACKAGE_FILES):
        yield Finding(
            "packages-missing",
            "the file is missing, so Heroku would install nothing.",
            "requirements.txt",
            f"Generate it: {compile_command(project.python)}",
        )
    if len(files) > 1:
        yield Finding(
            "packages-two-lists",
            f"{' and '.join(files)} exist, and Heroku accepts only one list of packages.",
            files[1],
            f"Keep {files[0]}: git rm {' '.join(files[1:])}",
        )
    if "requirements.txt" not in files:
        return
    if not project.has("requirements.in") and not project.on_heroku:
        yield Finding(
            "packages-no-input",
            "the file is missing. It lists what you need; requirements.txt is generated from it, "
            "with exact versions.",
            "requirements.in",
            f"After you have created it: {compile_command(project.python)}",
            "warning",
        )
    yield from _check_imports(project)


def _check_imports(project: Project) -> Iterator[Finding]:
    findings: dict[str, Finding] = {}
    for found in project.sources.imports:
        module = found.names[0]
        if not found.optional and module not in findings and (finding := _check(project, found)):
            findings[module] = finding
    severity: Literal["error", "warning"] = (
        "warning" if findings and project.pins.unnamed else "error"
    )
    last = [module for module, finding in findings.items() if finding.hint.endswith(RECOMPILE)][-1:]
    for module, finding in findings.items():
        hint = finding.hint
        if hint.endswith(RECOMPILE):  # the commands are the same for all of them
            hint += install_commands(project.python) if module in last else "."
        yield replace(finding, hint=hint, severity=severity)


def _check(project: Project, found: Import) -> Finding | None:
    """Return why an import would fail on Heroku, or None."""
    pins = project.pins
    from packaging.utils import canonicalize_name

    module, where = found.names[0], location(project.root, found)
    name = canonicalize_name(module)
    if module in sys.stdlib_module_names or name in pins.for_heroku:
        return None
    owners = find_owners(found.names, project.installed)
    if owners & project.with_dependencies(pins.for_heroku):
        return None
    folder = found.path.parent
    is_beside = (folder / module).is_dir() or (folder / f"{module}.py").is_file()
    if folder != project.root and is_beside:
        package = ".".join(folder.relative_to(project.root).parts)
        return Finding(
            "package-import-beside",
            f"imports {module}, which is in the same folder, and the launcher looks in the "
            "project's folder.",
            where,
            f'Write: from {package} import {module}. Or make the app a "script" in apps.json.',
        )
    if elsewhere := sorted((owners | {name}) & set(pins.elsewhere)):
        return Finding(
            "package-other-platform",
            f"imports {module}, and requirements.txt has {elsewhere[0]} only where "
            f"{pins.elsewhere[elsewhere[0]]}, which is not the case on Heroku.",
            where,
            "Import it inside `try:` … `except ImportError:`.",
        )
    return _not_listed(project, found, owners, name)


def _not_listed(project: Project, found: Import, owners: set[str], name: str) -> Finding:
    dotted = ".".join(found.names[:-1]) or found.names[0]
    package = " or ".join(sorted(owners)) or name
    input_pins = project.read_pins("requirements.in")
    if (owners or {name}) & (input_pins.for_heroku | input_pins.for_here):
        hint = f"requirements.in has {package} already: {RECOMPILE}"
    elif owners:
        hint = f"Add {package} to requirements.in, {RECOMPILE}"
    else:
        hint = (
            "Add its package to requirements.in (the name may differ: PIL is in pillow), "
            f"{RECOMPILE}"
        )
    if owners:
        text = f"imports {dotted} (package {package}), which requirements.txt does not list."
        code = "package-not-listed"
    else:
        text = (
            f"imports {dotted}, which is not installed here, and requirements.txt does not list a "
            "package of that name."
        )
        code = "package-not-installed"
    return Finding(code, text, location(project.root, found), hint)
