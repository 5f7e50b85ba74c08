"""cookiecutter once more over a folder that is there: what is the user's stays."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from baked import PASSWORD, ROOT, BakedProject

ANSWERS = {"project_slug": "data-apps", "apps": "Sales Report, Churn Explorer"}
MADE = ["Procfile", "config/nginx.conf.erb", "apps.json", "apps/sales_report.py"]
CODE = [
    "app.py",
    "bin/post_compile",
    "bundle.py",
    "check.py",
    "deploy.py",
    "hub.css",
    "hub.py",
    "launcher.py",
    "log.py",
    "manage.py",
    "menu.py",
    "page.py",
    "replica.py",
    "serve.py",
    "server.py",
    "tests/test_apps.py",
    "users.py",
]
MINE = [
    *MADE,
    ".github/dependabot.yml",
    ".gitignore",
    ".slugignore",
    ".python-version",
    ".streamlit/config.toml",
    "GROWING.md",
    "README.md",
    "app.json",
    "config/icon.svg",
    "config/new_app.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.in",
    "requirements.txt",
]


@pytest.fixture
def again(monkeypatch, capfd):
    """Run cookiecutter -f over a project. Returns the exit status and what it printed."""

    def again(project: BakedProject, password: str | None = PASSWORD, **answers: str):
        monkeypatch.delenv("AUTH_PASSWORD", raising=False)
        if password is not None:
            monkeypatch.setenv("AUTH_PASSWORD", password)
        given = [f"{name}={answer}" for name, answer in {**ANSWERS, **answers}.items()]
        command = [sys.executable, "-m", "cookiecutter", "-f", "--no-input", ROOT]
        ended = subprocess.run([*command, "-o", project.path.parent, *given], stdin=-3)
        told = capfd.readouterr()
        return ended.returncode, told.out + told.err

    return again


@pytest.fixture
def project(bake):
    return bake(**ANSWERS)


def test_nothing_changes_when_nothing_changed(project, again):
    before = project.files
    status, told = again(project)
    assert status == 0
    assert project.files == before
    for name in [*MADE, "apps/__init__.py"]:
        assert f"    {name}\n" in told
    assert ".new" not in told
    assert "users and passwords in .htpasswd are as they were" in told


def test_what_is_mine_stays_and_the_templates_version_lies_beside(project, again):
    templates = {name: project.files[name] for name in MINE}
    for name in MINE:
        project.write(name, f"mine: {name}\n")
    htpasswd = project.read(".htpasswd")
    status, told = again(project, password="another password")
    assert status == 0
    for name in MINE:
        assert project.read(name) == f"mine: {name}\n"
        assert project.files[f"{name}.new"] == templates[name]
        assert f"    {name}\n" in told
        assert f"    {name}.new\n" in told
    assert project.read(".htpasswd") == htpasswd
    assert not [name for name in project.files if name.startswith(".htpasswd.")]


def test_it_needs_no_password(project, again):
    before = project.files
    status, told = again(project, password=None, password_source="ask")
    assert status == 0, told
    assert project.files == before


def test_a_user_of_my_own_stays(project, again):
    project.load("manage").set_password("carol", "carol's password", project.path)
    before = project.read(".htpasswd")
    again(project)
    assert project.read(".htpasswd") == before


def test_an_app_that_i_took_away_stays_away(project, again):
    (project.path / "apps/churn_explorer.py").unlink()
    project.write("apps.json", '[{"name": "Sales Report", "module": "apps.sales_report"}]\n')
    again(project)
    assert not (project.path / "apps/churn_explorer.py").exists()
    assert "Churn Explorer" in project.read("apps.json.new")


def test_what_is_gone_is_made_again(project, again):
    before = project.files
    for name in [*MADE, *CODE, "apps/churn_explorer.py"]:
        (project.path / name).unlink()
    (project.path / "bin").rmdir()  # a project of an older template has none
    assert again(project)[0] == 0
    assert project.files == before
    assert os.access(project.path / "bin/post_compile", os.X_OK)


def test_other_answers_change_nothing_of_mine(project, again):
    before = project.files
    status, told = again(project, apps="Other", auth_user="other")
    assert status == 0
    assert {name: project.files[name] for name in before} == before
    assert set(project.files) - set(before) == {"apps.json.new"}
    assert "other is not among them: python manage.py passwd other" in told
    assert "Another app: python manage.py add-app NAME" in told


def test_the_templates_own_code_is_renewed(project, again):
    before = project.files
    for name in CODE:
        project.write(name, f"# an older {name}\n")
    status, told = again(project)
    assert status == 0
    for name in CODE:
        assert project.files[name] == before[name]
        assert project.read(f"{name}.old") == f"# an older {name}\n"
        assert f"    {name}.old\n" in told
    assert os.access(project.path / "bin/post_compile", os.X_OK)


def test_a_third_run_after_a_second_one(project, again):
    for name in MINE:
        project.write(name, f"mine: {name}\n")
    project.write("server.py", "# an older version\n")
    again(project)
    second = project.files
    assert again(project)[0] == 0
    assert project.files == second


FAILURES = {
    "bad password": ({"password": "short"}, {}),
    "bad answer": ({}, {"auth_user": "a:b"}),
    "no terminal": ({"password": None}, {"password_source": "ask"}),
}


@pytest.mark.parametrize(("password", "answers"), FAILURES.values(), ids=FAILURES.keys())
def test_a_refusal_changes_nothing(project, again, password, answers):
    (project.path / ".htpasswd").unlink()
    project.write("server.py", "mine\n")
    before = project.files
    status, _ = again(project, **{"password": PASSWORD, **password}, **answers)
    assert status != 0
    assert project.files == before


def test_a_failure_halfway_puts_all_back(project, again):
    """cookiecutter has overwritten its files when the hook fails, here at the very last."""
    for name in (".htpasswd", "apps.json", "apps/sales_report.py", ".streamlit/config.toml"):
        (project.path / name).unlink()
    for name in ("users.py", "bin/post_compile"):
        (project.path / name).unlink()
    for folder in (".streamlit", "bin"):
        (project.path / folder).rmdir()
    project.write("server.py", "mine\n")
    project.write("apps/notes.txt", "mine too\n")
    # The template's version cannot be laid where a folder is.
    project.write("Procfile", "mine\n")
    (project.path / "Procfile.new").mkdir()
    (project.path / "Procfile.new/inside").write_text("x")
    before = project.files
    folders = {path for path in project.path.rglob("*") if path.is_dir()}
    status, told = again(project)
    assert status != 0
    assert "Procfile.new" in told
    assert project.files == before
    assert {path for path in project.path.rglob("*") if path.is_dir()} == folders
    (project.path / "Procfile.new/inside").unlink()
    (project.path / "Procfile.new").rmdir()
    assert again(project)[0] == 0


def test_what_a_killed_run_left_is_not_overwritten(project, again):
    (project.path / ".undo").mkdir()
    project.write(".undo/app.py", "mine\n")
    status, told = again(project)
    assert status != 0
    assert ".undo/ holds your files from a run that was cut off" in told
    assert project.read(".undo/app.py") == "mine\n"


def test_a_hook_folder_of_my_own_is_left_alone(project, again):
    (project.path / "_hook").mkdir()
    project.write("_hook/.htpasswd", "old:mine\n")
    before = project.files
    status, told = again(project)
    assert status != 0
    assert "_hook/ is in the way" in told
    assert project.files == before


def test_a_folder_or_a_link_in_the_way_is_seen_before_anything_is_written(project, again):
    for in_the_way in (Path.mkdir, lambda path: path.symlink_to("manage.py")):
        (project.path / "server.py").unlink()
        in_the_way(project.path / "server.py")
        before = project.files
        status, told = again(project)
        assert status != 0
        assert "server.py is in the way: it is no file of its own" in told
        assert project.files == before
        if (project.path / "server.py").is_dir():
            (project.path / "server.py").rmdir()
            project.write("server.py", "")


def test_a_link_of_my_own_stays_a_link(project, again):
    project.write("my Procfile", "mine\n")
    (project.path / "Procfile").unlink()
    (project.path / "Procfile").symlink_to("my Procfile")
    assert again(project)[0] == 0
    assert (project.path / "Procfile").is_symlink()
    assert project.read("my Procfile") == "mine\n"


@pytest.mark.parametrize("held", [[], ["notebooks/mine.ipynb", ".git/config"], ["mine.txt"]])
def test_stopped_at_the_prompt_a_folder_that_was_there_is_as_it_was(tmp_path, held):
    folder = BakedProject(tmp_path / "out/data-apps")
    folder.path.mkdir(parents=True)
    for name in held:
        (folder.path / name).parent.mkdir(exist_ok=True)
        folder.write(name, "mine\n")
    environment = {k: v for k, v in os.environ.items() if k != "AUTH_PASSWORD"}
    command = ["-m", "cookiecutter", "-f", "--no-input", str(ROOT), "-o", str(tmp_path / "out")]
    child = pexpect.spawn(
        sys.executable,
        [*command, "project_slug=data-apps", "password_source=ask"],
        env=environment,
        encoding="utf-8",
        timeout=30,
    )
    child.expect_exact("Password for")
    child.waitnoecho()
    if held:
        folder.write("saved meanwhile.txt", "mine too\n")
    child.sendintr()
    child.expect(pexpect.EOF)
    left = {name: b"mine\n" for name in held}
    if held:
        left["saved meanwhile.txt"] = b"mine too\n"
    assert folder.files == left


def test_what_cannot_be_told_is_not_done(project):
    """A generated password that nobody has seen would lock everybody out."""
    (project.path / ".htpasswd").unlink()
    before = project.files
    command = [sys.executable, "-m", "cookiecutter", "-f", "--no-input", ROOT]
    given = [f"{name}={answer}" for name, answer in ANSWERS.items()]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*command, "-o", project.path.parent, *given, "password_source=generate"],
            env={k: v for k, v in os.environ.items() if k != "AUTH_PASSWORD"},
            stdin=subprocess.DEVNULL,
            stdout=full,
        )
    assert ended.returncode != 0
    assert project.files == before


def test_a_folder_in_a_folder_is_put_back_too(template, tmp_path, monkeypatch, capfd):
    """A fork may have files deeper down than this template has."""
    deep = "deep/down/file.txt"
    source = BakedProject(template)
    source.change("cookiecutter.json", '"_kept": [', f'"_kept": [\n    "{deep}",')
    (template / "{{cookiecutter.project_slug}}/deep/down").mkdir(parents=True)
    source.write(f"{{{{cookiecutter.project_slug}}}}/{deep}", "ours\n")
    monkeypatch.setenv("AUTH_PASSWORD", PASSWORD)
    command = [sys.executable, "-m", "cookiecutter", "-f", "--no-input", template]
    command += ["-o", tmp_path, "project_slug=data-apps"]
    project = BakedProject(tmp_path / "data-apps")
    subprocess.run(command, check=True)
    assert project.read(deep) == "ours\n"

    project.write(deep, "mine\n")
    subprocess.run(command, check=True)
    assert project.read(deep) == "mine\n"
    assert project.read(f"{deep}.new") == "ours\n"
    assert f"    {deep}.new\n" in capfd.readouterr().out

    shutil.rmtree(project.path / "deep")
    (project.path / "Procfile.new").mkdir()  # the hook fails when it comes to this
    project.write("Procfile", "mine\n")
    assert subprocess.run(command).returncode != 0
    assert not (project.path / "deep").exists()
