"""The hooks' functions, one by one: the hooks are rendered and imported, and no project is made."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from unittest.mock import Mock

import bcrypt
import pytest
from baked import PASSWORD, ROOT

from apphub.registry import add_app

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}/config/app_template.py"


def test_both_hooks_use_the_same_paths(load_hook):
    before, after = load_hook("pre_gen_project"), load_hook("post_gen_project")
    for name in ("USER_OWNED", "TEMPLATE_OWNED", "FOLDERS", "BACKUP", "STAGE"):
        assert getattr(before, name) == getattr(after, name)


# -- pre_gen_project.py ---------------------------------------------------------------------------


@pytest.fixture
def before(load_hook):
    return load_hook("pre_gen_project")


def test_an_empty_folder_has_no_problems(before):
    assert not [*before.check_machine(), *before.check_encoding(), *before.check_leftovers()]
    assert not [*before.check_files(), *before.check_folders()]


def test_an_older_python_is_a_problem(before, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    [problem] = before.check_machine()
    assert "requires 3.11 or newer" in problem


@pytest.mark.parametrize(
    ("prefix", "answers", "command"),
    [
        ("/home/anna/env", {}, "{python} -m pip install bcrypt"),
        ("/home/anna/.local/pipx/venvs/cookiecutter", {}, "pipx inject cookiecutter bcrypt"),
        ("/home/anna/.local/pipx/venvs/cruft", {}, "pipx inject cruft bcrypt"),
        (
            "/home/anna/.local/share/uv/tools/cookiecutter",
            {},
            "uv tool install cookiecutter --with bcrypt",
        ),
        ("/cache/uv/archive-v0/x", {}, "uvx --with bcrypt cookiecutter gh:x/y"),
    ],
)
def test_without_bcrypt_the_command_fits_the_environment(
    load_hook, monkeypatch, prefix, answers, command
):
    before = load_hook("pre_gen_project", _template="gh:x/y", **answers)
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    monkeypatch.setattr(sys, "prefix", prefix)
    [problem] = before.check_machine()
    assert problem.endswith(f"Run this once: {command.format(python=sys.executable)}")


def test_without_pip_the_command_is_that_of_uv(before, monkeypatch):
    monkeypatch.setattr(before, "find_spec", lambda name: None)
    assert before.get_bcrypt_command() == f"uv pip install --python {sys.executable} bcrypt"


def test_an_answer_that_no_file_can_contain_is_a_problem(load_hook):
    before = load_hook("pre_gen_project", apps="a\udcff", app_name="👩‍👩‍👧 売上")
    [problem] = before.check_encoding()
    assert problem == "apps: 'a\\udcff' is not UTF-8 text."


def test_names_that_are_taken_are_problems(before):
    Path("_hook").mkdir()
    [problem] = before.check_leftovers()
    assert problem.startswith("_hook/ exists")
    Path(".cookiecutter-backup").mkdir()
    [problem] = before.check_leftovers()
    assert problem.startswith(".cookiecutter-backup/ contains your files")


@pytest.mark.parametrize("path", ["Procfile", "app.py", "config/icon.svg"])
def test_a_link_or_a_folder_at_a_rendered_path_is_a_problem(before, path):
    is_rendered = path != "Procfile"  # installed by the other hook, past whatever is there
    Path("config").mkdir()
    Path(path).mkdir()
    assert len([*before.check_files()]) == is_rendered
    Path(path).rmdir()
    Path(path).symlink_to("elsewhere")
    assert len([*before.check_files()]) == is_rendered


def test_unreadable_files_and_folders_are_problems(before, monkeypatch):
    """As root everything is readable, so the answer is a fake's."""
    Path("apphub/web").mkdir(parents=True)
    Path("apphub/RECORD").touch()
    Path("config").mkdir()
    Path("README.md").touch()
    locked = {Path("README.md"), Path("config"), Path("apphub/web")}
    monkeypatch.setattr(os, "access", lambda path, mode: path not in locked)
    [problem] = before.check_files()
    assert problem.endswith("chmod u+rw README.md")
    config, apphub = before.check_folders()
    assert config.startswith("config is not a folder that you can write into")
    assert apphub.endswith("chmod -R u+rwX apphub")


def test_an_apphub_of_someone_else_is_a_problem(before):
    Path("apphub").mkdir()
    [problem] = before.check_folders()
    assert "is not the template's" in problem
    Path("apphub/RECORD").touch()
    assert not [*before.check_folders()]
    Path("apphub").rename("elsewhere")
    Path("apphub").symlink_to("elsewhere")
    assert len([*before.check_folders()]) == 1


