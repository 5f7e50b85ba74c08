"""Scripts with processes of their own: what they cost, and whether others notice a bad one.

    .venv/bin/python benchmarks/script_apps.py [--rounds 3] [--docs]

Measures all sides alternately in one run, prints a table with the medians, and writes
script_apps.json next to this file. --docs writes the table into docs/performance.md. Exits with
status 1 if a figure misses its threshold. Takes four minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from compare import (
    Figure,
    Lab,
    exit_if_missed,
    format_amount,
    make_result,
    p95,
    print_result,
    write_table,
)
from fake_dyno import wait_until
from page_load import browser
from targets import AUTH, HERE, BakedProject, Bare, Ours, Target, bake, run_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext

# "reference" is without it, or bare `streamlit run`; "busy" is beside a process outside the hub.
SIDES = ("reference", "busy", "ours")
SCRIPTS = 50
MEMORY_MB = 700
RUNS = 300
SETTLE = 6  # seconds

TITLED = 'import streamlit as st\n\nst.title("A script")\n'
NEIGHBOUR = (HERE / "apps/widgets.py").read_text("utf-8") + "\n\nrun()\n"
COMPUTES = "while True:\n    sum(number * number % 7 for number in range(1_000_000))\n"
HANGS = 'import streamlit as st\n\nst.write("It is stopped from outside.")\n'
# 100 MB per second: as long as the others are measured.
EATS = """
import time

eaten = []
while True:
    eaten.append(b"x" * 10_000_000)
    time.sleep(0.1)
