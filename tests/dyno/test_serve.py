"""`python manage.py serve`: the full stack on a computer, on a terminal."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect
import pytest
import requests
from baked import AUTH, PASSWORD, USER, BakedProject
from fake_dyno import USER as OWNER
from fake_dyno import free_port, own, python_environment, wait_until
from http_client import HttpClient, basic
from playwright.sync_api import expect

from apphub.accounts import set_password

READY = "Press Ctrl-C to stop."
STOPPED = "Stopped. Deleted config/nginx.conf, config/generated/ and logs/nginx/."
COOKIE = "local-session"
RUN_CLI = "from apphub.cli import main; main()"
AS_ON_MACOS = f"from apphub.serve import nginx; nginx.SUPPORTS_BCRYPT = False; {RUN_CLI}"
ON_PATH_ONLY = f"from apphub.serve import programs; programs.SEARCH_FOLDERS = (); {RUN_CLI}"
APP = "import os\n\nimport streamlit as st\n\n\ndef run():\n    st.text({})\n"


class ServeSession:
    """A project on a computer, on which `manage.py serve` can be run.

    The project belongs to the dyno's user.
    """

    def __init__(self, project: BakedProject, nginx: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="serve-"))
        self.project = BakedProject(shutil.copytree(project.path, self.home / "project"))
        self.temporary = self.home / "tmp"
        self.temporary.mkdir()
        self.programs = self.home / "bin"
        self.programs.mkdir()
        (self.programs / "nginx").symlink_to(shutil.which(nginx))
        self.python = python_environment(project.path / "requirements.txt") / "python"
        # The environment belongs to the user who runs the tests: compress its static files here.
        precompress = "from apphub.build import precompress; precompress.main()"
        subprocess.run([self.python, "-B", "-c", precompress], cwd=project.path, check=True)
        self.home.chmod(0o755)
        own(self.home)
        self.before = self.project.files
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.terminals: list[pexpect.spawn] = []

    def serve(self, *python: str, user: str = OWNER, **environment: str) -> pexpect.spawn:
        """Run the command on a terminal, and return that.

        Args:
            python: what Python runs in place of manage.py.
            user: whose process it is.
            environment: variables of the environment.
        """

        def become_user() -> None:
            if os.geteuid() == 0:
                entry = pwd.getpwnam(user)
                os.setgroups([])
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)

        terminal = pexpect.spawn(
            str(self.python),
            ["-B", *(python or ["manage.py"]), "serve", "--port", str(self.port)],
            cwd=str(self.project.path),
            env={
                "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",  # without an environment
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "TMPDIR": str(self.temporary),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            preexec_fn=become_user,
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 250),
        )
        self.terminals.append(terminal)
        return terminal

    def start(self, *python: str, **options: str) -> pexpect.spawn:
        """Run the command, and wait until it is ready."""
        terminal = self.serve(*python, **options)
        terminal.expect_exact(READY)
        # nginx listens before its processes have their names.
        wait_until(lambda: list_processes(terminal, "nginx: worker"))
        return terminal

    def status(self, **options: object) -> int:
        """Return the status of a small request."""
        return requests.get(f"{self.url}/_stcore/health", timeout=30, **options).status_code

    def client(self) -> HttpClient:
        return HttpClient(self.url, {USER: PASSWORD}, router=False)


@pytest.fixture
def new_serve_session(nginx):
    """Create ServeSessions. Their processes and files are gone after the test."""
    sessions: list[ServeSession] = []

    def new_serve_session(project: BakedProject) -> ServeSession:
        sessions.append(ServeSession(project, nginx))
        return sessions[-1]

    yield new_serve_session
    for session in sessions:
        for terminal in session.terminals:
            for process in list_processes(terminal):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            terminal.close(force=True)
        shutil.rmtree(session.home)


@pytest.fixture
def serve_session(project, new_serve_session) -> ServeSession:
    return new_serve_session(project)


def list_processes(terminal: pexpect.spawn, name: str = "") -> list[int]:
    """Return the terminal's processes that have the name in their command."""
    command = ["ps", "-ww", "-s", str(terminal.pid), "-o", "pid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [int(row[0]) for row in rows if row[1][0] != "Z" and name in row[2]]


def read_to_end(terminal: pexpect.spawn) -> str:
    """Wait for the end of the command, and return what it has printed since the last match."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.before.replace("\r\n", "\n")


def assert_nothing_is_left(session: ServeSession) -> None:
    assert session.project.files == session.before
    assert not (session.project.path / "logs").exists()
    assert not (session.project.path / "config/generated").exists()
    assert not list(session.temporary.iterdir())
    with pytest.raises(requests.ConnectionError):
        session.status()
    for terminal in session.terminals:
        assert not list_processes(terminal)


def test_it_prints_each_step_and_ctrl_c_stops_all(serve_session):
    terminal = serve_session.start()
    output = terminal.before.replace("\r\n", "\n")
    steps = [
        r"passed: users and menu",
        rf"nginx is {serve_session.programs}/nginx, erb is \S+/erb\.",
        r"\S+ MB, compressed \S+ MB\.",
        rf"Starting Streamlit: {serve_session.python} -m apphub\.server",
        r"Streamlit is ready after \S+ s\.",
        r"config/nginx\.conf\.erb is rendered, and nginx accepts it\.",
        r"nginx is ready\.",
        rf"http://localhost:{serve_session.port}   Users: anna\.b\n",
        r"logs/nginx/access\.log",
    ]
    assert re.search(".*".join(steps), output, re.DOTALL), output
    assert "macOS" not in output
    assert "Warning" not in output

    assert serve_session.status() == 401
    assert serve_session.status(auth=(USER, "not the password")) == 401
    browser = requests.Session()
    assert "root" in browser.get(serve_session.url, auth=AUTH).text
    cookie = f"Cookie: {COOKIE}={browser.cookies[COOKIE]}"
    assert "Churn Explorer" in serve_session.client().run("", cookie)
    page = browser.get(serve_session.url).text
    script = re.search(r'src="\.(/static/js/[^"]+)"', page)[1]
    response = browser.get(serve_session.url + script)  # with the session only
    assert response.status_code == 200
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" in response.headers  # a file that was compressed before
    line = f'GET path="{script}" status=200'
    deadline = time.monotonic() + 30
    while line not in serve_session.project.read("logs/nginx/access.log"):
        assert time.monotonic() < deadline  # nginx writes it after the response
        time.sleep(0.1)

    config = serve_session.project.path / "config"
    generated = [path for path in (config / "generated").iterdir() if path.is_file()]
    assert {"htpasswd", "sessions.map", "limits.conf"} <= {path.name for path in generated}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [config / "nginx.conf", *generated]}
    assert modes == {0o600}
    assert len(list_processes(terminal, "nginx: master")) == 1

    terminal.sendintr()
    assert read_to_end(terminal).endswith(f"{STOPPED}\n")
    assert terminal.exitstatus == 0
    assert_nothing_is_left(serve_session)


def test_an_open_page_does_not_delay_the_stop(serve_session):
    terminal = serve_session.start()
    client = serve_session.client()
    with client.websocket(basic(*AUTH)) as websocket:
        assert "Churn Explorer" in client.run_in(websocket, "")
        started = time.monotonic()
        terminal.sendintr()
        read_to_end(terminal)
        # By force it would end after more than 20 s.
        assert time.monotonic() - started < 15
    assert terminal.exitstatus == 0
    assert_nothing_is_left(serve_session)


def test_it_listens_only_at_localhost(serve_session):
    serve_session.start()
    socket.create_connection(("127.0.0.1", serve_session.port), 5).close()
    with pytest.raises(ConnectionRefusedError):
        # Linux: an address of this computer, too, but not the one that nginx listens at.
        socket.create_connection(("127.0.0.2", serve_session.port), 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_as_ctrl_c_does(serve_session, number):
    terminal = serve_session.start()
    os.kill(terminal.pid, number)
    assert STOPPED in read_to_end(terminal)
    assert terminal.exitstatus == 0
    assert_nothing_is_left(serve_session)


def test_ctrl_c_while_streamlit_starts(serve_session):
    terminal = serve_session.serve()
    terminal.expect_exact("Starting Streamlit")
    terminal.sendintr()
    output = read_to_end(terminal)
    assert STOPPED in output
    assert "manage.py" not in output  # no traceback of ours
    assert terminal.exitstatus == 0
    assert_nothing_is_left(serve_session)


def test_killed_it_leaves_no_process_and_the_next_start_works(serve_session):
    terminal = serve_session.start()
    os.kill(terminal.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while list_processes(terminal) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list_processes(terminal)
    for folder in serve_session.temporary.iterdir():  # a killed process deletes nothing
        shutil.rmtree(folder)
    terminal = serve_session.start()
    assert serve_session.status(auth=AUTH) == 200
    terminal.sendintr()
    read_to_end(terminal)
    assert_nothing_is_left(serve_session)


@pytest.mark.parametrize(
    ("name", "command"),
    [("Streamlit", "-m apphub.server"), ("nginx", "nginx: master")],
)
def test_when_one_process_dies_all_end(serve_session, name, command):
    terminal = serve_session.start()
    workers = list_processes(terminal, "apphub.server.worker")
    [process] = {*list_processes(terminal, command)} - {*workers}
    os.kill(process, signal.SIGKILL)
    last_line = read_to_end(terminal).strip().splitlines()[-1]
    assert last_line == f"Error: {name} was ended by signal 9."
    assert terminal.exitstatus == 1
    assert_nothing_is_left(serve_session)


def test_two_projects_at_the_same_time(project, new_serve_session):
    first, second = new_serve_session(project), new_serve_session(project)
    first.start()
    second.start()
    assert first.status(auth=AUTH) == second.status(auth=AUTH) == 200


def test_the_same_folder_twice_is_refused_and_the_first_continues(serve_session):
    serve_session.start()
    first, serve_session.port = serve_session.port, free_port()
    terminal = serve_session.serve()
    last_line = read_to_end(terminal).strip().splitlines()[-1]
    assert last_line.startswith("Error: `python manage.py serve` is already running")
    assert terminal.exitstatus == 1
    serve_session.port = first
    assert serve_session.status(auth=AUTH) == 200


def test_a_port_in_use(serve_session):
    with socket.create_server(("127.0.0.1", serve_session.port)):
        terminal = serve_session.serve()
        assert f"Error: Port {serve_session.port} is in use" in read_to_end(terminal)
        assert terminal.exitstatus == 1
    assert_nothing_is_left(serve_session)


@pytest.mark.parametrize("name", ["nginx", "erb"])
def test_a_missing_program(serve_session, name):
    (serve_session.programs / "apt-get").symlink_to("/bin/false")
    if name == "nginx":
        (serve_session.programs / "erb").symlink_to(shutil.which("erb"))
        (serve_session.programs / "nginx").unlink()
    terminal = serve_session.serve("-c", ON_PATH_ONLY, PATH=str(serve_session.programs))
    package = {"nginx": "nginx-light", "erb": "ruby"}[name]
    output = read_to_end(terminal)
    assert f"Error: {name} is not installed" in output
    assert f"apt-get install {package}\n" in output
    assert terminal.exitstatus == 1
    assert_nothing_is_left(serve_session)


MUTANTS = {
    "the menu": (
        lambda project: project.write("apps.json", "[]"),
        r"Error: apps\.json: .*no apps\..*",
    ),
    "Ruby in the configuration": (
        lambda project: project.change("config/nginx.conf.erb", "daemon off;", "<% raise 'x' %>"),
        r"Error: config/nginx\.conf\.erb, line \d+: .*\bx \(RuntimeError\).*",
    ),
    "the configuration": (
        lambda project: project.change("config/nginx.conf.erb", "daemon off;", "daemon no;"),
        r'Error: config/nginx\.conf\.erb, line \d+: .*invalid value "no".*',
    ),
    "app.py": (lambda project: (project.path / "app.py").unlink(), r"Error: app\.py: .*"),
    "the start": (
        lambda project: project.write(
            "Procfile", "web: python -c 'raise SystemExit(3)' apphub.server bin/start-nginx\n"
        ),
        r"Error: Streamlit exited with status 3; see the output above\.",
    ),
    "the Procfile": (
        lambda project: project.write("Procfile", "web: streamlit run app.py\n"),
        r"Error: Procfile: the line web: .*without nginx.*",
    ),
}


@pytest.mark.parametrize(("mutate", "error"), MUTANTS.values(), ids=MUTANTS)
def test_an_error_is_the_last_output_and_nothing_is_left(project, new_serve_session, mutate, error):
    mutate(project)
    session = new_serve_session(project)
    terminal = session.serve()
    output = read_to_end(terminal).strip()
    assert re.search(f"{error}$", output, re.DOTALL), output
    assert "Traceback" not in output
    assert READY not in output
    assert "Streamlit is ready" not in output
    assert terminal.exitstatus == 1
    assert_nothing_is_left(session)


def test_it_runs_the_command_of_the_procfile(project, new_serve_session):
    project.write("Procfile", "web: A=1 bin/start-nginx python -m apphub.server\n")
    project.write("apps/sales_report.py", APP.format("f\"<A is {os.environ['A']}>\""))
    session = new_serve_session(project)
    session.start()
    assert "<A is 1>" in session.client().run("sales_report", basic(*AUTH))


def test_an_app_gets_the_user_and_is_not_on_a_dyno(project, new_serve_session):
    shown = "f\"<{st.user.name}, {os.environ.get('DYNO')}>\""
    project.write("apps/sales_report.py", APP.format(shown))
    session = new_serve_session(project)
    session.start()
    assert f"<{USER}, None>" in session.client().run("sales_report", basic(*AUTH))


def test_on_macos_all_users_have_one_password(project, new_serve_session):
    """This nginx could check bcrypt, but its file has no bcrypt hashes."""
    set_password("bob", "bob's long password", project.path)
    session = new_serve_session(project)
    terminal = session.start("-c", AS_ON_MACOS)
    output = terminal.before.replace("\r\n", "\n")
    assert f"http://localhost:{session.port}   Users: anna.b and bob\n" in output
    password = re.search(r"macOS\. .*one password: ([0-9a-f]{16})\n", output)[1]
    assert "$2b$" not in session.project.read("config/generated/htpasswd")
    assert session.status(auth=AUTH) == 401  # macOS would refuse their own, too
    for user in (USER, "bob"):
        browser = requests.Session()
        browser.get(session.url, auth=(user, password))
        assert browser.get(f"{session.url}/_stcore/health").status_code == 200
    assert session.status(auth=("carol", password)) == 401
    terminal.sendintr()
    read_to_end(terminal)
    assert_nothing_is_left(session)  # .htpasswd has not changed


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_can_run_it(serve_session):
    """As in a container. Workers of the user nobody could not read the hashes."""
    serve_session.home.chmod(0o700)
    serve_session.start(user="root")
    assert serve_session.status(auth=AUTH) == 200


def test_a_browser_logs_in_once(serve_session, chromium):
    serve_session.start()
    context = chromium.new_context(
        base_url=serve_session.url, http_credentials={"username": USER, "password": PASSWORD}
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto("/")
    assert COOKIE in {cookie["name"] for cookie in context.cookies()}
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Sales Report").click()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    context.close()


def test_an_environment_of_another_user(serve_session):
    """Its static files cannot be compressed, and are sent as they are."""
    script = "from apphub.build import precompress\n"
    script += f"precompress.main = lambda: open('/proc/version', 'w')\n{RUN_CLI}"
    terminal = serve_session.start("-c", script)
    assert "were not compressed: Permission denied: /proc/version" in terminal.before
    assert serve_session.status(auth=AUTH) == 200
