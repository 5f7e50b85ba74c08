"""What somebody who is logged in notices of 32 clients that guess passwords without pause.

    .venv/bin/python benchmarks/guessing.py [--seconds 10] [--rounds 3]

In turns, in one run: nobody guesses, then 32 clients from one address, then 32 clients from
32 addresses, all at the password of a user who is there (the dear case: an unknown name costs no
bcrypt), each on a dyno of its own. Meanwhile one browser with a session asks every 10 ms, on a kept
connection and on a new one each time, and holds a WebSocket. Prints a table and writes
guessing.json beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import http.client
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
from sides import AUTH, USER, Dyno, bake, basic
from websockets.sync.client import connect

CLIENTS = 32


async def guess(port: int, seconds: float, address: str, seen: collections.Counter) -> None:
    """Send one wrong password after the other, as fast as they are answered."""
    request = f"GET / HTTP/1.1\r\nHost: x\r\n{basic(USER, 'a wrong password')}\r\n\r\n".encode()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        for _ in range(500):  # nginx ends a connection after 1,000
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
            seen[head.split(b" ")[1].decode()] += 1
            if time.monotonic() > until:
                break
        writer.close()


async def guess_all(port: int, seconds: float, addresses: list[str]) -> None:
    """Let all clients guess, and print how often they got which status."""
    seen: collections.Counter = collections.Counter()
    clients = [guess(port, seconds, address, seen) for address in addresses]
    # Those that wait in line when the time is up need not be waited for.
    await asyncio.wait([asyncio.create_task(client) for client in clients], timeout=seconds + 1)
    print(json.dumps(seen), flush=True)
    os._exit(0)


def milliseconds(port: int, cookie: str, seconds: float) -> dict[str, list[float]]:
    """Ask every 10 ms in the name of who is logged in; return how long each answer took."""
    kept = http.client.HTTPConnection("127.0.0.1", port)
    times: dict[str, list[float]] = {"kept connection": [], "new connection": []}
    started = time.monotonic()
    number = 0
    while (now := time.monotonic()) < started + seconds:
        due = started + number * 0.01
        if now < due:
            time.sleep(due - now)
        number += 1
        kind = "kept connection" if number % 2 else "new connection"
        connection = kept if number % 2 else http.client.HTTPConnection("127.0.0.1", port)
        begun = time.perf_counter()
        connection.request("GET", "/", headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        times[kind].append((time.perf_counter() - begun) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"who is logged in was answered {answer.status}")
    return times


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--nginx", default="nginx", help="the nginx binary")
    options.add_argument("--guess", help=argparse.SUPPRESS)  # the clients' own process
    options = options.parse_args()
    if options.guess:
        port, *addresses = options.guess.split(",")
        asyncio.run(guess_all(int(port), options.seconds, addresses))

    sides = {
        "nobody": [],
        "32 from one address": ["127.0.0.2"] * CLIENTS,
        "32 from 32 addresses": [f"127.0.1.{n}" for n in range(1, CLIENTS + 1)],
    }
    guesses: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    times: dict[str, dict[str, list[float]]] = {side: {} for side in sides}
    logins: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder, apps=None)
        for side in [*sides] * options.rounds:
            addresses = ",".join(sides[side])
            with Dyno(project, options.nginx) as dyno:
                answer = requests.get(dyno.url, auth=AUTH)
                logins.append(answer.elapsed.total_seconds() * 1000)
                cookie = answer.headers["Set-Cookie"].split(";")[0]
                milliseconds(dyno.port, cookie, 1)  # warm
                stream = f"ws://127.0.0.1:{dyno.port}/_stcore/stream"
                command = [sys.executable, __file__, "--seconds", str(options.seconds)]
                with connect(stream, additional_headers={"Cookie": cookie}, proxy=None) as page:
                    guessers = subprocess.Popen(
                        [*command, "--guess", f"{dyno.port},{addresses}"] if addresses else "true",
                        stdout=subprocess.PIPE,
                        text=True,
                        # Elsewhere they would take no time of the dyno's processors.
                        preexec_fn=lambda: os.nice(19),
                    )
                    for kind, some in milliseconds(dyno.port, cookie, options.seconds).items():
                        times[side].setdefault(kind, []).extend(some)
                    if not page.ping().wait(10):
                        raise RuntimeError("the WebSocket of who is logged in is gone")
                    guesses[side].update(json.loads(guessers.communicate()[0] or "{}"))
    measured = {
        side: {"guesses": guesses[side]}
        | {
            kind: {
                "p50": statistics.median(values),
                "p95": statistics.quantiles(values, n=20)[-1],
                "slowest": max(values),
            }
            for kind, values in kinds.items()
        }
        for side, kinds in times.items()
    }

    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True).stderr.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {version}"
    login = statistics.median(logins)
    result = {"machine": machine, "login": login, "milliseconds": measured}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{machine}; a login takes {login:.0f} ms")
    print("| who guesses | answers to them | connection | p50 | p95 | p95 / idle | slowest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    worst = 0.0
    for side, figures in measured.items():
        answers = ", ".join(f"{n} x {status}" for status, n in figures["guesses"].items()) or "-"
        for kind in ("kept connection", "new connection"):
            figure, idle = figures[kind], measured["nobody"][kind]
            ratio = figure["p95"] / idle["p95"]
            worst = max(worst, ratio)
            print(
                f"| {side} | {answers} | {kind} | {figure['p50']:.1f} ms | {figure['p95']:.1f} ms "
                f"| {ratio:.1f} | {figure['slowest']:.0f} ms |"
            )
    print(f"The WebSocket stayed up. p95 / idle: {worst:.1f} at worst, 3 at most.")
    if worst > 3:
        sys.exit("It does not hold.")


if __name__ == "__main__":
    main()
