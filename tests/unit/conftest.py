"""What the unit tests share. They import apphub straight from the template's folder."""

from __future__ import annotations

import json
import os

import pytest
from baked import BakedProject
from hypothesis import settings
from strategies import HASH

# A busy machine is slow, and nothing is wrong with it. In CI each run tests the same examples.
settings.register_profile("unit", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("unit")

VARIABLES = [
    *("APP_IDLE_MINUTES", "AUTH_PASSWORD", "DYNO", "FRAME_ANCESTORS", "HTPASSWD", "NGINX_WORKERS"),
    *("SECRETS", "SESSION_SECRET", "SHOW_ERRORS", "STACK", "STREAMLIT_PROCESSES"),
]
SALES = {"name": "Sales Report", "module": "apps.sales_report"}
CHURN = {"name": "Churn Explorer", "module": "apps.churn_explorer"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that the project reads are not set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path) -> BakedProject:
    """A project's own files: one user and two apps. Its apphub is the template's."""
    project = BakedProject(tmp_path / "project")
    (project.path / "apps").mkdir(parents=True)
    project.write(".htpasswd", f"anna.b:{HASH}\n")
    project.write("apps.json", json.dumps([SALES, CHURN]))
    for name in ("sales_report", "churn_explorer"):
        project.write(f"apps/{name}.py", '"""What it does."""\n\ndef run():\n    pass\n')
    return project
