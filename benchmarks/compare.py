"""Compares a project with bare Streamlit and the usual nginx configuration.

    .venv/bin/python benchmarks/compare.py [--rounds 3] [--only startup page_load] [--docs]

Measures `bare`, `conventional` and `ours` (targets.py) alternately in one run, prints a table with
the medians, and writes compare.json next to this file: every round of every target, the machine and
the versions. With --only, the other figures there are kept. --docs writes the table into
docs/performance.md. Exits with status 1 if a figure misses its threshold. Takes twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from targets import (
    HERE,
    ROOT,
    Bare,
    Conventional,
    Ours,
    Target,
    bake,
    bare_environment,
    cookiecutter,
    run_client,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP = "widgets"  # text and ten widgets
TARGETS: tuple[type[Target], ...] = (Bare, Conventional, Ours)

# The most that ours may be: a target's median, times a factor, plus a constant. "": the constant.
Limit = tuple[str, float, float]


@dataclass
class Figure:
    """One row of the table: what each target took in each round, and the threshold for ours.

    With a minus before the target's name, a limit is the least that ours may be.
    """

    name: str
    unit: str
    threshold: str
    limits: list[Limit]
    rounds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, target: str) -> float:
        return statistics.median(self.rounds[target])

    @property
    def passed(self) -> bool:
        ours = self.median("ours")
        for target, factor, constant in self.limits:
            least, target = target.startswith("-"), target.lstrip("-")
            bound = factor * (self.median(target) if target else 0) + constant
            if (ours < bound) if least else (ours > bound):
                return False
        return True


@dataclass
class Lab:
    """What every measurement uses: a project, and an environment for the clients."""

    folder: Path
    nginx: str
    rounds: int
    project: Path = field(init=False)
    python: Path = field(init=False)

    def __post_init__(self) -> None:
        self.project = bake(self.folder)
        self.python = bare_environment(self.project)

    def start_in_turn(self, *kinds: type[Target]) -> Iterator[Target]:
        """Start one target after the other, once per round, and yield each while it runs."""
        for _ in range(self.rounds):
            for kind in kinds:
                with kind(self.project, self.nginx) as target:
                    yield target


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def startup(lab: Lab) -> list[Figure]:
    figure = Figure(
        "start to first response, no 5xx",
        "s",
        "bare + 1.0 s, conventional / 6",
        [("bare", 1, 1.0), ("conventional", 1 / 6, 0)],
    )
    for number in range(lab.rounds * 2):
        for kind in TARGETS:
            if kind is Conventional and number % 2:
                continue  # ten seconds of it are sleep
            target = kind(lab.project, lab.nginx)
            try:
                target.start()
                figure.rounds[target.name].append(target.wait())
            finally:
                target.stop()
    return [figure]


def requests_and_reruns(lab: Lab) -> list[Figure]:
    """Requests and reruns while all three targets run at the same time."""
    kept = Figure("kept-alive small request, p50", "ms", "bare / 100", [("bare", 0.01, 0)])
    middle = Figure("rerun, text and ten widgets, p50", "ms", "0.5 bare", [("bare", 0.5, 0)])
    late = Figure("rerun, text and ten widgets, p95", "ms", "0.5 bare", [("bare", 0.5, 0)])
    chart = Figure("the same with a chart, p50", "ms", "bare", [("bare", 1, 0)])
    pages = Figure(
        "`GET /`",
        "/s",
        "2 bare, 200 conventional",
        [("-bare", 2, 0), ("-conventional", 200, 0)],
    )
    files = Figure("static file", "/s", "10 bare", [("-bare", 10, 0)])
    with ExitStack() as stack:
        targets = [stack.enter_context(kind(lab.project, lab.nginx)) for kind in TARGETS]
        page = requests.get(targets[0].url, timeout=60).text
        script = re.search(r'src="\.(/static/js/index[^"]+)"', page)[1]
        for target in targets:  # each app once, so that it is imported
            for app in (APP, "chart"):
                run_client(lab.python, "rerun", target, page=app, runs=5)
        time.sleep(2)
        for _ in range(lab.rounds):
            for target in targets:
                slow = target.name == "conventional"
                count = {"bare": 40, "conventional": 8, "ours": 900}[target.name]
                result = run_client(
                    lab.python, "kept_alive", target, "/_stcore/health", requests=count
                )
                kept.rounds[target.name].append(statistics.median(result["seconds"]) * 1000)
                runs = run_client(lab.python, "rerun", target, page=APP, runs=40 if slow else 150)[
                    "seconds"
                ]
                middle.rounds[target.name].append(statistics.median(runs) * 1000)
                late.rounds[target.name].append(p95(runs) * 1000)
                runs = run_client(lab.python, "rerun", target, page="chart", runs=30)["seconds"]
                chart.rounds[target.name].append(statistics.median(runs) * 1000)
                many = {"connections": 32, "seconds": 10 if slow else 3}
                pages.rounds[target.name].append(
                    run_client(lab.python, "throughput", target, "/", **many)[
                        "responses per second"
                    ]
                )
                target.headers = {**target.headers, "Accept-Encoding": "gzip"}  # as browsers say
                files.rounds[target.name].append(
                    run_client(lab.python, "throughput", target, script, **many)[
                        "responses per second"
                    ]
                )
                del target.headers["Accept-Encoding"]
    return [kept, middle, late, chart, pages, files]


def page_load(lab: Lab) -> list[Figure]:
    from page_load import browser, visit_twice

    first = Figure("first visit", "kB", "0.42 bare", [("bare", 0.42, 0)])
    waited = Figure(
        "first visit at 1.6 Mbit/s and 150 ms, until the first element is rendered",
        "s",
        "0.45 bare, 0.45 conventional",
        [("bare", 0.45, 0), ("conventional", 0.45, 0)],
    )
    second = Figure("second visit", "kB", "20 kB", [("", 0, 20)])
    again = Figure("second visit at 1.6 Mbit/s and 150 ms", "s", "bare", [("bare", 1, 0)])
    with ExitStack() as stack:
        targets = [stack.enter_context(kind(lab.project, lab.nginx)) for kind in TARGETS]
        chromium = stack.enter_context(browser())
        for _ in range(lab.rounds):
            for target in targets:
                one, two = visit_twice(chromium, target, f"/{APP}")
                first.rounds[target.name].append(one["bytes"] / 1000)
                waited.rounds[target.name].append(one["seconds"])
                second.rounds[target.name].append(two["bytes"] / 1000)
                again.rounds[target.name].append(two["seconds"])
    return [first, waited, second, again]


def menu(lab: Lab) -> list[Figure]:
    """A menu of a hundred apps (`ours`) against a menu of one (`bare`, in the columns).

    Each app is the template's sample, and is slow to import.
    """

    def project(apps: int) -> Path:
        folder = lab.folder / f"{apps}-sources"
        folder.mkdir()
        source = (lab.project / "config" / "app_template.py").read_text("utf-8")
        slow = "\n\nimport time\n\ntime.sleep(0.3)\nDATA = bytearray(5_000_000)\n"
        for number in range(apps):
            (folder / f"slow_{number:03}.py").write_text(source + slow, "utf-8")
        made = bake(lab.folder, f"menu-{apps}", folder)
        entries = json.loads((made / "apps.json").read_text("utf-8"))
        (made / "apps.json").write_text(json.dumps(entries[2:]), "utf-8")  # only these
        return made

    def figure(name: str, unit: str) -> Figure:
        return Figure(f"menu of 100 apps against 1: {name}", unit, "1.1 x", [("bare", 1.1, 0)])

    page, home, rerun, memory = (
        figure("an app's page", "ms"),
        figure("home page", "ms"),
        figure("rerun, p50", "ms"),
        figure("memory", "MB"),
    )
    projects = {"bare": project(1), "ours": project(100)}
    for _ in range(lab.rounds * 4):  # a chart's time varies
        for column, made in projects.items():
            with Ours(made, lab.nginx) as target:
                app = "slow_000" if column == "ours" else ""  # a single app is the home page
                run_client(lab.python, "open_page", target, f"/{app}", page=app, visits=5)
                for path, line in ((app, page), ("", home)):
                    times = run_client(
                        lab.python, "open_page", target, f"/{path}", page=path, visits=10
                    )["seconds"]
                    line.rounds[column].append(statistics.median(times) * 1000)
                times = run_client(lab.python, "rerun", target, page=app, runs=30)["seconds"]
                rerun.rounds[column].append(statistics.median(times) * 1000)
                memory.rounds[column].append(target.memory() / 1e6)
    return [page, home, rerun, memory]


def reconnect(lab: Lab) -> list[Figure]:
    figure = Figure(
        "100 browsers reconnect at once after a restart: p95, none refused",
        "s",
        "bare",
        [("bare", 1, 0)],
    )
    for target in lab.start_in_turn(Bare, Ours):
        result = run_client(lab.python, "reconnect", target, page=APP, sessions=100)
        if result["refused"]:
            raise RuntimeError(f"{target.name} has refused {result['refused']}")
        figure.rounds[target.name].append(p95(result["seconds"]))
    return [figure]


def idle(lab: Lab) -> list[Figure]:
    lost = Figure("300 idle WebSockets for two minutes: lost", "", "none", [("", 0, 0)])
    memory = Figure("the same: memory per session", "kB", "bare", [("bare", 1, 0)])
    with ExitStack() as stack:
        holders = []
        for kind in (Bare, Ours):
            target = stack.enter_context(kind(lab.project, lab.nginx))
            run_client(lab.python, "rerun", target, page=APP, runs=20)
            time.sleep(12)  # until the garbage of the first runs is collected
            before = target.memory(field="Pss_Anon")
            given = {"url": target.url, "headers": dict(target.headers), "page": APP}
            given |= {"sessions": 300, "seconds": 120}
            command = [lab.python / "python", HERE / "clients.py", "idle", json.dumps(given)]
            holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            if holder.stdout.readline() != "open\n":
                raise RuntimeError(f"{target.name} cannot open 300 WebSockets")
            holders.append((target, before, holder))
        time.sleep(115)
        for target, before, _ in holders:
            memory.rounds[target.name].append(
                (target.memory(field="Pss_Anon") - before) / 300 / 1000
            )
        for target, _, holder in holders:
            lost.rounds[target.name].append(json.loads(holder.communicate()[0])["lost"])
    return [lost, memory]


def upload(lab: Lab) -> list[Figure]:
    seconds = Figure("upload of 150 MB", "s", "1.1 bare", [("bare", 1.1, 0)])
    memory = Figure("the same: peak memory, all processes", "MB", "1.1 bare", [("bare", 1.1, 0)])
    nginx = Figure("the same: memory that nginx adds", "MB", "20 MB", [("", 0, 20)])
    sent = {"page": "uploads", "megabytes": 150}
    for _ in range(4):  # one upload varies by half
        for target in lab.start_in_turn(Bare, Ours):
            result = run_client(lab.python, "upload", target, "/uploads", **sent)
            seconds.rounds[target.name].append(result["seconds"])
    for target in lab.start_in_turn(Bare, Ours):  # not in the same run, because sampling costs time
        before, peaks, done = target.memory("nginx"), [0], threading.Event()

        def watch(
            target: Target = target, peaks: list = peaks, done: threading.Event = done
        ) -> None:
            while not done.wait(0.02):
                peaks.append(target.memory("nginx"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            run_client(lab.python, "upload", target, "/uploads", **sent)
        finally:
            done.set()
            watcher.join()
        others = target.memory() - target.memory("python") - target.memory("streamlit")
        memory.rounds[target.name].append((target.peak() + others) / 1e6)
        nginx.rounds[target.name].append(max(0, max(peaks) - before) / 1e6)
    return [seconds, memory, nginx]


def generate(lab: Lab) -> list[Figure]:
    """Baking with hooks (`ours`) against the same template without any (`bare`)."""
    figure = Figure(
        "bake with `--no-input`, against a template without hooks",
        "s",
        "+ 1.0 s",
        [("bare", 1, 1.0)],
    )
    without = lab.folder / "without"
    shutil.copytree(
        ROOT, without, ignore=shutil.ignore_patterns(".*", "hooks", "tests", "benchmarks")
    )
    for number in range(lab.rounds * 2):
        for column, template in (("bare", without), ("ours", ROOT)):
            begun = time.perf_counter()
            cookiecutter(template, lab.folder / f"baked-{column}-{number}")
            figure.rounds[column].append(time.perf_counter() - begun)
    return [figure]


MEASUREMENTS: dict[str, Callable[[Lab], list[Figure]]] = {
    "startup": startup,
    "requests": requests_and_reruns,
    "page_load": page_load,
    "menu": menu,
    "reconnect": reconnect,
    "idle": idle,
    "upload": upload,
    "bake": generate,
}


def format_amount(value: float, unit: str) -> str:
    """Return a number with its unit, with at least two significant digits."""
    digits = 0 if value >= 100 or value == 0 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")


def table(result: dict) -> str:
    """Return the table in Markdown: medians, ours divided by bare, and the threshold."""
    rows = ["| figure | bare | conventional | ours | ours / bare | threshold |", "|---" * 6 + "|"]
    for line in result["figures"]:
        medians = line["median"]
        cells = [format_amount(medians[n], line["unit"]) if n in medians else "" for n in NAMES]
        ratio = f"{medians['ours'] / medians['bare']:.2g}" if medians.get("bare") else ""
        threshold = line["threshold"] if line["passed"] else f"**{line['threshold']}**"
        rows.append("| " + " | ".join([line["name"], *cells, ratio, threshold]) + " |")
    return "\n".join(rows)


NAMES = [kind.name for kind in TARGETS]
DOCUMENT = ROOT / "docs/performance.md"
PLACE = re.compile(r"(<!-- compare\.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def make_result(lab: Lab, figures: list[Figure]) -> dict:
    """Return what is written as JSON: the machine, the versions and the figures."""
    chromium = shutil.which("chromium") or "google-chrome"
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": [
            version(lab.nginx, "-v").removeprefix("nginx version: "),
            version(lab.python / "python", "--version"),
            version(lab.python / "streamlit", "--version").replace(", version", ""),
            version(chromium, "--version").partition(" built")[0],
        ],
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "threshold": figure.threshold,
                "passed": figure.passed,
                "median": {target: figure.median(target) for target in figure.rounds},
                "rounds": figure.rounds,
            }
            for figure in figures
        ],
    }


def version(*command: object) -> str:
    """Return the last line that a program prints about its version."""
    ended = subprocess.run(command, capture_output=True, text=True)
    return (ended.stdout or ended.stderr).strip().splitlines()[-1]


def print_result(result: dict, figures: list[Figure], text: str) -> None:
    """Print the machine, the table, and how far the rounds differ."""
    print(", ".join([result["machine"], *result["versions"]]))
    print(text)
    for figure in figures:
        spread = (f"{n} {min(v):.3g} to {max(v):.3g}" for n, v in figure.rounds.items())
        print(f"{figure.name}: {', '.join(spread)} {figure.unit}", file=sys.stderr)


def write_table(place: re.Pattern[str], text: str) -> None:
    """Write a table into the document, between the two comments that the pattern matches."""
    document = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(place.sub(lambda m: m[1] + text + m[2], document), "utf-8")


def exit_if_missed(figures: list[Figure]) -> None:
    """Exit with status 1 if a figure misses its threshold."""
    if failed := [figure.name for figure in figures if not figure.passed]:
        sys.exit(f"Missed thresholds: {'; '.join(failed)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--nginx", default="nginx", help="the nginx binary")
    parser.add_argument("--docs", action="store_true", help="write the table into the document")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder), options.nginx, options.rounds)
        figures = []
        for name in options.only:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures += MEASUREMENTS[name](lab)
        result = make_result(lab, figures)
    print_result(result, figures, table(result))
    kept = HERE / "compare.json"
    if options.only != list(MEASUREMENTS) and kept.exists():
        lines = json.loads(kept.read_text("utf-8"))["figures"] + result["figures"]
        result["figures"] = list({line["name"]: line for line in lines}.values())
    kept.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if options.docs:
        write_table(PLACE, table(result))
    exit_if_missed(figures)


if __name__ == "__main__":
    main()
