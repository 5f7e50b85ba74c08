"""Fixtures that all tests share, and strictness about skipped tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from baked import PASSWORD, USER, BakedProject
from fake_dyno import FakeDyno, missing_parts

# cookiecutter would copy __pycache__ from the template's folder into projects.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# A shell's background job ignores Ctrl-C, and so would each program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).resolve().parent
# Skipped tests, as "test: reason".
skipped: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nginx", default="nginx", help="the nginx binary (default: %(default)s)")
    parser.addoption("--url", help="test_access.py, test_rate_limits.py: a project online")
    parser.addoption("--user", help="the user who logs in there, with AUTH_PASSWORD")
    parser.addoption(
        "--screenshots", action="store_true", help="write the README's pictures to docs/"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its folder: unit, template, dyno, browser or slow."""
    item.add_marker(getattr(pytest.mark, item.path.relative_to(HERE).parts[0]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_terminal_summary(terminalreporter) -> None:
    if skipped:
        terminalreporter.section("NOT TESTED ON THIS MACHINE", red=True)
        for line in skipped:
            terminalreporter.line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # CI installs all that the tests need: there a skipped test is a failed one.
    if skipped and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def literally(answer: object) -> object:
    """Return an answer that cookiecutter, which renders each one, leaves as it is."""
    return f"{{% raw %}}{answer}{{% endraw %}}" if isinstance(answer, str) else answer


@pytest.fixture
def try_to_bake(cookies, monkeypatch):
    """Bake with the given answers; the result may be a failure. password=None sets none."""

    def try_to_bake(password: str | None = PASSWORD, **answers: object):
        if password is None:
            monkeypatch.delenv("AUTH_PASSWORD", raising=False)
        else:
            monkeypatch.setenv("AUTH_PASSWORD", password)
        # A choice is not rendered.
        given = {k: v if k == "password_source" else literally(v) for k, v in answers.items()}
        return cookies.bake(extra_context=given)

    return try_to_bake


@pytest.fixture
def bake(try_to_bake):
    """Bake with the given answers and return the BakedProject."""

    def bake(password: str | None = PASSWORD, **answers: object) -> BakedProject:
        result = try_to_bake(password, **answers)
        assert result.exception is None, result.exception
        return BakedProject(result.project_path)

    return bake


@pytest.fixture
def refused(try_to_bake, capfd):
    """Bake with answers that are wrong, and return the message."""

    def refused(password: str | None = PASSWORD, **answers: object) -> str:
        capfd.readouterr()
        result = try_to_bake(password, **answers)
        assert result.exit_code == -1
        assert result.project_path is None
        return capfd.readouterr().err

    return refused


@pytest.fixture(scope="session")
def bake_once(cookies_session):
    """Bake a project that more than one test has."""

    def bake_once(**answers: str) -> BakedProject:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AUTH_PASSWORD", PASSWORD)
            result = cookies_session.bake(extra_context=answers)
        assert result.exception is None, result.exception
        return BakedProject(result.project_path)

    return bake_once


@pytest.fixture(scope="session")
def nginx(request) -> str:
    """The nginx binary. Skips the test where it or erb is missing."""
    binary = request.config.getoption("--nginx")
    if missing := missing_parts(binary):
        pytest.skip(f"{', '.join(missing)} missing: apt-get install nginx-light ruby bash")
    return binary


@pytest.fixture
def project(bake) -> BakedProject:
    """A fresh project with two apps and the user USER."""
    return bake(app_name="Data Apps", auth_user=USER, apps="Sales Report, Churn Explorer")


@pytest.fixture(scope="module")
def baked_project(bake_once) -> BakedProject:
    """The same for a whole module of tests."""
    answers = {"app_name": "Data Apps", "project_slug": "data-apps", "auth_user": USER}
    return bake_once(**answers, apps="Sales Report, Churn Explorer")


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def dyno(baked_project, nginx):
    """The module's project, running."""
    with FakeDyno(baked_project.path, nginx) as dyno:
        yield dyno


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
