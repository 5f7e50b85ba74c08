"""cookiecutter -f over a project: what the user has edited stays, and apphub/ is replaced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from baked import PASSWORD, ROOT, BakedProject, git
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

from apphub.accounts import set_password
from apphub.record import find_edited_files

ANSWERS = {"project_slug": "data-apps", "apps": "Sales Report, Churn Explorer"}
VARIABLES = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
HISTORY = json.loads(
    (ROOT / "{{cookiecutter.project_slug}}/_hook/update/history.json").read_text("utf-8")
)
INSTALLED = ["Procfile", "config/nginx.conf.erb"]  # by the hook, from _hook/
USER_OWNED = [*INSTALLED, *VARIABLES["_user_owned"]]
FORMER_MODULES = ["users.py", "log.py", "menu.py", "page.py", "server.py", "check.py", "hub.css"]


@pytest.fixture(scope="module")
def made(bake_once) -> BakedProject:
    """A project that each test gets a copy of."""
    return bake_once(**ANSWERS)


@pytest.fixture
def project(made, tmp_path) -> BakedProject:
    shutil.copytree(made.path, tmp_path / "out/data-apps")
    return BakedProject(tmp_path / "out/data-apps")


@pytest.fixture
def again(monkeypatch, capfd):
    """Run cookiecutter -f over a project. Returns the exit status and what it printed."""

    def again(
        project: BakedProject,
        password: str | None = PASSWORD,
        template: Path = ROOT,
        **answers: str,
    ):
        monkeypatch.delenv("AUTH_PASSWORD", raising=False)
        if password is not None:
            monkeypatch.setenv("AUTH_PASSWORD", password)
        options = {"no_input": True, "overwrite_if_exists": True}
        given = {**ANSWERS, **answers}
        capfd.readouterr()
        try:
            cookiecutter(
                str(template),
                extra_context=given,
                output_dir=str(project.path.parent),
                default_config=True,
                **options,
            )
            status = 0
        except FailedHookException:
            status = 1
        printed = capfd.readouterr()
        return status, printed.out + printed.err

    return again


@pytest.mark.smoke
def test_nothing_changes_when_nothing_changed(project, again):
    before = project.files
    status, message = again(project)
    assert status == 0
    assert project.files == before
    assert "Review these" not in message
    assert "The users and passwords in .htpasswd are unchanged." in message


def test_what_i_edited_stays_next_to_the_templates_version(project, again):
    before = project.files
    for name in USER_OWNED:
        project.write(name, f"mine: {name}\n")
    status, message = again(project, password="another password")
    assert status == 0
    for name in USER_OWNED:
        assert project.read(name) == f"mine: {name}\n"
        assert project.files[f"{name}.new"] == before[name]
        assert f"    {name}.new\n" in message
    assert project.files[".htpasswd"] == before[".htpasswd"]
    assert not [name for name in project.files if name.startswith(".htpasswd.")]


def test_line_ends_of_windows_are_not_edits(project, again):
    for name in [*USER_OWNED, "apphub/users.py", "apphub/web/home.css"]:
        (project.path / name).write_bytes(project.files[name].replace(b"\n", b"\r\n"))
    status, message = again(project)
    assert status == 0
    assert "Review these" not in message


def test_it_needs_no_password(project, again):
    before = project.files
    status, message = again(project, password=None, password_source="ask")
    assert status == 0, message
    assert project.files == before


def test_users_and_apps_of_my_own_stay(project, again):
    set_password("carol", "carol's password", project.path)
    project.write("apps/mine.py", "def run(): ...\n")
    project.write("apps.json", '[{"name": "Mine", "module": "apps.mine"}]\n')
    project.write("apps/sales_report.py", "# mine\n")
    (project.path / "apps/churn_explorer.py").unlink()
    before = project.files
    status, message = again(project)
    assert status == 0
    assert project.files == before
    assert "Another app: python manage.py add-app NAME" in message


def test_what_is_missing_is_made_again(project, again):
    before = project.files
    for name in [*USER_OWNED, "apps.json", "apps/sales_report.py", "apps/churn_explorer.py"]:
        (project.path / name).unlink()
    (project.path / "bin").rmdir()  # a project of an older template has none
    shutil.rmtree(project.path / "apphub/web")
    assert again(project)[0] == 0
    assert project.files == before
    assert os.access(project.path / "bin/post_compile", os.X_OK)


def test_other_answers_change_nothing_of_mine(project, again):
    before = project.files
    status, message = again(project, apps="Other", auth_user="other")
    assert status == 0
    answers = json.loads(project.read(".cookiecutter.json"))["cookiecutter"]
    assert (answers["apps"], answers["auth_user"]) == ("Other", "other")
    assert project.files == {**before, ".cookiecutter.json": project.files[".cookiecutter.json"]}
    assert "other is not one of them. Add the user: python manage.py passwd other" in message


def test_a_first_user_who_was_removed_is_not_mentioned(project, again):
    _, _, digest = project.read(".htpasswd").partition(":")
    project.write(".htpasswd", f"carol:{digest}")
    assert "is not one of them" not in again(project)[1]


def test_apphub_is_replaced_as_a_whole(project, again):
    before = project.files
    project.write("apphub/users.py", "# mine\n")
    project.write("apphub/web/mine.py", "# mine, too\n")
    (project.path / "apphub/menu.py").unlink()
    (project.path / "apphub/__pycache__").mkdir()
    project.write("apphub/__pycache__/x.pyc", "")
    status, message = again(project)
    assert status == 0
    edited = {"apphub.old/users.py": b"# mine\n", "apphub.old/web/mine.py": b"# mine, too\n"}
    assert project.files == {**before, **edited}
    for name in edited:
        assert f"    {name}\n" in message
    assert not find_edited_files(project.path / "apphub")
    git("init", "-q", cwd=project.path)
    assert git("check-ignore", "apphub.old/users.py", cwd=project.path)


def test_an_apphub_that_is_no_longer_edited_is_not_reported(project, again, template):
    """The edit was the one that the new version makes."""
    source = template / "{{cookiecutter.project_slug}}/apphub/users.py"
    source.write_text(source.read_text("utf-8") + "# fixed\n", "utf-8")
    project.write("apphub/users.py", project.read("apphub/users.py") + "# fixed\n")
    status, message = again(project, template=template)
    assert status == 0
    assert "apphub.old" not in message
    assert project.read("apphub/users.py").endswith("# fixed\n")


def test_what_the_template_no_longer_has_goes_from_apphub(project, again, template):
    source = template / "{{cookiecutter.project_slug}}/apphub"
    (source / "web").rename(source / "pages")
    assert again(project, template=template)[0] == 0
    assert not (project.path / "apphub/web").exists()
    assert (project.path / "apphub/pages/home.py").exists()


def test_modules_of_my_own_stay_whatever_their_names(project, again):
    """They are names that the template used before apphub/."""
    for name in FORMER_MODULES:
        project.write(name, f"# mine: {name}\n")
        project.write(f"apps/{name}", f"# mine: {name}\n")
    # One that begins like the template's did.
    project.write("hub.py", f"{HISTORY['first_lines']['hub.py'][0]}\nmine\n")
    before = project.files
    status, message = again(project)
    assert status == 0
    assert project.files == before
    assert "Review these" not in message


def test_a_third_run_after_a_second_one(project, again):
    for name in USER_OWNED:
        project.write(name, f"mine: {name}\n")
    project.write("apphub/users.py", "# mine\n")
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
    project.write("app.py", "mine\n")
    project.write("apphub/users.py", "mine\n")
    before = project.files
    status, message = again(project, **{"password": PASSWORD, **password}, **answers)
    assert status != 0
    assert "Nothing was written:" in message
    assert project.files == before


def test_a_failure_halfway_is_rolled_back(project, again):
    """The hook fails at the last file outside apphub/."""
    for name in (".htpasswd", "apps.json", "apps/sales_report.py", ".streamlit/config.toml"):
        (project.path / name).unlink()
    (project.path / "bin/post_compile").unlink()
    for folder in (".streamlit", "bin"):
        (project.path / folder).rmdir()
    for name in ("Procfile", "apphub/users.py", "app.py", "manage.py", "apps/notes.txt"):
        project.write(name, "mine\n")
    # The template's version cannot be written where a folder is.
    project.write("tests/test_apps.py", "mine\n")
    (project.path / "tests/test_apps.py.new").mkdir()
    (project.path / "tests/test_apps.py.new/inside").write_text("x")
    before = project.files
    folders = {path for path in project.path.rglob("*") if path.is_dir()}
    status, message = again(project)
    assert status != 0
    assert "test_apps.py.new" in message
    assert project.files == before
    assert {path for path in project.path.rglob("*") if path.is_dir()} == folders
    (project.path / "tests/test_apps.py.new/inside").unlink()
    (project.path / "tests/test_apps.py.new").rmdir()
    assert again(project)[0] == 0


IN_THE_WAY = {
    "a killed run": (".cookiecutter-backup/app.py", "contains your files from a run that was cut"),
    "a folder _hook": ("_hook/.htpasswd", "_hook/ exists"),
    "a folder at a file's path": ("docs/apps.md/x", "docs/apps.md is a link or a folder"),
    "another apphub": ("apphub/RECORD/x", "apphub/ is not the template's"),
}


@pytest.mark.parametrize(("name", "problem"), IN_THE_WAY.values(), ids=IN_THE_WAY.keys())
def test_what_is_in_the_way_is_found_before_anything_is_written(project, again, name, problem):
    parent = (project.path / name).parent
    if parent.is_file():
        parent.unlink()
    parent.mkdir(exist_ok=True)
    project.write(name, "mine\n")
    before = project.files
    status, message = again(project)
    assert status != 0
    assert problem in message
    assert project.files == before


def test_a_link_of_my_own_stays_a_link(project, again):
    project.write("my Procfile", "web: python server.py bin/start-nginx\n")  # an earlier version
    (project.path / "Procfile").unlink()
    (project.path / "Procfile").symlink_to("my Procfile")
    assert again(project)[0] == 0
    assert (project.path / "Procfile").is_symlink()
    assert project.read("my Procfile") == "web: python server.py bin/start-nginx\n"
    assert project.read("Procfile.new") == "web: python -m apphub.server bin/start-nginx\n"


def test_a_folder_with_files_of_other_kinds_becomes_a_project(again, tmp_path):
    """My own app.py and users.py are there already; it was never the template's project."""
    project = BakedProject(tmp_path / "data-apps")
    project.path.mkdir()
    for name in ("app.py", "users.py", "notes.ipynb"):
        project.write(name, "mine\n")
    status, message = again(project)
    assert status == 0
    assert {project.read(name) for name in ("app.py", "users.py", "notes.ipynb")} == {"mine\n"}
    assert (project.path / "app.py.new").exists()
    assert not list(project.path.glob("*.old"))
    assert "python3 -m venv .venv" in message


