"""build/__main__.py and compile.py: the end of Heroku's build."""

from __future__ import annotations

import sys

import pytest

import apphub.check
from apphub.build import __main__ as build
from apphub.build import compile as compile_python
from apphub.build import precompress
from apphub.check.report import Report
from apphub.finding import Finding
from apphub.server import gateway


@pytest.fixture
def steps(monkeypatch) -> list[str]:
    """The steps that the build has run, with fakes of them; the check finds nothing."""
    steps: list[str] = []
    monkeypatch.setattr(apphub.check, "run_checks", lambda: steps.append("check") or Report())
    monkeypatch.setattr(gateway, "clear", lambda: steps.append("clear"))
    monkeypatch.setattr(precompress, "main", lambda: steps.append("precompress"))
    monkeypatch.setattr(compile_python, "main", lambda: steps.append("compile"))
    return steps


def test_build_checks_before_it_writes(steps, capsys):
    build.main()
    assert steps == ["check", "clear", "precompress", "compile"]
    assert "All checks passed" in capsys.readouterr().out


def test_build_fails_where_the_check_finds_an_error(steps, monkeypatch, capsys):
    report = Report(errors=[Finding("x", "it is wrong.", ".htpasswd, line 2")])
    monkeypatch.setattr(apphub.check, "run_checks", lambda: report)
    with pytest.raises(SystemExit) as exited:
        build.main()
    assert exited.value.code == 1
    assert steps == []
    assert ".htpasswd, line 2: it is wrong." in capsys.readouterr().out


def test_build_does_not_fail_for_a_warning(steps, monkeypatch, capsys):
    report = Report(warnings=[Finding("x", "it is odd.", severity="warning")])
    monkeypatch.setattr(apphub.check, "run_checks", lambda: report)
    build.main()
    assert steps == ["clear", "precompress", "compile"]
    assert "it is odd." in capsys.readouterr().out


@pytest.fixture
def packages(project, tmp_path, monkeypatch):
    """A folder of installed packages, and the project as ROOT."""
    packages = tmp_path / "site-packages"
    (packages / "streamlit").mkdir(parents=True)
    (packages / "streamlit/__init__.py").touch()
    (packages / "streamlit/template.py").write_text("def {{ x }}:\n")
    monkeypatch.setattr(compile_python, "ROOT", project.path)
    monkeypatch.setattr(compile_python.sysconfig, "get_path", lambda name: packages)
    (project.path / "apphub/web").mkdir(parents=True)
    for name in ("apphub/web/home.py", "app.py", "users.py", "tests.py"):
        project.write(name, "x = 1\n")
    project.write("apps/broken.py", "def run(:\n")
    return packages


def compiled(folder) -> set[str]:
    tag = f".{sys.implementation.cache_tag}.pyc"
    return {
        path.relative_to(folder).as_posix().replace("__pycache__/", "").removesuffix(tag)
        for path in folder.rglob("*.pyc")
    }


def test_modules_are_compiled_and_broken_ones_are_skipped(project, packages):
    compile_python.main()
    assert compiled(project.path) == {
        *("apphub/web/home", "app", "users", "tests"),
        *("apps/sales_report", "apps/churn_explorer"),
    }


def test_packages_are_compiled_where_their_installer_has_not(packages):
    compile_python.main()
    assert compiled(packages) == {"streamlit/__init__"}


def test_packages_are_not_compiled_again(packages):
    (packages / "streamlit/__pycache__").mkdir()
    compile_python.main()
    assert compiled(packages) == set()
