"""How a dyno starts, and how it fails to."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, ROOT, USER, BakedProject
from fake_dyno import BuildFailed, FakeDyno, wait_until
from http_client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Iterator

# Heroku kills what is not up, or has not exited, by then. A start that hangs fails the test.
STARTUP_TIMEOUT = 60
SHUTDOWN_TIMEOUT = 30

# What an update gives a project whose Procfile still starts server.py.
OLD_ENTRY = ROOT / "{{cookiecutter.project_slug}}/_hook/update/server.py"


@pytest.fixture(scope="module")
def built(baked_project: BakedProject, nginx: str) -> Iterator[FakeDyno]:
    """The module's dyno, built and not started."""
    dyno = FakeDyno(baked_project.path, nginx)
    yield dyno
    dyno.stop()


@pytest.fixture
def dyno(built: FakeDyno) -> Iterator[FakeDyno]:
    """The same, for one test that starts it."""
    yield built
    built.end()


def client_of(dyno: FakeDyno) -> HttpClient:
    return HttpClient(dyno.url, {USER: PASSWORD}, router=True)


def procfile(command: str) -> str:
    return f"web: {command}\n"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the unix socket that nginx uses."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(STARTUP_TIMEOUT)
        self.sock.connect(self.host)


# -- A start that succeeds ---------------------------------------------------------------------


def test_there_is_one_worker_whatever_web_concurrency_is(dyno):
    """A session's file is uploaded to the process that has the session."""
    dyno.start(WEB_CONCURRENCY="4", FORWARDED_ALLOW_IPS="*").wait()
    assert dyno.processes("-m apphub.server") == [dyno.supervisor, *dyno.workers]
    assert len(dyno.workers) == 1
    [_] = dyno.processes("nginx: master process bin/nginx -p . -c config/nginx.conf")
    client = client_of(dyno)
    assert client.request("/_stcore/health", session=client.session).body == b"ok"


def test_no_connection_is_accepted_before_streamlit_answers(dyno):
    """However slow the start: nobody gets a 5xx."""
    ready = dyno.runtime / "app-initialized"
    with dyno.held_workers() as gate:
        dyno.start()
        gate.wait()
        assert not ready.exists()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", dyno.port))
        gate.open()
        # As soon as bin/start-nginx is told so, the socket answers.
        wait_until(ready.exists)
        connection = UnixConnection(str(dyno.runtime / "streamlit.socket"))
        connection.request("GET", "/_stcore/health")
        assert connection.getresponse().read() == b"ok"
        connection.close()
        dyno.wait()
    client = client_of(dyno)
    assert client.request("/_stcore/health", "GET", client.password_of()).status == 200

    def status(_: int) -> int:
        return client.request("/_stcore/health", session=client.session).status

    assert client.session
    with ThreadPoolExecutor(20) as pool:  # all in the dyno's first moments
        assert set(pool.map(status, range(100))) == {200}


SHOW_OPTIONS = """
import streamlit as st
for name in ("maxUploadSize", "fileWatcherType", "enableXsrfProtection"):
    st.text(f"<{name}: {st.get_option('server.' + name)}>")
"""


