"""What goes over the wire, and who answers: the reasons why it is quick. How quick: benchmarks/."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
from pathlib import Path

import pytest
import requests
from baked import AUTH, PASSWORD, USER
from door import Answer, Door, basic
from dyno import Dyno, python_environment, rendered
from test_door import bundle

GZIP = "Accept-Encoding: gzip, deflate, br"
VIA = "Via: 1.1 heroku-router"  # for which nginx alone would compress nothing


@pytest.fixture(scope="module")
def door(dyno) -> Door:
    return Door(dyno.url, {USER: PASSWORD}, router=True)


@pytest.fixture(scope="module")
def static(baked) -> Path:
    """The folder of Streamlit's bundle in the dyno's Python."""
    environment = python_environment(baked.path / "requirements.txt").parent
    return next(environment.glob("lib/python3.*/site-packages/streamlit/static/static"))


@pytest.fixture
def script(door) -> str:
    return bundle(door)


def plain(answer: Answer) -> bytes:
    """Return the body without its compression: one layer of it, and no more."""
    assert answer.all("Content-Encoding") == ["gzip"]
    body = gzip.decompress(answer.body)
    assert not body.startswith(b"\x1f\x8b")
    return body


@pytest.fixture
def without_streamlit(dyno):
    """Stop Streamlit's process for a test: whoever answers, it is not Streamlit."""
    os.kill(dyno.replicas[0], signal.SIGSTOP)
    yield
    os.kill(dyno.replicas[0], signal.SIGCONT)


def test_the_bundle_comes_from_the_disk_and_compressed(door, static, script, without_streamlit):
    content = (static.parent / script.lstrip("/")).read_bytes()
    for headers in ([GZIP], [GZIP, VIA]):
        answer = door.ask(script, "GET", *headers, session=door.session)
        assert plain(answer) == content
        assert answer.all("Vary") == ["Accept-Encoding"]
        # Compressed once, at the build: nothing is quick enough to do this in between.
        assert answer.body == (static.parent / f"{script.lstrip('/')}.gz").read_bytes()
    answer = door.ask(script, session=door.session)
    assert answer.body == content
    assert not answer.all("Content-Encoding")
    [kind] = answer.all("Content-Type")
    assert kind == "text/javascript"
    assert door.ask(script, "GET", GZIP).status == 401


@pytest.mark.parametrize("suffix", ["js", "css", "woff2", "png", "svg", "gif"])
def test_every_kind_of_file_has_its_type(door, static, suffix):
    file = next(static.rglob(f"*.{suffix}"))
    answer = door.ask(f"/static/{file.relative_to(static)}", "GET", GZIP, session=door.session)
    kinds = {"js": "text/javascript", "css": "text/css", "woff2": "font/woff2"}
    kinds |= {"png": "image/png", "svg": "image/svg+xml", "gif": "image/gif"}
    assert answer.all("Content-Type") == [kinds[suffix]]
    compressed = suffix in ("js", "css", "svg")
    assert bool(answer.all("Content-Encoding")) == compressed
    assert (plain(answer) if compressed else answer.body) == file.read_bytes()


def test_every_kind_of_file_in_the_bundle_is_known(static, baked):
    """A new one would go out as application/octet-stream."""
    kinds = {path.suffix for path in static.rglob("*") if path.is_file()}
    assert kinds == {".js", ".css", ".woff2", ".png", ".svg", ".gif", ".gz"}


def test_what_streamlit_sends_is_compressed_on_its_way(door):
    for path, text in (("/", b"<title>Data Apps"), ("/_stcore/host-config", b'"allowedOrigins"')):
        answer = door.ask(path, "GET", GZIP, VIA, session=door.session)
        assert text in plain(answer)
        answer = door.ask(path, session=door.session)
        assert text in answer.body
        assert not answer.all("Content-Encoding")
    for path in ("/favicon.png", "/_stcore/health"):  # compressed by nature, and too short
        assert not door.ask(path, "GET", GZIP, session=door.session).all("Content-Encoding")


