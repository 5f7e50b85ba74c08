"""A project of an earlier version moves on to this one: what is its user's stays, all else arrives.

The earlier versions come out of this repository's own history, and so does the template that the
project is updated from.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
from baked import ANSWERS, GIVEN, ROOT, BakedProject, commit, git, tree

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
PROJECT = "{{cookiecutter.project_slug}}"


def is_earlier_version(revision: str) -> bool:
    version = json.loads(git("show", f"{revision}:cookiecutter.json")).get("_version")
    return version not in (None, QUESTIONS["_version"])


def is_before_sessions(revision: str) -> bool:
    return not git("ls-tree", revision, f"{PROJECT}/users.py")


# Each start is the newest commit of which this is true. From the second one on, files have gone
# and come, and nginx's configuration was written anew.
STARTS = {"the version before": is_earlier_version, "before sessions": is_before_sessions}


@pytest.fixture
def history() -> list[str]:
    """This repository's commits, the newest first. Skips the test where a clone has not all of them."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this clone has no history to move on from: git fetch --unshallow")
    return git("log", "--format=%H").split()


@pytest.fixture(params=STARTS.values(), ids=STARTS.keys())
def start(request, history) -> str:
    """The commit that the project is made from."""
    return next(filter(request.param, history), history[-1])


@pytest.fixture
def template(template, history) -> Path:
    """The template's repository with its history, and what is here now on top."""
    git("fetch", "-q", ROOT, "HEAD", cwd=template)
    git("reset", "-q", "--soft", "FETCH_HEAD", cwd=template)
    commit(template, "what is here now")
    return template


@pytest.fixture
def fresh(run, template, tmp_path) -> dict[str, bytes]:
    """The files of a project that this version makes."""
    run("cookiecutter", "--no-input", template, "-o", tmp_path / "fresh", *GIVEN)
    return tree(tmp_path / "fresh/data-apps")


def instead(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that puts one text in the place of another."""

    def edit(text: str) -> str:
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        return text.replace(old, new)

    return edit


def at_the_end(more: str) -> Callable[[str], str]:
    return lambda text: text + more


# What the user does to the template's files.
EDITS = [
    (".streamlit/config.toml", instead("maxUploadSize = 200", "maxUploadSize = 500")),
    (".streamlit/config.toml", at_the_end('\n[theme]\nprimaryColor = "#0b6e4f"\n')),
    ("app.json", instead('"size": "basic"', '"size": "standard-2x"')),
    ("config/new_app.py", instead('"North", "South", "West"', '"Oslo", "Bergen", "Tromsø"')),
    ("config/nginx.conf.erb", instead("worker_connections 1024;", "worker_connections 2048;")),
    ("requirements.in", at_the_end("openpyxl  # our spreadsheets\n")),
    ("requirements.txt", instead("h11==", "et-xmlfile==2.0.0\n    # via openpyxl\nh11==")),
    (
        "requirements.txt",
        instead("packaging==", "openpyxl==3.1.5\n    # via -r requirements.in\npackaging=="),
    ),
]


def change(project: BakedProject, run, monkeypatch) -> None:
    """Do to a project what its user does: password, apps, and all of EDITS."""
    for name, edit in EDITS:
        project.write(name, edit(project.read(name)))
    monkeypatch.setenv("AUTH_PASSWORD", "a password of later")
    for user in (ANSWERS["auth_user"], "bob"):
        run("manage", "passwd", user, cwd=project.path)
    monkeypatch.delenv("AUTH_PASSWORD")
    run("manage", "add-app", "Forecasts", cwd=project.path)
    project.change("apps.json", '"Sales Report"', '"Sales"')
    project.write("apps/cafe.py", "import streamlit as st\n\n\ndef run():\n    st.title('Café')\n")


def check(project: BakedProject, run) -> None:
    """What holds wherever the project comes from, and whichever way it has moved."""
    users = dict(line.split(":") for line in project.read(".htpasswd").split())
    assert list(users) == [ANSWERS["auth_user"], "bob"]
    for digest in users.values():
        assert bcrypt.checkpw(b"a password of later", digest.encode())
    assert [entry["name"] for entry in project.menu] == ["Sales", "Café", "Forecasts"]
    run("manage", "check", cwd=project.path)
    told = run("manage", "--version", cwd=project.path).stdout
    assert told.split()[-1] == QUESTIONS["_version"]
    tomllib.loads(project.read(".streamlit/config.toml"))


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Compare files one by one: a project as a whole is too long to read."""
    assert sorted(found) == sorted(expected)
    for name, content in expected.items():
        assert found[name].decode() == content.decode(), name


def test_cruft_update(run, template, fresh, tmp_path, monkeypatch, start):
    run(
        *("cruft", "create", f"file://{template}", "--checkout", start, "--no-input"),
        *("--output-dir", tmp_path / "old", "--extra-context", json.dumps(ANSWERS)),
    )
    project = BakedProject(tmp_path / "old/data-apps")
    commit(project.path, "as it was made")  # what git merges by
    change(project, run, monkeypatch)
    commit(project.path, "our changes")
    before = tree(project.path)
    skipped = tomllib.loads(project.read("pyproject.toml"))["tool"]["cruft"]["skip"]

    def passed_by(name: str) -> bool:
        return any(name == path or name.startswith(f"{path}/") for path in skipped)

    told = run("cruft", "update", "--skip-apply-ask", cwd=project.path)
    assert "conflict" not in told.stdout + told.stderr
    check(project, run)
    # All is as if the user had made the same changes to a project of today.
    expected = {name: content for name, content in fresh.items() if not passed_by(name)}
    for name, edit in EDITS:
        if name in expected:
            expected[name] = edit(expected[name].decode()).encode()
    expected |= {name: content for name, content in before.items() if passed_by(name)}
    same(tree(project.path), expected)
    commit(project.path, "moved on")
    run("cruft", "check", cwd=project.path)


def test_cookiecutter_once_more(run, template, fresh, tmp_path, monkeypatch, start):
    out = ("-o", tmp_path / "old")
    run("cookiecutter", "--no-input", f"git+file://{template}", "--checkout", start, *out, *GIVEN)
    project = BakedProject(tmp_path / "old/data-apps")
    change(project, run, monkeypatch)
    before = tree(project.path)

    run("cookiecutter", "-f", "--no-input", template, *out, *GIVEN)
    check(project, run)
    # The template's own code is renewed, and what is the user's has the new version beside it.
    expected = {**fresh, **before}
    for name in fresh.keys() & before.keys():
        if fresh[name] == before[name]:
            continue
        if name in QUESTIONS["_renewed"]:
            expected[name], expected[f"{name}.old"] = fresh[name], before[name]
        else:
            expected[f"{name}.new"] = fresh[name]
    same(tree(project.path), expected)
