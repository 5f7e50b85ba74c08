"""How a dyno starts, and how it fails to."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
from baked import AUTH, PASSWORD, USER
from door import Door, basic
from dyno import Dyno

SERVER = "python server.py bin/start-nginx"  # as the Procfile has it


@pytest.fixture
def start(nginx):
    """Start a dyno without waiting for it; it is gone after the test."""
    dynos = []

    def start(project, **environment: str) -> Dyno:
        dynos.append(Dyno(project.path, nginx, **environment))
        return dynos[-1].start()

    yield start
    for dyno in dynos:
        dyno.stop()


def test_one_process_serves_whatever_web_concurrency_says(project, start):
    dyno = start(project, WEB_CONCURRENCY="4", FORWARDED_ALLOW_IPS="*")
    dyno.wait()
    command = ["ps", "-s", str(dyno.session), "-o", "args="]
    processes = subprocess.run(command, capture_output=True, text=True).stdout
    servers = [line for line in processes.splitlines() if line.strip() == SERVER]
    assert len(servers) == 1
    assert "nginx: master process bin/nginx -p . -c config/nginx.conf" in processes
    # One process: a session's file arrives where the session is. See test_browser.py.
    assert requests.get(f"{dyno.url}/_stcore/health", auth=AUTH).text == "ok"


def test_however_slow_the_start_nobody_sees_a_5xx(project, start):
    # Imported by Python itself, before server.py.
    project.write("sitecustomize.py", "import time\ntime.sleep(3)\n")
    dyno = start(project)
    answers = []
    while time.monotonic() - dyno.started < 30 and len(answers) < 20:
        with contextlib.suppress(requests.ConnectionError):
            answers.append(requests.get(f"{dyno.url}/_stcore/health", auth=AUTH).status_code)
    assert set(answers) == {200}
    assert time.monotonic() - dyno.started > 3


def test_streamlits_settings_are_taken_from_the_environment(project, start):
    """As `streamlit run` takes them. And a dyno's files are not watched."""
    project.write(
        "app.py",
        "import streamlit as st\n"
        "for name in ('maxUploadSize', 'fileWatcherType', 'enableXsrfProtection'):\n"
        "    st.text(f'<{name}: {st.get_option(\"server.\" + name)}>')\n",
    )
    for environment, size in (({}, 200), ({"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "7"}, 7)):
        dyno = start(project, **environment)
        dyno.wait()
        shown = Door(dyno.url, {USER: PASSWORD}, router=True).run("", basic(*AUTH))
        for setting in (f"maxUploadSize: {size}", "Type: none", "enableXsrfProtection: True"):
            assert f"{setting}>" in shown
        dyno.stop()


FAILURES = {
    "server.py is no Python": lambda project: project.write("server.py", "def serve(:\n"),
    "app.py is gone": lambda project: (project.path / "app.py").unlink(),
    "Streamlit cannot be imported": lambda project: project.write("streamlit.py", "1 / 0\n"),
    "replica.py is no Python": lambda project: project.write("replica.py", "def serve(:\n"),
    "uvicorn refuses a setting": lambda project: project.change(
        "replica.py", 'lifespan="on"', 'lifespan="no such"'
    ),
}


@pytest.mark.parametrize("spoil", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_start_ends_the_dyno_at_once(project, start, spoil):
    spoil(project)
    project.write("bin/post_compile", "#!/bin/sh\n")  # the build would refuse some of them
    dyno = start(project)
    assert dyno.wait_for_end(5) != 0
    reason = dyno.log().strip().splitlines()
    assert "Traceback" in dyno.log() or "SyntaxError" in reason[-1]
    assert "start-nginx" not in dyno.log()  # there was nothing to open a door to


def test_nothing_waits_for_a_server_that_is_killed_while_it_starts(project, start):
    """As when memory runs out."""
    project.write("sitecustomize.py", "import os\nos.kill(os.getpid(), 9)\n")
    project.write("bin/post_compile", "#!/bin/sh\n")
    assert start(project).wait_for_end(5) != 0


def test_it_ends_within_two_seconds_of_the_failure(project, start):
    (project.path / "app.py").unlink()
    project.write(
        "sitecustomize.py",
        "import atexit, pathlib, time\n"
        "atexit.register(lambda: pathlib.Path('ended').write_text(str(time.time())))\n",
    )
    dyno = start(project)
    dyno.wait_for_end(20)
    assert time.time() - float((dyno.home / "ended").read_text()) < 2


def test_a_server_that_dies_later_ends_the_dyno(project, start):
    dyno = start(project)
    dyno.wait()
    os.kill(dyno.server, signal.SIGKILL)
    assert dyno.wait_for_end(5) != 0


def test_an_nginx_that_dies_ends_the_dyno(project, start):
    dyno = start(project)
    dyno.wait()
    subprocess.run(["pkill", "-KILL", "-s", str(dyno.session), "-f", "nginx: master"], check=True)
    assert dyno.wait_for_end(5) == 1
    last = dyno.log().strip().splitlines()[-1]
    assert last == "at=error server: bin/start-nginx has ended: its reason stands above."


def test_without_the_buildpack_it_says_what_is_missing(project, start):
    project.write("Procfile", "web: python server.py bin/no-such-script\n")
    dyno = start(project)
    assert dyno.wait_for_end(5) == 1
    assert "bin/no-such-script: No such file or directory." in dyno.log()


def test_it_starts_as_well_under_the_buildpacks_script(project, start):
    """As that script's own documents have it in the Procfile; up to a second slower."""
    project.write("Procfile", "web: bin/start-nginx python server.py\n")
    dyno = start(project)
    dyno.wait()
    assert requests.get(f"{dyno.url}/_stcore/health", auth=AUTH).text == "ok"
    dyno.stop()
    (project.path / "app.py").unlink()
    dyno = start(project)
    assert dyno.wait_for_end(5) == 1  # and not after Heroku's 60 s
    assert "start-nginx: app has ended" in dyno.log()


def test_sigterm_ends_it_in_good_time(project, start):
    dyno = start(project)
    dyno.wait()
    os.kill(dyno.server, signal.SIGTERM)
    assert dyno.wait_for_end(10) != 0
    assert "Traceback" not in dyno.log()


class Unix(http.client.HTTPConnection):
    """HTTP over the unix socket that nginx uses."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def test_the_file_is_touched_when_streamlit_answers_and_not_before(project, start, nginx):
    """server.py alone, asked the very moment that the file is there."""
    # Debian's nginx may not start without Streamlit; here nothing but server.py runs.
    project.write("Procfile", "web: python server.py\n")
    project.write("sitecustomize.py", "import time\ntime.sleep(0.5)\n")
    dyno = start(project)
    ready = dyno.runtime / "app-initialized"
    while not ready.exists():
        assert time.monotonic() - dyno.started < 30
    connection = Unix(str(dyno.runtime / "streamlit.socket"), timeout=10)
    connection.request("GET", "/_stcore/health")
    assert connection.getresponse().read() == b"ok"
    connection.close()
    assert time.monotonic() - dyno.started > 0.5


def test_it_is_up_again_and_again_on_the_same_machine(project, start):
    """A socket and a file left from before do no harm."""
    for _ in range(2):
        dyno = start(project)
        dyno.wait()
        assert requests.get(f"{dyno.url}/_stcore/health", auth=AUTH).status_code == 200
        dyno.stop()


def test_many_at_once_in_its_first_second(project, start):
    dyno = start(project)
    dyno.wait()
    statuses: list[int] = []
    ask = lambda: statuses.append(  # noqa: E731
        requests.get(f"{dyno.url}/_stcore/health", auth=AUTH).status_code
    )
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20
