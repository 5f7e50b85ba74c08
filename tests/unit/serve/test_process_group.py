"""The processes of `serve` end together, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import apphub
from apphub.serve import process_group
from apphub.serve.process_group import ProcessGroup


def list_running(group: int) -> list[str]:
    """Return the commands of a group's processes, without zombies."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if int(row[0]) == group and row[1][0] != "Z"]


def test_all_processes_end_and_their_files_are_deleted(group, tmp_path):
    for name in ("config/generated", "logs/nginx"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "config/nginx.conf",
        "config/generated/htpasswd",
        "config/mine",
        "logs/nginx/access.log",
    ):
        (tmp_path / name).touch()
    with group:
        number = group.id
        group.start("one", ["sh", "-c", "sleep 99 & sleep 98"], {**os.environ})
        group.wait(lambda: {"sleep 98", "sleep 99"} <= set(list_running(number)), 20, "no sleep")
        group.ready.touch()
    assert not list_running(number)
    assert not group.runtime.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["config", "mine"]


def test_a_file_of_the_users_in_logs_is_kept(group, tmp_path):
    (tmp_path / "logs/nginx").mkdir(parents=True)
    (tmp_path / "logs/mine").touch()
    with group:
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["logs", "mine"]


def test_a_process_that_ignores_sigterm_is_killed(group, monkeypatch):
    monkeypatch.setattr(process_group, "SHUTDOWN_TIMEOUT", 0.3)
    with group:
        number = group.id
        stubborn = "trap '' TERM; echo > stubborn; exec sleep 99"
        group.start("one", ["sh", "-c", stubborn], {**os.environ})
        group.wait((group.root / "stubborn").exists, 20, "no sh")
    assert not list_running(number)


SERVE = """
import os, pathlib, time
from apphub.serve.process_group import ProcessGroup
try:
    with ProcessGroup(pathlib.Path()) as group:
        group.start("one", ["sleep", "98"], {**os.environ})
        print(group.id, flush=True)
        os.kill(os.getpid(), NUMBER)
        time.sleep(20)
except KeyboardInterrupt:
    print("as by Ctrl-C")
"""


@pytest.mark.parametrize(
    ("number", "status", "output"),
    [
        (signal.SIGINT, 0, "as by Ctrl-C\n"),
        (signal.SIGTERM, 0, "as by Ctrl-C\n"),
        (signal.SIGHUP, 0, "as by Ctrl-C\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_each_signal_ends_all_processes(tmp_path, number, status, output):
    template = Path(apphub.__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-B", "-c", SERVE.replace("NUMBER", str(int(number)))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(template), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    group, _, rest = result.stdout.partition("\n")
    assert (result.returncode, rest) == (status, output)
    deadline = time.monotonic() + 20
    while list_running(int(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list_running(int(group))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("exit 3", "one exited with status 3"),
        ("kill -9 $$", "one was ended by signal 9"),
        ("exec sleep 9", "too late"),
    ],
)
def test_waiting_in_vain(group, command, words):
    def wait() -> None:
        with group:
            group.start("one", ["sh", "-c", command], {**os.environ})
            group.wait(lambda: False, 0.5 if words == "too late" else 20, "too late")

    with pytest.raises(click.ClickException, match=words):
        wait()


def test_a_folder_is_served_once(group):
    with group:
        with pytest.raises(click.ClickException, match="serve` is already running in this folder"):
            ProcessGroup(group.root).__enter__()
        assert group.runtime.stat().st_mode & 0o777 == 0o700
    with ProcessGroup(group.root):
        pass
