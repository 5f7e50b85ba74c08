"""`python manage.py serve`: the whole dyno on somebody's computer, at a terminal."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect
import pytest
import requests
from baked import AUTH, PASSWORD, USER, BakedProject
from door import Door, basic
from dyno import USER as OWNER
from dyno import free_port, own, python_environment
from playwright.sync_api import expect

UP = "Ctrl-C ends it."
MACOS = "import serve; serve.BCRYPT = False; import manage; manage.cli()"


class Laptop:
    """A computer with a project on it, whose owner is the dyno's user."""

    def __init__(self, project: BakedProject, nginx: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="laptop-"))
        self.project = BakedProject(shutil.copytree(project.path, self.home / "project"))
        self.temporary = self.home / "tmp"
        self.temporary.mkdir()
        self.programs = self.home / "bin"
        self.programs.mkdir()
        (self.programs / "nginx").symlink_to(shutil.which(nginx))
        self.python = python_environment(project.path / "requirements.txt") / "python"
        # The environment belongs to whoever runs the tests.
        subprocess.run([self.python, "-B", "bundle.py"], cwd=project.path, check=True)
        self.home.chmod(0o755)
        own(self.home)
        self.before = self.project.files
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.terminals: list[pexpect.spawn] = []

    def serve(self, *python: str, user: str = OWNER, **environment: str) -> pexpect.spawn:
        """Type the command on a terminal, and return that."""

        def become() -> None:
            if os.geteuid() == 0:
                entry = pwd.getpwnam(user)
                os.setgroups([])
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)

        path = f"{self.programs}:/usr/local/bin:/usr/bin:/bin"  # no environment is activated
        terminal = pexpect.spawn(
            str(self.python),
            ["-B", *(python or ["manage.py"]), "serve", "--port", str(self.port)],
            cwd=self.project.path,
            env={
                "PATH": path,
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "TMPDIR": str(self.temporary),
                **environment,
            },
            preexec_fn=become,
            encoding="utf-8",
            timeout=30,
            dimensions=(50, 250),
        )
        self.terminals.append(terminal)
        return terminal

    def up(self, *python: str, **options: str) -> pexpect.spawn:
        """The same, up and running."""
        terminal = self.serve(*python, **options)
        terminal.expect_exact(UP)
        return terminal

    def status(self, **options: object) -> int:
        """Return what nginx answers to a small request."""
        return requests.get(f"{self.url}/_stcore/health", **options).status_code


@pytest.fixture
def new_laptop(nginx):
    """Make Laptops; what runs on them is gone after the test."""
    laptops = []

    def new_laptop(project: BakedProject) -> Laptop:
        laptops.append(Laptop(project, nginx))
        return laptops[-1]

    yield new_laptop
    for laptop in laptops:
        for terminal in laptop.terminals:
            for process in processes(terminal):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            terminal.close(force=True)
        shutil.rmtree(laptop.home)


@pytest.fixture
def laptop(project, new_laptop) -> Laptop:
    return new_laptop(project)


