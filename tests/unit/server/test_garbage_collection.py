"""garbage_collection.py: what is frozen, and when it is collected all the same."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from apphub.server import garbage_collection


class Cycle:
    """Garbage that only the collector can find: it refers to itself."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def seconds(monkeypatch):
    """Let time pass: a function is called each second, until it returns True."""

    def run(each_second) -> int:
        passed = 0

        async def sleep(_: float) -> None:
            nonlocal passed
            passed += 1
            if each_second(passed) or passed > 100:
                raise asyncio.CancelledError

        with monkeypatch.context() as patch:
            patch.setattr(garbage_collection.asyncio, "sleep", sleep)
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(garbage_collection.freeze_long_lived_objects())
        return passed

    yield run
    gc.unfreeze()


def test_objects_of_the_start_are_frozen(seconds):
    assert seconds(lambda second: gc.get_freeze_count() > 10_000) == 1


def test_frozen_objects_are_collected_within_ten_seconds_of_use(seconds):
    cycle = Cycle()
    gone = weakref.ref(cycle)

    def each_second(second: int) -> bool:
        nonlocal cycle
        cycle = None
        gc.collect()  # as Streamlit does after each run; it skips frozen objects
        assert (gone() is None) == (second > 10)
        return gone() is None

    assert seconds(each_second) == 11


def test_nothing_is_collected_while_nobody_uses_it(seconds):
    before = 0

    def each_second(second: int) -> bool:
        nonlocal before
        if second == 1:
            before = gc.get_stats()[2]["collections"]
        return second == 50

    seconds(each_second)
    assert gc.get_stats()[2]["collections"] == before
