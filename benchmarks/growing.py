"""What more processes bring: reruns per second of an app that computes. Writes growing.json.

    .venv/bin/python benchmarks/growing.py

Each round measures one process and several, one after the other, on the same machine; the ratio is
that of the medians. It wants as many processors as processes, and some of them for its clients.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path
from statistics import median

from sides import HERE, Ours, ask, bake, streamlit_alone

PROCESSES = (1, 2)
SESSIONS = 8
SECONDS = 20
ROUNDS = 3


def reruns(project: Path, python: Path, processes: int) -> float:
    """Return how often the app runs in a second, all browsers together."""
    with Ours(project, "nginx", STREAMLIT_PROCESSES=str(processes)) as side:
        given = {"sessions": SESSIONS, "seconds": SECONDS, "processes": processes}
        return ask(python, "busy", side, page="computes", **given)["reruns per second"]


def main() -> None:
    figures: dict[int, list[float]] = {processes: [] for processes in PROCESSES}
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = streamlit_alone(project)
        for _ in range(ROUNDS):
            for processes, found in figures.items():
                found.append(reruns(project, python, processes))
                print(f"{processes} of Streamlit: {found[-1]:.1f} reruns a second", flush=True)
    ratio = median(figures[2]) / median(figures[1])
    result = {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "sessions": SESSIONS,
        "reruns a second": figures,
        "ratio": ratio,
    }
    (HERE / "growing.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"Two processes run {ratio:.2f} times as often as one.")


if __name__ == "__main__":
    main()
