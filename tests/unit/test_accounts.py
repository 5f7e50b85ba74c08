"""accounts.py: adding, changing and removing users in .htpasswd."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HASH, NAMES, PASSWORDS

from apphub import accounts, passwords
from apphub.accounts import (
    describe_users,
    list_names,
    remove_user,
    set_password,
    validate_user_name,
)
from apphub.finding import InvalidInput
from apphub.users import User, load_users

OTHER = "another good password"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    """The cheapest hashes that there are; the project accepts them from 10 on."""
    monkeypatch.setattr(passwords, "BCRYPT_COST", 4)


def hashes(project) -> dict[str, bytes]:
    lines = [line for line in project.read(".htpasswd").splitlines() if ":" in line]
    return {user: digest.encode() for user, _, digest in (line.partition(":") for line in lines)}


def mode(project) -> int:
    return stat.S_IMODE((project.path / ".htpasswd").stat().st_mode)


def test_new_user(project):
    assert set_password("bob@example.com", OTHER, project.path)
    assert list(hashes(project)) == ["anna.b", "bob@example.com"]
    assert hashes(project)["anna.b"].decode() == HASH
    assert bcrypt.checkpw(OTHER.encode(), hashes(project)["bob@example.com"])
    assert mode(project) == 0o600


def test_new_password(project):
    set_password("bob", OTHER, project.path)
    assert not set_password("anna.b", OTHER, project.path)
    assert list(hashes(project)) == ["anna.b", "bob"]
    assert bcrypt.checkpw(OTHER.encode(), hashes(project)["anna.b"])


def test_without_the_file_it_is_created(project):
    (project.path / ".htpasswd").unlink()
    assert list_names(project.path) == []
    assert set_password("bob", OTHER, project.path)
    assert re.fullmatch(r"bob:\S+\n", project.read(".htpasswd"))
    assert mode(project) == 0o600


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("a:b", OTHER, "'a:b' is not valid"),
        ("", OTHER, "'' is not valid"),
        ("ANNA.B", OTHER, "'anna.b' exists"),
        ("bob", "short", "12 to 72 bytes"),
    ],
)
def test_input_that_breaks_a_rule_changes_nothing(project, user, password, reason):
    before = project.files
    with pytest.raises(InvalidInput, match=reason):
        set_password(user, password, project.path)
    assert project.files == before


@pytest.mark.parametrize("name", ["anna.b", "x" * 64, "0"])
def test_valid_user_name(name):
    validate_user_name(name)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, ".a", "é"])
def test_invalid_user_name(name):
    with pytest.raises(InvalidInput, match=f"{name!r}.*Example: anna.b"):
        validate_user_name(name)


# -- However an editor has saved the file ----------------------------------------------------------


def test_lines_of_a_duplicate_user_become_one(project):
    project.write(".htpasswd", "anna.b:first\nbob:x\nanna.b:second\n")
    set_password("anna.b", OTHER, project.path)
    assert list(hashes(project)) == ["anna.b", "bob"]
    assert project.read(".htpasswd").count("anna.b") == 1


def test_file_saved_on_windows(project):
    project.write(".htpasswd", "anna.b:first\r\nbob:x")
    set_password("carol", OTHER, project.path)
    assert list(hashes(project)) == ["anna.b", "bob", "carol"]
    assert "\r" not in project.read(".htpasswd")


def test_byte_order_mark_makes_no_second_user(project):
    project.write(".htpasswd", "\ufeff" + project.read(".htpasswd"))
    set_password("anna.b", OTHER, project.path)
    assert list(hashes(project)) == ["anna.b"]


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r\n").rstrip(),
        lambda text: f"\ufeff{text}",
        lambda text: f"\ufeff# Users\r\n{text}",
        lambda text: f"\n# Ünal left\n\n{text}\r\n \n# end",
    ],
    ids=["CRLF", "CRLF but at the end", "mark", "mark before a comment", "comments"],
)
def test_new_users_and_old_ones_can_log_in(project, monkeypatch, saved):
    (project.path / ".htpasswd").write_bytes(saved(project.read(".htpasswd")).encode())
    monkeypatch.setattr(accounts, "hash_password", lambda password: HASH)
    set_password("bob", OTHER, project.path)
    assert load_users(project.path, {}) == [User("anna.b", HASH), User("bob", HASH)]


def test_comments_and_blank_lines_stay_where_they_are(project):
    before = f"# first\n\nbob:{HASH}\n# anna.b:x\nanna.b:{HASH}\n\n# Ünal left\ncarol:{HASH}\n"
    project.write(".htpasswd", before)
    set_password("anna.b", OTHER, project.path)
    digest = hashes(project)["anna.b"].decode()
    assert project.read(".htpasswd") == before.replace(f"anna.b:{HASH}", f"anna.b:{digest}")


@pytest.mark.parametrize("change", [lambda root: set_password("bob", OTHER, root), list_names])
def test_file_that_is_not_utf_8(project, change):
    (project.path / ".htpasswd").write_bytes(b"anna.b:caf\xe9\n")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        change(project.path)
    assert (project.path / ".htpasswd").read_bytes() == b"anna.b:caf\xe9\n"


def test_folder_in_place_of_the_file(project):
    (project.path / ".htpasswd").unlink()
    (project.path / ".htpasswd").mkdir()
    with pytest.raises(InvalidInput, match="Is a directory"):
        set_password("bob", OTHER, project.path)


def test_interrupted_it_leaves_the_old_file(project, monkeypatch):
    before = project.files

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        set_password("bob", OTHER, project.path)
    assert project.files == before


# -- Removing --------------------------------------------------------------------------------------


def test_removed_user(project):
    project.write(".htpasswd", f"# team: us\n{project.read('.htpasswd')}bob:{HASH}\n")
    remove_user("anna.b", project.path)
    assert project.read(".htpasswd") == f"# team: us\nbob:{HASH}\n"
    assert mode(project) == 0o600


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("anna.b", "anna.b is the only user"),
        ("Anna.b", "no user 'Anna.b'.*Users: anna.b."),
        ("", "no user ''"),
    ],
)
def test_user_who_cannot_be_removed(project, user, reason):
    before = project.files
    with pytest.raises(InvalidInput, match=reason):
        remove_user(user, project.path)
    assert project.files == before


def test_duplicate_only_user_cannot_be_removed(project):
    project.write(".htpasswd", f"bob:{HASH}\nbob:{HASH}\n")
    with pytest.raises(InvalidInput, match="only user"):
        remove_user("bob", project.path)


def test_nobody_to_remove(project):
    (project.path / ".htpasswd").unlink()
    with pytest.raises(InvalidInput, match=r"no user 'bob'.*no users yet"):
        remove_user("bob", project.path)


def test_names_are_listed_valid_or_not(project):
    project.write(".htpasswd", f"# x\nanna.b:{HASH}\n\n$host:x\nbob\n")
    assert list_names(project.path) == ["anna.b", "$host", "bob"]
    assert describe_users(["anna.b", "bob"]) == "Users: anna.b, bob."


@settings(max_examples=25)
@given(
    pairs=st.lists(
        st.tuples(NAMES, PASSWORDS), min_size=1, max_size=4, unique_by=lambda pair: pair[0].lower()
    )
)
def test_any_added_users_are_read_back(tmp_path_factory, pairs):
    root = tmp_path_factory.getbasetemp()
    htpasswd = root / ".htpasswd"
    htpasswd.unlink(missing_ok=True)
    for name, password in pairs:
        assert set_password(name, password, root)
        if name.swapcase() != name:
            with pytest.raises(InvalidInput, match="differs only in case"):
                set_password(name.swapcase(), password, root)
    for line, (name, password) in zip(htpasswd.read_text().splitlines(), pairs, strict=True):
        user, _, digest = line.partition(":")
        assert user == name
        assert bcrypt.checkpw(password.encode(), digest.encode())
    htpasswd.write_text(htpasswd.read_text().replace(":$2b$04$", ":$2b$10$"))
    assert [user.name for user in load_users(root, {})] == [name for name, _ in pairs]
