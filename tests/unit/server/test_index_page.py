"""index_page.py, around a fake of Streamlit."""

from __future__ import annotations

import asyncio
import json
import re
from html import escape, unescape

import pytest

from apphub.server import index_page
from apphub.server.index_page import IndexPageMiddleware, rewrite_index_html

INDEX = """<!DOCTYPE html>
<html>
  <head>
    <link rel="shortcut icon" href="./favicon.png" />
    <link
      rel="preload"
      href="./static/media/font.woff2"
      as="font"
      crossorigin
    />
    <title>Streamlit</title>
    <script type="module" src="./static/js/index.js"></script>
  </head>
  <body></body>
</html>"""
SETTINGS = {"allowedOrigins": ["https://a.example"], "useExternalAuthToken": False}


class FakeStreamlit:
    """Answers like Streamlit, and records each request."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[str] = []
        self.status = status

    async def __call__(self, scope, receive, send) -> None:
        self.requests.append(f"{scope.get('method')} {scope.get('path')}")
        if scope["type"] != "http":
            return
        assert (await receive())["type"] == "http.request"
        text = json.dumps(SETTINGS) if scope["path"] == "/_stcore/host-config" else INDEX
        headers = [(b"etag", b"of " + text[:9].encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in (text[:9], text[9:]):
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body"})


@pytest.fixture
def streamlit() -> FakeStreamlit:
    return FakeStreamlit()


@pytest.fixture
def middleware(streamlit, monkeypatch) -> IndexPageMiddleware:
    monkeypatch.setattr(index_page, "project_name", lambda: "Data Apps & more")
    middleware = IndexPageMiddleware(streamlit)
    asyncio.run(middleware.prepare())
    streamlit.requests.clear()
    return middleware


def request(
    middleware, path: str = "/", method: str = "GET", kind: str = "http"
) -> tuple[dict, bytes]:
    """Return the answer's headers and its body."""
    answer = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        answer.append(message)

    path, _, query = path.partition("?")
    scope = {"type": kind, "path": path, "query_string": query.encode(), "method": method}
    asyncio.run(middleware(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in answer)
    return dict(answer[0]["headers"]) if answer else {}, body


def test_page_is_sent_without_streamlit(middleware, streamlit):
    headers, body = request(middleware)
    assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert f"<title>{escape('Data Apps & more')}</title>".encode() in body
    assert b'href="data:image/svg+xml;base64,' in body
    assert request(middleware, "/", "HEAD") == (headers, b"")
    assert not streamlit.requests


def test_project_without_an_icon(streamlit, monkeypatch, tmp_path):
    monkeypatch.setattr(index_page, "ICON", tmp_path / "icon.svg")
    middleware = IndexPageMiddleware(streamlit)
    asyncio.run(middleware.prepare())
    assert b'href="./favicon.png"' in request(middleware)[1]


@pytest.mark.parametrize("status", [200, 206, 304])
@pytest.mark.parametrize("path", ["/sales_report", "/nothing", "/売上", "/index.html"])
def test_answer_is_the_same_where_there_is_no_app(middleware, streamlit, path, status):
    """And it takes the same way: a difference would tell which apps others have."""
    streamlit.status = status
    assert request(middleware, path) == request(middleware, "/")
    assert request(middleware, path, "HEAD") == request(middleware, "/", "HEAD")
    assert streamlit.requests == [f"GET {path}", f"HEAD {path}"]


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/elsewhere/_stcore/metrics"])
def test_names_of_cached_functions_are_not_found(middleware, streamlit, path):
    for each in (middleware, IndexPageMiddleware(streamlit)):
        assert request(each, path) == ({b"content-length": b"0"}, b"")
    assert not streamlit.requests


@pytest.mark.parametrize(
    ("path", "method", "kind"),
    [
        ("/", "POST", "http"),
        ("/", "OPTIONS", "http"),
        ("/other", "GET", "http"),
        ("/sales_report/", "GET", "http"),
        ("/_stcore/health", "GET", "http"),
        ("/", "GET", "websocket"),
    ],
)
def test_everything_else_is_passed_on(middleware, streamlit, path, method, kind):
    request(middleware, path, method, kind)
    assert streamlit.requests == [f"{method} {path}"]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/a/b", b"/b"),
        ("/a/b/", b"/b"),
        ("/a/sales_report?x=1&y", b"/sales_report?x=1&y"),
        ("/a/売\r\nx: y", b"/%E5%A3%B2%0D%0Ax%3A%20y"),
        ("//elsewhere.example", b"/elsewhere.example"),
        ("/sales_report ", b"/sales_report"),
        ("/ ?x", b"/?x"),
    ],
)
def test_long_address_is_redirected_to_its_end(middleware, path, location):
    """Streamlit's page would not find its scripts there, nor Streamlit an app with a blank."""
    headers, body = request(middleware, path)
    assert headers.get(b"location") == location
    assert body == b""


def test_other_answer_at_a_long_address_is_passed_on(middleware):
    headers, body = request(middleware, "/_stcore/host-config")
    assert b"location" not in headers
    assert json.loads(body) == SETTINGS


def test_until_it_is_prepared_streamlit_answers(streamlit):
    request(IndexPageMiddleware(streamlit))
    assert streamlit.requests == ["GET /"]


def test_where_streamlit_has_no_page_it_answers_itself(capsys):
    streamlit = FakeStreamlit(404)
    middleware = IndexPageMiddleware(streamlit)
    asyncio.run(middleware.prepare())
    streamlit.requests.clear()
    request(middleware)
    assert streamlit.requests == ["GET /"]
    assert "404" in capsys.readouterr().err


def test_browser_is_told_where_streamlit_is(middleware):
    script = re.search(r"<head>\s*<script>(.*?)</script>", request(middleware)[1].decode())[1]
    settings = re.fullmatch(r"window\.__streamlit \?\?= \{.*HOST_CONFIG: (.*)\}", script)[1]
    assert json.loads(settings) == SETTINGS
    assert "BACKEND_BASE_URL: location.origin" in script


def test_font_comes_after_the_scripts(middleware):
    body = request(middleware)[1].decode()
    assert body.count("font.woff2") == 1
    assert body.index("index.js") < body.index('as="font"') < body.index("</head>")


def test_nothing_in_the_settings_ends_the_script():
    settings = {"mapboxToken": "</script><script>alert(1)</script>"}
    page = rewrite_index_html(INDEX, settings, "Data Apps", b"")
    assert page.count("</script>") == INDEX.count("</script>") + 2  # with the link's
    assert "alert(1)</script>" not in page


@pytest.mark.parametrize("index", ["", "<html>Another page</html>"])
def test_page_in_which_nothing_matches_stays_as_it_is(index):
    assert rewrite_index_html(index, SETTINGS, "Data Apps", b"<svg/>") == index


def test_link_to_the_hub_is_for_pages_without_a_menu_only():
    page = rewrite_index_html(INDEX, SETTINGS, 'R&D "Apps"', b"")
    [settings] = re.findall(r'data-settings="([^"]*)"', page)
    assert json.loads(unescape(settings)) == {"name": 'R&D "Apps"', "always": False}


def test_title_and_icon_of_the_tab():
    page = rewrite_index_html(INDEX, SETTINGS, "R&D <Apps>", b"<svg/>")
    assert "<title>R&amp;D &lt;Apps&gt;</title>" in page
    assert 'href="data:image/svg+xml;base64,PHN2Zy8+"' in page
    assert "favicon.png" not in page
    assert 'href="./favicon.png"' in rewrite_index_html(INDEX, SETTINGS, "Data Apps", b"")
