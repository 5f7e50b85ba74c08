"""The page of a user who has logged in, for modules whose dyno is the fixture `built`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamlit_page import logged_in, open_tab

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
