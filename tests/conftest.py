"""What the tests share: baking a project, and being strict about skipped tests."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest
from baked import PASSWORD, BakedProject

# Tests that were skipped for want of something, as "file: reason".
skipped: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nginx", default="nginx", help="the nginx binary (default: %(default)s)")
    parser.addoption("--url", help="test_door.py: a project that is online, and not one made here")
    parser.addoption("--user", help="test_door.py: who may log in there, by AUTH_PASSWORD")
    parser.addoption(
        "--screenshots", action="store_true", help="write the README's pictures to docs/"
    )


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
    """Bake with answers that are wrong, and return what the user is told."""

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
def code(bake_once) -> BakedProject:
    """A project for the tests of its functions: whoever has it leaves its files as they are."""
    return bake_once()


@pytest.fixture(scope="session")
def project_code(code) -> tuple[ModuleType, ModuleType]:
    """menu.py and manage.py, imported once."""
    manage = code.load("manage")
    return sys.modules["menu"], manage
