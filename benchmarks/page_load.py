"""Loads a page in Chromium on a slow phone network: bytes transferred, and seconds."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from targets import AUTH, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY = 150  # ms per request
SPEED = 1.6e6 / 8  # bytes per second, each way
PHONE = {"width": 390, "height": 844}


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield the system's Chromium."""
    with sync_playwright() as playwright:
        binary = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def visit_twice(chromium: Browser, target: Target, path: str) -> list[dict[str, float]]:
    """Open a page in a new browser, then once more in a new tab.

    Returns:
        For each of the two visits the seconds until the app's first element is rendered, and the
        bytes received, including the WebSocket.
    """
    context = chromium.new_context(viewport=PHONE)
    if target.headers:
        # From here on the browser knows the password, as if it had been typed, and has no cookie.
        address = urlsplit(target.url)
        context.new_page().goto(
            f"{address.scheme}://{':'.join(AUTH)}@{address.netloc}/_stcore/health"
        )
        context.clear_cookies()
    visits = [_visit(context, target.url + path) for _ in range(2)]
    context.close()
    return visits


def _visit(context: BrowserContext, url: str) -> dict[str, float]:
    page = context.new_page()
    network = _throttled(context, page)
    sizes: list[float] = []
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    # Streamlit's messages are binary, which CDP gives as base64.
    network.on(
        "Network.webSocketFrameReceived",
        lambda event: sizes.append(len(event["response"]["payloadData"]) * 3 / 4),
    )
    begun = time.monotonic()
    page.goto(url, wait_until="commit", timeout=120_000)
    main = page.get_by_test_id("stMain")
    main.get_by_role("heading").first.wait_for(timeout=120_000)
    seconds = time.monotonic() - begun
    page.wait_for_timeout(4000)  # fonts and the favicon come last
    page.close()
    return {"seconds": seconds, "bytes": sum(sizes)}


def _throttled(context: BrowserContext, page: Page):
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY,
            "downloadThroughput": SPEED,
            "uploadThroughput": SPEED,
        },
    )
    return network
