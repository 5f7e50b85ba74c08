"""Executes a module's source again for each run, as Streamlit does with a script.

An imported module would be executed once per process: all users would share its variables, and
what it draws above run() would be drawn for the first of them only.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from streamlit import config

from apphub.apps import App, MenuError, missing_run
from apphub.paths import ROOT
from apphub.web.process_state import ProcessState
from apphub.web.reload import forget_changed_modules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import CodeType, ModuleType

    Magic = Callable[[str, str], Any]

CLOCK_TICK_NS = 2e9  # a change within the file system's clock tick would not show

logger = logging.getLogger("apps")


def run_app(app: App) -> None:
    """Execute the app's module and call its run().

    Raises:
        MenuError: the file is missing, or has no run().
        BaseException: whatever the app itself raises.
    """
    forget_changed_modules()
    path, begin = app.find(), time.time()
    code = load_code(path)
    if not binds_run(code):
        raise without_run(path)
    try:
        with ProcessState(path):
            run = getattr(execute(app.module, path, code), "run", None)
            if not callable(run):
                raise without_run(path)
            run()
    finally:
        forget_changed_modules(begin)


def execute(name: str, path: Path, code: CodeType) -> ModuleType:
    """Execute a module's code in a new module object, which replaces the one before.

    It has the module's own name, and not __main__: Streamlit's caches have that name in their keys,
    and pickle finds the module's classes by it.

    Args:
        name: the module's name, such as "apps.sales_report".
        path: its file; for a package its __init__.py.
        code: the compiled file.
    """
    is_package = path.name == "__init__.py"
    search = [str(path.parent)] if is_package else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    assert spec is not None  # noqa: S101 - the name ends in .py
    module = importlib.util.module_from_spec(spec)
    # Other modules import it by this name, as attribute of its package, too.
    parent, _, stem = name.rpartition(".")
    setattr(importlib.import_module(parent), stem, module)
    sys.modules[name] = module
    if is_package:
        for submodule, loaded in list(sys.modules.items()):
            package, _, attribute = submodule.rpartition(".")
            if package == name:
                setattr(module, attribute, loaded)
    exec(code, module.__dict__)  # noqa: S102
    return module


def load_code(path: Path) -> CodeType:
    """Compile a file, or return what was compiled before as long as the file has not changed.

    Raises:
        SyntaxError: it is not Python.
        OSError: it cannot be read.
    """
    stat = path.stat()
    magic = find_magic()
    if time.time_ns() - stat.st_mtime_ns < CLOCK_TICK_NS:
        return compile_file(path, magic)
    return _load_cached(path, magic, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=256)
def _load_cached(path: Path, magic: Magic | None, *_stamp: int) -> CodeType:
    return compile_file(path, magic)


def compile_file(path: Path, magic: Magic | None) -> CodeType:
    """Compile a file, with Streamlit's magic where it is enabled: `df` on a line draws df."""
    source = importlib.util.decode_source(path.read_bytes())
    try:
        tree = magic(source, str(path)) if magic else source
        code: CodeType = compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        # The frames of the compiler say nothing about the app.
        raise error.with_traceback(None) from None
    return code


def find_magic() -> Magic | None:
    """Return what adds magic to a source, or None where it is disabled. It is private API."""
    try:
        from streamlit.runtime.scriptrunner.magic import add_magic

        return add_magic if config.get_option("runner.magicEnabled") else None
    except (ImportError, RuntimeError):
        _warn_of_magic()
        return None


@cache
def _warn_of_magic() -> None:
    logger.warning(
        "This version of Streamlit has no magic that modules could use: an expression on a line of "
        "its own draws nothing. Use st.write(), or pin the version that requirements.txt had."
    )


def binds_run(code: CodeType) -> bool:
    """Return whether the module may have a run(): it binds that name, or imports any."""
    return "run" in code.co_names or ("*",) in code.co_consts


def without_run(path: Path) -> MenuError:
    """Return the error of a module without run()."""
    return MenuError([missing_run(path.relative_to(ROOT).as_posix())])