def test_the_backup_has_what_cookiecutter_overwrites(before):
    for name in ("README.md", "notes.txt", "apphub/web/home.py", "apphub/web/__pycache__/x.pyc"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("config").mkdir()
    Path(".cookiecutter-backup.part").mkdir()
    before.back_up()
    found = {path.as_posix() for path in Path(".cookiecutter-backup").rglob("*")}
    assert found == {
        f".cookiecutter-backup/{name}"
        for name in ("README.md", "apphub", "apphub/web", "apphub/web/home.py", "config")
    }


def test_a_backup_that_fails_leaves_nothing(before, monkeypatch):
    Path("README.md").write_text("mine")
    monkeypatch.setattr(shutil, "copy2", Mock(side_effect=OSError("disk full")))
    with pytest.raises(SystemExit, match="Nothing was written: disk full"):
        before.main()
    assert list(Path().iterdir()) == [Path("README.md")]


# -- post_gen_project.py --------------------------------------------------------------------------


@pytest.fixture
def after(load_hook):
    return load_hook("post_gen_project")


def test_rendered_files_are_staged_and_the_users_restored(load_hook):
    after = load_hook("post_gen_project", _user_owned=["README.md", "docs/a/b.md"])
    for name, text in {
        "README.md": "the template's",
        "docs/a/b.md": "the template's",
        "apphub/new.py": "the template's",
        ".cookiecutter-backup/README.md": "mine",
        ".cookiecutter-backup/apphub/old.py": "older",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    after.stage_rendered_files()
    after.restore_user_files()
    shutil.rmtree(".cookiecutter-backup")
    files = {path.as_posix(): path.read_text() for path in Path().rglob("*") if path.is_file()}
    assert files == {
        "README.md": "mine",
        "apphub/old.py": "older",
        "_hook/README.md": "the template's",
        "_hook/docs/a/b.md": "the template's",
        "_hook/apphub/new.py": "the template's",
    }
    assert not Path("docs").exists()


def test_nothing_in_the_users_folder_is_imported(after, monkeypatch):
    """A secrets.py or a json.py in the project is no reason for a failure."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "apphub", None)
    Path("_hook/apphub/__pycache__").mkdir(parents=True)
    Path("_hook/apphub/__init__.py").write_text("STAGED = True\n")
    before = [*sys.path]
    after.load_apphub()
    assert sys.modules["apphub"].STAGED
    assert sys.path == before
    assert not Path("_hook/apphub/__pycache__").exists()


@pytest.mark.parametrize(
    ("apps", "modules"),
    {
        "Sales Report": ["sales_report"],
        "Café, 売上": ["cafe", "売上"],
        "Ünïcödé Straße": ["unicode_strasse"],
        "Отчёт, 报告, दैनिक रिपोर्ट": ["отчёт", "报告", "दैनिक_रिपोर्ट"],
        "Class, import, None": ["class_app", "import_app", "none"],
        "2024 Numbers": ["app_2024_numbers"],
        "📈, 📉, !!": ["app", "app_2", "app_3"],
        "Cafe, Café, CAFÉ!": ["cafe", "cafe_2", "cafe_3"],
        "con, NUL": ["con_app", "nul_app"],
        "Email, NumPy, Streamlit": ["email_app", "numpy_app", "streamlit_app"],
        "日本语，中文、عربي، more": ["日本语", "中文", "عربي", "more"],
        "  a ,b  ": ["a", "b"],
        "R&D / P&L (EU)": ["r_d_p_l_eu"],
        "__init__, _x_": ["init", "x"],
    }.items(),
)
def test_each_app_gets_a_readable_module(after, apps, modules):
    shutil.copy(TEMPLATE.parent.parent / "requirements.txt", ".")
    names = after.split_names(apps)
    added = [add_app(name, Path(), TEMPLATE).module for name in names]
    assert added == [f"apps.{name}" for name in modules]
    assert all(name.isidentifier() for name in modules)
    assert {path.stem for path in Path("apps").iterdir()} == set(modules)


def test_a_hundred_apps(after):
    for name in after.split_names(", ".join(f"App {number}" for number in range(100))):
        add_app(name, Path(), TEMPLATE)
    assert len({entry["module"] for entry in json.loads(Path("apps.json").read_text())}) == 100


@pytest.mark.parametrize("password", ["x" * 12, "é" * 36, "  blanks at the ends  ", "🔑🔑🔑"])
def test_the_password_in_the_environment_is_hashed(after, monkeypatch, password):
    monkeypatch.setenv("AUTH_PASSWORD", password)
    Path("_hook").mkdir()
    assert after.stage_password() == ["The password of anna.b is the one in AUTH_PASSWORD."]
    user, _, digest = Path("_hook/.htpasswd").read_text("ascii").strip().partition(":")
    assert user == "anna.b"
    assert bcrypt.checkpw(password.encode(), digest.encode())


@pytest.mark.parametrize("source", ["generate", "ask"])
def test_the_environment_goes_before_the_answer(load_hook, monkeypatch, source):
    after = load_hook("post_gen_project", password_source=source)
    monkeypatch.setenv("AUTH_PASSWORD", PASSWORD)
    Path("_hook").mkdir()
    assert not after.find_wrong_answers()
    assert PASSWORD not in "".join(after.stage_password())


# -- post_gen_project.py under cruft --------------------------------------------------------------


@pytest.fixture
def cruft_hook(load_hook):
    def cruft_hook(folder: Path):
        folder.mkdir(parents=True)
        hook = load_hook("post_gen_project")
        del hook.ANSWERS["_repo_dir"]
        os.chdir(folder)
        return hook

    return cruft_hook


def test_a_copy_of_cruft_update_gets_no_password_that_nobody_sees(cruft_hook):
    """cruft makes it in a temporary folder, as tempfile names them."""
    with tempfile.TemporaryDirectory() as folder:
        hook = cruft_hook(Path(folder, "data-apps"))
        assert hook.is_throwaway()
        Path("_hook").mkdir()
        assert hook.stage_password() == []
        assert not Path("_hook/.htpasswd").exists()
        os.chdir("/")


@pytest.mark.parametrize("folder", ["out/data-apps", "tmpabcd1234/data-apps", "tmp/data-apps"])
def test_a_project_of_cruft_create_is_kept(cruft_hook, tmp_path, folder):
    hook = cruft_hook(tmp_path / folder)
    assert not hook.is_throwaway()
    Path("_hook").mkdir()
    assert re.search(r"password  [a-z0-9-]{29}$", hook.stage_password()[-1])


def test_a_project_of_cookiecutter_is_kept_wherever_it_is(cruft_hook):
    with tempfile.TemporaryDirectory() as folder:
        hook = cruft_hook(Path(folder, "data-apps"))
        hook.ANSWERS["_repo_dir"] = "/template"
        assert not hook.is_throwaway()
        os.chdir("/")
