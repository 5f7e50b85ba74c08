"""page.py of the generated project, around a stand-in for Streamlit."""

import asyncio
import json
import re
from html import escape

import pytest

SHELL = """<!DOCTYPE html>
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


class Streamlit:
    """Answers like Streamlit, and notes what it was asked for."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[str] = []
        self.status = status

    async def __call__(self, scope, receive, send) -> None:
        self.asked.append(f"{scope.get('method')} {scope.get('path')}")
        if scope["type"] != "http":
            return
        assert (await receive())["type"] == "http.request"
        text = json.dumps(SETTINGS) if scope["path"] == "/_stcore/host-config" else SHELL
        headers = [(b"etag", b"of " + text[:9].encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in (text[:9], text[9:]):
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body"})


@pytest.fixture(scope="module")
def module(code):
    return code.load("page")


@pytest.fixture
def streamlit():
    return Streamlit()


@pytest.fixture
def page(module, streamlit):
    page = module.Page(streamlit)
    asyncio.run(page.prepare())
    streamlit.asked.clear()
    return page


def ask(page, path: str = "/", method: str = "GET", kind: str = "http") -> tuple[dict, bytes]:
    """Return the answer's headers and its body."""
    answer = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        answer.append(message)

    path, _, query = path.partition("?")
    scope = {"type": kind, "path": path, "query_string": query.encode(), "method": method}
    asyncio.run(page(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in answer)
    return dict(answer[0]["headers"]) if answer else {}, body


def test_the_page_is_answered_without_streamlit(module, page, streamlit):
    headers, body = ask(page)
    assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert f"<title>{escape(module.app_name())}</title>".encode() in body
    head, nothing = ask(page, "/", "HEAD")
    assert (head, nothing) == (headers, b"")
    assert not streamlit.asked


@pytest.mark.parametrize("status", [200, 206, 304])
@pytest.mark.parametrize("path", ["/sales_report", "/nothing", "/売上", "/index.html"])
def test_it_is_the_same_where_no_app_is(page, streamlit, path, status):
    """And comes by the same way: else it would tell which apps others have."""
    streamlit.status = status
    assert ask(page, path) == ask(page, "/")
    assert ask(page, path, "HEAD") == ask(page, "/", "HEAD")
    assert streamlit.asked == [f"GET {path}", f"HEAD {path}"]


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/elsewhere/_stcore/metrics"])
def test_the_names_of_what_apps_cache_stay_inside(module, page, streamlit, path):
    for each in (page, module.Page(streamlit)):
        assert ask(each, path) == ({b"content-length": b"0"}, b"")
    assert not streamlit.asked


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
def test_the_rest_is_streamlits(page, streamlit, path, method, kind):
    ask(page, path, method, kind)
    assert streamlit.asked == [f"{method} {path}"]


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
def test_a_long_address_leads_to_its_end(page, path, location):
    """Streamlit's page would not find its code there, nor Streamlit an app with a blank after it."""
    headers, body = ask(page, path)
    assert headers.get(b"location") == location
    assert body == b""


def test_another_answer_at_a_long_address_is_let_through(page):
    headers, body = ask(page, "/_stcore/host-config")
    assert b"location" not in headers
    assert json.loads(body) == SETTINGS


def test_until_it_is_prepared_all_is_streamlits(module, streamlit):
    ask(module.Page(streamlit))
    assert streamlit.asked == ["GET /"]


def test_where_streamlit_has_no_page_all_stays_its_own(module, capsys):
    streamlit = Streamlit(404)
    page = module.Page(streamlit)
    asyncio.run(page.prepare())
    streamlit.asked.clear()
    ask(page)
    assert streamlit.asked == ["GET /"]
    told = capsys.readouterr().err
    assert told == "Streamlit serves its page itself: it answers 404 to /.\n"


def test_the_browser_is_told_where_streamlit_is(page):
    script = re.search(r"<head>\s*<script>(.*?)</script>", ask(page)[1].decode())[1]
    settings = re.fullmatch(r"window\.__streamlit \?\?= \{.*HOST_CONFIG: (.*)\}", script)[1]
    assert json.loads(settings) == SETTINGS
    assert "BACKEND_BASE_URL: location.origin" in script


def test_the_font_comes_after_the_code(page):
    body = ask(page)[1].decode()
    assert body.count("font.woff2") == 1
    assert body.index("index.js") < body.index('as="font"') < body.index("</head>")


def test_nothing_in_the_settings_ends_the_script(module):
    settings = {"mapboxToken": "</script><script>alert(1)</script>"}
    page = module.improved(SHELL, settings, "Data Apps", b"")
    assert page.count("</script>") == SHELL.count("</script>") + 1


@pytest.mark.parametrize("shell", ["", "<html><body>Another page</body></html>"])
def test_a_page_that_nothing_fits_stays_as_it_is(module, shell):
    assert module.improved(shell, SETTINGS, "Data Apps", b"<svg/>") == shell


def test_the_tab_has_a_name_and_an_icon_of_its_own(module):
    page = module.improved(SHELL, SETTINGS, "R&D <Apps>", b"<svg/>")
    assert "<title>R&amp;D &lt;Apps&gt;</title>" in page
    assert 'href="data:image/svg+xml;base64,PHN2Zy8+"' in page
    assert "favicon.png" not in page
    assert 'href="./favicon.png"' in module.improved(SHELL, SETTINGS, "Data Apps", b"")