@pytest.mark.parametrize(
    ("environment", "size"), [({}, 200), ({"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "7"}, 7)]
)
def test_streamlits_options_are_read_from_the_environment(dyno, environment, size):
    """As `streamlit run` reads them. And a dyno's files are not watched."""
    with dyno.changed("app.py", SHOW_OPTIONS):
        dyno.start(**environment).wait()
        client = client_of(dyno)
        shown = client.run("", client.password_of())
    for option in (f"maxUploadSize: {size}", "Type: none", "enableXsrfProtection: True"):
        assert f"{option}>" in shown
    # nginx accepts what Streamlit accepts.
    limits = (dyno.home / "config/generated/limits.conf").read_text()
    assert re.findall(r"client_max_body_size (\d+)m;", limits) == [f"{size + 1}"]


@pytest.mark.parametrize(
    "command",
    [
        "bin/start-nginx python -m apphub.server",  # as that script's own documents have it
        "python server.py bin/start-nginx",
        "bin/start-nginx python server.py",
    ],
)
def test_other_commands_in_the_procfile_work_as_well(dyno, command):
    """Those with server.py are from before apphub/: they work, and the log says what to write."""
    is_old = "server.py" in command
    with (
        dyno.changed("Procfile", procfile(command)),
        dyno.changed("server.py", OLD_ENTRY.read_text("utf-8") if is_old else None),
    ):
        dyno.start().wait()
        client = client_of(dyno)
        assert client.request("/_stcore/health", session=client.session).body == b"ok"
    advice = "Procfile starts server.py. Write: web: python -m apphub.server bin/start-nginx"
    assert (advice in dyno.log()) is is_old


def test_files_of_an_earlier_start_do_not_matter(dyno):
    """A socket, the file for bin/start-nginx, and what nginx was told."""
    dyno.start().wait()
    os.killpg(dyno.session, signal.SIGKILL)
    dyno.end()
    command = (
        "touch tmp/app-initialized; echo no sense > config/generated/users.map; "
        "python -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"tmp/streamlit.socket\")'; "
        "exec python -m apphub.server bin/start-nginx"
    )
    with dyno.changed("Procfile", procfile(command)):
        dyno.start().wait()
    client = client_of(dyno)
    assert client.request("/_stcore/health", session=client.session).body == b"ok"


# -- A start that fails ------------------------------------------------------------------------

NO_PYTHON = "def serve(:\n"
FAILURES = {
    "the supervisor is not Python": ("apphub/server/supervisor.py", NO_PYTHON),
    "a worker is not Python": ("apphub/server/worker.py", NO_PYTHON),
    "app.py is missing": ("app.py", None),
    "Streamlit cannot be imported": ("streamlit.py", "1 / 0\n"),
    "uvicorn refuses a setting": ("apphub/server/worker.py", ('"on"', '"x"')),
}


@pytest.mark.parametrize(("file", "text"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_start_ends_the_dyno(dyno, file, text):
    if isinstance(text, tuple):
        before = (dyno.home / file).read_text("utf-8")
        assert text[0] in before
        text = before.replace(*text)
    with dyno.changed(file, text):
        assert dyno.start().wait_for_end(STARTUP_TIMEOUT) != 0
    assert "Traceback" in dyno.log() or "SyntaxError" in dyno.log()
    assert "start-nginx" not in dyno.log()  # it was not even started


def test_a_server_that_is_killed_while_it_starts_ends_the_dyno(dyno):
    """As when memory runs out."""
    with dyno.changed("sitecustomize.py", "import os\nos.kill(os.getpid(), 9)\n"):
        assert dyno.start().wait_for_end(STARTUP_TIMEOUT) != 0


def test_a_failed_start_under_the_buildpacks_script_ends_the_dyno(dyno):
    """It looks for a file once a second, and not whether its command has exited."""
    command = "bin/start-nginx python -m apphub.server"
    with dyno.changed("Procfile", procfile(command)), dyno.changed("app.py", None):
        assert dyno.start().wait_for_end(STARTUP_TIMEOUT) == 1
    assert "start-nginx: app exited" in dyno.log() or "start-nginx: nginx exited" in dyno.log()


def test_without_the_buildpack_the_log_says_what_is_missing(dyno):
    command = "python -m apphub.server bin/no-such-script"
    with dyno.changed("Procfile", procfile(command)):
        assert dyno.start().wait_for_end(STARTUP_TIMEOUT) == 1
    assert "bin/no-such-script: No such file or directory." in dyno.log()


def test_an_invalid_setting_fails_the_build_and_ends_the_dyno(dyno, baked_project, nginx):
    """Which values are valid: tests/unit/test_settings.py."""
    with pytest.raises(BuildFailed, match="STREAMLIT_PROCESSES"):
        FakeDyno(baked_project.path, nginx, STREAMLIT_PROCESSES="0")
    assert dyno.start(STREAMLIT_PROCESSES="0").wait_for_end(STARTUP_TIMEOUT) == 1
    assert "STREAMLIT_PROCESSES" in dyno.log().strip().splitlines()[-1]
    assert "Traceback" not in dyno.log()


# -- A process that exits later ----------------------------------------------------------------


def test_a_supervisor_that_is_killed_ends_the_dyno(dyno):
    dyno.start().wait()
    os.kill(dyno.supervisor, signal.SIGKILL)
    assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0


def test_sigterm_ends_the_dyno(dyno):
    dyno.start().wait()
    os.kill(dyno.supervisor, signal.SIGTERM)
    assert dyno.wait_for_end(SHUTDOWN_TIMEOUT) != 0
    assert "Traceback" not in dyno.log()
