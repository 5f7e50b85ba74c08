"""Response times of a user with a session while 32 clients try passwords without pause.

    .venv/bin/python benchmarks/brute_force.py [--seconds 10] [--rounds 3]

Alternately, in one run: no attack, then 32 clients from one address, then 32 clients from
32 addresses, all with the name of an existing user (the expensive case: an unknown name needs no
bcrypt), each on its own dyno. Meanwhile one browser with a session sends a request every 10 ms, on
a kept-alive connection and on a new one alternately, and keeps a WebSocket open. Prints a table and
writes brute_force.json next to this file.
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
from targets import AUTH, USER, FakeDyno, bake, basic
from websockets.sync.client import connect

CLIENTS = 32


async def attack(port: int, seconds: float, address: str, seen: collections.Counter) -> None:
    """Send one wrong password after the other, as fast as the responses come."""
    request = f"GET / HTTP/1.1\r\nHost: x\r\n{basic(USER, 'a wrong password')}\r\n\r\n".encode()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        for _ in range(500):  # nginx closes a connection after 1,000
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
            seen[head.split(b" ")[1].decode()] += 1
            if time.monotonic() > until:
                break
        writer.close()


async def attack_from_all(port: int, seconds: float, addresses: list[str]) -> None:
    """Start all clients, and print how often they got which status."""
    seen: collections.Counter = collections.Counter()
    clients = [attack(port, seconds, address, seen) for address in addresses]
    # Do not wait for requests that are queued when the time is up.
    await asyncio.wait([asyncio.create_task(client) for client in clients], timeout=seconds + 1)
    print(json.dumps(seen), flush=True)
    os._exit(0)


def measure_milliseconds(port: int, cookie: str, seconds: float) -> dict[str, list[float]]:
    """Send a request with a session every 10 ms; return how long each response took."""
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
        response = connection.getresponse()
        response.read()
        times[kind].append((time.perf_counter() - begun) * 1000)
        if response.status != 200:
            raise RuntimeError(f"a request with a session got {response.status}")
    return times


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--nginx", default="nginx", help="the nginx binary")
    options.add_argument("--attack", help=argparse.SUPPRESS)  # the clients' own process
    options = options.parse_args()
    if options.attack:
        port, *addresses = options.attack.split(",")
        asyncio.run(attack_from_all(int(port), options.seconds, addresses))

    attacks = {
        "no attack": [],
        "32 clients from one address": ["127.0.0.2"] * CLIENTS,
        "32 clients from 32 addresses": [f"127.0.1.{n}" for n in range(1, CLIENTS + 1)],
    }
    responses: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    times: dict[str, dict[str, list[float]]] = {name: {} for name in attacks}
    logins: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        project = bake(folder, apps=None)
        for name in [*attacks] * options.rounds:
            addresses = ",".join(attacks[name])
            with FakeDyno(project, options.nginx) as dyno:
                login = requests.get(dyno.url, auth=AUTH, timeout=60)
                logins.append(login.elapsed.total_seconds() * 1000)
                cookie = login.headers["Set-Cookie"].split(";")[0]
                measure_milliseconds(dyno.port, cookie, 1)  # warm
                stream = f"ws://127.0.0.1:{dyno.port}/_stcore/stream"
                command = [sys.executable, __file__, "--seconds", str(options.seconds)]
                with connect(stream, additional_headers={"Cookie": cookie}, proxy=None) as page:
                    attackers = subprocess.Popen(
                        [*command, "--attack", f"{dyno.port},{addresses}"] if addresses else "true",
                        stdout=subprocess.PIPE,
                        text=True,
                        # On another machine they would not use the dyno's processors.
                        preexec_fn=lambda: os.nice(19),
                    )
                    for kind, some in measure_milliseconds(
                        dyno.port, cookie, options.seconds
                    ).items():
                        times[name].setdefault(kind, []).extend(some)
                    if not page.ping().wait(10):
                        raise RuntimeError("the WebSocket with a session is closed")
                    responses[name].update(json.loads(attackers.communicate()[0] or "{}"))
    measured = {
        name: {"responses to attackers": responses[name]}
        | {
            kind: {
                "p50": statistics.median(values),
                "p95": statistics.quantiles(values, n=20)[-1],
                "slowest": max(values),
            }
            for kind, values in kinds.items()
        }
        for name, kinds in times.items()
    }

    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True).stderr.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {version}"
    median_login = statistics.median(logins)
    result = {"machine": machine, "login": median_login, "milliseconds": measured}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{machine}; a login takes {median_login:.0f} ms")
    print("| attack | responses to attackers | connection | p50 | p95 | p95 / idle | slowest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    worst = 0.0
    for name, figures in measured.items():
        statuses = figures["responses to attackers"].items()
        shown = ", ".join(f"{count} x {status}" for status, count in statuses) or "-"
        for kind in ("kept connection", "new connection"):
            figure, idle = figures[kind], measured["no attack"][kind]
            ratio = figure["p95"] / idle["p95"]
            worst = max(worst, ratio)
            print(
                f"| {name} | {shown} | {kind} | {figure['p50']:.1f} ms | {figure['p95']:.1f} ms "
                f"| {ratio:.1f} | {figure['slowest']:.0f} ms |"
            )
    print(f"The WebSocket stayed open. p95 / idle is {worst:.1f} at worst; the threshold is 3.")
    if worst > 3:
        sys.exit("Missed the threshold.")


if __name__ == "__main__":
    main()
