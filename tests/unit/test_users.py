"""users.py: who may log in, and what is said about the rest."""

from __future__ import annotations

import os
import re
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import HASH, SALT_AND_SUM, htpasswd_files

from apphub.users import User, UsersError, is_user_name, load_users

ANNA = f"anna:{HASH}\n"
SECRET = "hunter2-hunter2"  # what somebody typed in the wrong place
Found = list[tuple[str, str]]


@pytest.fixture
def load(tmp_path):
    """Return the names in an .htpasswd with this content, or in what is there."""

    def load(content: str | bytes | None = None, **environ: str) -> list[str]:
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / ".htpasswd").write_bytes(data)
        return [user.name for user in load_users(tmp_path, environ)]

    return load


@pytest.fixture
def found(load):
    """Return the code and the place of each finding in an .htpasswd with this content."""

    def found(content: str | bytes | None = None, **environ: str) -> Found:
        with pytest.raises(UsersError) as caught:
            load(content, **environ)
        return [(finding.code, finding.where) for finding in caught.value.findings]

    return found


def at(number: int, place: str = ".htpasswd") -> str:
    return f"{place}, line {number}"


# -- What is valid ---------------------------------------------------------------------------------

FILES = {
    "LF": f"anna:{HASH}\nbob:{HASH}\n",
    "CRLF": f"anna:{HASH}\r\nbob:{HASH}\r\n",
    "LF and CRLF": f"anna:{HASH}\r\nbob:{HASH}\n",
    "no line end at the end": f"anna:{HASH}\nbob:{HASH}",
    "CRLF, but not at the end": f"anna:{HASH}\r\nbob:{HASH}",
    "blank lines": f"\n\nanna:{HASH}\n \t\n\nbob:{HASH}\n\n  ",
    "blank lines with CRLF": f"\r\nanna:{HASH}\r\n \t\r\nbob:{HASH}\r\n\r\n",
    "comments": f"# Users\nanna:{HASH}\n \t# carol:{{PLAIN}}x\n#\nbob:{HASH}\n# end",
    "comments in UTF-8": f"# Ünal, 売上\u2028\u0085\nanna:{HASH}\nbob:{HASH}\n",
    "comments in Latin-1": b"# caf\xe9\r\n" + f"anna:{HASH}\nbob:{HASH}\n".encode(),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_valid_file(load, content):
    assert load(content) == ["anna", "bob"]


def test_users_are_in_the_order_of_their_lines(load):
    assert load(f"zoe:{HASH}\nanna:{HASH}\nmax:{HASH}\n") == ["zoe", "anna", "max"]


@pytest.mark.parametrize(
    "user", ["a", "9", "Anna", "anna.b", "bob@example.com", "a_b-c", "0.", "x" * 64]
)
def test_valid_name(load, user):
    assert load(f"{user}:{HASH}\n") == [user]
    assert is_user_name(user)


@pytest.mark.parametrize("cost", ["10", "12", "19", "20", "29", "30", "31"])
@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_valid_hash(load, version, cost):
    assert load(f"anna:${version}${cost}${SALT_AND_SUM}\n") == ["anna"]


@pytest.mark.parametrize("version", [b"2a", b"2b"])
def test_hash_as_bcrypt_generates_it(load, version):
    digest = bcrypt.hashpw(b"a good password", bcrypt.gensalt(10, prefix=version)).decode()
    assert load(f"anna:{digest}\n") == ["anna"]


def test_user_has_the_line_of_the_file(tmp_path):
    (tmp_path / ".htpasswd").write_text(f"# users\r\n{ANNA}")
    [user] = load_users(tmp_path, {})
    assert user == User("anna", HASH)
    assert f"{user.line}\n" == ANNA


def test_200_users(load):
    names = [f"user{number}" for number in range(200)]
    assert load("".join(f"{name}:{HASH}\n" for name in names)) == names


# -- What is not -----------------------------------------------------------------------------------

BAD_HASHES = {
    "none": "",
    "clear text": "hunter2hunter2",
    "{PLAIN}": "{PLAIN}hunter2hunter2",
    "{SHA}": "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "{SHA}, not base64": "{SHA}hunter2-hunter2=",
    "{SSHA}": "{SSHA}qDKAGMnRcQ6dGGuYVXkqrnqzJV5hbG9l",
    "MD5 of Apache": "$apr1$Xq3fSnuK$eOzAQDjeDtZ4eUq0lDsbo.",
    "MD5 of Apache, short": "$apr1$ab$hunter2-hunter2",
    "MD5": "$1$Xq3fSnuK$eOzAQDjeDtZ4eUq0lDsbo.",
    "SHA-256": f"$5$salt${'x' * 43}",
    "SHA-512": "$6$saltsalt$" + "a" * 86,
    "DES": "rqXexS6ZhobKA",
    "cost 0": f"$2b$00${SALT_AND_SUM}",
    "cost 4": f"$2b$04${SALT_AND_SUM}",
    "cost 5, as htpasswd -B has it": f"$2y$05${SALT_AND_SUM}",
    "cost 9": f"$2b$09${SALT_AND_SUM}",
    "cost 9 in one digit": f"$2b$9${SALT_AND_SUM}",
    "cost 1": f"$2b$1${SALT_AND_SUM}",
    "cost 12 in three digits": f"$2b$012${SALT_AND_SUM}",
    "cost 12 in Arabic digits": f"$2b$1٢${SALT_AND_SUM}",
    "cost 12 in full-width digits": f"$2b$1２${SALT_AND_SUM}",
    "cost 12 with a superscript": f"$2b$1²${SALT_AND_SUM}",
    "cost 32": f"$2b$32${SALT_AND_SUM}",
    "no cost": f"$2b${SALT_AND_SUM}",
    "2x": f"$2x$12${SALT_AND_SUM}",
    "2": f"$2$12${SALT_AND_SUM}",
    "2B": f"$2B$12${SALT_AND_SUM}",
    "no salt": "$2b$12$",
    "one character missing": HASH[:-1],
    "half of it": HASH[:30],
    "only the salt": HASH[:29],
    "one too long": f"{HASH}a",
    "another character": f"{HASH[:-1]}!",
    "another letter": f"{HASH[:-1]}é",
    "a blank before it": f" {HASH}",
    "a blank after it": f"{HASH} ",
    "a tab after it": f"{HASH}\t",
    "a carriage return after it": f"{HASH}\r\r",
    "a form feed after it": f"{HASH}\f",
    "a NUL after it": f"{HASH}\0",
    "a no-break space after it": f"{HASH}\u00a0",
    "quotes": f'"{HASH}"',
    "a comment after it": f"{HASH} # left in May",
    "a third field": f"{HASH}:Bob",
    "a name with a colon": f"b:{HASH}",
    "the next user on the same line": f"{HASH}\u2028carol:{HASH}",
}


@pytest.mark.parametrize("digest", BAD_HASHES.values(), ids=BAD_HASHES.keys())
def test_hash_that_is_not_bcrypt_or_too_cheap(found, digest):
    code = "users-not-bcrypt" if digest.startswith(("$", "{")) else "users-no-hash"
    assert found(f"{ANNA}bob:{digest}\n") == [(code, at(2))]
    assert found(f"{ANNA}bob:{digest}\r\n{ANNA.replace('anna', 'carol')}") == [(code, at(2))]


BAD_NAMES = [
    *["", " bob", "bob ", "a b", "a\tb", "$host", "~.*", "*", ".bob", "-bob", "_bob", "@bob"],
    *["x" * 65, "é", "ånna", "ánna", "ｂｏｂ", "b٣", "bob\0", '"bob"', "b;", "b/b", "b\\"],
    *["\rbob", "{PLAIN}b", 'a"; return 200; #', "\ufeffbob"],
]


@pytest.mark.parametrize("user", BAD_NAMES)
def test_name_that_breaks_the_rule(found, user):
    assert found(f"{ANNA}{user}:{HASH}\n") == [("users-name", at(2))]
    assert not is_user_name(user)


@pytest.mark.parametrize("name", [None, 1, True, b"bob", ["bob"], {"bob": 1}])
def test_name_that_is_not_text(name):
    assert not is_user_name(name)


@pytest.mark.parametrize(
    "line", ["bob", HASH, "bob ", f"bob={HASH}", "=", "\ufeff", SECRET, f"anna {SECRET}"]
)
def test_line_without_a_colon(found, line):
    assert found(f"{ANNA}{line}\n") == [("users-name", at(2))]


@pytest.mark.parametrize("sign", ["\f", "\v", "\x1c", "\0", "\u00a0", "\u2028"])
def test_line_that_only_looks_blank(found, sign):
    lines = [("users-name", at(2)), ("users-name", at(3))]
    assert found(f"{ANNA}{sign}\n{sign}# x\n") == lines


@pytest.mark.parametrize("sign", ["\v", "\x1c", "\x85", "\u00a0", "\u2028"])
def test_line_of_the_environment_that_only_looks_blank(found, sign):
    assert found(HTPASSWD=f"{ANNA}{sign}") == [("users-name", at(2, "HTPASSWD"))]


def test_byte_order_mark(found):
    assert found(f"\ufeff{ANNA}bob:{HASH}\n") == [("users-name", at(1))]
    assert found(f"\ufeff# Users\n{ANNA}") == [("users-name", at(1))]


def test_bytes_that_are_not_utf_8(found):
    assert found(b"caf\xe9:" + HASH.encode()) == [("users-name", at(1))]
    assert found(b"anna:" + HASH.encode() + b"\xff") == [("users-not-bcrypt", at(1))]
    assert found(ANNA.encode("utf-16"))[0] == ("users-name", at(1))


def test_lines_that_end_as_on_old_macs(found):
    assert found(f"anna:{HASH}\rbob:{HASH}\r") == [("users-not-bcrypt", at(1))]


@pytest.mark.parametrize("sign", ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_only_lf_and_crlf_end_a_line(load, found, sign):
    """An editor counts no other lines, and nobody logs in by what it shows as a comment."""
    assert load(f"# left:{sign}bob:{HASH}\n{ANNA}") == ["anna"]
    assert found(f"# left:{sign}bob:{HASH}\ncarol:x\n") == [("users-no-hash", at(2))]


@pytest.mark.parametrize(
    "content", ["", "\n", "\r\n\r\n", " \t", "# anna\n", f"  #{ANNA}", "# nobody yet\n\n"]
)
def test_file_without_users(found, content):
    assert found(content) == [("users-none", ".htpasswd")]


def test_no_file(found):
    assert found() == [("users-missing", ".htpasswd")]


def test_folder_in_place_of_the_file(found, tmp_path):
    (tmp_path / ".htpasswd").mkdir()
    assert found() == [("users-unreadable", ".htpasswd")]


def test_file_that_may_not_be_read(load, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)  # root may read whatever chmod says
    with pytest.raises(UsersError, match=r"\.htpasswd: .*Permission denied"):
        load(ANNA)


@pytest.mark.parametrize("again", ["anna", "ANNA", "aNNa"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_duplicate_name(found, again, end):
    content = f"{ANNA}bob:{HASH}\n{again}:{HASH}\n".replace("\n", end)
    assert found(content) == [("users-duplicate", at(3))]


def test_duplicate_name_with_a_blank_line_between(found):
    assert found(f"{ANNA}\nAnna:{HASH}\n") == [("users-duplicate", at(3))]


def test_name_three_times(load):
    with pytest.raises(UsersError) as caught:
        load(f"# x\n{ANNA}{ANNA}Anna:{HASH}")
    first, second = caught.value.findings
    assert (first.where, second.where) == (at(3), at(4))
    assert "line 2" in first.text
    assert "line 2" in second.text


def test_duplicate_name_where_neither_hash_is_valid(found):
    assert found("anna:$x\nanna:$y\n") == [
        ("users-not-bcrypt", at(1)),
        ("users-not-bcrypt", at(2)),
        ("users-duplicate", at(2)),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_findings_at_once_with_the_line_numbers_of_an_editor(found, end):
    lines = ["# users", "", f"anna:{HASH}", "bob:{PLAIN}x", " ", f"$host:{HASH}", "# more"]
    lines += [f"ANNA:{HASH}", f"carol:{HASH}", "dave:$2b$04$" + SALT_AND_SUM, "erin:x", "frank"]
    assert found(end.join(lines)) == [
        ("users-not-bcrypt", at(4)),
        ("users-name", at(6)),
        ("users-duplicate", at(8)),
        ("users-not-bcrypt", at(10)),
        ("users-no-hash", at(11)),
        ("users-name", at(12)),
    ]


@pytest.mark.parametrize(
    ("content", "command"),
    [
        (None, "manage.py passwd anna"),
        ("", "manage.py passwd anna"),
        ("bob:{PLAIN}x", "manage.py passwd bob"),
        ("bob:x", "manage.py passwd anna"),
        ("b b:x", "manage.py passwd anna"),
    ],
)
def test_hint_names_the_command(load, content, command):
    with pytest.raises(UsersError, match=re.escape(command)):
        load(content)


# -- HTPASSWD in the environment -------------------------------------------------------------------


@pytest.mark.parametrize("file", [None, "bob:{PLAIN}x\n", f"bob:{HASH}\n"])
def test_htpasswd_in_the_environment_replaces_the_file(load, file):
    users = f"# users\r\n{ANNA}carol:{HASH}"
    assert load(file, HTPASSWD=users) == ["anna", "carol"]


def test_findings_of_the_environment_name_the_variable(found):
    assert found(ANNA, HTPASSWD=f"bob:{{PLAIN}}x\na b:{HASH}\n") == [
        ("users-not-bcrypt", at(1, "HTPASSWD")),
        ("users-name", at(2, "HTPASSWD")),
    ]


@pytest.mark.parametrize("value", ["", "\n", "# nobody"])
def test_empty_htpasswd_in_the_environment_replaces_the_file_too(found, value):
    assert found(ANNA, HTPASSWD=value) == [("users-none", "HTPASSWD")]


@pytest.mark.parametrize(
    ("line", "code"),
    {
        f"\ufeffanna:{HASH}": "users-name",
        f"caf\udce9:{HASH}": "users-name",
        "https://b\udcff": "users-no-hash",
        f"b٣:{HASH}": "users-name",
        f"anna:{HASH}\udcff": "users-not-bcrypt",
        f"anna:$2b$1٢${SALT_AND_SUM}": "users-not-bcrypt",
    }.items(),
)
def test_environment_with_other_characters_than_ascii(found, line, code):
    assert found(HTPASSWD=line) == [(code, at(1, "HTPASSWD"))]


WRONG_LINES = [
    # What nginx, or a reader in a hurry, would take for a user.
    *["carol", SECRET, f"anna {SECRET}", "carol:", f":{SECRET}", f"a:b:{SECRET}"],
    *[f"carol:{SECRET}", f"carol:{{PLAIN}}{SECRET}", "carol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
    *["carol:$apr1$salt$aIVvMbWMsnnwkFyWpYCaO1", "carol:$1$salt$qJH7.N4xYta3aEG/dfqo/0"],
    *["carol:rqXexS6ZhobKA", f"carol:$5$salt${'x' * 43}", f"carol:$6$salt${'x' * 86}"],
    *[f"carol:${kind}${'x' * 53}" for kind in ("2b$09", "2b$04", "2b$32", "2b$1", "2x$12", "2$12")],
    *[f"carol:$2b$1{digit}${'x' * 53}" for digit in "٢２²"],
    *[f"carol:$2b$12${'x' * length}" for length in (0, 52, 54)],
    *[f"{name}:{HASH}" for name in ("anna", "ANNA", ".anna", "$host", "ánna", "a" * 65)],
    *[f"carol:{HASH} ", f" carol:{HASH}", f"\ufeffcarol:{HASH}", f"anna:{HASH}\r"],
    f"carol:{HASH}:x",
]


@pytest.mark.parametrize("line", WRONG_LINES)
def test_wrong_line_between_two_users(found, line):
    content = f"# two users\n{ANNA}{line}\n\nbob:{HASH}\n"
    assert {where for _, where in found(HTPASSWD=content)} == {at(3, "HTPASSWD")}


# -- No finding shows a password -------------------------------------------------------------------

SECRETS = [SECRET, "correct horse battery", "Pässwörd!", "{PLAIN}hunter2"]
WRONG_PLACES = {
    "as a hash": "anna:SECRET",
    "as a name": f"SECRET:\n{ANNA}",
    "as a name, and the name as the hash": "SECRET:anna\nSECRET:anna",
    "as a hash, after a mark": "anna:{PLAIN}SECRET",
    "after a hash": f"anna:{HASH}SECRET",
    "after a hash and a blank": f"anna:{HASH} SECRET",
    "after a hash and a colon": f"anna:{HASH}:SECRET",
    "after a blank": "anna SECRET",
    "after a tab and before a colon": f"anna\tSECRET:{HASH}",
    "on a line of its own": f"anna:{HASH}\nSECRET",
    "on a line of its own, with CRLF": f"anna:{HASH}\r\nSECRET\r\n",
    "after a blank on a line of its own": " SECRET",
    "after a colon": ":SECRET",
    "after a bad name": "$host:SECRET",
    "after a name with a mark before it": "\ufeffanna:SECRET",
    "of a duplicate user": f"anna:{HASH}\nanna:SECRET",
}


@pytest.mark.parametrize("place", ["file", "environment"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("content", WRONG_PLACES.values(), ids=WRONG_PLACES.keys())
def test_password_in_the_wrong_place_is_not_shown(load, content, secret, place):
    content = content.replace("SECRET", secret)
    given = {"content": content} if place == "file" else {"HTPASSWD": content}
    with pytest.raises(UsersError) as caught:
        load(**given)
    message = str(caught.value)
    assert secret not in message
    assert secret.encode("ascii", "backslashreplace").decode() not in message
    assert HASH not in message


PIECES = ["anna", "bob", ":", HASH, f"anna:{HASH}", "\n", "\r\n", "\r", "#", " ", "\t", "\ufeff"]
PIECES += ["$host", "{PLAIN}", "é", "\u2028", "\0", "x" * 64]
pieces = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(before=pieces, after=pieces)
def test_text_that_cannot_be_a_name_is_never_shown(tmp_path_factory, before, after):
    folder = tmp_path_factory.getbasetemp()
    (folder / ".htpasswd").write_bytes(f"{before}hunter2!{after}".encode())
    message, users = "", []
    try:
        users = load_users(folder, {})
    except UsersError as error:
        message = str(error)
    assert bool(users) != bool(message)
    assert "hunter2!" not in message
    assert HASH not in message
    assert message.isascii()
    assert {user.name for user in users} <= {"anna", "bob", "x" * 64}  # it is in a comment


@given(content=htpasswd_files(), in_environment=st.booleans())
def test_any_file_is_refused_with_its_lines_or_read_as_it_is(
    tmp_path_factory, content, in_environment
):
    """nginx gets only lines that are in the file, for names that keep their rule."""
    folder = tmp_path_factory.getbasetemp()
    (folder / ".htpasswd").write_bytes(b"" if in_environment else content)
    environ = {"HTPASSWD": os.fsdecode(content)} if in_environment else {}
    place = "HTPASSWD" if in_environment else ".htpasswd"
    lines = re.split(r"\r?\n", os.fsdecode(content))
    try:
        users = load_users(folder, environ)
    except UsersError as error:
        for finding in error.findings:
            number = re.fullmatch(rf"{re.escape(place)}(?:, line (\d+))?", finding.where)
            assert number
            assert number[1] is None or int(number[1]) <= len(lines)
    else:
        names = [user.name for user in users]
        written = [line for line in lines if "$2" in line and line.lstrip(" \t")[0] != "#"]
        assert names == [line.partition(":")[0] for line in written]
        assert {user.line for user in users} <= set(lines)
        assert len({name.lower() for name in names}) == len(names) > 0
