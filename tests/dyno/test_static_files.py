"""What is sent, compressed and cached, and by which process. How fast it is: benchmarks/."""

from __future__ import annotations

import gzip
import os
import signal
from pathlib import Path

import pytest
from assertions import LONG_CACHE, find_script
from baked import PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, python_environment, wait_until
from http_client import COOKIE, HttpClient, Response

GZIP = "Accept-Encoding: gzip, deflate, br"
VIA = "Via: 1.1 heroku-router"  # because of which nginx's defaults would compress nothing

# Says where it was imported.
MANY = """
import pathlib

pathlib.Path("imported").open("a").write(__name__ + " ")

def run():
    import streamlit as st

    st.title(__name__)
"""
FROZEN = """
import gc
import streamlit as st

def run():
    st.text(f"<frozen: {gc.get_freeze_count() > 9999}>")
"""


@pytest.fixture(scope="module")
def hub(baked_project: BakedProject) -> BakedProject:
    """The project with 103 apps."""
    baked_project.write("apps/frozen.py", FROZEN)
    entries = [{"name": "Frozen", "module": "apps.frozen"}]
    for number in range(100):
        baked_project.write(f"apps/many_{number}.py", MANY)
        entries.append({"name": f"Many {number}", "module": f"apps.many_{number}"})
    baked_project.add_to_menu(*entries)
    return baked_project


@pytest.fixture(scope="module")
def dyno(hub, nginx):
    with FakeDyno(hub.path, nginx) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def client(dyno) -> HttpClient:
    return HttpClient(dyno.url, {USER: PASSWORD}, router=True)


@pytest.fixture(scope="module")
def cookie(client) -> str:
    return f"Cookie: {COOKIE}={client.session}"


@pytest.fixture(scope="module")
def static(hub) -> Path:
    """The folder of Streamlit's static files in the dyno's Python."""
    environment = python_environment(hub.path / "requirements.txt").parent
    return next(environment.glob("lib/python3.*/site-packages/streamlit/static/static"))


@pytest.fixture(scope="module")
def script(client) -> str:
    return find_script(client)


def decompress(response: Response) -> bytes:
    """Return the body without its compression, of which there is one layer only."""
    assert response.all("Content-Encoding") == ["gzip"]
    body = gzip.decompress(response.body)
    assert not body.startswith(b"\x1f\x8b")
    return body


@pytest.fixture
def without_streamlit(dyno, script):
    """Stop Streamlit's process during the test: what is answered is not from Streamlit."""
    [worker] = dyno.workers
    os.kill(worker, signal.SIGSTOP)
    yield
    os.kill(worker, signal.SIGCONT)


# First, since nothing has been opened yet.
def test_a_hundred_apps_cost_what_one_costs(dyno, client, cookie):
    """None is executed before it is opened, and then once for each run."""
    first = client.run("", cookie)
    assert "Many 99" in first  # in the sidebar's menu
    assert "43 more. Use search" in first
    assert client.request("/many_99", session=client.session).status == 200
    assert not (dyno.home / "imported").exists()
    for runs in (1, 2):
        assert "apps.many_42" in client.run("many_42", cookie)
        assert (dyno.home / "imported").read_text() == "apps.many_42 " * runs


@pytest.mark.usefixtures("without_streamlit")
def test_static_files_are_compressed_and_come_from_the_disk(client, static, script):
    content = (static.parent / script.lstrip("/")).read_bytes()
    for headers in ([GZIP], [GZIP, VIA]):
        answer = client.request(script, "GET", *headers, session=client.session)
        assert decompress(answer) == content
        assert answer.all("Vary") == ["Accept-Encoding"]
        # As it was compressed at the build, at a level that would take too long here.
        assert answer.body == (static.parent / f"{script.lstrip('/')}.gz").read_bytes()
    answer = client.request(script, session=client.session)
    assert answer.body == content
    assert not answer.all("Content-Encoding")
    assert answer.all("Content-Type") == ["text/javascript"]
    assert client.request(script, "GET", GZIP).status == 401


