"""Which file an update replaces."""

from __future__ import annotations

import json

import pytest

from apphub.update.decide import (
    Action,
    History,
    decide,
    fingerprint,
    first_line,
    is_old_layout,
    restore_placeholders,
)

ANSWERS = {"app_name": "Data Apps", "project_slug": "data-apps"}
OLD = b'"""The users.\n\nold\n'
README = (
    "# {{ cookiecutter.app_name }}\n\nheroku create {{ cookiecutter.project_slug }} --stack x\n"
)
APP_JSON = '{\n  "name": {{ cookiecutter.app_name | tojson }},\n  "a": 1\n}\n'
HISTORY = History(
    {
        "Procfile": [fingerprint(b"web: old\n"), fingerprint(b"web: older\n")],
        "README.md": [fingerprint(README.encode())],
        "app.json": [fingerprint(APP_JSON.encode())],
        "app.py": [],
        "docs/old.md": [fingerprint(OLD)],
        "users.py": [fingerprint(OLD)],
    },
    {"users.py": ['"""The users.'], "app.py": ['"""The hub."""'], "docs/old.md": ["# Old"]},
)
TAKE, TAKE_OLD = Action.TAKE, Action.TAKE_AND_KEEP_OLD
KEEP, KEEP_NEW = Action.KEEP, Action.KEEP_AND_ADD_NEW


@pytest.mark.parametrize(
    ("path", "before", "template", "old_layout", "action"),
    [
        # The template has the file.
        ("Procfile", None, b"web: new\n", False, TAKE),
        ("Procfile", b"web: new\n", b"web: new\n", False, KEEP),
        ("Procfile", b"web: new\r\n", b"web: new\n", False, KEEP),
        ("Procfile", b"web: old\n", b"web: new\n", False, TAKE),
        ("Procfile", b"web: older\r\n", b"web: new\n", False, TAKE),
        ("Procfile", b"web: mine\n", b"web: new\n", False, KEEP_NEW),
        ("Procfile", b"web: mine\n", b"web: new\n", True, KEEP_NEW),
        ("app.py", b"mine\n", b"new\n", False, KEEP_NEW),
        ("app.py", b"mine\n", b"new\n", True, TAKE_OLD),
        ("bin/post_compile", b"mine\n", b"new\n", True, TAKE_OLD),
        (".cookiecutter.json", b"mine\n", b"new\n", False, TAKE),
        # The template no longer has it: one of its root modules from before apphub/.
        ("users.py", OLD, None, True, TAKE),
        ("users.py", OLD + b"# mine\n", None, True, TAKE_OLD),
        ("users.py", b'"""My users."""\n', None, True, KEEP),
        ("users.py", b"", None, True, KEEP),
        # In a project with apphub/ these names are the user's.
        ("users.py", OLD, None, False, KEEP),
        ("users.py", OLD + b"# mine\n", None, False, KEEP),
        # Any other file that the template no longer has.
        ("docs/old.md", OLD, None, False, TAKE),
        ("docs/old.md", b"# Old\nmine\n", None, False, KEEP),
    ],
)
def test_decide(path, before, template, old_layout, action):
    assert decide(path, before, template, HISTORY, ANSWERS, old_layout) is action


@pytest.mark.parametrize("app_name", ["Data Apps", "Ü & <b>'x'", "📈", "C:\\new"])
def test_a_rendered_file_that_was_not_edited_is_recognized(app_name):
    answers = {"app_name": app_name, "project_slug": "data-apps"}
    in_json = json.dumps(app_name).replace("<", "\\u003c").replace(">", "\\u003e")
    in_json = in_json.replace("&", "\\u0026").replace("'", "\\u0027")
    for path, text in (
        ("README.md", f"# {app_name}\n\nheroku create data-apps --stack x\n"),
        ("app.json", f'{{\n  "name": {in_json},\n  "a": 1\n}}\n'),
    ):
        assert HISTORY.is_unedited(path, text.encode(), answers)
        assert HISTORY.is_unedited(path, text.replace("\n", "\r\n").encode(), answers)
        assert not HISTORY.is_unedited(path, text.encode() + b"mine\n", answers)
        assert not HISTORY.is_unedited(path, text.encode(), {**answers, "app_name": "Other"})


def test_placeholders_are_restored_once():
    text = b"# Users\n\n## Users\n"
    answers = {"app_name": "Users", "project_slug": "users"}
    assert restore_placeholders(text, answers) == b"# {{ cookiecutter.app_name }}\n\n## Users\n"


def test_a_project_is_of_the_old_layout_by_a_module_of_the_templates(tmp_path):
    assert not is_old_layout(tmp_path, HISTORY)
    (tmp_path / "app.py").write_text("import streamlit as st\n")
    assert not is_old_layout(tmp_path, HISTORY)
    (tmp_path / "app.py").write_text('\ufeff"""The hub."""  \r\nmine\n', "utf-8")
    assert is_old_layout(tmp_path, HISTORY)
    (tmp_path / "apphub").mkdir()
    assert not is_old_layout(tmp_path, HISTORY)


@pytest.mark.parametrize("text", [b"", b"\n", b"\xff\xfe", b"a\r\nb", "\ufeffa".encode()])
def test_any_file_has_a_first_line(text):
    assert first_line(text) in ("", "\ufffd\ufffd", "a")
