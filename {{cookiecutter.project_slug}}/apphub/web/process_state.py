"""What the modules of a process share, whether they want to or not: restored around each run.

A fragment and a callback run without it. What cannot be kept apart in one process, such as an
environment variable, needs a process of its own: that is an app's "script".
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from apphub import logfmt
from apphub.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class ProcessState:
    """Gives an app the process as `streamlit run` would, and restores it for the others.

    A class and not a generator, which would be in the traceback of each error.
    """

    def __init__(self, path: Path) -> None:
        """Prepare a run.

        Args:
            path: the app's file.
        """
        self.path = path

    def __enter__(self) -> None:
        """Set the arguments, and undo what a fragment or a callback of another app has changed."""
        sys.argv = [str(self.path)]
        # `streamlit run` finds modules beside the app. Last: they replace nobody else's.
        if (apps := str(ROOT / "apps")) not in sys.path:
            sys.path.append(apps)
        restore_working_folder()
        restore_rc_params()

    def __exit__(self, *_: object) -> None:
        """Undo what the run has changed."""
        restore_working_folder()
        restore_rc_params()
        logfmt.repair_logging()


def restore_working_folder() -> None:
    """Go back to the project's root, where `streamlit run` starts an app."""
    try:
        is_root = os.getcwd() == str(ROOT)  # noqa: PTH109 - it runs twice per run
    except OSError:  # the folder was deleted
        is_root = False
    if not is_root:
        os.chdir(ROOT)


def restore_rc_params() -> None:
    """Restore matplotlib's parameters to what its configuration file says, where it is loaded."""
    matplotlib = sys.modules.get("matplotlib")
    current = getattr(matplotlib, "rcParams", None)
    original = getattr(matplotlib, "rcParamsOrig", None)
    if not isinstance(current, dict) or not isinstance(original, dict):
        return
    # Its own methods sort, check and choose a backend: they take ten times as long.
    changed = {
        name: value
        for name, value in dict.items(original)
        if name != "backend" and dict.get(current, name) != value
    }
    dict.update(current, changed)