@pytest.mark.parametrize("held", [[], ["notebooks/mine.ipynb", ".git/config"], ["mine.txt"]])
def test_stopped_at_the_prompt_a_folder_is_as_it_was(tmp_path, held):
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
        timeout=60,
    )
    child.expect_exact("Password for")
    child.waitnoecho()
    if held:
        folder.write("saved meanwhile.txt", "mine too\n")
    child.sendintr()
    child.expect(pexpect.EOF)
    left = dict.fromkeys(held, b"mine\n")
    if held:
        left["saved meanwhile.txt"] = b"mine too\n"
    assert folder.files == left


def test_a_password_that_nobody_sees_is_not_set(project):
    """A generated password that was not printed would lock everybody out."""
    (project.path / ".htpasswd").unlink()
    before = project.files
    command = [sys.executable, "-m", "cookiecutter", "-f", "--no-input", ROOT]
    given = [f"{name}={answer}" for name, answer in ANSWERS.items()]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*command, "-o", project.path.parent, *given, "password_source=generate"],
            env={k: v for k, v in os.environ.items() if k != "AUTH_PASSWORD"},
            stdin=subprocess.DEVNULL,
            stdout=full,
        )
    assert ended.returncode != 0
    assert project.files == before


def test_a_fork_may_have_files_in_deeper_folders(template, tmp_path, again):
    deep = "deep/down/file.txt"
    source = BakedProject(template)
    source.change("cookiecutter.json", '"_user_owned": [', f'"_user_owned": [\n    "{deep}",')
    (template / "{{cookiecutter.project_slug}}/deep/down").mkdir(parents=True)
    source.write(f"{{{{cookiecutter.project_slug}}}}/{deep}", "ours\n")
    project = BakedProject(tmp_path / "out/data-apps")
    assert again(project, template=template)[0] == 0
    assert project.read(deep) == "ours\n"

    project.write(deep, "mine\n")
    status, message = again(project, template=template)
    assert status == 0
    assert project.read(deep) == "mine\n"
    assert project.read(f"{deep}.new") == "ours\n"
    assert f"    {deep}.new\n" in message

    shutil.rmtree(project.path / "deep")
    (project.path / "Procfile.new").mkdir()  # the hook fails when it comes to this
    project.write("Procfile", "mine\n")
    assert again(project, template=template)[0] != 0
    assert not (project.path / "deep").exists()
