"""users.py of the generated project: who may log in, and what is said of what is no user."""

from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

SALT_AND_SUM = "./AZaz09" * 6 + "abcde"  # 53 characters; no password has this hash
HASH = f"$2b$12${SALT_AND_SUM}"
GOOD = f"anna:{HASH}\n"
RULE = "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"


def no_user(number: int, place: str = ".htpasswd") -> str:
    return (
        f"{place}, line {number}: no user name stands before a colon. The rule: {RULE}. "
        "Delete the line, and add the user: python manage.py passwd anna"
    )


def no_bcrypt(number: int, user: str, place: str = ".htpasswd") -> str:
    return (
        f"{place}, line {number}: what {user} has is not bcrypt of cost 10 or more. "
        f"Give a password anew: python manage.py passwd {user}"
    )


def no_hash(number: int) -> str:
    return (
        f".htpasswd, line {number}: no hash stands after the colon. Delete the line, and add "
        "the user: python manage.py passwd anna"
    )


def twice(number: int, user: str, earlier: int) -> str:
    return (
        f".htpasswd, line {number}: {user} stands in line {earlier} already (capitals do not "
        "count). Delete one of the two."
    )


@pytest.fixture(scope="module")
def users(code):
    """users.py, imported once."""
    return code.load("users")


@pytest.fixture
def load(users, tmp_path, monkeypatch):
    """Return the users of an .htpasswd with this content, or of what is there."""
    monkeypatch.delenv("HTPASSWD", raising=False)

    def load(content: str | bytes | None = None) -> list[str]:
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / ".htpasswd").write_bytes(data)
        return users.load_users(tmp_path)

    return load


@pytest.fixture
def told(load, users):
    """Return the lines of the UsersError about an .htpasswd with this content."""

    def told(content: str | bytes | None = None) -> list[str]:
        with pytest.raises(users.UsersError) as caught:
            load(content)
        return str(caught.value).split("\n")

    return told


