"""The ways to run the template: each gives the same project."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from baked import ANSWERS, GIVEN, PASSWORD, ROOT, commit, tree


@pytest.fixture
def plain(run, tmp_path):
    """The project as the plainest command makes it."""
    run("cookiecutter", "--no-input", ROOT, "-o", tmp_path / "plain", *GIVEN)
    return tmp_path / "plain/data-apps"


def test_into_a_folder_with_blanks_and_quotes(run, plain, tmp_path):
    out = tmp_path / "it's a $folder"
    told = run("cookiecutter", "--no-input", ROOT, "-o", out, *GIVEN).stdout
    assert tree(out / "data-apps") == tree(plain)
    command = next(line for line in told.splitlines() if line.startswith("    cd "))
    shown = subprocess.run(["sh", "-c", f"{command} && pwd"], cwd=tmp_path, capture_output=True)
    assert shown.stdout.decode().strip() == str((out / "data-apps").resolve())


def test_from_a_zip(run, plain, template, tmp_path):
    shutil.make_archive(str(tmp_path / "template"), "zip", tmp_path, "template")
    run("cookiecutter", "--no-input", tmp_path / "template.zip", "-o", tmp_path / "zip", *GIVEN)
    assert tree(tmp_path / "zip/data-apps") == tree(plain)


def test_from_git(run, plain, template, tmp_path):
    run("cookiecutter", "--no-input", f"file://{template}", "-o", tmp_path / "git", *GIVEN)
    assert tree(tmp_path / "git/data-apps") == tree(plain)


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


def test_a_replay_file_with_other_types_is_refused_in_words(run, plain, tmp_path):
    replay = tmp_path / f".cookiecutter_replay/{ROOT.name}.json"
    answers = json.loads(replay.read_text("utf-8"))
    answers["cookiecutter"]["auth_user"] = 42
    replay.write_text(json.dumps(answers))
    with pytest.raises(AssertionError, match="auth_user: 42 is refused. It is text."):
        run("cookiecutter", "--replay", ROOT, "-o", tmp_path / "replay")


def cruft_create(run, template, tmp_path, *more):
    run(
        *("cruft", "create", f"file://{template}", "--no-input", "--output-dir", tmp_path / "c"),
        *("--extra-context", json.dumps(ANSWERS), *more),
    )
    return tmp_path / "c/data-apps"


def test_cruft_create(run, plain, template, tmp_path):
    project = cruft_create(run, template, tmp_path)
    assert tree(project) == tree(plain)
    assert PASSWORD not in (project / ".cruft.json").read_text("utf-8")
    commit(project, "mine")
    run("cruft", "check", cwd=project)


@pytest.mark.parametrize("source", ["generate", "ask"])
def test_cruft_update_brings_what_is_new_and_keeps_what_is_mine(
    run, template, tmp_path, monkeypatch, source
):
    project = cruft_create(run, template, tmp_path)
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

    source_of_nginx = template / "{{cookiecutter.project_slug}}/_hook/config/nginx.conf.erb"
    for path in (template / "{{cookiecutter.project_slug}}/server.py", source_of_nginx):
        path.write_text(path.read_text("utf-8") + "# new\n")
    commit(template, "a new version")

    monkeypatch.delenv("AUTH_PASSWORD")
    told = run("cruft", "update", "--skip-apply-ask", cwd=project).stdout
    assert "(Under `cruft update` this password is for nothing: yours stays.)" in told
    for name, text in mine.items():
        assert (project / name).read_text("utf-8") == text
    for name in ("server.py", "config/nginx.conf.erb"):
        assert (project / name).read_text("utf-8").endswith("# new\n")
    assert not list(project.rglob("*.rej"))


@pytest.mark.parametrize(
    ("home", "command"),
    {
        "env": "{python} -m pip install bcrypt",
        "made by uv venv, without pip": "uv pip install --python '{python}' bcrypt",
        "pipx/venvs/cookiecutter": "pipx inject cookiecutter bcrypt",
        "uv/tools/cookiecutter": "uv tool install cookiecutter --with bcrypt",
        "uv/archive-v0/x": f"uvx --with bcrypt cookiecutter {ROOT}",
    }.items(),
)
def test_without_bcrypt_it_names_the_command(tmp_path, home, command):
    """cookiecutter in environments of their own, as pip, pipx, uv tool and uvx make them."""
    environment = tmp_path / home
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    # All that these tests run with, but for bcrypt.
    blocked = environment / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    for package in Path(pytest.__file__).parent.parent.iterdir():
        left_out = ("bcrypt", "pip") if "without pip" in home else ("bcrypt",)
        if package.name not in left_out and not (blocked / package.name).exists():
            (blocked / package.name).symlink_to(package)
    ended = subprocess.run(
        [python, "-m", "cookiecutter", "--no-input", ROOT, "-o", tmp_path / "out"],
        env={**os.environ, "HOME": str(tmp_path), "AUTH_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    assert f"missing. Run this once: {command.format(python=python)}\n" in ended.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_bcrypt_that_cannot_be_imported_is_no_bcrypt(tmp_path, refused, monkeypatch):
    (tmp_path / "bcrypt.py").write_text("raise ImportError('built for another machine')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert f"Run this once: {sys.executable} -m pip install bcrypt\n" in refused()
