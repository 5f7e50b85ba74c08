"""Memory of a dyno with an app open, and of each additional session. Writes memory.json.

    .venv/bin/python benchmarks/memory.py

The generated project's docs/cost.md has the rounded figures and the table that is printed here;
tests/template/test_readme.py compares them.
"""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from targets import HERE, Ours, bake, bare_environment, run_client

if TYPE_CHECKING:
    from pathlib import Path

SESSIONS = 100
APPS = {
    "text and ten widgets": "widgets",
    "the app to start from": "sales_report",
    "a table": "table",
}
PROCESSES = (1, 2)
# A dyno's memory in MB of 2^20 bytes. Above it Heroku logs R14, and the dyno gets slow.
SIZES = {"eco, basic, standard-1x": 512, "standard-2x": 1024, "performance-m": 2560}
MANY = 1000  # above it, something else is the limit


def measure(project: Path, python: Path, app: str, processes: int, sessions: int) -> dict:
    """Return the MB of all processes, the app open once in each worker, and per additional session.

    "MB in total" is the memory with that many sessions.
    """
    with Ours(project, "nginx", STREAMLIT_PROCESSES=str(processes)) as target:
        run_client(
            python, "busy", target, page=app, sessions=processes, seconds=5, processes=processes
        )
        time.sleep(12)  # until the garbage of the first runs is collected
        at_first, before = target.memory(), target.memory(field="Pss_Anon")
        given = {"url": target.url, "headers": dict(target.headers), "page": app}
        given |= {"sessions": sessions, "seconds": 15, "processes": processes}
        command = [python / "python", HERE / "clients.py", "idle", json.dumps(given)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            if holder.stdout.readline() != "open\n":
                raise RuntimeError(f"{sessions} sessions cannot be opened")
            time.sleep(12)
            grown, in_total = target.memory(field="Pss_Anon") - before, target.memory()
            if json.loads(holder.communicate()[0])["lost"]:
                raise RuntimeError("sessions were lost")
    return {
        "MB": at_first / 1e6,
        "MB per session": grown / sessions / 1e6,
        "MB in total": in_total / 1e6,
    }


def count_sessions(figures: dict[str, float], size: int) -> int:
    """Return how many sessions fit into a dyno's memory, in MB of 2^20 bytes."""
    return max(0, int((size * 1.048576 - figures["MB"]) / figures["MB per session"]))


def table(result: dict) -> list[str]:
    """Return the rows of docs/cost.md: how many sessions fit into each size of a dyno."""
    apps = ("text and ten widgets", "a table")
    lines = []
    for name, size in SIZES.items():
        cells = [
            count_sessions(result["figures"][app][str(processes)], size)
            for app in apps
            for processes in PROCESSES
        ]
        shown = [f"over {MANY:,}" if count > MANY else str(count) for count in cells]
        memory = f"{size} MB" if size < 1024 else f"{size / 1024:g} GB"
        lines.append(f"| {name} ({memory}) | {' | '.join(shown)} |")
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = bare_environment(project)
        figures: dict[str, dict] = {}
        for name, app in APPS.items():
            figures[name] = {}
            for processes in PROCESSES:
                found = measure(project, python, app, processes, SESSIONS)
                figures[name][str(processes)] = found
                print(name, processes, *(f"{value:.3f} {unit}" for unit, value in found.items()))
        # Not only calculated: open that many data-heavy sessions on the smallest dyno.
        most = count_sessions(figures["a table"]["1"], 512)
        full = {"sessions": most, **measure(project, python, "table", 1, most)}
    result = {"python": platform.python_version(), "sessions": SESSIONS, "figures": figures}
    result["full"] = full
    (HERE / "memory.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"{most} sessions with the table: {full['MB in all'] / 1.048576:.0f} of 512 MB")
    print(*table(result), sep="\n")


if __name__ == "__main__":
    main()
