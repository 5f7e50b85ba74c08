"""The questions of cookiecutter.json. A fork may change every default."""

import json
import re

import pytest
from baked import ROOT

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
ASKED = [name for name in QUESTIONS if not name.startswith("_")]


def test_these_are_among_the_questions():
    """The hooks want them. A fork may have more."""
    assert set(ASKED) >= {"app_name", "project_slug", "auth_user", "apps", "password_source"}


@pytest.mark.parametrize("name", ASKED)
def test_each_is_put_in_plain_words(name):
    prompt = QUESTIONS["__prompts__"][name]
    if isinstance(prompt, dict):
        assert set(prompt) == {"__prompt__", *QUESTIONS[name]}
        prompt = prompt["__prompt__"]
    assert "?" in prompt


@pytest.mark.parametrize("name", ASKED)
def test_each_is_explained_in_the_readme(name):
    assert re.search(rf"^\| `{name}` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_the_password_is_no_question():
    assert not [name for name in QUESTIONS if "password" in name and name != "password_source"]


def test_the_first_password_source_needs_nobody():
    assert set(QUESTIONS["password_source"]) == {"generate", "ask"}


@pytest.mark.parametrize(
    "app_name",
    ["Data Apps", "BI", "X", "2024 Numbers", "Café Société", "売上", "📈", "--", "Ops & Sales!"]
    + ["A Rather Long Name, For An App", "abcdefghijklmnopqrstuvwxyz abc"],
)
def test_the_suggested_slug_follows_herokus_rule(bake, app_name):
    project = bake(app_name=app_name)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,28}[a-z0-9]", project.path.name)
    assert json.loads(project.read("app.json"))["name"] == app_name


def test_the_defaults_make_a_project(bake):
    project = bake()
    assert project.menu
    assert project.read(".htpasswd").count("\n") == 1