def processes(terminal: pexpect.spawn, name: str = "") -> list[int]:
    """Return the numbers of the terminal's processes, of those with the name in their command."""
    command = ["ps", "-s", str(terminal.pid), "-o", "pid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [int(row[0]) for row in rows if row[1][0] != "Z" and name in row[2]]


def the_rest(terminal: pexpect.spawn) -> str:
    """Wait for the end of the command, and return what it has said since the last look."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.before.replace("\r\n", "\n")


def assert_nothing_is_left(laptop: Laptop) -> None:
    assert laptop.project.files == laptop.before
    assert not (laptop.project.path / "logs").exists()
    assert not list(laptop.temporary.iterdir())
    with pytest.raises(requests.ConnectionError):
        laptop.status()
    for terminal in laptop.terminals:
        assert not processes(terminal)


def test_it_says_each_step_and_ctrl_c_ends_all(laptop):
    terminal = laptop.up()
    said = terminal.before.replace("\r\n", "\n")
    steps = [
        r"In order: users and menu, .*nginx\.",
        rf"nginx is {laptop.programs}/nginx, erb is \S+/erb\.",
        r"Streamlit's bundle: \S+ MB, compressed \S+ MB\.",
        r"config/nginx\.conf\.erb is rendered, and nginx takes it\.",
        rf"Streamlit starts: {laptop.python} server\.py",
        r"Streamlit is ready after \S+ s\.",
        r"nginx is up\.",
        rf"http://localhost:{laptop.port}   log in as anna\.b",
        r"Its log: logs/nginx/access\.log\.",
    ]
    assert re.search(".*".join(steps), said, re.DOTALL)
    assert "macOS" not in said

    assert laptop.status() == 401
    assert laptop.status(auth=(USER, "not the password")) == 401
    browser = requests.Session()
    assert "root" in browser.get(laptop.url, auth=AUTH).text
    assert "Churn Explorer" in Door(laptop.url, {USER: PASSWORD}, router=False).run(
        "", f"Cookie: door-session={browser.cookies['door-session']}"
    )
    script = re.search(r'src="\.(/static/js/[^"]+)"', browser.get(laptop.url).text)[1]
    sent = browser.get(laptop.url + script)  # the session alone
    assert sent.status_code == 200
    assert sent.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" in sent.headers  # from the disk: compressed before
    line = f'GET path="{script}" status=200'
    until = time.monotonic() + 10
    while line not in laptop.project.read("logs/nginx/access.log"):
        assert time.monotonic() < until  # nginx writes it once the answer is out
        time.sleep(0.1)

    modes = {
        name: (laptop.project.path / name).stat().st_mode & 0o777
        for name in ("config/htpasswd", "config/nginx.conf")
    }
    assert set(modes.values()) == {0o600}
    assert len(processes(terminal, "nginx: master")) == 1

    terminal.sendintr()
    assert the_rest(terminal).endswith(
        "Streamlit and nginx have ended. What they wrote in config/ and logs/ is deleted.\n"
    )
    assert terminal.exitstatus == 0
    assert_nothing_is_left(laptop)


def test_a_page_that_is_open_does_not_hold_it_up(laptop):
    terminal = laptop.up()
    door = Door(laptop.url, {USER: PASSWORD}, router=False)
    with door.websocket(basic(*AUTH)) as websocket:
        assert "Churn Explorer" in door.run_in(websocket, "")
        began = time.monotonic()
        terminal.sendintr()
        the_rest(terminal)
        assert time.monotonic() - began < 8
    assert terminal.exitstatus == 0
    assert_nothing_is_left(laptop)


def test_nobody_else_in_the_network_can_reach_it(laptop):
    laptop.up()
    socket.create_connection(("127.0.0.1", laptop.port), 5).close()
    with pytest.raises(ConnectionRefusedError):
        # Linux: an address of this computer, too, but not the one that nginx listens to.
        socket.create_connection(("127.0.0.2", laptop.port), 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_like_ctrl_c(laptop, number):
    terminal = laptop.up()
    os.kill(terminal.pid, number)
    assert "Streamlit and nginx have ended." in the_rest(terminal)
    assert terminal.exitstatus == 0
    assert_nothing_is_left(laptop)


def test_ctrl_c_while_streamlit_starts(laptop):
    terminal = laptop.serve()
    terminal.expect_exact("Streamlit starts")
    terminal.sendintr()
    said = the_rest(terminal)
    assert "Streamlit and nginx have ended." in said
    assert "manage.py" not in said  # a traceback of ours
    assert terminal.exitstatus == 0
    assert_nothing_is_left(laptop)


def test_killed_it_leaves_no_process_and_the_next_start_goes_well(laptop):
    terminal = laptop.up()
    os.kill(terminal.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while processes(terminal) and time.monotonic() < until:
        time.sleep(0.1)
    assert not processes(terminal)
    for left in laptop.temporary.iterdir():  # a killed process deletes nothing
        shutil.rmtree(left)
    terminal = laptop.up()
    assert laptop.status(auth=AUTH) == 200
    terminal.sendintr()
    the_rest(terminal)
    assert_nothing_is_left(laptop)


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ("python server.py", "Error: Streamlit was ended by signal 9."),
        ("nginx: master", "Error: nginx was ended by signal 9."),
    ],
)
def test_when_one_dies_all_ends(laptop, process, told):
    terminal = laptop.up()
    [number] = processes(terminal, process)
    os.kill(number, signal.SIGKILL)
    assert the_rest(terminal).strip().splitlines()[-1] == told
    assert terminal.exitstatus == 1
    assert_nothing_is_left(laptop)


def test_two_projects_at_once(project, new_laptop):
    first, second = new_laptop(project), new_laptop(project)
    first.up()
    second.up()
    assert first.status(auth=AUTH) == second.status(auth=AUTH) == 200


def test_one_folder_twice_is_refused_and_the_first_goes_on(laptop):
    laptop.up()
    first, laptop.port = laptop.port, free_port()
    terminal = laptop.serve()
    assert the_rest(terminal).endswith(
        "Error: `python manage.py serve` runs in this folder already. End it first: Ctrl-C there.\n"
    )
    assert terminal.exitstatus == 1
    laptop.port = first
    assert laptop.status(auth=AUTH) == 200


def test_a_port_that_is_taken(laptop):
    with socket.create_server(("127.0.0.1", laptop.port)):
        terminal = laptop.serve()
        told = f"Error: Port {laptop.port} is taken by another program. Take another port: "
        assert told in the_rest(terminal)
        assert terminal.exitstatus == 1
    assert_nothing_is_left(laptop)


@pytest.mark.parametrize("name", ["nginx", "erb"])
def test_a_program_that_is_missing(laptop, name):
    (laptop.programs / "apt-get").symlink_to("/bin/false")
    if name == "nginx":
        (laptop.programs / "erb").symlink_to(shutil.which("erb"))
        (laptop.programs / "nginx").unlink()
    without = "import serve, manage; serve.FOLDERS = []; manage.cli()"
    terminal = laptop.serve("-c", without, PATH=str(laptop.programs))
    package = {"nginx": "nginx-light", "erb": "ruby"}[name]
    said = the_rest(terminal)
    assert f"Error: There is no {name} on this computer" in said
    assert f"apt-get install {package}\n" in said
    assert terminal.exitstatus == 1
    assert_nothing_is_left(laptop)


BROKEN = {
    "the menu": (
        lambda project: project.write("apps.json", "[]"),
        r"Error: apps\.json lists no app\. .*",
    ),
    "Ruby in the configuration": (
        lambda project: project.change("config/nginx.conf.erb", "daemon off;", "<% raise 'x' %>"),
        r"Error: config/nginx\.conf\.erb, line \d+: erb cannot render it: x \(RuntimeError\)",
    ),
    "the configuration": (
        lambda project: project.change("config/nginx.conf.erb", "_tokens off;", "_tokens no;"),
        r'Error: config/nginx\.conf\.erb, line \d+: nginx refuses it: invalid value "no"',
    ),
    "app.py": (
        lambda project: (project.path / "app.py").unlink(),
        r"Traceback.*app\.py.*Error: Streamlit has ended with status \d: its reason stands above\.",
    ),
    "the Procfile": (
        lambda project: project.write("Procfile", "web: streamlit run app.py\n"),
        r"Error: Procfile: the line web: does not start nginx, .*",
    ),
}


@pytest.mark.parametrize(("spoil", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_named_last_and_nothing_is_left(project, new_laptop, spoil, told):
    spoil(project)
    laptop = new_laptop(project)
    terminal = laptop.serve()
    said = the_rest(terminal).strip()
    assert re.search(f"{told}$", said, re.DOTALL), said
    assert "manage.py" not in said.replace("python manage.py", "")  # a traceback of ours
    assert UP not in said
    assert "Streamlit is ready" not in said
    assert terminal.exitstatus == 1
    assert_nothing_is_left(laptop)


def test_it_follows_the_procfile(project, new_laptop):
    project.write("Procfile", "web: A=1 bin/start-nginx python server.py\n")
    project.write("app.py", "import os, streamlit as st\nst.text('<A is ' + os.environ['A'] + '>')")
    laptop = new_laptop(project)
    laptop.up()
    door = Door(laptop.url, {USER: PASSWORD}, router=False)
    assert "<A is 1>" in door.run("", basic(*AUTH))


def test_an_app_learns_who_is_logged_in_and_the_dyno_is_none(project, new_laptop):
    script = "import os, streamlit as st\nst.text(f'<{st.user.name}, {os.environ.get(\"DYNO\")}>')"
    project.write("app.py", script)
    laptop = new_laptop(project)
    laptop.up()
    door = Door(laptop.url, {USER: PASSWORD}, router=False)
    assert f"<{USER}, None>" in door.run("", basic(*AUTH))


def test_on_macos_there_is_a_password_for_the_run(project, new_laptop):
    """Here with an nginx that could check bcrypt: its file has none of it."""
    project.load("manage").set_password("bob", "bob's long password", project.path)
    laptop = new_laptop(project)
    terminal = laptop.up("-c", MACOS)
    said = terminal.before.replace("\r\n", "\n")
    assert f"http://localhost:{laptop.port}   log in as anna.b or bob\n" in said
    told = "nginx on macOS cannot check bcrypt, so in this run there is one password for all users"
    password = re.search(rf"{told}: ([0-9a-f]{{16}})\n", said)[1]
    assert "$2b$" not in laptop.project.read("config/htpasswd")
    assert laptop.status(auth=AUTH) == 401  # their own would be refused on macOS, too
    for user in (USER, "bob"):
        browser = requests.Session()
        browser.get(laptop.url, auth=(user, password))
        assert browser.get(f"{laptop.url}/_stcore/health").status_code == 200
    assert laptop.status(auth=("carol", password)) == 401
    terminal.sendintr()
    the_rest(terminal)
    assert_nothing_is_left(laptop)  # .htpasswd is as it was, too


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what root does")
def test_root_can_run_it_too(laptop):
    """As in a container. nginx's workers would be nobody's, who may not read the hashes."""
    laptop.home.chmod(0o700)
    laptop.up(user="root")
    assert laptop.status(auth=AUTH) == 200


def test_a_browser_logs_in_once(laptop, chromium):
    laptop.up()
    context = chromium.new_context(
        base_url=laptop.url, http_credentials={"username": USER, "password": PASSWORD}
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto("/")
    assert "door-session" in {cookie["name"] for cookie in context.cookies()}
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Sales Report").click()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    context.close()


def test_an_environment_that_is_somebody_elses(laptop):
    """Its bundle cannot be compressed, and is sent as it is."""
    script = "import bundle, manage\n"
    script += "bundle.main = lambda: open('/proc/version', 'w')\nmanage.cli()"
    terminal = laptop.up("-c", script)
    told = "Streamlit's bundle stays as it is: Permission denied: /proc/version"
    assert told in terminal.before
    assert laptop.status(auth=AUTH) == 200
