"""Fixtures of several modules: browsers without Chromium, and the project that --url names."""

from __future__ import annotations

import os

import pytest
from browser_client import BrowserClient
from http_client import HttpClient


@pytest.fixture(scope="module")
def online_client(request: pytest.FixtureRequest) -> HttpClient | None:
    """A client of the project that is online, or None where the tests start one."""
    if not (url := request.config.getoption("--url")):
        return None
    users = {request.config.getoption("--user"): os.environ["AUTH_PASSWORD"]}
    return HttpClient(url, users, router=False)


@pytest.fixture
def local(online_client: HttpClient | None) -> None:
    """Skip a test that has to see the project from inside, or to be the router before it."""
    if online_client:
        pytest.skip("run it without --url")


@pytest.fixture
def browsers(request, client):
    """Make browsers; they are closed after the test."""

    def browsers(count: int) -> list[BrowserClient]:
        made = [BrowserClient(client) for _ in range(count)]
        for browser in made:
            request.addfinalizer(browser.close)
        return made

    return browsers
