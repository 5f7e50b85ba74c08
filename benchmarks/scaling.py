"""Reruns per second of an app that computes, with one and two workers. Writes scaling.json.

    .venv/bin/python benchmarks/scaling.py

Each round measures one worker and two, one after the other, on the same machine; the ratio is
that of the medians. It needs as many processors as workers, and its clients use some of them.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from statistics import median
from typing import TYPE_CHECKING

from targets import HERE, Ours, bake, bare_environment, run_client

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = (1, 2)
SESSIONS = 8
SECONDS = 20
ROUNDS = 3


def measure_reruns(project: Path, python: Path, processes: int) -> float:
    """Return the reruns per second of all sessions together."""
    with Ours(project, "nginx", STREAMLIT_PROCESSES=str(processes)) as target:
        given = {"sessions": SESSIONS, "seconds": SECONDS, "processes": processes}
        return run_client(python, "busy", target, page="computes", **given)["reruns per second"]


def main() -> None:
    figures: dict[int, list[float]] = {processes: [] for processes in PROCESSES}
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = bare_environment(project)
        for _ in range(ROUNDS):
            for processes, found in figures.items():
                found.append(measure_reruns(project, python, processes))
                print(
                    f"STREAMLIT_PROCESSES={processes}: {found[-1]:.1f} reruns per second",
                    flush=True,
                )
    ratio = median(figures[2]) / median(figures[1])
    result = {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "sessions": SESSIONS,
        "reruns per second": figures,
        "ratio": ratio,
    }
    (HERE / "scaling.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"Two workers run {ratio:.2f} times as often as one.")


if __name__ == "__main__":
    main()
