"""Freezes long-lived objects, so that the garbage collector skips them."""

from __future__ import annotations

import asyncio
import gc
import sys

MAX_AGE = 10  # seconds


async def freeze_long_lived_objects() -> None:
    """Freeze all objects after each import, and every ten seconds of use, until cancelled.

    Streamlit collects garbage after each run of a script. With pandas imported it scans 300,000
    objects then, which takes longer than most scripts do. Frozen objects are skipped
    (https://docs.python.org/3/library/gc.html#gc.freeze). Before each freeze all objects are
    collected once.
    """
    modules, collections, age = 0, 0, 0
    while True:
        in_use = gc.get_stats()[2]["collections"] != collections
        if len(sys.modules) != modules or (in_use and age >= MAX_AGE):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            modules, collections, age = len(sys.modules), gc.get_stats()[2]["collections"], 0
        await asyncio.sleep(1)
        age += 1
