"""What replica.py of the generated project does without Streamlit: its sweeping."""

import asyncio
import gc
import weakref

import pytest


class Thing:
    """Garbage that only the collector can find: it holds itself."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def seconds(code, monkeypatch):
    """Let the sweeper's clock run: a function that is called each second, until it is True."""
    replica = code.load("replica")

    def run(each_second) -> int:
        passed = 0

        async def sleep(_: float) -> None:
            nonlocal passed
            passed += 1
            if each_second(passed) or passed > 100:
                raise asyncio.CancelledError

        monkeypatch.setattr(replica.asyncio, "sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(replica.sweep())
        monkeypatch.undo()
        return passed

    yield run
    gc.unfreeze()


def test_what_is_there_at_the_start_is_set_aside(seconds):
    assert seconds(lambda second: gc.get_freeze_count() > 10_000) == 1


def test_what_was_set_aside_is_looked_at_within_ten_seconds_of_use(seconds):
    thing = Thing()
    gone = weakref.ref(thing)

    def each_second(second: int) -> bool:
        nonlocal thing
        thing = None
        gc.collect()  # as Streamlit does after each run; what is set aside it does not see
        assert (gone() is None) == (second > 10)
        return gone() is None

    assert seconds(each_second) == 11


def test_while_nobody_uses_it_nothing_is_looked_at(seconds):
    before = 0

    def each_second(second: int) -> bool:
        nonlocal before
        if second == 1:
            before = gc.get_stats()[2]["collections"]
        return second == 50

    seconds(each_second)
    assert gc.get_stats()[2]["collections"] == before
