"""Imports an app, and finds the function that draws it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from apphub.finding import Finding
from apphub.menu import App, MenuError
from apphub.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


def load_run_function(app: App) -> Callable[[], None]:
    """Import the app's module and return its run().

    Raises:
        MenuError: the module is missing, or has no run().
        Exception: whatever the module itself raises when it is imported.
    """
    path = app.find()
    run: Callable[[], None] | None = getattr(importlib.import_module(app.module), "run", None)
    if run is None or not callable(run):
        raise MenuError(
            [
                Finding(
                    "app-no-run",
                    "it has no function run().",
                    path.relative_to(ROOT).as_posix(),
                    "The launcher calls it to draw the app: put the app's code into `def run():`.",
                )
            ]
        )
    return run
