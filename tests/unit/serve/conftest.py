"""A process group whose signal handlers end with the test, and programs to run in it."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from apphub.serve.process_group import ProcessGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def restore_signals() -> Iterator[None]:
    """Put the signal handlers back after the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def group(tmp_path, restore_signals) -> ProcessGroup:
    """A group in an empty folder, not entered yet."""
    return ProcessGroup(tmp_path)


@pytest.fixture
def write_program(tmp_path) -> Callable[[str, str], str]:
    """Write a program in Python, and return its path."""

    def write_program(name: str, source: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable} -S\n{source}")
        path.chmod(0o755)
        return str(path)

    return write_program
