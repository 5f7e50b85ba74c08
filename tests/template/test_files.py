"""What a fresh project consists of."""

import ast
import json
import re
import stat
import subprocess

import bcrypt
import pytest
from baked import PASSWORD, ROOT

ALWAYS = {
    ".github/dependabot.yml",
    ".gitignore",
    ".htpasswd",
    ".python-version",
    ".slugignore",
    ".streamlit/config.toml",
    "GROWING.md",
    "Procfile",
    "README.md",
    "app.json",
    "app.py",
    "apps.json",
    "apps/__init__.py",
    "bin/post_compile",
    "bundle.py",
    "check.py",
    "config/icon.svg",
    "config/new_app.py",
    "config/nginx.conf.erb",
    "deploy.py",
    "hub.css",
    "hub.py",
    "launcher.py",
    "log.py",
    "manage.py",
    "menu.py",
    "page.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.in",
    "replica.py",
    "requirements.txt",
    "serve.py",
    "server.py",
    "tests/test_apps.py",
    "users.py",
}


@pytest.fixture
def project(bake):
    return bake(
        app_name="Data Apps",
        project_slug="data-apps",
        auth_user="anna.b",
        apps="Sales Report, Churn Explorer",
    )


def test_these_files_and_no_others(project):
    assert set(project.files) == ALWAYS | {"apps/sales_report.py", "apps/churn_explorer.py"}
    assert not list(project.path.rglob("__pycache__"))


def test_the_readme_lists_them():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    table = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert ALWAYS - {"apps/__init__.py"} <= table
    assert "apps/sales_report.py" in table


def test_every_file_is_kept_or_renewed_by_a_second_run(project):
    """A file of the template's that is in neither list would be overwritten without a word."""
    questions = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    made_by_the_hook = {"Procfile", "config/nginx.conf.erb", ".htpasswd", "apps.json"}
    rendered = {name for name in project.files if not name.startswith("apps/")} - made_by_the_hook
    assert sorted(questions["_kept"] + questions["_renewed"]) == sorted(rendered)
    folders = {name.rpartition("/")[0] for name in project.files}
    assert {name.rpartition("/")[0] for name in rendered} | {"apps"} == folders


def test_text_ends_its_lines_as_unix_does(project):
    for name, content in project.files.items():
        assert b"\r" not in content, name
        assert content.endswith(b"\n"), name


def test_no_template_is_left_in_it(project):
    for name, content in project.files.items():
        assert b"cookiecutter." not in content, name


def test_htpasswd_holds_one_bcrypt_hash_that_its_owner_alone_reads(project):
    line = project.read(".htpasswd")
    assert re.fullmatch(r"anna\.b:\$2b\$12\$[./A-Za-z0-9]{53}\n", line)
    assert bcrypt.checkpw(PASSWORD.encode(), line.strip().partition(":")[2].encode())
    assert stat.S_IMODE((project.path / ".htpasswd").stat().st_mode) == 0o600


def test_the_menu_names_the_apps_in_their_order(project):
    assert project.menu == [
        {"name": "Sales Report", "module": "apps.sales_report"},
        {"name": "Churn Explorer", "module": "apps.churn_explorer"},
    ]
    assert project.read("apps.json").count("\n") == 4  # an entry a line


def test_each_app_has_a_run_and_can_be_run_alone(project):
    tree = ast.parse(project.read("apps/sales_report.py"))
    assert "run" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    run()"
    assert 'TITLE = "Sales Report"' in project.read("apps/sales_report.py")


def test_heroku_is_told_what_to_run(project):
    assert project.read("Procfile") == "web: python server.py bin/start-nginx\n"
    told = json.loads(project.read("app.json"))
    assert told["name"] == "Data Apps"
    assert told["stack"] == "heroku-24"
    urls = [buildpack["url"] for buildpack in told["buildpacks"]]
    assert urls == ["heroku/python", "heroku-community/nginx"]
    assert re.fullmatch(r"3\.1[1-4]\n", project.read(".python-version"))


def test_heroku_makes_a_secret_of_its_own_for_each_app(project):
    secret = json.loads(project.read("app.json"))["env"]["SESSION_SECRET"]
    assert secret["generator"] == "secret"
    assert "value" not in secret  # it would be the same one everywhere, and in git


def test_the_end_of_the_build_is_a_script_for_bash(project):
    script = project.path / "bin/post_compile"
    assert stat.S_IMODE(script.stat().st_mode) & 0o111 == 0o111
    assert script.read_bytes().startswith(b"#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", script], check=True)


def test_git_takes_all_of_it(project):
    """What is deployed is committed, .htpasswd too; what a laptop adds is not."""
    (project.path / "__pycache__").mkdir()
    made_at_start = ("config/nginx.conf", "config/htpasswd")
    for litter in ("__pycache__/app.pyc", ".streamlit/secrets.toml", *made_at_start):
        project.write(litter, "x")
    subprocess.run(["git", "init", "-q", project.path], check=True)
    subprocess.run(["git", "add", "-A"], cwd=project.path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-sz"], cwd=project.path, check=True, capture_output=True, text=True
    )
    modes = {
        name: entry.split()[0]
        for entry, name in (line.split("\t") for line in listed.stdout.strip("\0").split("\0"))
    }
    assert set(modes) == ALWAYS | {"apps/sales_report.py", "apps/churn_explorer.py"}
    assert [name for name in modes if modes[name] != "100644"] == ["bin/post_compile"]
    assert modes["bin/post_compile"] == "100755"


def test_every_package_is_pinned(project):
    lines = re.findall(r"^[^\s#].*", project.read("requirements.txt"), re.MULTILINE)
    assert all(re.match(r"[\w.-]+==[\w.]+( ;|$)", line) for line in lines), lines
    pinned = {line.partition("==")[0] for line in lines}
    wanted = re.findall(r"^([a-z]\w*)", project.read("requirements.in"), re.MULTILINE)
    assert set(wanted) <= pinned


def test_nginx_configuration_is_ruby_alone_and_plain_ascii(project):
    source = project.read("config/nginx.conf.erb")
    assert source.isascii()  # whatever LANG a dyno has, Ruby can read it
    assert source == (ROOT / "{{cookiecutter.project_slug}}/_hook/config/nginx.conf.erb").read_text(
        "utf-8"
    )
