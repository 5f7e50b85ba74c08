"""`streamlit run app.py` on a workstation: without nginx, erb and Heroku."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import requests
from fake_dyno import free_port, python_environment
from playwright.sync_api import expect
from streamlit_page import wait_until_settled

from apphub.registry import add_app

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def workstation_url(project) -> Iterator[str]:
    """The address of the project under `streamlit run`."""
    port = free_port()
    streamlit = python_environment(project.path / "requirements.txt") / "streamlit"
    process = subprocess.Popen(
        [streamlit, "run", "app.py", "--server.headless", "true", "--server.port", str(port)],
        cwd=project.path,
    )
    url = f"http://localhost:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/_stcore/health", timeout=30).text == "ok":
                break
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(10)


def test_the_menu_every_app_and_changes_of_the_code(project, workstation_url, chromium):
    page = chromium.new_page(base_url=workstation_url)
    page.set_default_timeout(20_000)
    page.goto("/")
    for name in ("Churn Explorer", "Sales Report"):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    wait_until_settled(page)  # Streamlit watches a file only after the run

    source = project.read("apps/sales_report.py")
    project.write("apps/sales_report.py", source.replace('"Sales Report"', '"Sold"'))
    expect(page.get_by_role("heading", name="Sold")).to_be_visible()

    add_app("Third", project.path)
    page.reload()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Third").click()
    expect(page.get_by_role("heading", name="Third")).to_be_visible()
    page.close()


def test_blanks_around_a_path_are_not_an_error(workstation_url, chromium):
    page = chromium.new_page(base_url=workstation_url)
    for path in ("/sales_report%20", "/%20nothing", "/%20", "/%C2%A0"):
        page.goto(path)
        expect(page.get_by_role("heading", name="Data Apps")).to_be_visible(timeout=20_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page.close()
