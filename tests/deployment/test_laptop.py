"""`streamlit run app.py`: no nginx, no erb, no Heroku."""

from __future__ import annotations

import contextlib
import subprocess
import time

import pytest
import requests
from dyno import free_port, python_environment
from playwright.sync_api import expect


@pytest.fixture
def laptop(project):
    """The project under `streamlit run`; returns its address."""
    port = free_port()
    streamlit = python_environment(project.path / "requirements.txt") / "streamlit"
    process = subprocess.Popen(
        [streamlit, "run", "app.py", "--server.headless", "true", "--server.port", str(port)],
        cwd=project.path,
    )
    url = f"http://localhost:{port}"
    for _ in range(300):
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/_stcore/health").text == "ok":
                break
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(10)


def test_the_menu_every_app_and_what_one_changes(project, laptop, chromium):
    page = chromium.new_page(base_url=laptop)
    page.set_default_timeout(20_000)
    page.goto("/")
    for name in ("Churn Explorer", "Sales Report"):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    page.wait_for_timeout(1000)  # Streamlit begins to watch a file after the run

    source = project.read("apps/sales_report.py")
    project.write("apps/sales_report.py", source.replace('"Sales Report"', '"Sold"'))
    expect(page.get_by_role("heading", name="Sold")).to_be_visible()

    project.load("manage").add_app("Third", project.path)
    page.reload()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Third").click()
    expect(page.get_by_role("heading", name="Third")).to_be_visible()
    page.close()


def test_a_blank_about_an_address_is_no_error(laptop, chromium):
    page = chromium.new_page(base_url=laptop)
    for path in ("/sales_report%20", "/%20nothing", "/%20", "/%C2%A0"):
        page.goto(path)
        expect(page.get_by_role("heading", name="Data Apps")).to_be_visible(timeout=20_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page.close()