FILES = {
    "LF": f"anna:{HASH}\nbob:{HASH}\n",
    "CRLF": f"anna:{HASH}\r\nbob:{HASH}\r\n",
    "LF and CRLF": f"anna:{HASH}\r\nbob:{HASH}\n",
    "no line end at the end": f"anna:{HASH}\nbob:{HASH}",
    "CRLF, but not at the end": f"anna:{HASH}\r\nbob:{HASH}",
    "blank lines": f"\n\nanna:{HASH}\n \t\n\nbob:{HASH}\n\n  ",
    "blank lines with CRLF": f"\r\nanna:{HASH}\r\n \t\r\nbob:{HASH}\r\n\r\n",
    "comments": f"# Who may come in\nanna:{HASH}\n \t# carol:{{PLAIN}}x\n#\nbob:{HASH}\n# end",
    "comments in UTF-8": f"# Ünal, 売上\u2028\u0085\nanna:{HASH}\nbob:{HASH}\n",
    "comments in Latin-1": b"# caf\xe9\r\n" + f"anna:{HASH}\nbob:{HASH}\n".encode(),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_good_file(load, content):
    assert load(content) == ["anna", "bob"]


def test_users_come_in_the_order_of_their_lines(load):
    assert load(f"zoe:{HASH}\nanna:{HASH}\nmax:{HASH}\n") == ["zoe", "anna", "max"]


@pytest.mark.parametrize(
    "user", ["a", "9", "Anna", "anna.b", "bob@example.com", "a_b-c", "0.", "x" * 64]
)
def test_a_good_name(load, user):
    assert load(f"{user}:{HASH}\n") == [user]


@pytest.mark.parametrize("cost", ["10", "12", "19", "20", "29", "30", "31"])
@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_a_good_hash(load, version, cost):
    assert load(f"anna:${version}${cost}${SALT_AND_SUM}\n") == ["anna"]


@pytest.mark.parametrize("version", [b"2a", b"2b"])
def test_a_hash_as_bcrypt_makes_it(load, version):
    digest = bcrypt.hashpw(b"a good password", bcrypt.gensalt(10, prefix=version)).decode()
    assert load(f"anna:{digest}\n") == ["anna"]


BAD_HASHES = {
    "none": "",
    "clear text": "hunter2hunter2",
    "{PLAIN}": "{PLAIN}hunter2hunter2",
    "{SHA}": "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "{SSHA}": "{SSHA}qDKAGMnRcQ6dGGuYVXkqrnqzJV5hbG9l",
    "MD5 of Apache": "$apr1$Xq3fSnuK$eOzAQDjeDtZ4eUq0lDsbo.",
    "MD5": "$1$Xq3fSnuK$eOzAQDjeDtZ4eUq0lDsbo.",
    "SHA-512": "$6$saltsalt$" + "a" * 86,
    "DES": "rqXexS6ZhobKA",
    "cost 0": f"$2b$00${SALT_AND_SUM}",
    "cost 4": f"$2b$04${SALT_AND_SUM}",
    "cost 5": f"$2y$05${SALT_AND_SUM}",
    "cost 9": f"$2b$09${SALT_AND_SUM}",
    "cost 9 in one digit": f"$2b$9${SALT_AND_SUM}",
    "cost 12 in three digits": f"$2b$012${SALT_AND_SUM}",
    "cost 32": f"$2b$32${SALT_AND_SUM}",
    "no cost": f"$2b${SALT_AND_SUM}",
    "2x": f"$2x$12${SALT_AND_SUM}",
    "2": f"$2$12${SALT_AND_SUM}",
    "2B": f"$2B$12${SALT_AND_SUM}",
    "cut by one": HASH[:-1],
    "cut in half": HASH[:30],
    "salt alone": HASH[:29],
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
def test_a_hash_that_is_no_bcrypt_or_a_cheap_one(told, digest):
    fault = no_bcrypt(2, "bob") if digest.startswith(("$", "{")) else no_hash(2)
    assert told(f"{GOOD}bob:{digest}\n") == [fault]
    assert told(f"{GOOD}bob:{digest}\r\n{GOOD.replace('anna', 'carol')}") == [fault]


BAD_NAMES = ["", " bob", "bob ", "a b", "a\tb", "$host", "~.*", "*", ".bob", "-bob", "_bob", "@bob"]
BAD_NAMES += [
    "x" * 65,
    "é",
    "ｂｏｂ",
    "b٣",
    "bob\0",
    '"bob"',
    "b;",
    "b/b",
    "b\\",
    "\rbob",
    "{PLAIN}b",
]


@pytest.mark.parametrize("user", BAD_NAMES)
def test_a_name_that_breaks_the_rule(told, users, user):
    assert told(f"{GOOD}{user}:{HASH}\n") == [no_user(2)]
    assert not users.is_user(user)


@pytest.mark.parametrize("name", [None, 1, True, b"bob", ["bob"], {"bob": 1}])
def test_what_is_no_text_is_no_name(users, name):
    assert not users.is_user(name)


@pytest.mark.parametrize("line", ["bob", HASH, "bob ", f"bob={HASH}", "=", "\ufeff"])
def test_a_line_without_a_colon(told, line):
    assert told(f"{GOOD}{line}\n") == [no_user(2)]


@pytest.mark.parametrize("sign", ["\f", "\v", "\x1c", "\0", "\u00a0", "\u2028"])
def test_a_line_that_only_looks_blank(told, sign):
    assert told(f"{GOOD}{sign}\n{sign}# x\n") == [no_user(2), no_user(3)]


@pytest.mark.parametrize("sign", ["\v", "\x1c", "\x85", "\u00a0", "\u2028"])
def test_a_line_of_the_environment_that_only_looks_blank(told, monkeypatch, sign):
    """Python takes more signs for blanks than Ruby, at the door, does."""
    monkeypatch.setenv("HTPASSWD", f"{GOOD}{sign}")
    assert told() == [no_user(2, "HTPASSWD")]


def test_a_byte_order_mark(told):
    assert told(f"\ufeff{GOOD}bob:{HASH}\n") == [no_user(1)]
    assert told(f"\ufeff# Who may come in\n{GOOD}") == [no_user(1)]


def test_bytes_that_are_no_utf_8(told):
    assert told(b"caf\xe9:" + HASH.encode()) == [no_user(1)]
    assert told(b"anna:" + HASH.encode() + b"\xff") == [no_bcrypt(1, "anna")]
    assert told(GOOD.encode("utf-16"))[0] == no_user(1)


def test_lines_that_end_as_on_old_macs(told):
    assert told(f"anna:{HASH}\rbob:{HASH}\r") == [no_bcrypt(1, "anna")]


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n", " \t", "# anna\n", f"  #{GOOD}"])
def test_a_file_without_a_user(told, content):
    assert told(content) == [
        ".htpasswd holds no user, so nobody could log in. Write a line a user."
    ]


def test_no_file(told):
    assert told() == [
        ".htpasswd is not there, so nobody could log in. Add a user: python manage.py passwd anna"
    ]


def test_a_folder_in_its_place(told, tmp_path):
    (tmp_path / ".htpasswd").mkdir()
    assert told() == [".htpasswd cannot be read: Is a directory."]


def test_a_file_that_may_not_be_read(told, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)  # root may read whatever chmod says
    assert told(GOOD) == [".htpasswd cannot be read: Permission denied."]


@pytest.mark.parametrize("again", ["anna", "ANNA", "aNNa"])
def test_a_name_twice(told, again):
    assert told(f"{GOOD}bob:{HASH}\n{again}:{HASH}\n") == [twice(3, again, 1)]


def test_a_name_three_times(told):
    assert told(f"# x\n{GOOD}{GOOD}Anna:{HASH}") == [twice(3, "anna", 2), twice(4, "Anna", 2)]


def test_a_name_twice_where_neither_has_a_good_hash(told):
    assert told("anna:$x\nanna:$y\n") == [
        no_bcrypt(1, "anna"),
        no_bcrypt(2, "anna"),
        twice(2, "anna", 1),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_faults_at_once_with_the_numbers_an_editor_shows(told, end):
    lines = ["# users", "", f"anna:{HASH}", "bob:{PLAIN}x", " ", f"$host:{HASH}", "# more"]
    lines += [f"ANNA:{HASH}", f"carol:{HASH}", "dave:$2b$04$" + SALT_AND_SUM]
    assert told(end.join(lines)) == [
        no_bcrypt(4, "bob"),
        no_user(6),
        twice(8, "ANNA", 3),
        no_bcrypt(10, "dave"),
    ]


@pytest.mark.parametrize("file", [None, "bob:{PLAIN}x\n", f"bob:{HASH}\n"])
def test_htpasswd_in_the_environment_stands_in_for_the_file(load, monkeypatch, file):
    monkeypatch.setenv("HTPASSWD", f"# users\r\n{GOOD}carol:{HASH}")
    assert load(file) == ["anna", "carol"]


def test_faults_of_the_environment_are_named_as_such(told, monkeypatch):
    monkeypatch.setenv("HTPASSWD", f"bob:{{PLAIN}}x\na b:{HASH}\n")
    assert told(GOOD) == [no_bcrypt(1, "bob", "HTPASSWD"), no_user(2, "HTPASSWD")]


@pytest.mark.parametrize("value", ["", "\n", "# nobody"])
def test_an_empty_htpasswd_in_the_environment_does_not_fall_back_to_the_file(
    told, monkeypatch, value
):
    monkeypatch.setenv("HTPASSWD", value)
    assert told(GOOD) == ["HTPASSWD holds no user, so nobody could log in. Write a line a user."]


@pytest.mark.parametrize(
    ("line", "said"),
    {
        f"\ufeffanna:{HASH}": no_user(1, "HTPASSWD"),
        f"caf\udce9:{HASH}": no_user(1, "HTPASSWD"),
        f"b٣:{HASH}": no_user(1, "HTPASSWD"),
        f"anna:{HASH}\udcff": no_bcrypt(1, "anna", "HTPASSWD"),
        f"anna:$2b$1٢${SALT_AND_SUM}": no_bcrypt(1, "anna", "HTPASSWD"),
    }.items(),
)
def test_the_environment_is_not_ascii_alone(told, monkeypatch, line, said):
    """Python takes digits of every script for digits; Ruby, at the door, does not."""
    monkeypatch.setenv("HTPASSWD", line)
    assert told() == [said]


SECRETS = ["hunter2-hunter2", "correct horse battery", "Pässwörd!", "{PLAIN}hunter2"]
WRONG_PLACES = {
    "for a hash": "anna:SECRET",
    "for a name": f"SECRET:\n{GOOD}",
    "for a name that stands for the hash": "SECRET:anna\nSECRET:anna",
    "for a hash, after a mark": "anna:{PLAIN}SECRET",
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
    "of somebody who is there twice": f"anna:{HASH}\nanna:SECRET",
}


@pytest.mark.parametrize("place", ["file", "environment"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("content", WRONG_PLACES.values(), ids=WRONG_PLACES.keys())
def test_a_password_in_the_wrong_place_is_not_shown(told, monkeypatch, content, secret, place):
    content = content.replace("SECRET", secret)
    if place == "environment":
        monkeypatch.setenv("HTPASSWD", content)
        content = None
    said = "\n".join(told(content))
    shown = secret.encode("ascii", "backslashreplace").decode()
    assert secret not in said
    assert shown not in said
    assert HASH not in said


PIECES = ["anna", "bob", ":", HASH, f"anna:{HASH}", "\n", "\r\n", "\r", "#", " ", "\t", "\ufeff"]
PIECES += ["$host", "{PLAIN}", "é", "\u2028", "\0", "x" * 64]
pieces = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(before=pieces, after=pieces)
def test_what_cannot_be_a_name_is_never_shown(users, tmp_path_factory, before, after):
    folder = tmp_path_factory.getbasetemp()
    (folder / ".htpasswd").write_bytes(f"{before}hunter2!{after}".encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HTPASSWD", raising=False)
        try:
            found = users.load_users(folder)
        except users.UsersError as error:
            assert "hunter2!" not in str(error)
            assert HASH not in str(error)
            assert str(error).isascii()
        else:
            assert set(found) <= {"anna", "bob", "x" * 64}  # it stands in a comment


@pytest.mark.parametrize("sign", ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_only_lf_and_crlf_end_a_line(load, told, sign):
    """An editor counts no other lines, and what another sign hides in a comment is no user."""
    assert load(f"# left:{sign}bob:{HASH}\n{GOOD}") == ["anna"]
    assert told(f"# left:{sign}bob:{HASH}\ncarol:x\n") == [no_hash(2)]
