"""Checks app.py: it has to start the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.imports import find_imports
from apphub.finding import Finding

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from apphub.check.project import Project

NAME = "app.py"
LAUNCHER = ("apphub", "web", "launcher")
CONTENT = "from apphub.web.launcher import main\n\n    main()"


def check(project: Project) -> Iterator[Finding]:
    """Yield a finding where app.py does not start the hub."""
    if not project.has(NAME):
        yield Finding(
            "entry-point-missing",
            "the file is missing, and the hub starts with it.",
            NAME,
            f"Create it with these lines:\n    {CONTENT}",
        )
    elif (tree := project.sources.trees.get(project.root / NAME)) and not _imports_launcher(
        project, tree
    ):
        yield Finding(
            "entry-point-replaced",
            "it does not start the hub, so the menu and the other apps would be missing.",
            NAME,
            "If it is an app of yours, put it into apps/ and add it to the menu:\n"
            f"    git mv {NAME} apps/my_app.py\n"
            '    python manage.py add-app "My App"\n'
            f"Then create {NAME} again, with these lines:\n    {CONTENT}",
        )


def _imports_launcher(project: Project, tree: ast.Module) -> bool:
    return any(
        found.names[: len(LAUNCHER)] == LAUNCHER
        for found in find_imports(tree, project.root / NAME, ())
    )
