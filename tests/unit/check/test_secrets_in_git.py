"""Secrets and generated files in git."""

from __future__ import annotations

import pytest
from baked import BakedProject
from check_helpers import Change, add_to_git, copy_files, file, git

from apphub.check import describe_secret, secrets_in_git
from apphub.check.report import CheckSkipped

# In two pieces, so that a scanner finds no key here.
KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n"
ACCOUNT = '{"type":"service_account","private_key":"-----BEGIN ' + 'PRIVATE KEY-----\\nMII"}'
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"

HOLDS_SECRETS, HOLDS_KEY = "contains secrets", "contains a private key"
GENERATED = "is generated at every start and contains password hashes"

SECRETS = {
    "Streamlit's": (".streamlit/secrets.toml", "a = 1", HOLDS_SECRETS),
    "of an app in a folder": ("apps/sales/.streamlit/secrets.toml", "a = 1", HOLDS_SECRETS),
    ".env": (".env", "A=1", HOLDS_SECRETS),
    ".envrc": (".envrc", "A=1", HOLDS_SECRETS),
    "another .env": ("prod.ENV", "A=1", HOLDS_SECRETS),
    ".netrc": (".netrc", "machine a", HOLDS_SECRETS),
    "a copy of Streamlit's": (".streamlit/secrets.toml.bak", "a = 1", HOLDS_SECRETS),
    ".env elsewhere": ("config/.env.production", "A=1", HOLDS_SECRETS),
    "a key": ("deploy_key", KEY, HOLDS_KEY),
    "a key behind its certificate": ("db.pem", f"{CERTIFICATE}{KEY}", HOLDS_KEY),
    "Google's key": ("account.json", ACCOUNT, HOLDS_KEY),
}
GENERATED_FILES = [
    "config/generated/htpasswd",
    "config/generated/sessions.map",
    "config/nginx.conf",
    "config/htpasswd",  # until 2026.11.1
]
ALLOWED: dict[str, Change] = {
    "an example": file(".env.example", "A="),
    "the certificates of a database": file("ca.pem", CERTIFICATE),
    "a text about keys": file("notes.md", f"It begins with {KEY}"),
    "a dangling link": lambda project: (project.path / "link").symlink_to("/nothing/at/all"),
}


@pytest.mark.parametrize(("name", "content", "reason"), SECRETS.values(), ids=SECRETS)
def test_secret(project, findings, name, content, reason):
    file(name, content)(project)
    add_to_git(project)
    [finding] = findings(secrets_in_git.check)
    assert (finding.code, finding.where) == ("git-secret", name)
    assert finding.text == f"is in git, and {reason}."
    assert finding.hint.endswith(f"\n    git rm --cached {name}")
    assert describe_secret(project.path, name) == reason


@pytest.mark.parametrize("name", GENERATED_FILES)
def test_generated_file(project, findings, name):
    file(name, "anna.b:x")(project)
    add_to_git(project)
    [finding] = findings(secrets_in_git.check)
    assert (finding.code, finding.where) == ("git-generated-file", name)
    assert GENERATED in finding.text
    assert finding.hint.endswith(f"\n    git rm --cached {name}")
    assert describe_secret(project.path, name) == GENERATED


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_may_be_in_git(project, found, change):
    change(project)
    add_to_git(project)
    assert found(secrets_in_git.check) == []


def test_what_is_not_in_git(project, found):
    git(project, "init", "-q")
    git(project, "add", "-A")
    for name in (".env", ".streamlit/secrets.toml", *GENERATED_FILES):
        file(name, KEY)(project)
    assert found(secrets_in_git.check) == []


def test_template_ignores_what_must_not_be_in_git(project, found):
    copy_files(project, ".gitignore")
    for name in (".env", ".streamlit/secrets.toml", *GENERATED_FILES[:-1]):
        file(name, KEY)(project)
    git(project, "init", "-q")
    git(project, "add", "-A")
    assert found(secrets_in_git.check) == []


def test_project_in_a_larger_repository(project, found):
    above = BakedProject(project.path.parent)
    for name in (".env", "project/.env"):
        file(name, "A=1")(above)
    git(above, "init", "-q")
    git(above, "add", "-A", "-f", ".env", "project")
    assert found(secrets_in_git.check) == [("git-secret", ".env")]


def test_name_that_a_shell_would_split(project, findings):
    file("my keys/a b", KEY)(project)
    add_to_git(project)
    [finding] = findings(secrets_in_git.check)
    assert finding.hint.endswith("\n    git rm --cached 'my keys/a b'")


def test_deleted_file_and_folder(project):
    assert describe_secret(project.path, "gone.pem") is None
    assert describe_secret(project.path, "apps") is None


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_on_heroku(project, findings, variable):
    with pytest.raises(CheckSkipped, match=r"^$"):
        findings(secrets_in_git.check, **variable)


def test_not_a_repository(project, findings):
    with pytest.raises(CheckSkipped, match=r"^not a git repository yet$"):
        findings(secrets_in_git.check)
