"""Has saved modules count on the next view.

Streamlit drops the modules that it watches, but only while a tab is open, and not the files of
pages: an app that imports another app's file would not see a change of that.
"""

from __future__ import annotations

import os
import sys

from streamlit import config

from apphub.paths import ROOT

# When the files of the project's modules were changed, as far as is known; 0 for one that may have
# changed while it was imported.
_stamps: dict[str, int] = {}


def forget_changed_modules(since: float | None = None) -> None:
    """Drop the project's own modules where one of them was saved, as Streamlit does.

    Call it before and after a run. On a dyno, where no file changes, it does nothing.

    Args:
        since: when the run began, after it.
    """
    if config.get_option("server.fileWatcherType") == "none":
        return
    stamps = dict(find_modules())
    if all(_stamps.get(name, stamp) == stamp for name, stamp in stamps.items()):
        for name in stamps.keys() - _stamps.keys():
            is_new = since is not None and stamps[name] > since * 1e9
            _stamps[name] = 0 if is_new else stamps[name]
        return
    for name in stamps:
        sys.modules.pop(name, None)
    _stamps.clear()


def find_modules() -> list[tuple[str, int]]:
    """Return the project's own modules that are loaded, and when their files were changed."""
    root, template = f"{ROOT}{os.sep}", f"{ROOT}{os.sep}apphub{os.sep}"
    found = []
    for name, module in list(sys.modules.items()):
        # Not getattr(): a module that loads others lazily would do it.
        file = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(file, str) or not file.startswith(root) or name == "__main__":
            continue
        if file.startswith(template) or "site-packages" in file:
            continue
        try:
            found.append((name, os.stat(file).st_mtime_ns))  # noqa: PTH116 - once per module and run
        except OSError:
            found.append((name, 0))
    return found
