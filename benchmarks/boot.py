"""How long a dyno takes from exec to its first answer, against bare Streamlit.

    .venv/bin/python benchmarks/boot.py [--runs 7]

Both sides start in turns in one run: `bare` is `streamlit run app.py` in an environment made by
`pip install streamlit` alone, no nginx and no password; `ours` is the Procfile under a stand-in
for the buildpack's start-nginx, asked for the first page with the password. Prints a table and
writes boot.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/deployment")]

from dyno import Dyno, free_port, python_environment  # noqa: E402

PASSWORD = "correct horse battery"


def first_answer(url: str, started: float, **options: object) -> float:
    """Return the seconds from the start to the first 200. A 5xx on the way is a failure."""
    while time.monotonic() - started < 60:
        try:
            answer = requests.get(url, timeout=60, **options)
        except requests.ConnectionError:
            time.sleep(0.005)
            continue
        if answer.status_code != 200:
            raise RuntimeError(f"{url} answered {answer.status_code} while it started")
        return time.monotonic() - started
    raise TimeoutError(f"{url} did not answer in 60 s")


def bare(project: Path, python: Path) -> float:
    """Start bare Streamlit once; return the seconds to its first answer."""
    port = free_port()
    command = [python / "streamlit", "run", "app.py", "--server.headless", "true"]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, "--server.port", str(port)],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return first_answer(f"http://127.0.0.1:{port}/", started)
    finally:
        process.terminate()
        process.wait()


def ours(project: Path, nginx: str) -> float:
    """Start the dyno once; return the seconds to its first answer."""
    dyno = Dyno(project, nginx)
    try:
        dyno.start()
        return first_answer(dyno.url, dyno.started, auth=("admin", PASSWORD))
    finally:
        dyno.stop()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--nginx", default="nginx", help="the nginx binary")
    options = options.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "cookiecutter", "--no-input", ROOT, "-o", folder]
            + ["project_slug=data-apps", "auth_user=admin"],
            env={**os.environ, "AUTH_PASSWORD": PASSWORD},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        project = Path(folder) / "data-apps"
        pins = (project / "requirements.txt").read_text("utf-8").splitlines()
        alone = Path(folder) / "streamlit.txt"
        alone.write_text(next(pin for pin in pins if pin.startswith("streamlit==")) + "\n")
        python = python_environment(alone)

        times: dict[str, list[float]] = {"bare": [], "ours": []}
        bare(project, python), ours(project, options.nginx)  # once to warm the disk's cache
        for _ in range(options.runs):
            times["bare"].append(bare(project, python))
            times["ours"].append(ours(project, options.nginx))

    def version(*command: object) -> str:
        ended = subprocess.run(command, capture_output=True, text=True)
        return (ended.stdout + ended.stderr).strip().splitlines()[-1]

    medians = {side: statistics.median(values) for side, values in times.items()}
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": [
            version(options.nginx, "-v"),
            version(python / "python", "--version"),
            version(python / "streamlit", "--version"),
        ],
        "seconds": {side: sorted(values) for side, values in times.items()},
        "median": medians,
        "ours minus bare": medians["ours"] - medians["bare"],
        "ours over bare": medians["ours"] / medians["bare"],
    }
    (Path(__file__).with_suffix(".json")).write_text(json.dumps(result, indent=2) + "\n")
    print(", ".join([result["machine"], *result["versions"]]))
    print("| exec to first answered request | median | fastest | slowest |")
    print("| --- | --- | --- | --- |")
    for side, values in times.items():
        print(f"| {side} | {medians[side]:.2f} s | {min(values):.2f} s | {max(values):.2f} s |")
    print(f"ours - bare: {result['ours minus bare']:+.2f} s, at most +1.20 s")
    if result["ours minus bare"] > 1.2:
        sys.exit("It does not hold.")


if __name__ == "__main__":
    main()
