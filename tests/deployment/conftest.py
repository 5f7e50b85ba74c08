"""A dyno with real parts for each module of tests; skipped by name where a part is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from baked import USER, BakedProject
from dyno import Dyno, missing_parts, rendered

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.deployment)
            # Most of these modules share one dyno: whoever starts it runs all of the module, or all
            # that is done with so many dynos.
            dynos = getattr(item, "callspec", None) and item.callspec.params.get("dynos")
            item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {dynos}"))


@pytest.fixture(scope="session")
def nginx(request) -> str:
    """The nginx binary. Skips the test where this or erb is missing."""
    binary = request.config.getoption("--nginx")
    if missing := missing_parts(binary):
        pytest.skip(f"{', '.join(missing)} missing: apt-get install nginx-light ruby bash")
    return binary


@pytest.fixture
def project(bake) -> BakedProject:
    """A fresh project with two apps and the user USER."""
    return bake(app_name="Data Apps", auth_user=USER, apps="Sales Report, Churn Explorer")


@pytest.fixture(scope="module")
def baked(bake_once) -> BakedProject:
    """The same for a whole module of tests."""
    answers = {"app_name": "Data Apps", "project_slug": "data-apps", "auth_user": USER}
    return bake_once(**answers, apps="Sales Report, Churn Explorer")


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def dyno(baked, nginx):
    """The module's project, running."""
    with Dyno(baked.path, nginx) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def render(baked, nginx):
    """Render the configuration of the module's project with some environment."""

    def render(**environment: str) -> str:
        ended = rendered(baked.path, **environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return render


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, driven by Playwright. Skips the test where it is missing.

    For one module: while it runs, Playwright's event loop does, and other tests have their own.
    """
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if not binary:
        pytest.skip("chromium missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()
