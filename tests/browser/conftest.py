"""The page of a user who has logged in, for modules whose dyno is the fixture `built`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_dyno import free_port
from streamlit_page import DESKTOP, logged_in, open_tab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_dyno import FakeDyno
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture
def dyno(built: FakeDyno) -> FakeDyno:
    """The module's dyno, running."""
    return built.ensure_up()


@pytest.fixture(scope="module")
def context(built, chromium) -> Iterator[BrowserContext]:
    with logged_in(chromium, built.ensure_up().url) as context:
        yield context


@pytest.fixture
def page(dyno, context) -> Iterator[Page]:
    """A page of a user who has logged in."""
    with open_tab(context) as page:
        yield page


@pytest.fixture(scope="module")
def port() -> int:
    """A port for the apps that run alone."""
    return free_port()


@pytest.fixture(scope="module")
def plain_contexts(chromium) -> Iterator[list[BrowserContext]]:
    """Two browsers without a session, for an app alone."""
    contexts = [chromium.new_context(viewport=DESKTOP) for _ in range(2)]
    yield contexts
    for context in contexts:
        context.close()
