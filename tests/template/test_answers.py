"""Good answers and bad ones, and what is said of the bad ones."""

from __future__ import annotations

import json
import re

import pytest
from baked import NASTY

nasty = pytest.mark.parametrize("name", NASTY.values(), ids=NASTY.keys())


@nasty
def test_any_name_is_data(bake, capfd, name):
    app_name = name[:30].strip()
    project = bake(app_name=app_name, project_slug="nasty", apps=f"{name}, Plain")
    assert json.loads(project.read("app.json"))["name"] == app_name
    assert json.loads(project.read(".cookiecutter.json"))["cookiecutter"]["app_name"] == app_name
    assert [entry["name"] for entry in project.menu] == [name, "Plain"]
    first = project.read(project.menu[0]["module"].replace(".", "/") + ".py")
    compile(first, "app", "exec")
    assert "49" not in project.read("README.md").splitlines()[0]
    assert app_name in capfd.readouterr().out


# Part of the rule that each message states, and its example.
RULES = {
    "app_name": ("must be 1 to 30 characters on one line", "Data Apps"),
    "project_slug": ("must be 3 to 30 lower-case letters, digits and dashes", "data-apps"),
    "auth_user": ("must be 1 to 64 of A-Z a-z 0-9 . _ @ -", "anna.b"),
    "apps": ("must be 1 to 60 characters on one line", "Sales Report"),
    "password_source": ("must be generate or ask", "generate"),
}
BAD = {
    "app_name": [" ", "x" * 31, "two\nlines", "tab\there", "nul\0", " edge", "line\u2028sep"],
    "project_slug": ["ab", "x" * 31, "Data", "1data", "data-", "da_ta", "da ta", "dáta", "data\n"],
    "auth_user": ["", "a:b", "$host", "~.*", ".a", "-a", "a b", "é", "a" * 65, "a\nb", 'a"b', "a;"],
    "apps": ["", " , ", "a,,b", "a,", "x" * 61, "two\nlines", "a,b\0"],
    "password_source": ["", "none"],
}


@pytest.mark.parametrize(
    ("question", "answer"), [(question, answer) for question in BAD for answer in BAD[question]]
)
def test_a_bad_answer_is_refused_with_its_rule(load_hook, question, answer):
    [line] = load_hook("post_gen_project", **{question: answer}).find_wrong_answers()
    rule, example = RULES[question]
    assert line.startswith(f"{question}: ")
    assert rule in line
    assert line.endswith(f"Example: {example}")
    given = [name.strip(" ") for name in answer.split(",")] if question == "apps" else [answer]
    assert any(repr(each) in line for each in given)


@pytest.mark.parametrize("question", RULES)
def test_an_answer_that_is_not_text_is_refused(load_hook, question):
    """A replay file may contain any JSON."""
    for answer in (42, None, True, ["a"]):
        hook = load_hook("post_gen_project", **{question: answer})
        assert [line.split(" is not text")[0] for line in hook.find_wrong_answers()] == [
            f"{question}: {answer!r}"
        ]


@pytest.mark.parametrize("apps", ["Sales, Sales", "Sales,sales", "Ａ, a", "a  b, a b"])
def test_a_name_twice_is_refused(load_hook, apps):
    [line] = load_hook("post_gen_project", apps=apps).find_wrong_answers()
    second = apps.split(",")[1].strip()
    assert line.startswith(f"apps: {second!r} is there twice (case is ignored).")


@pytest.mark.parametrize("password", ["", "short", "x" * 73, "é" * 37, "tab\tin the middle"])
def test_a_bad_password_is_refused_and_not_shown(load_hook, monkeypatch, password):
    hook = load_hook("post_gen_project")
    monkeypatch.setenv("AUTH_PASSWORD", password)
    [line] = hook.find_wrong_answers()
    assert line.startswith("AUTH_PASSWORD: ")
    assert "12 to 72 bytes of UTF-8 without control characters" in line
    assert not password or password not in line


@pytest.mark.smoke
def test_all_that_is_wrong_is_reported_at_once_and_nothing_is_left(refused, cookies, tmp_path):
    message = refused(
        password="short",
        app_name="x" * 31,
        project_slug="X",
        auth_user="a:b",
        apps="a,,b",
        password_source="generate",
    )
    questions = re.findall(r"^  - (\w+):", message, re.MULTILINE)
    assert questions == ["app_name", "project_slug", "auth_user", "apps", "AUTH_PASSWORD"]
    assert "\nNothing was written:\n" in message
    assert "The traceback below comes from cookiecutter; ignore it." in message
    assert not list(tmp_path.rglob("X"))


def test_an_answer_that_no_file_can_contain_leaves_nothing(refused, tmp_path):
    message = refused(project_slug="data-apps", apps="a\udcff")
    assert "  - apps: " in message
    assert not list(tmp_path.rglob("data-apps"))
