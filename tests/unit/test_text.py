"""text.py: names checked and compared, and text made safe to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apphub.text import (
    escape_markdown,
    name_key,
    replace_surrogates,
    summarize,
    validate_heroku_name,
    validate_line,
)


@pytest.mark.parametrize("text", ["x", "x" * 60, "Café 売上", "👩‍👩‍👧", "a  b", "$host; }"])
def test_valid_line(text):
    validate_line(text, 60)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "not text"),
        (1, "not text"),
        ("", "empty"),
        (" x", "blank"),
        ("x ", "blank"),
        ("\u00a0", "blank"),
        ("x" * 61, "60"),
        *((f"a{sign}b", "control") for sign in ("\n", "\r", "\t", "\0", "\x7f", "\x85")),
        *((f"a{sign}b", "control") for sign in ("\u2028", "\u2029", "\ud800")),
    ],
)
def test_invalid_line(text, reason):
    with pytest.raises(ValueError, match=reason):
        validate_line(text, 60)


@pytest.mark.parametrize("other", ["Sales Report", "SALES  report", "ＳＡＬＥＳ\u3000Report"])
def test_names_that_people_would_confuse_have_one_key(other):
    assert name_key(other) == name_key("Sales Report")


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Sales Report (EU), 50% - #1!", "Sales Report (EU), 50% - #1!"),
        ("R&D", "R&D"),
        ("Cost in $ and $", r"Cost in \$ and \$"),
        (
            "*a* `b` [c](d) <e> :f: ~g~ h_i\\",
            r"\*a\* \`b\` \[c\](d) \<e\> \:f\: \~g\~ h\_i" + "\\\\",
        ),
        ("&copy;", r"\&copy;"),
        ("anna@example.com", "anna\u2060@example.com"),
        ("WWW.example.com", "WWW\u2060.example.com"),
        ("https://example.com", "https\\:\u2060//example.com"),
    ],
)
def test_text_in_markdown(text, markdown):
    assert escape_markdown(text) == markdown


def test_surrogates_become_question_marks():
    assert replace_surrogates("What \ud800 does, 売上 👩") == "What ? does, 売上 👩"


@given(st.text())
def test_text_without_surrogates_is_utf_8(text):
    assert replace_surrogates(text).encode().decode() == replace_surrogates(text)


@pytest.mark.parametrize(
    ("names", "summary"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcd"), "a, b, c and 1 more"),
        (list("abcdefg"), "a, b, c and 4 more"),
    ],
)
def test_summary_of_names(names, summary):
    assert summarize(names) == summary


@pytest.mark.parametrize("name", ["abc", "a-b", "a23", "a" * 30])
def test_valid_heroku_name(name):
    validate_heroku_name(name)


@pytest.mark.parametrize(
    "name", [None, 1, "", "ab", "a" * 31, "Abc", "1ab", "-ab", "ab-", "a_b", "a.b", "abc\n", "äbc"]
)
def test_invalid_heroku_name(name):
    with pytest.raises(ValueError, match="3 to 30"):
        validate_heroku_name(name)
