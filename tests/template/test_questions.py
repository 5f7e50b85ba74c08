"""The questions of cookiecutter.json. A fork may change every default."""

from __future__ import annotations

import json
import re

import pytest
from baked import ROOT
from cookiecutter.prompt import prompt_for_config

from apphub import VERSION
from apphub.text import validate_heroku_name

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
ASKED = [name for name in QUESTIONS if not name.startswith("_")]


def test_these_are_among_the_questions():
    """The hooks need them. A fork may have more."""
    assert set(ASKED) >= {"app_name", "project_slug", "auth_user", "apps", "password_source"}


@pytest.mark.parametrize("name", ASKED)
def test_each_has_a_prompt(name):
    prompt = QUESTIONS["__prompts__"][name]
    if isinstance(prompt, dict):
        assert set(prompt) == {"__prompt__", *QUESTIONS[name]}
        prompt = prompt["__prompt__"]
    assert prompt[0].isupper()
    assert len(prompt) < 80


@pytest.mark.parametrize("name", ASKED)
def test_each_is_explained_in_the_readme(name):
    assert re.search(rf"^\| `{name}` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_the_password_is_not_a_question():
    assert not [name for name in QUESTIONS if "password" in name and name != "password_source"]


def test_the_first_password_source_needs_no_terminal_with_auth_password():
    assert set(QUESTIONS["password_source"]) == {"generate", "ask"}


def test_the_version_is_the_same_in_apphub():
    assert QUESTIONS["_version"] == VERSION


@pytest.mark.parametrize(
    "app_name",
    [
        *(
            "Data Apps",
            "BI",
            "X",
            "2024 Numbers",
            "Café Société",
            "売上",
            "📈",
            "--",
            "Ops & Sales!",
        ),
        *("A Rather Long Name, For An App", "abcdefghijklmnopqrstuvwxyz abc"),
    ],
)
def test_the_suggested_slug_is_a_valid_heroku_name(app_name):
    context = {"cookiecutter": json.loads(json.dumps(QUESTIONS))}
    context["cookiecutter"]["app_name"] = f"{{% raw %}}{app_name}{{% endraw %}}"
    answers = prompt_for_config(context, no_input=True)
    assert answers["app_name"] == app_name
    validate_heroku_name(answers["project_slug"])


@pytest.mark.smoke
def test_the_defaults_make_a_project(bake):
    project = bake()
    assert project.menu
    assert project.read(".htpasswd").count("\n") == 1
