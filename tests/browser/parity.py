"""What a user sees of an app, alone or in the hub, and what they do in it."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from fake_dyno import FakeDyno, wait_until
from playwright.sync_api import Error, expect
from streamlit_page import APP, SCRIPT, main_of, open_tab, wait_until_drawn, wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from parity_cases import Case
    from playwright.sync_api import BrowserContext, Page

    Look = dict[str, Any]

# What there is on the page. The sidebar's menu, the hub's in one of the two, is not compared.
LOOK = """() => {
  const one = id => document.querySelector(`[data-testid="${id}"]`);
  const text = id => (one(id)?.innerText ?? "").replace(/[ \\u00a0]+/g, " ").trim();
  const block = getComputedStyle(one("stMainBlockContainer"));
  const button = one("stBaseButton-primary");
  return {
    main: text("stMain"),
    sidebar: text("stSidebarUserContent"),
    dialog: text("stDialog"),
    layout: [block.maxWidth, block.paddingTop, block.paddingLeft],
    sidebar_is_open: one("stSidebarUserContent")?.checkVisibility() &&
      one("stSidebar")?.getAttribute("aria-expanded"),
    pictures: document.querySelectorAll("[data-testid=stImage] img").length,
    frames: document.querySelectorAll("iframe:not([hidden])").length,
    canvases: document.querySelectorAll("[data-testid=stMain] canvas").length > 0,
    colors: [getComputedStyle(one("stApp")).backgroundColor,
      button && getComputedStyle(button).backgroundColor],
  };
}"""
# Counts the changes of the script's state.
COUNT = f"""() => {{
  const app = document.querySelector('[data-testid="{APP}"]');
  window.runs = 0;
  window.observer?.disconnect();
  window.observer = new MutationObserver(changes => window.runs += changes.length);
  window.observer.observe(app, {{attributes: true, attributeFilter: ["{SCRIPT}"]}});
}}"""


def file_name(name: str) -> str:
    """Return the name of a case's file or folder in apps/."""
    return f"case_{re.sub(r'[^a-z]+', '_', name.lower())}"


def write_case(project: Path, name: str, case: Case) -> str:
    """Write a case's files, and return the path of its script."""
    stem = file_name(name)
    if not case.files:
        (project / f"apps/{stem}.py").write_text(case.source, "utf-8")
        return f"apps/{stem}.py"
    for file, text in {"start.py": case.source, **case.files}.items():
        path = project / "apps" / stem / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return f"apps/{stem}/start.py"


def write_module(project: Path, name: str, case: Case) -> str:
    """Write a case's file once more, and return the name of its module."""
    (project / f"apps/{file_name(name)}_m.py").write_text(case.source, "utf-8")
    return f"apps.{file_name(name)}_m"


@contextmanager
def alone(dyno: FakeDyno, project: Path, script: str, port: int) -> Iterator[str]:
    """Run an app by `streamlit run`, and give its address.

    At one port for all apps, the browser has Streamlit's static files already.
    """
    parts = script.split("/")
    folder = project / "/".join(parts[:-1]) if len(parts) > 2 else project
    options = ["--server.headless", "true", "--server.address", "127.0.0.1"]
    process = subprocess.Popen(
        [dyno.python / "streamlit", "run", project / script, "--server.port", str(port), *options],
        cwd=folder,
        env={
            "PATH": f"{dyno.python}:/usr/bin:/bin",
            "HOME": str(dyno.home.parent),
            "LANG": "C.UTF-8",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_listening(port))
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def is_listening(port: int) -> bool:
    """Return whether somebody accepts connections at a port of this computer."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def look(page: Page) -> Look:
    """Return what there is on the page, once it is drawn."""
    wait_until_drawn(page)
    seen: Look = page.evaluate(LOOK)
    title = page.title()
    return {**seen, "title": None if title == "Streamlit" else title}  # which nobody has set


def open_app(page: Page, url: str) -> None:
    """Open an app, and wait until it has drawn something."""
    page.goto(url)
    expect(main_of(page).get_by_test_id("stElementContainer").first).to_be_attached()
    wait_until_settled(page)


def do(page: Page, step: str) -> None:
    """Do what a user does, and wait for the run that follows."""
    page.evaluate(COUNT)
    action, _, rest = step.partition(" ")
    label, _, value = rest.partition("=")
    match action:
        case "click":
            page.get_by_role("button", name=label, exact=True).click()
        case "fill":
            field = page.get_by_label(label, exact=True).first
            field.fill(value)
            field.press("Enter")
        case "choose":
            page.get_by_label(label).first.click()
            page.get_by_role("option", name=value, exact=True).click()
        case "tab":
            page.get_by_role("tab", name=label).click()
            return
        case "open":
            page.get_by_role("link", name=label).first.click()
        case "reload":
            page.reload()
            expect(main_of(page).get_by_test_id("stElementContainer").first).to_be_attached()
            wait_until_settled(page)
            return
        case _:
            raise ValueError(step)
    # Two states of the page may be drawn as one: then there is nothing to see of the run.
    with suppress(Error):
        page.wait_for_function("window.runs > 0", timeout=1000)
    wait_until_settled(page)


def watch(contexts: list[BrowserContext], url: str, case: Case) -> list[Look]:
    """Return what a user sees of an app: first, after each step, and another one afterwards."""
    looks = []
    with open_tab(contexts[0]) as page:
        open_app(page, url)
        looks.append(settle(page))
        for step in case.steps:
            do(page, step)
            looks.append(settle(page))
        if case.second:
            with open_tab(contexts[1]) as other:
                open_app(other, url)
                looks.append(settle(other))
    return looks


def settle(page: Page) -> Look:
    """Return what there is on the page once it stays the same for a moment."""
    before = look(page)
    for _ in range(50):
        time.sleep(0.1)
        if before == (now := look(page)):
            return now
        before = now
    return before


def compare(contexts: list[BrowserContext], url: str, case: Case, expected: list[Look]) -> None:
    """Do the same in the hub, and wait after each step for what a user sees of the app alone."""
    names = ["first", *case.steps]
    with open_tab(contexts[0]) as page:
        open_app(page, url)
        for number, name in enumerate(names):
            if number:
                do(page, name)
            expect_look(page, expected[number], name)
        if case.second:
            with open_tab(contexts[1]) as other:
                open_app(other, url)
                expect_look(other, expected[-1], "in another browser")


def expect_look(page: Page, expected: Look, moment: str) -> None:
    """Wait until the page looks as expected."""
    deadline = time.monotonic() + 10
    while {**(seen := look(page)), **{k: v for k, v in expected.items() if v is None}} != expected:
        if time.monotonic() > deadline:
            differs = {key: (value, seen[key]) for key, value in expected.items()}
            raise AssertionError(
                f"{moment}: "
                + "; ".join(
                    f"{key}: {a!r} alone, {b!r} in the hub"
                    for key, (a, b) in differs.items()
                    if a != b and a is not None
                )
            )
        time.sleep(0.1)
