"""What the door costs, and what it gives: each figure of the README beside its limit.

    .venv/bin/python benchmarks/compare.py [--rounds 3] [--only boot visits] [--readme]

Measures `bare`, `conventional` and `ours` (sides.py) in turns in one run, prints a table with the
medians, and writes compare.json beside this file: every round of every side, the machine and the
versions. With --only, the other lines there stay as they are. --readme puts the table that is in
compare.json into README.md. Ends with status 1 if a limit does not hold. Takes ten minutes or more.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import requests
from sides import (
    HERE,
    ROOT,
    Bare,
    Conventional,
    Ours,
    Side,
    ask,
    bake,
    cookiecutter,
    streamlit_alone,
)

APP = "widgets"  # text and ten widgets
SIDES: tuple[type[Side], ...] = (Bare, Conventional, Ours)

# What a limit is held against: a side, times a factor, plus a constant. Or the constant alone.
Limit = tuple[str, float, float]


@dataclass
class Figure:
    """One line of the table: what each side took in each round, and the most ours may be.

    A limit with a minus before the side's name is the least that ours may be.
    """

    name: str
    unit: str
    must: str
    limits: list[Limit]
    rounds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, side: str) -> float:
        return statistics.median(self.rounds[side])

    @property
    def holds(self) -> bool:
        ours = self.median("ours")
        for side, factor, constant in self.limits:
            least, side = side.startswith("-"), side.lstrip("-")
            bound = factor * (self.median(side) if side else 0) + constant
            if (ours < bound) if least else (ours > bound):
                return False
        return True


@dataclass
class Lab:
    """What every measurement needs."""

    folder: Path
    nginx: str
    rounds: int
    project: Path = field(init=False)
    python: Path = field(init=False)

    def __post_init__(self) -> None:
        self.project = bake(self.folder)
        self.python = streamlit_alone(self.project)

    def up(self, *kinds: type[Side]) -> Iterator[Side]:
        """Yield one side after the other, started anew, as often as there are rounds."""
        for _ in range(self.rounds):
            for kind in kinds:
                with kind(self.project, self.nginx) as side:
                    yield side


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def boot(lab: Lab) -> list[Figure]:
    figure = Figure(
        "exec to first answered request, no 5xx",
        "s",
        "bare + 1.0 s, conventional / 6",
        [("bare", 1, 1.0), ("conventional", 1 / 6, 0)],
    )
    for number in range(lab.rounds * 2):
        for kind in SIDES:
            if kind is Conventional and number % 2:
                continue  # ten seconds of it are sleep
            side = kind(lab.project, lab.nginx)
            try:
                side.start()
                figure.rounds[side.name].append(side.first_answer())
            finally:
                side.stop()
    return [figure]


def standing(lab: Lab) -> list[Figure]:
    """What is asked of all three while they are up side by side."""
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
        sides = [stack.enter_context(kind(lab.project, lab.nginx)) for kind in SIDES]
        page = requests.get(sides[0].url).text
        script = re.search(r'src="\.(/static/js/index[^"]+)"', page)[1]
        for side in sides:  # each app once, so that it is imported
            for app in (APP, "chart"):
                ask(lab.python, "rerun", side, page=app, runs=5)
        time.sleep(2)
        for _ in range(lab.rounds):
            for side in sides:
                slow = side.name == "conventional"
                count = {"bare": 40, "conventional": 8, "ours": 900}[side.name]
                answers = ask(lab.python, "kept_alive", side, "/_stcore/health", requests=count)
                kept.rounds[side.name].append(statistics.median(answers["seconds"]) * 1000)
                runs = ask(lab.python, "rerun", side, page=APP, runs=40 if slow else 150)["seconds"]
                middle.rounds[side.name].append(statistics.median(runs) * 1000)
                late.rounds[side.name].append(p95(runs) * 1000)
                runs = ask(lab.python, "rerun", side, page="chart", runs=30)["seconds"]
                chart.rounds[side.name].append(statistics.median(runs) * 1000)
                many = {"connections": 32, "seconds": 10 if slow else 3}
                pages.rounds[side.name].append(
                    ask(lab.python, "throughput", side, "/", **many)["answers per second"]
                )
                side.headers = {**side.headers, "Accept-Encoding": "gzip"}  # as browsers say
                files.rounds[side.name].append(
                    ask(lab.python, "throughput", side, script, **many)["answers per second"]
                )
                del side.headers["Accept-Encoding"]
    return [kept, middle, late, chart, pages, files]


def visits(lab: Lab) -> list[Figure]:
    from visits import browser, visit_twice

    first = Figure("first visit", "kB", "0.42 bare", [("bare", 0.42, 0)])
    waited = Figure(
        "first visit at 1.6 Mbit/s and 150 ms, to the first element",
        "s",
        "0.45 bare, 0.45 conventional",
        [("bare", 0.45, 0), ("conventional", 0.45, 0)],
    )
    second = Figure("second visit", "kB", "20 kB", [("", 0, 20)])
    again = Figure("second visit at 1.6 Mbit/s and 150 ms", "s", "bare", [("bare", 1, 0)])
    with ExitStack() as stack:
        sides = [stack.enter_context(kind(lab.project, lab.nginx)) for kind in SIDES]
        chromium = stack.enter_context(browser())
        for _ in range(lab.rounds):
            for side in sides:
                one, two = visit_twice(chromium, side, f"/{APP}")
                first.rounds[side.name].append(one["bytes"] / 1000)
                waited.rounds[side.name].append(one["seconds"])
                second.rounds[side.name].append(two["bytes"] / 1000)
                again.rounds[side.name].append(two["seconds"])
    return [first, waited, second, again]


def menu(lab: Lab) -> list[Figure]:
    """A menu of a hundred apps (`ours`) against a menu of one (`bare`, in the columns).

    Each is the app that the template starts with, and takes long to import.
    """

    def project(apps: int) -> Path:
        folder = lab.folder / f"{apps}-sources"
        folder.mkdir()
        source = (lab.project / "config" / "new_app.py").read_text("utf-8")
        slow = "\n\nimport time\n\ntime.sleep(0.3)\nDATA = bytearray(5_000_000)\n"
        for number in range(apps):
            (folder / f"slow_{number:03}.py").write_text(source + slow, "utf-8")
        made = bake(lab.folder, f"menu-{apps}", folder)
        entries = json.loads((made / "apps.json").read_text("utf-8"))
        (made / "apps.json").write_text(json.dumps(entries[2:]), "utf-8")  # these and no others
        return made

    def figure(name: str, unit: str) -> Figure:
        return Figure(f"menu of 100 apps against 1: {name}", unit, "1.1 x", [("bare", 1.1, 0)])

    page, hub, rerun, memory = (
        figure("an app's page", "ms"),
        figure("first page", "ms"),
        figure("rerun, p50", "ms"),
        figure("memory", "MB"),
    )
    projects = {"bare": project(1), "ours": project(100)}
    for _ in range(lab.rounds * 4):  # a chart's time varies
        for column, made in projects.items():
            with Ours(made, lab.nginx) as side:
                app = "slow_000" if column == "ours" else ""  # one alone is the first page
                ask(lab.python, "first_page", side, f"/{app}", page=app, visits=5)
                for path, line in ((app, page), ("", hub)):
                    times = ask(lab.python, "first_page", side, f"/{path}", page=path, visits=10)[
                        "seconds"
                    ]
                    line.rounds[column].append(statistics.median(times) * 1000)
                times = ask(lab.python, "rerun", side, page=app, runs=30)["seconds"]
                rerun.rounds[column].append(statistics.median(times) * 1000)
                memory.rounds[column].append(side.memory() / 1e6)
    return [page, hub, rerun, memory]


def reconnect(lab: Lab) -> list[Figure]:
    figure = Figure(
        "100 browsers reconnect at once after a restart: p95, none refused",
        "s",
        "bare",
        [("bare", 1, 0)],
    )
    for side in lab.up(Bare, Ours):
        came = ask(lab.python, "reconnect", side, page=APP, sessions=100)
        if came["refused"]:
            raise RuntimeError(f"{side.name} has refused {came['refused']}")
        figure.rounds[side.name].append(p95(came["seconds"]))
    return [figure]


def idle(lab: Lab) -> list[Figure]:
    lost = Figure("300 idle WebSockets for two minutes: lost", "", "none", [("", 0, 0)])
    memory = Figure("the same: memory a session", "kB", "bare", [("bare", 1, 0)])
    with ExitStack() as stack:
        holders = []
        for kind in (Bare, Ours):
            side = stack.enter_context(kind(lab.project, lab.nginx))
            ask(lab.python, "rerun", side, page=APP, runs=20)
            time.sleep(12)  # until what the first runs have left is seen to
            before = side.memory(field="Pss_Anon")
            given = {"url": side.url, "headers": side.headers, "page": APP}
            given |= {"sessions": 300, "seconds": 120}
            command = [lab.python / "python", HERE / "clients.py", "idle", json.dumps(given)]
            holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            if holder.stdout.readline() != "open\n":
                raise RuntimeError(f"{side.name} does not hold 300 WebSockets")
            holders.append((side, before, holder))
        time.sleep(115)
        for side, before, _ in holders:
            memory.rounds[side.name].append((side.memory(field="Pss_Anon") - before) / 300 / 1000)
        for side, _, holder in holders:
            lost.rounds[side.name].append(json.loads(holder.communicate()[0])["lost"])
    return [lost, memory]


def upload(lab: Lab) -> list[Figure]:
    taken = Figure("upload of 150 MB", "s", "1.1 bare", [("bare", 1.1, 0)])
    memory = Figure("the same: peak memory, all processes", "MB", "1.1 bare", [("bare", 1.1, 0)])
    door = Figure("the same: memory that nginx adds", "MB", "20 MB", [("", 0, 20)])
    sent = {"page": "uploads", "megabytes": 150}
    for _ in range(4):  # one upload varies by half
        for side in lab.up(Bare, Ours):
            came = ask(lab.python, "upload", side, "/uploads", **sent)
            taken.rounds[side.name].append(came["seconds"])
    for side in lab.up(Bare, Ours):  # apart from the time, since watching takes some
        before, peaks, done = side.memory("nginx"), [0], threading.Event()

        def watch(side: Side = side, peaks: list = peaks, done: threading.Event = done) -> None:
            while not done.wait(0.02):
                peaks.append(side.memory("nginx"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            ask(lab.python, "upload", side, "/uploads", **sent)
        finally:
            done.set()
            watcher.join()
        others = side.memory() - side.memory("python") - side.memory("streamlit")
        memory.rounds[side.name].append((side.peak() + others) / 1e6)
        door.rounds[side.name].append(max(0, max(peaks) - before) / 1e6)
    return [taken, memory, door]


def baking(lab: Lab) -> list[Figure]:
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
    "boot": boot,
    "standing": standing,
    "visits": visits,
    "menu": menu,
    "reconnect": reconnect,
    "idle": idle,
    "upload": upload,
    "bake": baking,
}


def amount(value: float, unit: str) -> str:
    """Return a number with its unit, as precise as it is worth: two digits at least."""
    digits = 0 if value >= 100 or value == 0 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")


def table(result: dict) -> str:
    """Return the table in Markdown: medians, what ours is of bare, and the limit."""
    rows = ["| figure | bare | conventional | ours | ours / bare | must hold |", "|---" * 6 + "|"]
    for line in result["figures"]:
        sides = line["median"]
        cells = [amount(sides[n], line["unit"]) if n in sides else "" for n in SIDE_NAMES]
        ratio = f"{sides['ours'] / sides['bare']:.2g}" if sides.get("bare") else ""
        must = line["must"] if line["holds"] else f"**{line['must']}**"
        rows.append("| " + " | ".join([line["name"], *cells, ratio, must]) + " |")
    return "\n".join(rows)


SIDE_NAMES = [kind.name for kind in SIDES]
PLACE = re.compile(r"(<!-- compare\.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--nginx", default="nginx", help="the nginx binary")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()

    def version(*command: object) -> str:
        ended = subprocess.run(command, capture_output=True, text=True)
        return (ended.stdout or ended.stderr).strip().splitlines()[-1]

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder), options.nginx, options.rounds)
        figures = []
        for name in options.only:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures += MEASUREMENTS[name](lab)
        result = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": [
                version(options.nginx, "-v").removeprefix("nginx version: "),
                version(lab.python / "python", "--version"),
                version(lab.python / "streamlit", "--version").replace(", version", ""),
                version(shutil.which("chromium") or "google-chrome", "--version").partition(
                    " built"
                )[0],
            ],
            "figures": [
                {
                    "name": figure.name,
                    "unit": figure.unit,
                    "must": figure.must,
                    "holds": figure.holds,
                    "median": {side: figure.median(side) for side in figure.rounds},
                    "rounds": figure.rounds,
                }
                for figure in figures
            ],
        }
    print(", ".join([result["machine"], *result["versions"]]))
    print(table(result))
    for figure in figures:
        spread = (f"{n} {min(v):.3g} to {max(v):.3g}" for n, v in figure.rounds.items())
        print(f"{figure.name}: {', '.join(spread)} {figure.unit}", file=sys.stderr)
    kept = HERE / "compare.json"
    if options.only != list(MEASUREMENTS) and kept.exists():
        lines = json.loads(kept.read_text("utf-8"))["figures"] + result["figures"]
        result["figures"] = list({line["name"]: line for line in lines}.values())
    kept.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if options.readme:
        readme = ROOT / "README.md"
        text = PLACE.sub(lambda m: m[1] + table(result) + m[2], readme.read_text("utf-8"))
        readme.write_text(text, "utf-8")
    if failed := [figure.name for figure in figures if not figure.holds]:
        sys.exit(f"What does not hold: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
