"""Fixtures of several modules: a dyno and its client, browsers without Chromium, and --url."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from baked import PASSWORD, USER
from browser_client import BrowserClient
from http_client import HttpClient

if TYPE_CHECKING:
    from fake_dyno import FakeDyno


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
def dyno(built: FakeDyno) -> FakeDyno:
    """The module's dyno, running, where the module has one as the fixture `built`."""
    return built.ensure_up()


@pytest.fixture
def client(dyno: FakeDyno) -> HttpClient:
    """A client of the user of the module's dyno."""
    return HttpClient(dyno.url, {USER: PASSWORD}, router=True)


@pytest.fixture
def browsers(request, client):
    """Make browsers; they are closed after the test."""

    def browsers(count: int) -> list[BrowserClient]:
        made = [BrowserClient(client) for _ in range(count)]
        for browser in made:
            request.addfinalizer(browser.close)
        return made

    return browsers
