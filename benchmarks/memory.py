"""What a dyno needs: memory with an app open, and for each browser more. Writes memory.json.

    .venv/bin/python benchmarks/memory.py

The generated README says the rounded figures, and has the table that is printed here:
tests/template/test_readme.py holds it to them.
"""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from sides import HERE, Ours, ask, bake, streamlit_alone

SESSIONS = 100
APPS = {
    "text and ten widgets": "widgets",
    "the app that one starts with": "sales_report",
    "a table": "table",
}
PROCESSES = (1, 2)
# The most that a dyno may take, in MB of 2^20 bytes. Beyond it Heroku logs R14, and all is slow.
SIZES = {"eco, basic, standard-1x": 512, "standard-2x": 1024, "performance-m": 2560}
MANY = 1000  # whoever counts further is limited by something else


def measure(project: Path, python: Path, app: str, processes: int, sessions: int) -> dict:
    """Return MB: of all processes with the app open in each of them once, and of each browser more.

    "MB in all" is what they take with so many browsers.
    """
    with Ours(project, "nginx", STREAMLIT_PROCESSES=str(processes)) as side:
        ask(python, "busy", side, page=app, sessions=processes, seconds=5, processes=processes)
        time.sleep(12)  # until what the first runs have left is seen to
        at_first, before = side.memory(), side.memory(field="Pss_Anon")
        given = {"url": side.url, "headers": side.headers, "page": app}
        given |= {"sessions": sessions, "seconds": 15, "processes": processes}
        command = [python / "python", HERE / "clients.py", "idle", json.dumps(given)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            if holder.stdout.readline() != "open\n":
                raise RuntimeError(f"{sessions} sessions do not open")
            time.sleep(12)
            grown, in_all = side.memory(field="Pss_Anon") - before, side.memory()
            if json.loads(holder.communicate()[0])["lost"]:
                raise RuntimeError("sessions were lost")
    return {
        "MB": at_first / 1e6,
        "MB a session": grown / sessions / 1e6,
        "MB in all": in_all / 1e6,
    }


def holds(figures: dict[str, float], size: int) -> int:
    """Return how many browsers a dyno holds by its memory, in MB of 2^20 bytes."""
    return max(0, int((size * 1.048576 - figures["MB"]) / figures["MB a session"]))


def table(result: dict) -> list[str]:
    """Return the generated README's lines of how many browsers each size of a dyno holds."""
    apps = ("text and ten widgets", "a table")
    lines = []
    for name, size in SIZES.items():
        cells = [
            holds(result["figures"][app][str(processes)], size)
            for app in apps
            for processes in PROCESSES
        ]
        told = [f"over {MANY:,}" if count > MANY else str(count) for count in cells]
        memory = f"{size} MB" if size < 1024 else f"{size / 1024:g} GB"
        lines.append(f"| {name} ({memory}) | {' | '.join(told)} |")
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = streamlit_alone(project)
        figures: dict[str, dict] = {}
        for name, app in APPS.items():
            figures[name] = {}
            for processes in PROCESSES:
                found = measure(project, python, app, processes, SESSIONS)
                figures[name][str(processes)] = found
                print(name, processes, *(f"{value:.3f} {unit}" for unit, value in found.items()))
        # Not only reckoned: so many data-heavy browsers at once on the smallest dyno.
        most = holds(figures["a table"]["1"], 512)
        full = {"sessions": most, **measure(project, python, "table", 1, most)}
    result = {"python": platform.python_version(), "sessions": SESSIONS, "figures": figures}
    result["full"] = full
    (HERE / "memory.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"{most} browsers with the table: {full['MB in all'] / 1.048576:.0f} of 512 MB")
    print(*table(result), sep="\n")


if __name__ == "__main__":
    main()