"""
SPINS = "while True: pass"


def bake_scripts(folder: Path) -> Path:
    """Bake a project with 50 scripts besides the modules of the benchmarks."""
    project = BakedProject(bake(folder, "scripts"))
    texts = {"empty": "", "neighbour": NEIGHBOUR, "computes_on": COMPUTES}
    texts |= {"eats": EATS, "hangs": HANGS}
    texts |= {f"titled_{number}": TITLED for number in range(SCRIPTS - len(texts))}
    for name, text in texts.items():
        project.write(f"apps/{name}.py", text)
    entries = [{"name": name, "script": f"apps/{name}.py"} for name in texts]
    next(entry for entry in entries if entry["name"] == "eats")["memory_mb"] = MEMORY_MB
    project.add_to_menu(*entries)
    return project.path


class BareScript(Bare):
    """`streamlit run` of one script."""

    def __init__(self, project: Path, script: str) -> None:
        super().__init__(project, "")
        self.command = self.command.replace("run app.py", f"run apps/{script}.py")


@contextmanager
def opened(lab: Lab, target: Target, base: str) -> Iterator[None]:
    """Have a script open in a browser inside."""
    given = {"url": target.url, "headers": dict(target.headers), "base": base}
    command = [lab.python / "python", HERE / "clients.py", "hold", json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        try:
            if client.stdout.readline() != "open\n":
                raise RuntimeError(f"{base or target.name} cannot be opened")
            yield
        finally:
            client.kill()


def find_process(target: Ours, script: str) -> list[int]:
    return target.dyno.processes(f"app_worker.py apps/{script}.py ")


def kill_script(target: Ours, script: str) -> None:
    for process in find_process(target, script):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not find_process(target, script))


# -- Memory ---------------------------------------------------------------------------------------


def measure_memory(lab: Lab, few: Ours, many: Ours) -> list[Figure]:
    closed = Figure(
        f"memory with {SCRIPTS} scripts, none open, against none",
        "MB",
        "+ 5 MB",
        [("reference", 1, 5)],
    )
    alone = Figure("memory of an empty script that is open, against `streamlit run`", "MB", "", [])
    for _ in range(lab.rounds):
        for target, side in ((few, "reference"), (many, "ours")):
            with running(target):
                run_client(lab.python, "open_page", target, "/", page="", visits=3)
                time.sleep(SETTLE)
                before = target.memory()
                closed.rounds[side].append(before / 1e6)
                if target is many:
                    assert not target.dyno.processes("app_worker.py")
                    with opened(lab, target, "/empty"):
                        time.sleep(SETTLE / 2)
                        alone.rounds[side].append((target.memory() - before) / 1e6)
        with BareScript(many.project, "empty") as bare, opened(lab, bare, ""):
            time.sleep(SETTLE / 2)
            alone.rounds["reference"].append(bare.memory() / 1e6)
    return [closed, alone]


@contextmanager
def running(target: Ours) -> Iterator[None]:
    """Start a dyno that is built, and end it without deleting it."""
    target.start()
    try:
        target.wait()
        yield
    finally:
        target.dyno.end()


# -- First visit ----------------------------------------------------------------------------------


def measure_first_visit(lab: Lab, hub: Ours) -> list[Figure]:
    figure = Figure(
        "first visit of a script, start of its process included, until the first element, "
        "against `streamlit run` that is up; browser with a warm cache",
        "s",
        "+ 1.0 s",
        [("reference", 1, 1.0)],
    )
    with BareScript(hub.project, "titled_0") as bare, browser() as chromium:
        contexts = {"reference": chromium.new_context(), "ours": chromium.new_context()}
        address = urlsplit(hub.url)
        login = f"{address.scheme}://{':'.join(AUTH)}@{address.netloc}/_stcore/health"
        contexts["ours"].new_page().goto(login)
        for context, url in zip(contexts.values(), (bare.url, f"{hub.url}/titled_0/"), strict=True):
            for _ in range(2):  # its session, and the files of Streamlit in its cache
                visit(context, url)
        for number in range(1, 2 * lab.rounds + 1):
            script = f"titled_{number}"
            figure.rounds["reference"].append(visit(contexts["reference"], bare.url))
            assert not find_process(hub, script)
            figure.rounds["ours"].append(visit(contexts["ours"], f"{hub.url}/{script}/"))
            kill_script(hub, script)
    return [figure]


def visit(context: BrowserContext, url: str) -> float:
    """Return the seconds until a page in a new tab has its heading."""
    page = context.new_page()
    begun = time.monotonic()
    page.goto(url, wait_until="commit")
    page.get_by_test_id("stMain").get_by_role("heading").first.wait_for()
    seconds = time.monotonic() - begun
    page.wait_for_timeout(1000)  # what comes last
    page.close()
    return seconds


# -- A bad neighbour ------------------------------------------------------------------------------


def measure_neighbours(lab: Lab, hub: Ours) -> list[Figure]:
    """The p95 of a module's and of a script's rerun, with and without a script that does harm."""
    apps = {"a module": {"page": "widgets"}, "another script": {"page": "", "base": "/neighbour"}}
    harms: dict[str, Callable[[Lab, Ours], contextlib.AbstractContextManager]] = {
        "computes": computing,
        'eats memory up to its `"memory_mb"`': eating,
        "hangs": hanging,
    }
    figures = {
        (app, harm): Figure(
            f"rerun of {app}, p95, while a script {harm}",
            "ms",
            "1.1 x",
            [("reference", 1.1, 0)],
        )
        for harm in harms
        for app in apps
    }

    def measure(harm: str, side: str) -> None:
        for app, given in apps.items():
            result = run_client(lab.python, "rerun", hub, runs=RUNS, **given)
            figures[app, harm].rounds[side].append(p95(result["seconds"]) * 1000)

    for given in apps.values():  # each app once, so that it is imported
        run_client(lab.python, "rerun", hub, runs=RUNS, **given)
    for _ in range(lab.rounds):
        for harm, doing in harms.items():
            measure(harm, "reference")
            with doing(lab, hub):
                measure(harm, "ours")
        with busy_process():
            measure("computes", "busy")
    return list(figures.values())


@contextmanager
def busy_process() -> Iterator[None]:
    """Have a process outside the hub spin inside."""
    with subprocess.Popen([sys.executable, "-c", SPINS], start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def computing(lab: Lab, hub: Ours) -> Iterator[None]:
    with opened(lab, hub, "/computes_on"):
        yield
    kill_script(hub, "computes_on")


@contextmanager
def eating(lab: Lab, hub: Ours) -> Iterator[None]:
    """Have a script take memory inside; at the end the supervisor has killed it."""
    hub.dyno.forget_log()
    # It was killed in the round before: only a request for a start starts it again.
    start = f"{hub.url}/eats/_stcore/health?start"
    answer = requests.get(start, headers=hub.headers, timeout=60, allow_redirects=False)
    answer.raise_for_status()
    with opened(lab, hub, "/eats"):
        yield
        killed = f'eats used more than its "memory_mb" of {MEMORY_MB}. It was killed'
        assert killed in hub.dyno.log_with(killed)


@contextmanager
def hanging(lab: Lab, hub: Ours) -> Iterator[None]:
    """Have a script stopped inside, with a page open and twenty requests that wait."""
    address = urlsplit(hub.url)
    head = "".join(f"{name}: {value}\r\n" for name, value in hub.headers.items())
    request = f"GET /hangs/_stcore/health HTTP/1.1\r\nHost: {address.netloc}\r\n{head}\r\n"
    with contextlib.ExitStack() as stack:
        stack.enter_context(opened(lab, hub, "/hangs"))
        [process] = find_process(hub, "hangs")
        os.kill(process, signal.SIGSTOP)
        for _ in range(20):
            connection = socket.create_connection((address.hostname, address.port))
            stack.enter_context(connection).sendall(request.encode())
        yield
        kill_script(hub, "hangs")


# -- The table ------------------------------------------------------------------------------------

PLACE = re.compile(r"(<!-- script_apps\.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def table(result: dict) -> str:
    """Return the table in Markdown: medians, ours and the busy process divided by the reference."""
    heads = ("figure", "reference", "busy process", "ours", "ours / reference", "threshold")
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for line in result["figures"]:
        medians = line["median"]
        cells = [format_amount(medians[n], line["unit"]) if n in medians else "" for n in SIDES]
        if "busy" in medians:
            cells[1] += f" ({medians['busy'] / medians['reference']:.2f} x)"
        ratio = f"{medians['ours'] / medians['reference']:.2f}"
        threshold = line["threshold"] if line["passed"] else f"**{line['threshold']}**"
        rows.append("| " + " | ".join([line["name"], *cells, ratio, threshold]) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of the reruns")
    parser.add_argument("--nginx", default="nginx", help="the nginx binary")
    parser.add_argument("--docs", action="store_true", help="write the table into the document")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder), options.nginx, options.rounds)
        projects = [lab.project, bake_scripts(lab.folder)]
        few, many = (Ours(project, options.nginx) for project in projects)
        for target, project in zip((few, many), projects, strict=True):
            target.project = project
            stack.callback(target.stop)
        with running(many):
            print("first visit ...", file=sys.stderr, flush=True)
            figures += measure_first_visit(lab, many)
            print("neighbours ...", file=sys.stderr, flush=True)
            figures += measure_neighbours(lab, many)
        print("memory ...", file=sys.stderr, flush=True)
        lab.rounds = min(3, options.rounds)
        figures = measure_memory(lab, few, many) + figures
        result = make_result(lab, figures)
    print_result(result, figures, table(result))
    (HERE / "script_apps.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if options.docs:
        write_table(PLACE, table(result))
    exit_if_missed(figures)


if __name__ == "__main__":
    main()
