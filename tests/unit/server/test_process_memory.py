"""server/process_memory.py: what a process and its children use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fake_dyno import wait_until

from apphub.server import process_memory
from apphub.server.process_memory import exceeds, find_tree

pytestmark = pytest.mark.skipif(not process_memory.IS_KNOWN, reason="only Linux has /proc")

HOLDS = "import sys; kept = bytearray(b'x') * 2**27; {}; print(flush=True); sys.stdin.read()"


@pytest.fixture
def run():
    """Run a program that holds 128 MB, and return its number once it does."""
    processes = []

    def run(then: str = "") -> int:
        command = [sys.executable, "-c", HOLDS.format(then or "pass")]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe)
        processes.append(process)
        process.stdout.readline()
        return process.pid

    yield run
    for process in processes:
        process.communicate(timeout=60)


def test_memory_of_one_process(run):
    process = run()
    assert exceeds(process, 128)
    assert not exceeds(process, 200)
    assert find_tree(process) == [process]


def test_children_count(run):
    child = f"import subprocess; subprocess.Popen([sys.executable, '-c', {HOLDS.format('pass')!r}])"
    process = run(f"{child}; sys.stdin.buffer.raw")
    [child] = find_tree(process)[1:]
    assert child in find_tree(os.getpid())
    assert exceeds(process, 128)


def test_what_forked_processes_share_is_counted_once(run):
    process = run("import os; children = [os.fork() and 1 for _ in range(2)]")
    wait_until(lambda: len(find_tree(process)) == 4)
    assert not exceeds(process, 300)
    assert exceeds(process, 100)


def test_process_that_has_exited():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not exceeds(process.pid, 1)
