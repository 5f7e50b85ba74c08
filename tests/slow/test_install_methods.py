"""The methods to run the template: each gives the same project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import bcrypt
import pytest
from baked import ANSWERS, GIVEN, PASSWORD, ROOT, commit, tree

STATE = ".cookiecutter.json"  # says where the template is


def files(project: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(project).items() if name != STATE}


def template_of(project: Path) -> str:
    return json.loads((project / STATE).read_text("utf-8"))["template"]


@pytest.fixture
def plain(run, tmp_path):
    """The project as the plainest command makes it."""
    run("cookiecutter", "--no-input", ROOT, "-o", tmp_path / "plain", *GIVEN)
    return tmp_path / "plain/data-apps"


def test_into_a_folder_with_blanks_and_quotes(run, plain, tmp_path):
    out = tmp_path / "it's a $folder"
    printed = run("cookiecutter", "--no-input", ROOT, "-o", out, *GIVEN).stdout
    assert files(out / "data-apps") == files(plain)
    command = next(line for line in printed.splitlines() if line.startswith("    cd "))
    shown = subprocess.run(["sh", "-c", f"{command} && pwd"], cwd=tmp_path, capture_output=True)
    assert shown.stdout.decode().strip() == str((out / "data-apps").resolve())


def test_from_a_relative_path(run, plain, template, tmp_path, monkeypatch):
    monkeypatch.setenv("PWD", str(tmp_path))
    run("cookiecutter", "--no-input", "template", "-o", tmp_path / "relative", *GIVEN)
    assert files(tmp_path / "relative/data-apps") == files(plain)
    assert template_of(tmp_path / "relative/data-apps") == str(template)


def test_from_a_zip(run, plain, template, tmp_path):
    shutil.make_archive(str(tmp_path / "template"), "zip", tmp_path, "template")
    run("cookiecutter", "--no-input", tmp_path / "template.zip", "-o", tmp_path / "zip", *GIVEN)
    assert files(tmp_path / "zip/data-apps") == files(plain)
    assert template_of(tmp_path / "zip/data-apps") == str(tmp_path / "template.zip")


def test_from_git(run, plain, template, tmp_path):
    run("cookiecutter", "--no-input", f"file://{template}", "-o", tmp_path / "git", *GIVEN)
    assert files(tmp_path / "git/data-apps") == files(plain)
    assert template_of(tmp_path / "git/data-apps") == f"file://{template}"


def test_replay(run, plain, tmp_path):
    run("cookiecutter", "--replay", ROOT, "-o", tmp_path / "replay")
    assert tree(tmp_path / "replay/data-apps") == tree(plain)


def test_with_a_user_config(run, plain, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"default_context": ANSWERS}))
    run(
        *("cookiecutter", "--no-input", "--config-file", config, ROOT),
        *("-o", tmp_path / "config"),
    )
    assert tree(tmp_path / "config/data-apps") == tree(plain)


def test_a_replay_file_with_another_type_is_refused(run, plain, tmp_path):
    replay = tmp_path / f".cookiecutter_replay/{ROOT.name}.json"
    answers = json.loads(replay.read_text("utf-8"))
    answers["cookiecutter"]["auth_user"] = 42
    replay.write_text(json.dumps(answers))
    with pytest.raises(AssertionError, match="auth_user: 42 is not text"):
        run("cookiecutter", "--replay", ROOT, "-o", tmp_path / "replay")
    assert not list((tmp_path / "replay").iterdir())


@pytest.fixture
def cruft_create(run, template, tmp_path):
    def cruft_create() -> tuple[Path, str]:
        """Make a project with cruft. Returns it, and what was printed."""
        ended = run(
            *("cruft", "create", f"file://{template}", "--no-input"),
            *("--output-dir", tmp_path / "c", "--extra-context", json.dumps(ANSWERS)),
        )
        return tmp_path / "c/data-apps", ended.stdout + ended.stderr

    return cruft_create


def test_cruft_create(run, plain, template, cruft_create):
    project, _ = cruft_create()
    assert files(project) == files(plain)
    assert template_of(project) == str(template)
    assert PASSWORD not in (project / ".cruft.json").read_text("utf-8")
    commit(project, "mine")
    run("cruft", "check", cwd=project)


def test_cruft_create_shows_the_generated_password(monkeypatch, cruft_create):
    monkeypatch.delenv("AUTH_PASSWORD")
    project, printed = cruft_create()
    [password] = re.findall(r"password  ([a-z0-9-]{29})\n", printed)
    digest = (project / ".htpasswd").read_text("utf-8").strip().partition(":")[2]
    assert bcrypt.checkpw(password.encode(), digest.encode())


@pytest.mark.parametrize("source", ["generate", "ask"])
@pytest.mark.parametrize("command", ["update", "diff"])
def test_cruft_update_brings_what_is_new_and_keeps_what_is_mine(
    run, template, monkeypatch, cruft_create, source, command
):
    project, _ = cruft_create()
    state = json.loads((project / ".cruft.json").read_text("utf-8"))
    state["context"]["cookiecutter"]["password_source"] = source
    (project / ".cruft.json").write_text(json.dumps(state))
    mine = {
        ".htpasswd": "anna.b:mine\n",
        "apps.json": '[{"name": "Mine", "module": "apps.mine"}]\n',
        "apps/cafe.py": "# mine\n",
        "Procfile": "# mine\n" + (project / "Procfile").read_text("utf-8"),
    }
    for name, text in mine.items():
        (project / name).write_text(text)
    commit(project, "mine")

    source_of = template / "{{cookiecutter.project_slug}}"
    for path in ("apphub/users.py", "_hook/config/nginx.conf.erb"):
        (source_of / path).write_text((source_of / path).read_text("utf-8") + "# new\n")
    commit(template, "a new version")

    monkeypatch.delenv("AUTH_PASSWORD")
    more = ["--skip-apply-ask"] if command == "update" else []
    ended = run("cruft", command, *more, cwd=project)
    printed = ended.stdout + ended.stderr
    assert not re.search(r"password  \S", printed)
    assert "Next:" not in printed  # for a copy that cruft deletes, there is no next step
    for name, text in mine.items():
        assert (project / name).read_text("utf-8") == text
    for name in ("apphub/users.py", "apphub/RECORD", "config/nginx.conf.erb"):
        text = (project / name).read_text("utf-8")
        assert text.endswith("# new\n") == (command == "update" and not name.endswith("RECORD"))
    assert not list(project.rglob("*.rej"))
    if command == "update":
        run("cruft", "check", cwd=project)


def test_without_bcrypt_nothing_is_left(tmp_path):
    """cookiecutter in an environment of its own, with all that these tests have but bcrypt."""
    environment = tmp_path / "pipx/venvs/cookiecutter"
    venv.create(environment, symlinks=True)
    packages = environment / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    for package in Path(pytest.__file__).parent.parent.iterdir():
        if package.name != "bcrypt" and not (packages / package.name).exists():
            (packages / package.name).symlink_to(package)
    ended = subprocess.run(
        [
            environment / "bin/python",
            "-m",
            "cookiecutter",
            "--no-input",
            ROOT,
            "-o",
            tmp_path / "out",
        ],
        env={**os.environ, "HOME": str(tmp_path), "AUTH_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    assert "not installed. Run this once: pipx inject cookiecutter bcrypt\n" in ended.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_bcrypt_that_cannot_be_imported_is_not_installed(tmp_path, refused, monkeypatch):
    (tmp_path / "bcrypt.py").write_text("raise ImportError('built for another machine')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert f"Run this once: {sys.executable} -m pip install bcrypt\n" in refused()
