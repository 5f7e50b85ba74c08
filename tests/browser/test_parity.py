"""Each app behaves in the hub as under `streamlit run`: as a script, and with run() as a module."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from baked import USER
from fake_dyno import FakeDyno
from parity import alone, compare, file_name, watch, write_case, write_module
from parity_cases import CASES
from streamlit_page import logged_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from baked import BakedProject
    from playwright.sync_api import BrowserContext


@pytest.fixture(scope="module")
def project(bake_once) -> BakedProject:
    """A project with all cases, those with run() twice."""
    project = bake_once(auth_user=USER)
    apps = []
    for name, case in CASES.items():
        apps.append({"name": name, "script": write_case(project.path, name, case)})
        if case.is_module:
            module = write_module(project.path, name, case)
            apps.append({"name": f"{name}, a module", "module": module})
    project.write("apps.json", json.dumps(apps))
    return project


@pytest.fixture(scope="module")
def dyno(project, nginx) -> Iterator[FakeDyno]:
    with FakeDyno(project.path, nginx) as dyno:
        yield dyno


@pytest.fixture(scope="module")
def contexts(dyno, chromium) -> Iterator[list[BrowserContext]]:
    """Two browsers of users who have logged in."""
    with logged_in(chromium, dyno.url) as one, logged_in(chromium, dyno.url) as two:
        yield [one, two]


@pytest.mark.parametrize("name", CASES)
def test_parity(name, project, dyno, contexts, plain_contexts, port):
    case = CASES[name]
    script = write_case(project.path, name, case)
    with alone(dyno, project.path, script, port) as url:
        expected = watch(plain_contexts, url, case)
    compare(contexts, f"{dyno.url}/{file_name(name)}/", case, expected)
    if case.is_module:
        for look in expected:
            look["sidebar_is_open"] = None  # the hub's menu is in it
        compare(contexts, f"{dyno.url}/{file_name(name)}_m", case, expected)
