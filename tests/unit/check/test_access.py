"""Users, menu and settings: what would let somebody in or keep somebody out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from check_helpers import file
from strategies import HASH

from apphub.check import access, check_access

if TYPE_CHECKING:
    from baked import BakedProject
    from check_helpers import Found


def show_apps_to(project: BakedProject, *users: object) -> None:
    """Write a menu with one app for each of the given lists of users."""
    apps = [
        {"name": f"App {number}", "module": f"apps.app_{number}", "users": names}
        for number, names in enumerate(users, 1)
    ]
    project.write("apps.json", json.dumps(apps))


def found(project: BakedProject, **environ: str) -> Found:
    return [(finding.code, finding.where) for finding in check_access(project.path, environ)]


def unknown(entry: int) -> tuple[str, str]:
    return "access-unknown-user", f"apps.json, entry {entry}"


def test_valid_project(project, findings):
    assert check_access(project.path, {}) == findings(access.check) == []


def test_users_of_the_menu_who_can_log_in(project):
    project.write(".htpasswd", f"anna.b:{HASH}\nBob:{HASH}\n")
    show_apps_to(project, ["anna.b"], ["Bob", "anna.b"])
    assert found(project) == []


def test_users_of_the_menu_who_cannot_log_in(project):
    show_apps_to(project, ["anna.b", "carol"], ["anna.b"], ["dave@example.com", "carol"])
    findings = check_access(project.path, {})
    assert [(finding.code, finding.where) for finding in findings] == [
        *(unknown(1), unknown(3), unknown(3))
    ]
    for finding, user in zip(findings, ("carol", "dave@example.com", "carol"), strict=True):
        assert finding.text.startswith(f"{user}, ")
        assert finding.hint.startswith(f"Add the user: python manage.py passwd {user}, ")


def test_user_of_the_menu_in_other_case(project):
    """passwd refuses a name that differs only in case, so the hint is to write the other one."""
    show_apps_to(project, ["Anna.B", "anna.b"])
    [finding] = check_access(project.path, {})
    assert (finding.code, finding.where) == unknown(1)
    assert finding.hint == "Write anna.b, or remove the name."


def test_users_in_the_environment_replace_those_in_the_file(project):
    show_apps_to(project, ["anna.b"], ["bob"])
    assert found(project) == [unknown(2)]
    assert found(project, HTPASSWD=f"anna.b:{HASH}\nbob:{HASH}") == []
    assert found(project, HTPASSWD=f"bob:{HASH}") == [unknown(1)]


def test_bad_file_where_the_environment_has_the_users(project):
    project.write(".htpasswd", "anna.b:{PLAIN}x\n")
    assert found(project, HTPASSWD=f"anna.b:{HASH}") == []
    assert found(project, HTPASSWD="") == [("users-none", "HTPASSWD")]


def test_everything_in_one_list(project):
    project.write(".htpasswd", f"anna.b:{{PLAIN}}x\r\n$host:{HASH}\r\n")
    show_apps_to(project, [], "anna")
    assert found(project, SESSION_SECRET="short", FRAME_ANCESTORS="*") == [
        ("users-not-bcrypt", ".htpasswd, line 1"),
        ("users-name", ".htpasswd, line 2"),
        ("menu-users", "apps.json, entry 1"),
        ("menu-users", "apps.json, entry 2"),
        ("settings-origin", "FRAME_ANCESTORS"),
        ("settings-secret-length", "SESSION_SECRET"),
    ]


def test_menu_and_settings_in_one_list(project):
    show_apps_to(project, ["carol"])
    assert found(project, SESSION_SECRET="short") == [
        unknown(1),
        ("settings-secret-length", "SESSION_SECRET"),
    ]


def test_unknown_users_while_the_users_are_not_valid(project):
    """It may be the broken line that is theirs: adding them would be wrong advice."""
    project.write(".htpasswd", "anna.b:{PLAIN}x\n")
    show_apps_to(project, ["anna.b", "carol"])
    assert found(project) == [("users-not-bcrypt", ".htpasswd, line 1")]


def test_missing_files(project):
    (project.path / ".htpasswd").unlink()
    (project.path / "apps.json").unlink()
    assert found(project) == [("users-missing", ".htpasswd"), ("menu-missing", "apps.json")]


def test_empty_menu(project):
    project.write("apps.json", "[]")
    assert found(project) == [("menu-empty", "apps.json")]


@pytest.mark.parametrize("variable", ["APP_IDLE_MINUTES", "NGINX_WORKERS", "STREAMLIT_PROCESSES"])
def test_numbers(project, variable):
    assert found(project, **{variable: "16"}) == []
    for value in ("", "eight", "-1", "1.5", "٣"):
        assert found(project, **{variable: value}) == [("settings-number", variable)]


def test_upload_size_is_streamlits_business(project):
    assert found(project, STREAMLIT_SERVER_MAX_UPLOAD_SIZE="eight") == []


def test_secrets_in_the_environment_replace_those_in_the_file(project):
    file(".streamlit/secrets.toml", 'key = """hunter2')(project)
    assert found(project) == [("secrets-toml", ".streamlit/secrets.toml, end of document")]
    assert found(project, SECRETS='key = "hunter2"') == []
    findings = check_access(project.path, {"SECRETS": "a = 1\nkey = hunter2", "NGINX_WORKERS": "0"})
    assert [(finding.code, finding.where) for finding in findings] == [
        ("settings-number", "NGINX_WORKERS"),
        ("secrets-toml", "SECRETS, line 2, column 7"),
    ]
    assert "hunter2" not in "".join(map(str, findings))
