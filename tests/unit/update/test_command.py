"""`manage.py update`: which program it runs, and when it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from baked import NASTY, commit
from jinja2 import Environment

from apphub.update import UpdateError, update
from apphub.update.command import find_program, has_uncommitted_changes, quote_answer

# A fake of cruft, cookiecutter or uvx: it writes down its arguments.
FAKE = """#!/bin/sh
for argument; do printf '%s\\n' "$argument"; done > "$(dirname "$0")/$(basename "$0").arguments"
{more}
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data-apps").mkdir()
    answers = {"app_name": "{{ 7 * 7 }}", "project_slug": "data-apps", "contact": "Anna"}
    content = {"cookiecutter": answers, "template": "gh:org/name", "version": "2026.11.3"}
    (tmp_path / "data-apps/.cookiecutter.json").write_text(json.dumps(content))
    return tmp_path / "data-apps"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder for fakes, the only one that programs are found in."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "environment").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment/python"))

    def add(name: str, more: str = "", folder: str = "bin") -> Path:
        path = tmp_path / folder / name
        path.write_text(FAKE.format(more=more))
        path.chmod(0o755)
        return path

    add.environ = {"PATH": f"{tmp_path}/bin:/bin:/usr/bin"}
    return add


def arguments(program: Path) -> list[str]:
    return Path(f"{program}.arguments").read_text().splitlines()


def test_cookiecutter_gets_the_answers(root, programs):
    program = programs("cookiecutter")
    assert update(root, environ=programs.environ) == ""
    assert arguments(program) == [
        *("--overwrite-if-exists", "--no-input", "--output-dir", str(root.parent)),
        *("--", "gh:org/name"),
        *('app_name={{ "{{ 7 * 7 }}" }}', "project_slug=data-apps", "contact=Anna"),
    ]


def test_another_template_and_version(root, programs):
    program = programs("cookiecutter")
    update(root, template="../mine", checkout="2026.12.0", environ=programs.environ)
    assert arguments(program)[4:8] == ["--checkout", "2026.12.0", "--", "../mine"]


def test_a_renamed_folder_is_updated_where_it_is(root, programs):
    program = programs("cookiecutter")
    renamed = root.rename(root.with_name("team-numbers"))
    update(renamed, environ=programs.environ)
    assert "project_slug=team-numbers" in arguments(program)


def test_a_folder_whose_name_is_no_slug_is_refused(root, programs):
    programs("cookiecutter")
    renamed = root.rename(root.with_name("Team Numbers"))
    with pytest.raises(UpdateError, match="'Team Numbers' is not a valid Heroku app name") as error:
        update(renamed, environ=programs.environ)
    assert str(error.value).endswith(f"mv '{renamed}' data-apps")


def test_cruft_updates_its_own_projects(root, programs):
    (root / ".cruft.json").write_text("{}")
    program = programs("cruft", f"echo '{{\"commit\": 2}}' > '{root}/.cruft.json'")
    assert "git diff HEAD" in update(root, checkout="main", environ=programs.environ)
    expected = ["update", "--skip-apply-ask", "--project-dir", str(root), "--checkout", "main"]
    assert arguments(program) == expected
    programs("cruft")
    assert update(root, environ=programs.environ) == ""  # cruft has said that nothing is new


def test_cruft_knows_its_template(root, programs):
    (root / ".cruft.json").write_text("{}")
    with pytest.raises(UpdateError, match="cruft reads the template"):
        update(root, template="x", environ=programs.environ)


def test_the_projects_environment_goes_before_path_and_uvx_comes_last(programs):
    with pytest.raises(UpdateError, match="-m pip install cookiecutter"):
        find_program("cookiecutter", {"PATH": ""})
    uvx = programs("uvx")
    assert find_program("cruft", programs.environ) == [str(uvx), "--with", "bcrypt", "cruft"]
    on_path = programs("cruft")
    assert find_program("cruft", programs.environ) == [str(on_path)]
    installed = programs("cruft", folder="environment")
    assert find_program("cruft", programs.environ) == [str(installed)]


def test_a_program_that_fails_is_reported(root, programs):
    programs("cookiecutter", "exit 3")
    with pytest.raises(UpdateError, match="cookiecutter exited with 3"):
        update(root, environ=programs.environ)


def test_uncommitted_changes_are_refused_unless_forced(root, programs):
    program = programs("cookiecutter")
    commit(root, "as it was made")
    update(root, environ=programs.environ)
    Path(f"{program}.arguments").unlink()
    (root / "new.txt").touch()
    with pytest.raises(UpdateError, match="Or add --force"):
        update(root, environ=programs.environ)
    assert not Path(f"{program}.arguments").exists()
    update(root, force=True, environ=programs.environ)
    assert arguments(program)
    (root / ".cruft.json").write_text("{}")  # cruft itself refuses them
    with pytest.raises(UpdateError, match="uncommitted changes") as refused:
        update(root, force=True, environ=programs.environ)
    assert "--force" not in str(refused.value)


def test_only_the_projects_own_files_count(root):
    assert not has_uncommitted_changes(root)  # not a git repository
    subprocess.run(["git", "init", "-q", root.parent], check=True)
    assert has_uncommitted_changes(root)
    commit(root.parent, "all")
    (root.parent / "beside.txt").touch()
    assert not has_uncommitted_changes(root)


@pytest.mark.parametrize("answer", [*NASTY.values(), "{% endraw %}", '{{ "a" }}\\n', "a=b", ""])
def test_cookiecutter_renders_an_answer_as_it_is(answer):
    assert Environment().from_string(quote_answer(answer)).render() == answer  # noqa: S701
