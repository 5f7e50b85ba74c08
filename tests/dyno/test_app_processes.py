"""Scripts with processes of their own: how they start, end and fail, and that nobody else notices.

Small programs in the place of the worker: tests/unit/server/test_app_process.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER, BakedProject
from browser_client import WHERE
from fake_dyno import FakeDyno, wait_until
from http_client import HttpClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

APP_PROCESS = "apphub/server/app_process.py"
APP_SERVER = "apphub/server/app_server.py"

SHOWS = """
import os, sys
import streamlit as st
import helper

"It is drawn by magic."
st.text(f"<process {os.getpid()}>")
st.text(f"<{helper.NAME}, {sys.argv}, {os.getcwd()}>")
st.text(f"<user {st.user.name}>")
st.text(f"<secrets {'HTPASSWD' in os.environ} {sorted(st.secrets)}>")
"""
GREEDY = """
import os
import streamlit as st

st.text(f"<process {os.getpid()}>")
if "kept" in st.session_state:
    st.session_state.kept.append(bytearray(b"x") * 2**28)
else:
    st.session_state.kept = []
"""
LOGS = """
import logging
import os
import streamlit as st

st.text(f"<process {os.getpid()}>")
logging.getLogger("mine").warning("a line of mine")
raise ZeroDivisionError("private")
"""
SCRIPTS = [
    {"name": "Shows", "script": "apps/shows/src/main.py"},
    {"name": "Greedy", "script": "apps/greedy.py", "memory_mb": 200},
    {"name": "Logs", "script": "apps/logs.py"},
    {"name": "Always", "script": "apps/always.py", "always_on": True},
    {"name": "Twice", "script": "apps/twice.py", "processes": 2},
]


@pytest.fixture(scope="module")
def project(baked_project: BakedProject) -> BakedProject:
    source = baked_project.path / "apps/shows/src"
    source.mkdir(parents=True)
    (source / "main.py").write_text(SHOWS)
    (source / "helper.py").write_text('NAME = "its helper"\n')
    for name, text in (("greedy", GREEDY), ("logs", LOGS), ("always", ""), ("twice", "")):
        baked_project.write(f"apps/{name}.py", text)
    baked_project.write("apps/sales_report.py", WHERE)
    baked_project.add_to_menu(*SCRIPTS)
    return baked_project


@pytest.fixture(scope="module")
def built(project, nginx) -> Iterator[FakeDyno]:
    dyno = FakeDyno(project.path, nginx, SECRETS='all = "1"\n[shows]\nown = "2"\n')
    yield dyno
    dyno.stop()


def processes_of(dyno: FakeDyno, script: str) -> list[int]:
    return dyno.processes(f"app_worker.py {script} ")


def open_app(client: HttpClient, name: str) -> ClientConnection:
    """Open the WebSocket of a script."""
    headers = [f"Cookie: __Host-session={client.session}", *client.routed()]
    return connect(
        f"ws://{client.host}/{name}/_stcore/stream",
        sock=client.connection(),
        additional_headers=[tuple(line.split(": ", 1)) for line in headers],
        subprotocols=["streamlit"],
        proxy=None,
        max_size=None,
    )


def run_app(client: HttpClient, name: str) -> str:
    """Open a script, and return all that it sends."""
    with open_app(client, name) as websocket:
        return client.run_in(websocket, "")


def run_until_closed(client: HttpClient, websocket: ClientConnection) -> None:
    """Run the page again, and wait until the server has closed the connection."""
    client.run_in(websocket, "")
    while True:
        websocket.recv(timeout=60)


def health(client: HttpClient, name: str, query: str = "?start"):
    return client.request(f"/{name}/_stcore/health{query}", session=client.session)


def process_in(shown: str) -> int:
    return int(re.search(r"<process (\d+)>", shown)[1])


# -- As `streamlit run` would run it ---------------------------------------------------------------


def test_a_script_runs_unchanged_in_a_process_of_its_own(dyno, client):
    script = "apps/shows/src/main.py"
    assert processes_of(dyno, script) == []
    shown = run_app(client, "shows")
    [process] = processes_of(dyno, script)
    assert process_in(shown) == process
    assert "It is drawn by magic." in shown
    home = dyno.home
    assert f"<its helper, ['{home}/{script}'], {home}/apps/shows>" in shown
    assert f"<user {USER}>" in shown
    assert "<secrets False ['own']>" in shown  # the server's are not there, and nobody else's
    assert "at=info app=shows server: Starting shows.\n" in dyno.log()
    # What it may not show: METRICS lists each function that it caches.
    metrics = client.request("/shows/_stcore/metrics", session=client.session)
    assert metrics.status == 404
    assert process_in(run_app(client, "shows")) == process


def test_its_log_lines_have_app_and_user(dyno, client):
    run_app(client, "logs")
    log = dyno.log_with("ZeroDivisionError")
    assert f"at=warning user={USER} app=logs mine: a line of mine\n" in log
    lines = [line for line in log.splitlines() if "ZeroDivisionError" in line]
    assert lines
    assert all(line.startswith(f"at=error user={USER} app=logs ") for line in lines)


def test_always_on_runs_without_visitors(dyno):
    wait_until(lambda: processes_of(dyno, "apps/always.py"))
    assert processes_of(dyno, "apps/twice.py") == []


# -- The end ---------------------------------------------------------------------------------------


def test_it_ends_without_visitors_and_is_there_for_the_next(project, dyno):
    source = project.read(APP_SERVER)
    assert "minutes * 60" in source
    with ExitStack() as stack:
        fast = source.replace("minutes * 60", "minutes * 2")
        stack.enter_context(dyno.changed(APP_SERVER, fast))
        stack.enter_context(dyno.restarted(APP_IDLE_MINUTES="1"))
        client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
        with open_app(client, "shows") as websocket:
            first = process_in(client.run_in(websocket, ""))
            # As long as the page is open, it runs; and others end meanwhile.
            assert health(client, "greedy").status == 200
            log = dyno.log_with("Stopped greedy: no visitors for 1 min.")
            assert "Stopped shows" not in log
            assert processes_of(dyno, "apps/shows/src/main.py") == [first]
        assert "at=info app=shows server: Stopped shows" in dyno.log_with("Stopped shows")
        assert process_in(run_app(client, "shows")) != first
        assert processes_of(dyno, "apps/always.py")  # this one does not end


def test_all_processes_end_with_the_dyno(dyno, client):
    run_app(client, "shows")
    dyno.forget_log()
    os.kill(dyno.supervisor, signal.SIGTERM)
    dyno.wait_for_end(30)
    wait_until(lambda: not dyno.processes("app_worker.py"))
    assert "app=shows server:" not in dyno.log()


def test_they_end_when_the_supervisor_is_killed(dyno, client):
    run_app(client, "shows")
    os.kill(dyno.supervisor, signal.SIGKILL)
    wait_until(lambda: not dyno.processes("app_worker.py"))


# -- Faults ----------------------------------------------------------------------------------------


def test_a_crash_concerns_nobody_else(dyno, client):
    hub = client.run("sales_report", f"Cookie: __Host-session={client.session}")
    first = process_in(run_app(client, "shows"))
    logs = process_in(run_app(client, "logs"))
    os.kill(first, signal.SIGKILL)
    dyno.log_with("app=shows server: shows exited: signal 9 (Killed).")
    assert process_in(run_app(client, "shows")) != first
    assert process_in(run_app(client, "logs")) == logs
    again = client.run("sales_report", f"Cookie: __Host-session={client.session}")
    assert re.findall(r"<process \d+", again) == re.findall(r"<process \d+", hub)


def test_a_process_that_hangs_is_replaced(project, dyno):
    source = project.read(APP_PROCESS)
    assert "HEALTH_TIMEOUT = 60 " in source
    with ExitStack() as stack:
        short = source.replace("HEALTH_TIMEOUT = 60 ", "HEALTH_TIMEOUT = 3 ")
        stack.enter_context(dyno.changed(APP_PROCESS, short))
        stack.enter_context(dyno.restarted())
        client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
        first = process_in(run_app(client, "shows"))
        os.kill(first, signal.SIGSTOP)
        # A visitor who comes meanwhile waits for the next process.
        assert health(client, "shows").body == b"ok"
        assert "shows has not answered for 3 s. It was killed." in dyno.log()
        assert process_in(run_app(client, "shows")) != first


def test_memory_that_grows_ends_it_with_a_word(dyno, client):
    with open_app(client, "greedy") as websocket:
        first = process_in(client.run_in(websocket, ""))
        with pytest.raises(ConnectionClosed):
            run_until_closed(client, websocket)
    log = dyno.log_with('more than its "memory_mb" of 200')
    [reference] = re.findall(r"at=error app=greedy server: greedy used .*reference (\w+)\)", log)
    refused = health(client, "greedy", "")
    assert refused.status == 503
    assert json.loads(refused.body)["reference"] == reference
    assert "too much memory" in json.loads(refused.body)["message"]
    assert client.request("/greedy/_stcore/health", session=client.session).status == 503
    assert processes_of(dyno, "apps/greedy.py") == []
    # As the page does it when somebody opens it; fetch() follows the redirect.
    assert health(client, "greedy").status == 307
    assert health(client, "greedy").status == 200
    assert process_in(run_app(client, "greedy")) != first


def test_a_start_that_fails_is_logged_and_not_repeated(dyno, client):
    broken = "[server\nport = ="
    (dyno.home / "apps/.streamlit").mkdir(exist_ok=True)
    with dyno.changed("apps/.streamlit/config.toml", broken):
        dyno.forget_log()
        answers = [health(client, "twice") for _ in range(6)]
    assert {answer.status for answer in answers} == {503}
    log = dyno.log_with("twice 2 of 2 exited while it started: status 1 (reference ")
    messages = {json.loads(answer.body)["message"] for answer in answers}
    assert messages == {"Twice could not be started. The error was logged."}
    for answer in answers:
        assert f"(reference {json.loads(answer.body)['reference']})" in log
    assert log.count("Starting twice") == 2  # each of its processes once
    reasons = [line for line in log.splitlines() if "TOMLDecodeError" in line]
    assert len(reasons) >= 2
    assert all(line.startswith("at=error app=twice ") for line in reasons)
    dyno.end()


# -- What it costs ---------------------------------------------------------------------------------


def memory_kb(process: int) -> int:
    with open(f"/proc/{process}/smaps_rollup") as file:  # noqa: PTH123
        return int(re.search(r"^Pss: +(\d+)", file.read(), re.MULTILINE)[1])


def test_fifty_scripts_that_nobody_has_open_cost_five_mb_at_most(project, dyno):
    """In the supervisor, the only process that knows of them, and in nginx."""
    few = json.loads(dyno.read("apps.json"))[:2]  # the template's two, which are modules
    many = [{"name": f"Script {n}", "script": f"apps/script_{n}.py"} for n in range(50)]
    for entry in many:
        (dyno.home / entry["script"]).touch()
    used = []
    for entries in (few, [*few, *many]):
        with dyno.changed("apps.json", json.dumps(entries)), dyno.restarted():
            pids = [dyno.supervisor, *dyno.workers, *dyno.processes("nginx: ")]
            used.append(sum(map(memory_kb, pids)))
            sockets = list(dyno.runtime.glob("app.*.socket"))
            assert dyno.processes("app_worker.py") == []
    assert len(sockets) >= 50
    assert used[1] - used[0] < 5 * 1024, used


def test_sockets_answer_before_nginx_does(dyno):
    """Nobody is refused in a dyno's first moments."""
    dyno.end()
    for path in dyno.runtime.glob("app.*.socket"):
        path.unlink()
    ready = dyno.runtime / "app-initialized"
    dyno.start()
    wait_until(ready.exists)
    paths = list(dyno.runtime.glob("app.*.socket"))
    assert len(paths) == 6
    for path in paths:
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
    dyno.wait()
