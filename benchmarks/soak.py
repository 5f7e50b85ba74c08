"""Twenty minutes of people who come and go: memory, open files and sockets. Writes soak.json.

    .venv/bin/python benchmarks/soak.py [--minutes 20]

It ends with status 1 where a visit failed, or something has grown and stays: the figures after the
last visitor, when Streamlit has forgotten the sessions, against those after the first minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time

from sides import HERE, Ours, ask, bake, streamlit_alone

AT_ONCE = 12
PROCESSES = 2
PAGES = ["", "sales_report", "widgets", "chart"]
FORGOTTEN = 150  # seconds: Streamlit keeps a session that has lost its browser for two minutes
GROWTH = (
    1.05  # the most that memory may have grown by: what Python keeps free is never quite the same
)


def figures(side: Ours) -> dict[str, float]:
    return {"MB": side.memory(field="Pss_Anon") / 1e6, **side.open_files()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = streamlit_alone(project)
        with Ours(project, "nginx", STREAMLIT_PROCESSES=str(PROCESSES)) as side:
            options = {"pages": PAGES, "processes": PROCESSES, "at_once": AT_ONCE}
            ask(python, "visitors", side, seconds=120, **options)  # each package is imported
            time.sleep(FORGOTTEN)
            before = figures(side)
            print("before", before, flush=True)
            given = {"url": side.url, "headers": side.headers, "seconds": minutes * 60, **options}
            command = [python / "python", HERE / "clients.py", "visitors", json.dumps(given)]
            meanwhile = []
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as visitors:
                while visitors.poll() is None:
                    time.sleep(15)
                    meanwhile.append(figures(side))
                counted = json.loads(visitors.stdout.read())
            print(counted, flush=True)
            time.sleep(FORGOTTEN)
            after = figures(side)
            print("after", after)
    largest = {name: max(sample[name] for sample in meanwhile) for name in before}
    result = {"python": platform.python_version(), "minutes": minutes, "processes": PROCESSES}
    result |= {"at once": AT_ONCE, **counted}
    result |= {"before": before, "largest": largest, "after": after}
    (HERE / "soak.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    grown = [name for name in ("files", "sockets") if after[name] > before[name]]
    grown += ["MB"] if after["MB"] > before["MB"] * GROWTH else []
    if grown or counted["failures"]:
        sys.exit(f"Failures: {counted['failures']}. Grown: {', '.join(grown) or 'nothing'}.")


if __name__ == "__main__":
    main()
