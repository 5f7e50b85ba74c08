"""passwords.py: the rule, generating, hashing, and asking on a terminal."""

from __future__ import annotations

import getpass
import re
import sys

import bcrypt
import pytest
from baked import PASSWORD
from hypothesis import given, settings
from strategies import PASSWORDS

from apphub import passwords
from apphub.finding import InvalidInput
from apphub.passwords import (
    PASSWORD_ALPHABET,
    generate_password,
    hash_password,
    prompt_password,
    validate_password,
)

GENERATED = re.compile(r"[a-hjkmnp-z2-9i]{4}(?:-[a-hjkmnp-z2-9i]{4}){5}")


@pytest.mark.parametrize(
    "password", ["x" * 12, "x" * 72, "é" * 6, "é" * 36, "🔑🔑🔑", "a:b \"c\" 'd' \\e $f {g} %h"]
)
def test_valid_password(password):
    validate_password(password)


@pytest.mark.parametrize(
    "password",
    [
        *["", "short", "x" * 11, "x" * 73, "é" * 37, "é" * 5],
        *[f"{PASSWORD}{sign}" for sign in ("\n", "\t", "\0", "\x7f", "\x85", "\ud800")],
    ],
)
def test_invalid_password(password):
    with pytest.raises(InvalidInput, match="12 to 72 bytes") as caught:
        validate_password(password)
    assert not password or password not in str(caught.value)
    with pytest.raises(InvalidInput):
        hash_password(password)


def test_generated_password():
    assert len(set(PASSWORD_ALPHABET)) == 32  # 24 characters of 5 bits
    generated = {generate_password() for _ in range(1000)}
    assert len(generated) == 1000
    for password in generated:
        assert GENERATED.fullmatch(password)
        validate_password(password)


def test_hash_is_bcrypt_with_a_cost_of_12():
    digest = hash_password(PASSWORD)
    assert re.fullmatch(r"\$2b\$12\$[./A-Za-z0-9]{53}", digest)
    assert bcrypt.checkpw(PASSWORD.encode(), digest.encode())


@settings(max_examples=25)
@given(PASSWORDS)
def test_any_password_by_the_rule_is_hashed(password):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "BCRYPT_COST", 4)
        digest = hash_password(password).encode()
    assert bcrypt.checkpw(password.encode(), digest)
    assert not bcrypt.checkpw(password[:-1].encode(), digest)


@pytest.fixture
def type_(monkeypatch):
    """Have these lines typed on a terminal; EOFError is Ctrl-D. Returns the prompts."""

    def type_(*lines: str | type[BaseException]) -> list[str]:
        prompts, left = [], iter(lines)

        def typed(prompt: str) -> str:
            prompts.append(prompt)
            line = next(left)
            if isinstance(line, str):
                return line
            raise line

        monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
        monkeypatch.setattr(getpass, "getpass", typed)
        return prompts

    return type_


def test_typed_twice(type_):
    prompts = type_(PASSWORD, PASSWORD)
    assert prompt_password("bob") == PASSWORD
    assert "bob" in prompts[0]


def test_mistakes_are_named_and_typed_again(type_, capsys):
    type_("short", PASSWORD, "something else", PASSWORD, PASSWORD)
    assert prompt_password("bob") == PASSWORD
    message = capsys.readouterr().err
    assert "12 to 72 bytes" in message
    assert "do not match" in message
    assert PASSWORD not in message


@pytest.mark.parametrize(
    "lines", [["short"] * 3, [EOFError], ["short", EOFError], [PASSWORD, "x", PASSWORD, EOFError]]
)
def test_no_attempt_succeeded(type_, lines):
    type_(*lines)
    with pytest.raises(InvalidInput, match="No password given"):
        prompt_password("bob")


def test_ctrl_c_interrupts(type_):
    type_(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        prompt_password("bob")


def test_without_a_terminal_it_does_not_wait(monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Pipe", (), {"isatty": lambda self: False})())
    with pytest.raises(InvalidInput, match=r"AUTH_PASSWORD.*--generate"):
        prompt_password("bob")
