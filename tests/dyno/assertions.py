"""What more than one module asserts of a response."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from http_client import HttpClient, Response

LONG_CACHE = ["private, max-age=31536000, immutable"]


def assert_refused(response: Response, https: bool | None = True) -> None:
    """The password is asked for, and nothing else is sent. https: see assert_headers()."""
    assert response.status == 401, response
    assert response.all("WWW-Authenticate")[0].startswith('Basic realm="'), response
    assert not response.all("Set-Cookie"), response
    body = response.body.lower()
    assert not body or b"<title>401 authorization required</title>" in body, response
    assert b"streamlit" not in body, response
    assert_headers(response, https)


def assert_headers(response: Response, https: bool | None = True) -> None:
    """The headers of every response are there, each exactly once.

    https: whether the request came by https; None where nginx could not know.
    """
    if response.all("Server") != ["nginx"]:
        pytest.skip(f"not nginx but {response.all('Server')} answered {response.status}")
    if https is not None:
        transport = ["max-age=31536000"] if https else []
        assert response.all("Strict-Transport-Security") == transport, response
    [policy] = response.all("Content-Security-Policy")
    assert re.fullmatch(r"frame-ancestors 'self'( https?://[^;,\s]+)*", policy), policy
    assert response.all("X-Content-Type-Options") == ["nosniff"], response
    assert response.all("Referrer-Policy") == ["strict-origin-when-cross-origin"], response
    [cache] = response.all("Cache-Control")
    assert cache.startswith("private, "), cache
    assert bool(response.all("Retry-After")) == (response.status == 429), response
    if response.all("Content-Type") and "html" in response.all("Content-Type")[0]:
        assert cache == "private, no-store", response


def find_script(client: HttpClient) -> str:
    """Return the path of Streamlit's script, as its page names it."""
    page = client.request("/", session=client.session).body.decode()
    return "/" + re.search(r'src="\.?/?(static/js/[^"]+\.js)"', page)[1]
