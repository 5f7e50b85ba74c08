"""_hook/update/history.json knows each text that the template's files had in earlier versions."""

from __future__ import annotations

import json

import pytest
from baked import ROOT, git
from make_history import HISTORY, make_history

from apphub.update.decide import History

VERSION = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["_version"]


@pytest.fixture(scope="module")
def newest_earlier_commit() -> str:
    """The newest commit of another version than this one; "" where there is none."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this clone has no history: git fetch --unshallow")
    for commit in git("log", "--format=%H", "--", "cookiecutter.json").split():
        if json.loads(git("show", f"{commit}:cookiecutter.json")).get("_version") != VERSION:
            # The version begins with the next commit to this file, and ends just before that one.
            following = git("rev-list", "--reverse", f"{commit}..HEAD", "--", "cookiecutter.json")
            return git("rev-parse", f"{following.split()[0]}~1") if following else "HEAD"
    return ""


def test_it_has_every_text_of_earlier_versions(newest_earlier_commit):
    if not newest_earlier_commit:
        return  # the first version, or a copy of the repository without its history
    known, history = json.loads(HISTORY.read_text("utf-8")), make_history(newest_earlier_commit)
    for kind, by_path in history.items():
        for path, values in by_path.items():
            missing = set(values) - set(known[kind].get(path, ()))
            assert not missing, f"{path} had other texts. Run: python tests/make_history.py"


def test_first_lines_tell_the_templates_modules_apart():
    """A file of the user's that begins with the same line would be taken for the template's."""
    modules = {
        path: lines
        for path, lines in History.load(HISTORY).first_lines.items()
        if "/" not in path and path.endswith((".py", ".css", ".md")) and path != "README.md"
    }
    assert {"users.py", "log.py", "hub.css", "GROWING.md"} <= set(modules)
    for path, lines in modules.items():
        assert min(map(len, lines)) > 20, path