def test_a_page_is_the_same_by_each_way(door):
    page = door.ask("/", session=door.session)
    for path in ("/sales_report", "/churn_explorer", "/no_app"):
        answer = door.ask(path, session=door.session)
        assert (answer.status, answer.body) == (200, page.body)
    head = door.ask("/", "HEAD", session=door.session)
    assert head.all("Content-Length") == [str(len(page.body))]
    assert b"window.__streamlit" in page.body


def test_the_quick_parts_are_in_use(dyno):
    mapped = Path(f"/proc/{dyno.replicas[0]}/maps").read_text()
    assert "uvloop" in mapped
    assert "httptools" in mapped


def test_nginx_keeps_its_connections_to_streamlit(dyno, door):
    def connections() -> int:
        listed = Path("/proc/net/unix").read_text()
        return listed.count(str(dyno.runtime / "streamlit.socket")) - 1  # the one that listens

    for _ in range(30):
        assert door.ask("/_stcore/health", session=door.session).status == 200
    assert 1 <= connections() <= 8  # one a worker


def test_where_the_bundle_is_elsewhere_streamlit_serves_it(baked, dyno, nginx):
    """As where `python` is a script of some version manager's."""
    dyno.stop()
    python = python_environment(baked.path / "requirements.txt")
    shims = baked.path / "shims"
    shims.mkdir()
    (shims / "python").write_text(f'#!/bin/sh\nexec {python}/python "$@"\n')
    (shims / "python").chmod(0o755)
    ended = rendered(baked.path, PATH=f"{shims}:/usr/local/bin:/usr/bin:/bin")
    assert "location /static/" not in ended.stdout
    assert "location /static/" in rendered(baked.path).stdout
    path = f"{shims}:{python}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    with Dyno(baked.path, nginx, PATH=path) as elsewhere:
        door = Door(elsewhere.url, {USER: PASSWORD}, router=True)
        answer = door.ask(bundle(door), "GET", GZIP, session=door.session)
        assert len(plain(answer)) > 100_000
        assert answer.all("Cache-Control") == ["private, max-age=31536000, immutable"]
    shutil.rmtree(shims)


def test_it_starts_as_well_under_a_path_of_its_own(project, nginx):
    with Dyno(project.path, nginx, STREAMLIT_SERVER_BASE_URL_PATH="hub") as dyno:
        door = Door(dyno.url, {USER: PASSWORD}, router=True)
        page = door.ask("/hub/", "GET", door.password_of())
        assert b"<title>Streamlit</title>" in page.body
        assert door.ask("/hub/_stcore/health", session=page.session).body == b"ok"
        assert "Streamlit serves its page itself: it answers 404 to /." in dyno.log()


def test_what_is_old_is_out_of_the_collectors_way(project, nginx):
    project.write(
        "app.py",
        "import gc\nimport streamlit as st\nst.text(f'<set aside: {gc.get_freeze_count() > 9999}>')\n",
    )
    with Dyno(project.path, nginx) as dyno:
        shown = Door(dyno.url, {USER: PASSWORD}, router=True).run("", basic(*AUTH))
        assert "set aside: True" in shown


def test_a_hundred_apps_cost_what_one_costs(project, nginx):
    """Opened, none is imported; and one is imported when it is opened."""
    source = "import pathlib\n\npathlib.Path('imported').open('a').write(__name__ + ' ')\n\n"
    source += "def run():\n    import streamlit as st\n\n    st.title(__name__)\n"
    entries = []
    for number in range(100):
        project.write(f"apps/many_{number}.py", source)
        entries.append({"name": f"Many {number}", "module": f"apps.many_{number}"})
    project.add_to_menu(*entries)
    with Dyno(project.path, nginx) as dyno:
        door = Door(dyno.url, {USER: PASSWORD}, router=True)
        first = door.run("", basic(*AUTH))
        assert "Many 99" in first  # in the menu at the side
        assert "And 42 more." in first
        assert not (dyno.home / "imported").exists()
        assert "apps.many_42" in door.run("many_42", basic(*AUTH))
        assert "apps.many_42" in door.run("many_42", basic(*AUTH))
        assert (dyno.home / "imported").read_text() == "apps.many_42 "
        assert requests.get(f"{dyno.url}/many_99", auth=AUTH).status_code == 200