@pytest.mark.parametrize("suffix", ["js", "css", "woff2", "png", "svg", "gif"])
def test_every_type_of_file_has_its_content_type(client, static, suffix):
    file = next(static.rglob(f"*.{suffix}"))
    path = f"/static/{file.relative_to(static)}"
    answer = client.request(path, "GET", GZIP, session=client.session)
    types = {"js": "text/javascript", "css": "text/css", "woff2": "font/woff2"}
    types |= {"png": "image/png", "svg": "image/svg+xml", "gif": "image/gif"}
    assert answer.all("Content-Type") == [types[suffix]]
    is_compressed = suffix in ("js", "css", "svg")
    assert bool(answer.all("Content-Encoding")) == is_compressed
    assert (decompress(answer) if is_compressed else answer.body) == file.read_bytes()


@pytest.mark.usefixtures("dyno")
def test_every_type_of_static_file_is_known(static):
    """A new one would be sent as application/octet-stream."""
    suffixes = {path.suffix for path in static.rglob("*") if path.is_file()}
    assert suffixes == {".js", ".css", ".woff2", ".png", ".svg", ".gif", ".gz"}


def test_what_streamlit_sends_is_compressed_by_nginx(client):
    for path, text in (("/", b"<title>Data Apps"), ("/_stcore/host-config", b'"allowedOrigins"')):
        answer = client.request(path, "GET", GZIP, VIA, session=client.session)
        assert text in decompress(answer)
        answer = client.request(path, session=client.session)
        assert text in answer.body
        assert not answer.all("Content-Encoding")
    for path in ("/favicon.png", "/_stcore/health"):  # compressed by nature, and too short
        answer = client.request(path, "GET", GZIP, session=client.session)
        assert not answer.all("Content-Encoding")


def test_the_page_is_the_same_at_every_address(client):
    page = client.request("/", session=client.session)
    for path in ("/sales_report", "/churn_explorer", "/no_app"):
        answer = client.request(path, session=client.session)
        assert (answer.status, answer.body) == (200, page.body)
    head = client.request("/", "HEAD", session=client.session)
    assert head.all("Content-Length") == [str(len(page.body))]
    assert b"window.__streamlit" in page.body


def test_uvloop_and_httptools_are_in_use(dyno):
    mapped = Path(f"/proc/{dyno.workers[0]}/maps").read_text()
    assert "uvloop" in mapped
    assert "httptools" in mapped


def test_nginx_keeps_its_connections_to_streamlit(dyno, client):
    def connections() -> int:
        listed = Path("/proc/net/unix").read_text()
        return listed.count(str(dyno.runtime / "streamlit.socket")) - 1  # the one that listens

    def has_idle_connections() -> bool:
        """At most one per nginx worker, once the WebSockets of other tests have closed."""
        for _ in range(30):
            assert client.request("/_stcore/health", session=client.session).status == 200
        return all(1 <= connections() <= 8 for _ in range(5))

    wait_until(has_idle_connections)


def test_long_lived_objects_are_frozen(client, cookie):
    # The next time is due after each import.
    wait_until(lambda: "<frozen: True>" in client.run("frozen", cookie))


def test_under_another_path_streamlit_serves_all_itself(project, nginx):
    """And Python may be a script, as some version managers install it."""
    python = python_environment(project.path / "requirements.txt")
    shims = project.path / "shims"
    shims.mkdir()
    (shims / "python").write_text(f'#!/bin/sh\nexec {python}/python "$@"\n')
    (shims / "python").chmod(0o755)
    path = "shims:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # relative to the dyno's folder
    environment = {"PATH": path, "STREAMLIT_SERVER_BASE_URL_PATH": "hub"}
    with FakeDyno(project.path, nginx, **environment) as dyno:
        client = HttpClient(dyno.url, {USER: PASSWORD}, router=True)
        page = client.request("/hub/", "GET", client.password_of())
        session = page.session
        assert b"<title>Streamlit</title>" in page.body
        assert client.request("/hub/_stcore/health", session=session).body == b"ok"
        assert "Streamlit serves its page itself: it answers 404 to /." in dyno.log()
        # The location /static/ is there, and this is not in it.
        limits = (dyno.home / "config/generated/limits.conf").read_text()
        assert f'location /static/ {{ alias "{python.parent}/lib/' in limits
        script = "/hub/static/js/" + page.body.decode().partition("static/js/")[2].partition('"')[0]
        answer = client.request(script, "GET", GZIP, session=session)
        assert answer.all("Via") == []
        assert len(decompress(answer)) > 100_000
        assert answer.all("Cache-Control") == LONG_CACHE
