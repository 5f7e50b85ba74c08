"""Twenty minutes of visits: memory, open files and sockets. Writes soak.json.

    .venv/bin/python benchmarks/soak.py [--minutes 20]

It exits with status 1 if a visit failed or there is a leak: the figures after the last visit, when
Streamlit has deleted the sessions, are compared with those after the first minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time

from targets import HERE, Ours, bake, bare_environment, run_client

CONCURRENT = 12
PROCESSES = 2
PAGES = ["", "sales_report", "widgets", "chart"]
CLEANUP = 150  # seconds: Streamlit keeps a disconnected session for two minutes
GROWTH = 1.05  # the most that memory may grow: Python's free memory varies


def figures(target: Ours) -> dict[str, float]:
    return {"MB": target.memory(field="Pss_Anon") / 1e6, **target.open_files()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder)
        python = bare_environment(project)
        with Ours(project, "nginx", STREAMLIT_PROCESSES=str(PROCESSES)) as target:
            options = {"pages": PAGES, "processes": PROCESSES, "concurrent": CONCURRENT}
            run_client(python, "visitors", target, seconds=120, **options)  # imports each package
            time.sleep(CLEANUP)
            before = figures(target)
            print("before", before, flush=True)
            given = {
                "url": target.url,
                "headers": dict(target.headers),
                "seconds": minutes * 60,
                **options,
            }
            command = [python / "python", HERE / "clients.py", "visitors", json.dumps(given)]
            meanwhile = []
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as visitors:
                while visitors.poll() is None:
                    time.sleep(15)
                    meanwhile.append(figures(target))
                counted = json.loads(visitors.stdout.read())
            print(counted, flush=True)
            time.sleep(CLEANUP)
            after = figures(target)
            print("after", after)
    largest = {name: max(sample[name] for sample in meanwhile) for name in before}
    result = {"python": platform.python_version(), "minutes": minutes, "processes": PROCESSES}
    result |= {"concurrent": CONCURRENT, **counted}
    result |= {"before": before, "largest": largest, "after": after}
    (HERE / "soak.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    grown = [name for name in ("files", "sockets") if after[name] > before[name]]
    grown += ["MB"] if after["MB"] > before["MB"] * GROWTH else []
    if grown or counted["failures"]:
        sys.exit(f"Failures: {counted['failures']}. Grown: {', '.join(grown) or 'nothing'}.")


if __name__ == "__main__":
    main()
