""".cookiecutter.json, the answers that the project keeps."""

from __future__ import annotations

import json

import pytest

from apphub.finding import InvalidFile
from apphub.update.answers import read_answers, write_answers

CONTEXT = {
    "app_name": "Café 📈",
    "project_slug": "cafe",
    "password_source": "ask",
    "_template": "gh:org/name",
    "_version": "2026.11.3",
    "_repo_dir": "/home/anna/.cookiecutters/name",
    "__prompts__": {},
}


def write(tmp_path, **context: str) -> dict:
    write_answers({**CONTEXT, **context}, tmp_path, tmp_path)
    return json.loads((tmp_path / ".cookiecutter.json").read_text("utf-8"))


def test_answers_are_read_as_they_were_written(tmp_path):
    write(tmp_path)
    answers = read_answers(tmp_path)
    assert answers.values == {
        "app_name": "Café 📈",
        "project_slug": "cafe",
        "password_source": "generate",
    }
    assert (answers.template, answers.version) == ("gh:org/name", "2026.11.3")


def test_the_text_is_stable_and_readable(tmp_path):
    write(tmp_path)
    first = (tmp_path / ".cookiecutter.json").read_text("utf-8")
    write_answers(dict(reversed(CONTEXT.items())), tmp_path, tmp_path)
    assert (tmp_path / ".cookiecutter.json").read_text("utf-8") == first
    assert '"app_name": "Café 📈"' in first
    assert "/home/anna" not in first


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("gh:org/name", "gh:org/name"),
        ("https://github.com/org/name.git", "https://github.com/org/name.git"),
        ("https://anna:token@github.com/org/name", "https://github.com/org/name"),
        ("https://token@github.com/org/name", "https://github.com/org/name"),
        ("http://a:b%40c@example.com/x@y", "http://example.com/x@y"),
        ("ssh://git@github.com/org/name", "ssh://git@github.com/org/name"),
        ("git@github.com:org/name", "git@github.com:org/name"),
        ("https://anna:t@ken@github.com/org/name", "https://github.com/org/name"),
        ("git+HTTPS://token@github.com/org/name", "git+HTTPS://github.com/org/name"),
        ("ssh://anna:secret@example.com/name", "ssh://example.com/name"),
    ],
)
def test_an_address_is_stored_without_a_password(tmp_path, given, stored):
    assert write(tmp_path, _template=given)["template"] == stored


def test_a_path_is_stored_as_an_absolute_one(tmp_path):
    (tmp_path / "template").mkdir()
    assert write(tmp_path, _template="template")["template"] == str(tmp_path / "template")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "answers-missing"),
        ("", "answers-invalid"),
        ("[]", "answers-invalid"),
        ("[" * 9999, "answers-invalid"),
        ('{"cookiecutter": {}}', "answers-invalid"),
        ('{"cookiecutter": [], "template": "x", "version": "1"}', "answers-invalid"),
        ('{"cookiecutter": {}, "template": 1, "version": "1"}', "answers-invalid"),
    ],
)
def test_a_file_that_is_missing_or_not_valid_is_refused(tmp_path, text, code):
    if text is not None:
        (tmp_path / ".cookiecutter.json").write_text(text)
    with pytest.raises(InvalidFile) as refused:
        read_answers(tmp_path)
    [finding] = refused.value.findings
    assert (finding.code, finding.where) == (code, ".cookiecutter.json")
