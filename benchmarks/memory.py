"""What a dyno needs: memory with an app open, and for each session more. Writes memory.json.

    .venv/bin/python benchmarks/memory.py

The generated README says the rounded figures: tests/template/test_readme.py holds it to them.
"""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
import time

from sides import HERE, Ours, ask, bake, streamlit_alone

SESSIONS = 100
APPS = {"text and ten widgets": "widgets", "the app that one starts with": "sales_report"}


def measure(side: Ours, python: object, app: str) -> dict[str, float]:
    """Return MB: of all processes with the app open in one browser, and of each browser more."""
    ask(python, "rerun", side, page=app, runs=20)
    time.sleep(12)  # until what the first runs have left is seen to
    at_first, before = side.memory(), side.memory(field="Pss_Anon")
    given = {"url": side.url, "headers": side.headers, "page": app}
    given |= {"sessions": SESSIONS, "seconds": 15}
    command = [python / "python", HERE / "clients.py", "idle", json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        if holder.stdout.readline() != "open\n":
            raise RuntimeError(f"{SESSIONS} sessions do not open")
        time.sleep(12)
        grown = side.memory(field="Pss_Anon") - before
        if json.loads(holder.communicate()[0])["lost"]:
            raise RuntimeError("sessions were lost")
    return {"MB": at_first / 1e6, "MB a session": grown / SESSIONS / 1e6}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = streamlit_alone(project)
        figures = {}
        for name, app in APPS.items():
            with Ours(project, "nginx") as side:
                figures[name] = measure(side, python, app)
            print(name, *(f"{value:.3f} {unit}" for unit, value in figures[name].items()))
    result = {"python": platform.python_version(), "sessions": SESSIONS, "figures": figures}
    (HERE / "memory.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
