"""Installing the template's files in a project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apphub.record import write_record
from apphub.update.changes import Changes
from apphub.update.decide import fingerprint
from apphub.update.install import Installer

if TYPE_CHECKING:
    from pathlib import Path

OLD = '"""The users.\n\nold\n'
HISTORY = {
    "hashes": {
        "users.py": [fingerprint(OLD.encode())],
        "server.py": [fingerprint(b"old server\n")],
        "Procfile": [fingerprint(b"web: python server.py\n")],
        "config/new_app.py": [fingerprint(b"old sample\n")],
    },
    "first_lines": {
        "users.py": ['"""The users.'],
        "server.py": ["old server"],
        "config/new_app.py": ["old sample"],
    },
}
STAGED = {
    "Procfile": "web: python -m apphub.server\n",
    "app.py": "new\n",
    "config/app_template.py": "new sample\n",
    "apphub/__init__.py": "new\n",
    "apphub/web/home.py": "new\n",
    "update/server.py": "starts apphub.server\n",
    "update/history.json": json.dumps(HISTORY),
}
NEW_LAYOUT = {"apphub/__init__.py": "new\n"}
INSTALLED = {name: text for name, text in STAGED.items() if not name.startswith("update/")}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def install(tmp_path):
    """Install in a project with these files. Returns its files, and install()'s result."""

    def install(**files: str) -> tuple[dict[str, str], list[str]]:
        root, stage = tmp_path / "root", tmp_path / "root/_hook"
        write(root, files)
        if "apphub/__init__.py" in files:
            write_record(root / "apphub")
        write(root, after_record)
        write(stage, STAGED)
        changes = Changes(root, root / ".backup")
        foreign = Installer.prepare(root, stage, changes, {}).install()
        found = {
            path.relative_to(root).as_posix(): path.read_text()
            for path in root.rglob("*")
            if path.is_file() and path.name != "RECORD"
        }
        kept = {name: text for name, text in found.items() if name[:6] not in ("_hook/", ".backu")}
        return kept, foreign

    after_record: dict[str, str] = {}
    install.after_record = after_record
    return install


def test_a_new_project_gets_all_files(install):
    assert install() == (INSTALLED, [])


def test_the_old_root_modules_are_removed_and_edited_ones_kept(install):
    edited = f"{OLD}mine\n"
    found, foreign = install(**{"users.py": edited, "server.py": "old server\n"})
    assert found == {**INSTALLED, "users.py.old": edited}
    assert foreign == []


def test_a_file_of_my_own_with_such_a_name_is_reported(install):
    found, foreign = install(**{"users.py": "mine\n", "server.py": "old server\n"})
    assert found == {**INSTALLED, "users.py": "mine\n"}
    assert foreign == ["users.py"]


def test_with_apphub_such_a_name_is_not_mentioned(install):
    files = {"users.py": OLD, "server.py": "mine\n", "apphub/__init__.py": "old\n"}
    found, foreign = install(**files)
    assert found == {**INSTALLED, "users.py": OLD, "server.py": "mine\n"}
    assert foreign == []


def test_an_edited_file_moves_to_its_new_name(install):
    found, _ = install(**{"config/new_app.py": "old sample\nmine\n", "server.py": "old server\n"})
    assert found == {
        **INSTALLED,
        "config/app_template.py": "old sample\nmine\n",
        "config/app_template.py.new": "new sample\n",
    }


def test_an_unedited_file_does_not(install):
    found, _ = install(**{"config/new_app.py": "old sample\n", "server.py": "old server\n"})
    assert found == INSTALLED


PROCFILE = "web: python server.py bin/start-nginx\nworker: python x.py\n"


@pytest.mark.parametrize(
    ("procfile", "server", "starts"),
    [
        (PROCFILE, "old server\n", "starts apphub.server\n"),
        (PROCFILE, "old server\nmine\n", "starts apphub.server\n"),
        (PROCFILE, "mine\n", "mine\n"),
        ("web: python myserver.py\n", "old server\n", None),
        ("web: python server.py\n", "old server\n", None),
    ],
    ids=["edited", "both edited", "own server.py", "another server", "unedited"],
)
def test_an_edited_procfile_works_for_one_more_version(install, procfile, server, starts):
    found, _ = install(**{"Procfile": procfile, "server.py": server, "users.py": OLD})
    assert found.get("server.py") == starts
    is_kept = procfile != "web: python server.py\n"
    assert found["Procfile"] == (procfile if is_kept else STAGED["Procfile"])


def test_edits_in_apphub_are_kept_aside(install):
    install.after_record.update({"apphub/web/home.py": "mine\n", "apphub/mine.py": "mine, too\n"})
    found, _ = install(
        **{"apphub/__init__.py": "old\n", "apphub/web/home.py": "old\n", "apphub/gone.py": "old\n"}
    )
    assert found == {
        **INSTALLED,
        "apphub.old/web/home.py": "mine\n",
        "apphub.old/mine.py": "mine, too\n",
    }


@pytest.mark.parametrize("is_edited", [True, False])
def test_a_new_version_that_i_am_merging_is_kept(install, is_edited):
    """Another update must not lose what is in <file>.new."""
    text = "web: mine\n" if is_edited else "web: python server.py\n"
    found, _ = install(Procfile="web: edited\n", **{"Procfile.new": text, **NEW_LAYOUT})
    assert found["Procfile"] == "web: edited\n"
    assert found["Procfile.new"] == STAGED["Procfile"]
    assert found.get("Procfile.new.old") == (text if is_edited else None)
