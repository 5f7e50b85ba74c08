"""Modules of the project that have the name of another one."""

from __future__ import annotations

import pytest
from check_helpers import RUN, copy_files, file

from apphub.check import project as project_module
from apphub.check import shadowing

# The first edition's modules at the root, which are a user's own names now.
OWN = ["users.py", "log.py", "menu.py", "page.py", "server.py", "check.py", "helpers/__init__.py"]
ROOT_MODULES = [
    "secrets.py",
    "json.py",
    "logging/__init__.py",
    "numpy/__init__.py",
    "streamlit.py",
    "PIL.py",
    "starlette.py",  # of a package that Streamlit requires
    "google/__init__.py",
    "typing_extensions.py",
]
HIDDEN = ["numpy/data.py", "secrets/notes.py", "code/sales.py"]
APP_MODULES = ["secrets.py", "calendar.py", "pandas.py", "numpy/__init__.py"]


@pytest.fixture(autouse=True)
def requirements(project):
    copy_files(project, "requirements.txt", ".python-version")


def place(name: str, folder: str = "") -> str:
    """Return how a finding names a module, by one of its files."""
    return folder + (f"{name.partition('/')[0]}/" if "/" in name else name)


@pytest.mark.parametrize("name", OWN)
def test_own_names(project, found, name):
    file(name, "")(project)
    file(f"apps/{name}", RUN)(project)
    assert found(shadowing.check) == []


def test_templates_names(template_project, found):
    for name in ("tests/test_apps.py", "docs/conf.py", "bin/tool.py", "config/app_template.py"):
        file(name, "")(template_project)
    assert found(shadowing.check) == []


@pytest.mark.parametrize("name", ROOT_MODULES)
def test_module_at_the_root(project, findings, name):
    file(name, "")(project)
    [finding] = findings(shadowing.check)
    assert (finding.code, finding.where) == ("shadowing-module", place(name))
    assert finding.severity == "error"
    path = place(name).strip("/")
    assert finding.hint == f"Rename it: git mv {path} my_{path}"


@pytest.mark.parametrize("name", HIDDEN)
def test_folder_that_python_does_not_find(project, findings, name):
    """A folder without __init__.py comes after any other module."""
    file(name, "")(project)
    [finding] = findings(shadowing.check)
    assert (finding.code, finding.where) == ("shadowed-module", place(name))
    assert finding.severity == "warning"


def test_file_beside_the_templates_package(template_project, findings):
    file("apphub.py", "")(template_project)
    [finding] = findings(shadowing.check)
    assert (finding.code, finding.where) == ("shadowed-module", "apphub.py")


@pytest.mark.parametrize("name", APP_MODULES)
def test_app(project, findings, name):
    """`streamlit run apps/sales.py` has apps/ first on the import path."""
    file(f"apps/{name}", RUN)(project)
    [finding] = findings(shadowing.check)
    assert (finding.code, finding.where) == ("shadowing-app", place(name, "apps/"))
    assert finding.severity == "warning"
    assert "in apps.json, too" in finding.hint


def test_app_like_the_templates_package(project, found):
    file("apps/apphub.py", RUN)(project)
    assert found(shadowing.check) == [("shadowing-app", "apps/apphub.py")]


@pytest.mark.parametrize(
    "name",
    [
        "pytest.py",  # installed here, and not on Heroku
        "venv/lib/site.py",
        "data/json.csv",
        "notes.md",
        "my-json.py",
        "apps/numpy/data.py",
    ],
)
def test_what_shadows_nothing(project, found, name):
    file(name, "")(project)
    assert found(shadowing.check) == []


def test_without_the_packages(project, found, monkeypatch):
    monkeypatch.setattr(project_module, "read_installed", dict)
    file("numpy.py", "")(project)
    file("secrets.py", "")(project)
    assert found(shadowing.check) == [("shadowing-module", "secrets.py")]


def test_without_requirements(project, found):
    (project.path / "requirements.txt").unlink()
    file("secrets.py", "")(project)
    assert found(shadowing.check) == [("shadowing-module", "secrets.py")]


@pytest.mark.parametrize("name", APP_MODULES)
def test_script_in_the_same_folder_would_import_it(project, findings, name):
    file("apps.json", '[{"name": "Sales", "script": "apps/sales.py"}]')(project)
    file("apps/sales.py", "")(project)
    file(f"apps/{name}", RUN)(project)
    [finding] = findings(shadowing.check)
    assert (finding.code, finding.where) == ("shadowing-app", place(name, "apps/"))
    assert finding.severity == "error"
    assert finding.text.startswith("Sales would import it in place of ")


def test_script_in_a_folder_of_its_own(project, findings):
    file("apps.json", '[{"name": "Sales", "script": "apps/sales/app.py"}]')(project)
    file("apps/sales/app.py", "")(project)
    file("apps/sales/calendar.py", "")(project)  # it is the same without the hub
    assert findings(shadowing.check) == []
