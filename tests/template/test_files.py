"""What a new project consists of."""

from __future__ import annotations

import ast
import json
import re
import shutil
import stat
import subprocess

import bcrypt
import pytest
from baked import PASSWORD, ROOT, BakedProject

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))

OWN = {
    ".cookiecutter.json",
    ".github/dependabot.yml",
    ".gitignore",
    ".htpasswd",
    ".python-version",
    ".slugignore",
    ".streamlit/config.toml",
    "Procfile",
    "README.md",
    "app.json",
    "app.py",
    "apps.json",
    "apps/__init__.py",
    "apps/churn_explorer.py",
    "apps/sales_report.py",
    "bin/post_compile",
    "config/app_template.py",
    "config/icon.svg",
    "config/nginx.conf.erb",
    "docs/apps.md",
    "docs/cost.md",
    "docs/deploy.md",
    "docs/logs.md",
    "docs/scaling.md",
    "docs/troubleshooting.md",
    "docs/variables.md",
    "manage.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.in",
    "requirements.txt",
    "tests/test_apps.py",
}
# Written by the hook: it stays the user's, whatever a newer version of the template has.
WRITTEN_BY_HOOK = {
    ".cookiecutter.json",
    ".htpasswd",
    "Procfile",
    "apps.json",
    "config/nginx.conf.erb",
}


@pytest.fixture(scope="module")
def files(baked_project: BakedProject) -> dict[str, bytes]:
    return baked_project.files


def apphub_files() -> set[str]:
    """The template's code, and the list of its files that the hook adds."""
    folder = TEMPLATE / "apphub"
    names = {path.relative_to(TEMPLATE).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if "__pycache__" not in name} | {"apphub/RECORD"}


@pytest.mark.smoke
def test_files(baked_project, files):
    assert set(files) == OWN | apphub_files()
    assert not list(baked_project.path.rglob("__pycache__"))


def test_readme_has_them_in_its_table():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    folders = tuple(name for name in listed if name.endswith("/"))
    missing = {name for name in OWN if name not in listed and not name.startswith(folders)}
    assert missing == set()


def test_every_file_is_the_users_or_the_templates(files):
    """A file that is in neither list would be overwritten by an update without a word."""
    assert QUESTIONS["_template_owned"] == ["apphub"]
    rendered = {name for name in OWN if not name.startswith("apps/")} - WRITTEN_BY_HOOK
    assert QUESTIONS["_user_owned"] == sorted(rendered)


def test_text_files_have_lf_and_end_with_it(files):
    for name, content in files.items():
        assert b"\r" not in content, name
        assert not content or content.endswith(b"\n"), name


def test_no_variable_of_the_template_is_left(files):
    for name, content in files.items():
        assert name.startswith("apphub/") or not re.search(rb"\{[{%]-? *cookiecutter", content), (
            name
        )


@pytest.mark.smoke
def test_htpasswd_has_one_bcrypt_hash_for_its_owner_only(baked_project):
    line = baked_project.read(".htpasswd")
    assert re.fullmatch(r"anna\.b:\$2b\$12\$[./A-Za-z0-9]{53}\n", line)
    assert bcrypt.checkpw(PASSWORD.encode(), line.strip().partition(":")[2].encode())
    assert stat.S_IMODE((baked_project.path / ".htpasswd").stat().st_mode) == 0o600


def test_menu_has_the_apps_in_their_order(baked_project):
    assert baked_project.menu == [
        {"name": "Sales Report", "module": "apps.sales_report"},
        {"name": "Churn Explorer", "module": "apps.churn_explorer"},
    ]
    assert baked_project.read("apps.json").count("\n") == 4  # one line per entry


def test_each_app_has_run_and_can_be_run_by_itself(baked_project):
    tree = ast.parse(baked_project.read("apps/sales_report.py"))
    assert "run" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    run()"
    assert 'TITLE = "Sales Report"' in baked_project.read("apps/sales_report.py")


def test_what_heroku_runs(baked_project):
    assert baked_project.read("Procfile") == "web: python -m apphub.server bin/start-nginx\n"
    manifest = json.loads(baked_project.read("app.json"))
    assert manifest["name"] == "Data Apps"
    assert manifest["stack"] == "heroku-24"
    urls = [buildpack["url"] for buildpack in manifest["buildpacks"]]
    assert urls == ["heroku/python", "heroku-community/nginx"]
    assert re.fullmatch(r"3\.1[1-4]\n", baked_project.read(".python-version"))


def test_heroku_generates_a_secret_for_each_app(baked_project):
    secret = json.loads(baked_project.read("app.json"))["env"]["SESSION_SECRET"]
    assert secret["generator"] == "secret"
    assert "value" not in secret  # it would be the same one everywhere, and in git


def test_post_compile_is_a_script_for_bash(baked_project):
    script = baked_project.path / "bin/post_compile"
    assert stat.S_IMODE(script.stat().st_mode) & 0o111 == 0o111
    assert script.read_bytes().startswith(b"#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", script], check=True)


def test_git_takes_all_of_it_and_nothing_else(baked_project, tmp_path):
    """What is deployed is committed, .htpasswd as well; what a start or a computer adds is not."""
    project = BakedProject(shutil.copytree(baked_project.path, tmp_path / "project"))
    for name in (
        *("__pycache__/app.pyc", ".streamlit/secrets.toml", ".env", "README.md.new", "app.py.old"),
        *("config/nginx.conf", "config/generated/htpasswd", "logs/nginx/access.log"),
    ):
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        project.write(name, "x")
    subprocess.run(["git", "init", "-q", project.path], check=True)
    subprocess.run(["git", "add", "-A"], cwd=project.path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-sz"], cwd=project.path, check=True, capture_output=True, text=True
    )
    modes = {
        name: entry.split()[0]
        for entry, name in (line.split("\t") for line in listed.stdout.strip("\0").split("\0"))
    }
    assert set(modes) == OWN | apphub_files()
    assert {name: mode for name, mode in modes.items() if mode != "100644"} == {
        "bin/post_compile": "100755"
    }


def test_every_package_is_pinned(baked_project):
    lines = re.findall(r"^[^\s#].*", baked_project.read("requirements.txt"), re.MULTILINE)
    assert all(re.match(r"[\w.-]+==[\w.]+( ;|$)", line) for line in lines), lines
    pinned = {line.partition("==")[0] for line in lines}
    required = re.findall(r"^([a-z]\w*)", baked_project.read("requirements.in"), re.MULTILINE)
    assert set(required) <= pinned


@pytest.mark.smoke
def test_nginx_conf_erb_is_short_and_the_same_in_every_project(baked_project):
    text = baked_project.read("config/nginx.conf.erb")
    assert text.isascii()  # whatever LANG a dyno has, Ruby can read it
    assert text == (TEMPLATE / "_hook/config/nginx.conf.erb").read_text("utf-8")
    assert text.count("\n") <= 30
    assert [tag.split('"')[1] for tag in re.findall(r"<%.*?%>", text)] == ["NGINX_WORKERS", "PORT"]


@pytest.mark.parametrize("name", ["app.py", "manage.py", "bin/post_compile"])
def test_entry_points_are_short(baked_project, name):
    assert baked_project.read(name).count("\n") <= 10
