"""add-app --from: a script, a folder or a repository is copied unchanged, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bring_helpers import MODULE, STREAMLIT, write_files
from check_helpers import GIT

from apphub.apps import App
from apphub.bring import source as source_module
from apphub.bring.add import add
from apphub.finding import InvalidInput

PROJECT = {
    "streamlit_app.py": "import streamlit as st\nfrom utils.db import load\n\nst.write(load())\n",
    "utils/db.py": "def load():\n    return 1\n",
    "pages/1_🗺️_Map.py": STREAMLIT,
    "data/sales.csv": b"a;b\r\n\xe9;2\r\n",
    ".streamlit/config.toml": "[theme]\nbase = 'dark'\n",
    ".gitignore": "*.log\n",
    "README.md": "# Forecast\n",
    "config/nginx.conf": "",  # not the hub's own
}
NOT_COPIED = {
    ".git/config": "",
    ".venv/lib/a.py": "",
    "env/pyvenv.cfg": "",
    "env/lib/a.py": "",
    "utils/__pycache__/db.pyc": b"\0",
}
SECRETS = {
    ".env": "A=b",
    ".streamlit/secrets.toml": "a = 'b'",
    "key.pem": "-----BEGIN RSA PRIVATE KEY-----\n",
    "account.json": '{"private_key": "-----BEGIN PRIVATE KEY-----"}',
}


@pytest.fixture
def forecast(tmp_path) -> Path:
    return write_files(tmp_path / "forecast", {**PROJECT, **NOT_COPIED, **SECRETS})


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def as_bytes(files: dict[str, str | bytes]) -> dict[str, bytes]:
    return {
        name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()
    }


def commit(folder: Path) -> Path:
    """Make a repository of a folder."""
    shutil.rmtree(folder / ".git", ignore_errors=True)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *command], cwd=folder, check=True, capture_output=True)
    return folder


def test_folder(project, bring, forecast):
    added = bring("Forecast", forecast)
    assert added.app == App("Forecast", script="apps/forecast/streamlit_app.py")
    assert added.app.url_path == "forecast"
    assert project.menu[-1] == {"name": "Forecast", "script": "apps/forecast/streamlit_app.py"}
    assert read_all(project.path / "apps/forecast") == as_bytes(PROJECT)
    assert read_all(forecast).keys() == {*PROJECT, *NOT_COPIED, *SECRETS}
    assert added.left_out == {
        ".env": "contains secrets",
        ".streamlit/secrets.toml": "contains secrets",
        "key.pem": "contains a private key",
        "account.json": "contains a private key",
    }
    assert f"({len(PROJECT)} files)" in added.action


def test_name_is_made_of_the_folders(project, bring, tmp_path):
    folder = write_files(tmp_path / "my-sales_forecast", {"app.py": STREAMLIT})
    assert bring("", folder).app == App("My Sales Forecast", script="apps/my_sales_forecast/app.py")


def test_modes_and_links_are_kept(project, bring, forecast):
    (forecast / "tool.sh").write_text("#!/bin/sh\n")
    (forecast / "tool.sh").chmod(0o755)
    (forecast / "latest.csv").symlink_to("data/sales.csv")
    (forecast / "more").symlink_to("data")
    bring("Forecast", forecast)
    copied = project.path / "apps/forecast"
    assert (copied / "tool.sh").stat().st_mode & 0o777 == 0o755
    assert (copied / "latest.csv").readlink() == Path("data/sales.csv")
    assert (copied / "more/sales.csv").read_bytes() == PROJECT["data/sales.csv"]


def test_what_is_not_the_apps_is_not_copied(project, bring, forecast, tmp_path):
    (tmp_path / "id").write_text("secret")
    for name, target in {
        "up": "../id",
        "absolute": str(tmp_path / "id"),
        "gone": "nothing",
        "folder": "..",
        "data/up": "../../id",
    }.items():
        (forecast / name).symlink_to(target)
    os.mkfifo(forecast / "pipe")
    added = bring("Forecast", forecast)
    assert read_all(project.path / "apps/forecast") == as_bytes(PROJECT)
    link = "is a link that leads out of the folder"
    expected = dict.fromkeys(["up", "absolute", "gone", "folder", "data/up"], link)
    expected["pipe"] = "is not a file"
    assert added.left_out.items() >= expected.items()


@pytest.mark.parametrize("text", [STREAMLIT, "import streamlit as st\n'magic'\n"])
def test_one_script(project, bring, tmp_path, text):
    path = write_files(tmp_path / "x", {"my_sales.py": text}) / "my_sales.py"
    added = bring("", path)
    assert added.app == App("My Sales", script="apps/my_sales.py")
    assert project.read("apps/my_sales.py") == text


def test_one_module(project, bring, tmp_path):
    path = write_files(tmp_path / "sales", {"app.py": MODULE}) / "app.py"
    assert bring("", path).app == App("Sales", module="apps.sales")


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"a.py": f"import helpers\n{STREAMLIT}", "helpers.py": ""}, "helpers"),
        ({"a.py": f"from utils.db import x\n{STREAMLIT}", "utils/db.py": ""}, "utils"),
        ({"a.py": STREAMLIT, "pages/1_B.py": STREAMLIT}, "pages/"),
    ],
)
def test_script_that_is_a_part_of_a_folder(project, bring, tmp_path, files, part):
    folder = write_files(tmp_path / "x", files)
    before = project.files
    with pytest.raises(InvalidInput) as caught:
        bring("A", folder / "a.py")
    assert f"needs {part}," in str(caught.value)
    assert str(caught.value).endswith(f"--from {folder} --script a.py")
    assert project.files == before
    assert bring("A", folder, script="a.py").app.script == "apps/a/a.py"


# -- Where it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Forecast!", "FORECAST "])
def test_address_of_another_app(project, bring, forecast, name):
    project.add_to_menu({"name": "Other", "module": "apps.forecast"})
    added = bring(name.strip(), forecast)
    assert added.app.url_path == "forecast_2"


@pytest.mark.parametrize("name", ["Static", "Media", "Login"])
def test_address_that_is_streamlits_own(project, bring, forecast, name):
    assert bring(name, forecast).app.url_path == f"{name.lower()}_app"


REFUSED = {
    "nothing there": (lambda root: root / "gone", {}, "does not exist"),
    "the project": (lambda root: root, {}, "contains this project"),
    "above the project": (lambda root: root.parent, {}, "contains this project"),
    "an app of the project": (
        lambda root: root / "apps/sales_report.py",
        {},
        "is in apps/ already",
    ),
    "no such part": (lambda root: root.parent / "forecast", {"subdirectory": "x"}, "no folder 'x'"),
    "a part that is outside": (
        lambda root: root.parent / "forecast",
        {"subdirectory": "../project"},
        "no folder",
    ),
    "no such script": (lambda root: root.parent / "forecast", {"script": "x.py"}, "no script x.py"),
    "a script that is outside": (
        lambda root: root.parent / "forecast",
        {"script": "../project/apps/sales_report.py"},
        "no script",
    ),
    "not a script": (
        lambda root: root.parent / "forecast",
        {"script": "README.md"},
        "no script README.md",
    ),
    "nothing that draws": (lambda root: root.parent / "forecast/utils", {}, "imports streamlit"),
}


@pytest.mark.parametrize(("place", "options", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(project, bring, forecast, place, options, reason):
    before = project.files
    with pytest.raises(InvalidInput, match=reason):
        bring("Forecast", place(project.path), **options)
    assert project.files == before


@pytest.mark.parametrize("name", ["Sales  report", "x" * 61, "a\nb"])
def test_name_that_breaks_a_rule(project, bring, forecast, name):
    before = project.files
    with pytest.raises(InvalidInput):
        bring(name, forecast)
    assert project.files == before


@pytest.mark.parametrize("there", ["apps/Forecast.py", "apps/forecast/app.py"])
def test_what_is_there_is_not_overwritten(project, bring, forecast, there):
    write_files(project.path, {there: STREAMLIT})
    before = project.files
    with pytest.raises(InvalidInput, match=r"python manage\.py add-app Forecast"):
        bring("Forecast", forecast)
    assert project.files == before


def test_folder_without_an_app_is_not_overwritten(project, bring, forecast):
    write_files(project.path, {"apps/forecast/notes.txt": ""})
    assert bring("Forecast", forecast).app.url_path == "forecast_2"


@pytest.mark.parametrize(
    "at",
    ["shutil.copy2", "apphub.bring.add.find_needs", "apphub.registry.write_entries"],
)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_failure_half_way_leaves_nothing_behind(project, bring, forecast, monkeypatch, at, error):
    calls = []

    def fail(*_: object, **__: object) -> None:
        calls.append(at)
        raise error

    (forecast / "requirements.txt").write_text("plotly\n")
    before = {**project.files}
    folders = {path for path in project.path.rglob("*") if path.is_dir()}
    monkeypatch.setattr(at, fail)
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError):
        bring("Forecast", forecast)
    assert calls == [at]
    assert project.files == before
    assert {path for path in project.path.rglob("*") if path.is_dir()} == folders


def test_copy_that_was_killed_is_in_nobodys_way(project, bring, forecast):
    write_files(project.path, {"apps/.forecast.new/half.py": "x"})
    bring("Forecast", forecast)
    assert read_all(project.path / "apps/forecast") == as_bytes(PROJECT)
    assert not (project.path / "apps/.forecast.new").exists()


# -- Repositories ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "URL", "bare"])
def test_repository(project, bring, forecast, tmp_path, form):
    commit(forecast)
    source = str(forecast)
    if form == "URL":
        source = f"file://{forecast}"
    if form == "bare":
        source = str(tmp_path / "bare.git")
        subprocess.run([*GIT, "clone", "-q", "--bare", str(forecast), source], check=True)
    added = bring("Forecast", source)
    assert added.app == App("Forecast", script="apps/forecast/streamlit_app.py")
    assert read_all(project.path / "apps/forecast") == as_bytes(PROJECT)
    assert source in added.action


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/anna/sales-forecast.git", "Sales Forecast"),
        ("git@example.com:anna/sales_forecast.git", "Sales Forecast"),
        ("ssh://git@example.com/anna/Forecast/", "Forecast"),
    ],
)
def test_name_is_made_of_the_urls(tmp_path, url, name):
    top = write_files(tmp_path / "repository", {"app.py": STREAMLIT})
    assert source_module.Source(top, top, url).app_name == name
    (top / "sub-part").mkdir()
    assert source_module.Source(top / "sub-part", top, url).app_name == "Sub Part"


def test_part_of_a_repository(project, bring, tmp_path):
    files = {f"tools/forecast/{name}": text for name, text in PROJECT.items()}
    repository = commit(
        write_files(tmp_path / "tools-repository", {**files, "other.py": STREAMLIT})
    )
    added = bring("", f"file://{repository}", subdirectory="tools/forecast")
    assert added.app == App("Forecast", script="apps/forecast/streamlit_app.py")
    assert read_all(project.path / "apps/forecast") == as_bytes(PROJECT)


def test_clone_is_deleted(project, bring, forecast, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    bring("Forecast", f"file://{commit(forecast)}")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_repository_that_is_not_there(project, bring, tmp_path):
    before = project.files
    with pytest.raises(InvalidInput, match="git cannot clone file://") as caught:
        bring("Forecast", f"file://anna:sesame@{tmp_path}/gone.git")
    assert "sesame" not in str(caught.value)
    assert project.files == before


def test_link_in_a_repository_that_leads_out_of_it(project, bring, tmp_path):
    """A stranger's repository must not copy a file of this computer."""
    (tmp_path / "id_rsa").write_text("private")
    repository = write_files(tmp_path / "forecast", {"app.py": STREAMLIT})
    (repository / "data.csv").symlink_to(tmp_path / "id_rsa")
    (repository / "sub").symlink_to(tmp_path)
    commit(repository)
    added = bring("Forecast", f"file://{repository}")
    assert set(added.left_out) == {"data.csv", "sub"}
    assert read_all(project.path / "apps/forecast") == {"app.py": STREAMLIT.encode()}
    with pytest.raises(InvalidInput, match="no folder 'sub'"):
        bring("Again", f"file://{repository}", subdirectory="sub")


def test_url_that_would_run_a_command(project, bring, tmp_path):
    """git runs what is after ext::, unless it is told not to."""
    with pytest.raises(InvalidInput, match="does not exist"):
        bring("Forecast", f"ext::sh -c 'touch {tmp_path}/ran'")
    with pytest.raises(InvalidInput, match="does not exist"):
        bring("Forecast", f"--upload-pack=touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


def test_without_git(project, bring, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InvalidInput, match="git is not installed"):
        bring("Forecast", "https://example.com/x.git")


# -- The script that starts it ---------------------------------------------------------------------

OTHER = "import pandas\n"
CLEAR = {
    "streamlit_app.py": {"streamlit_app.py": STREAMLIT, "app.py": STREAMLIT},
    "app.py": {"app.py": STREAMLIT, "main.py": STREAMLIT, "charts.py": STREAMLIT},
    "main.py": {"main.py": STREAMLIT, "Home.py": STREAMLIT, "app.py": OTHER},
    "Home.py": {"Home.py": STREAMLIT, "pages/1_A.py": STREAMLIT},
    "Streamlit_App.py": {"Streamlit_App.py": STREAMLIT, "x.py": STREAMLIT},
    "HOME.py": {"HOME.py": STREAMLIT, "x.py": STREAMLIT},
    "dashboard.py": {"dashboard.py": STREAMLIT, "main.py": OTHER, "pages/1_A.py": STREAMLIT},
    "src/app.py": {"src/app.py": STREAMLIT, "src/charts.py": STREAMLIT, "tests/app.py": STREAMLIT},
    "src/dashboard.py": {"src/dashboard.py": STREAMLIT, "setup.py": OTHER},
    "app.py by its part": {"app.py": "from ui.page import draw\ndraw()\n", "ui/page.py": STREAMLIT},
    "Hello.py": {
        "Hello.py": STREAMLIT,
        "utils.py": STREAMLIT,
        "pages/1_A.py": f"from utils import draw\n{STREAMLIT}",
    },
    "Chatbot.py": {
        "Chatbot.py": STREAMLIT,
        "app_test.py": STREAMLIT,
        "test_it.py": STREAMLIT,
        "conftest.py": STREAMLIT,
    },
    "app.py of another Python": {"app.py": "import streamlit\nprint 'x'\n", "x.py": STREAMLIT},
}


@pytest.mark.parametrize(("entry", "files"), CLEAR.items(), ids=CLEAR)
def test_script_is_found(bring, answers, tmp_path, entry, files):
    folder = write_files(tmp_path / "forecast", files)
    assert bring("Forecast", folder).app.script == f"apps/forecast/{entry.partition(' ')[0]}"
    assert answers.asked == []


UNCLEAR = {
    "two": {"a.py": STREAMLIT, "b.py": STREAMLIT, "c.py": OTHER},
    "two below": {"src/a.py": STREAMLIT, "src/b.py": STREAMLIT},
    "two named below": {"a/app.py": STREAMLIT, "b/app.py": STREAMLIT},
}


@pytest.mark.parametrize("files", UNCLEAR.values(), ids=UNCLEAR)
def test_script_is_asked_for(project, bring, answers, tmp_path, files):
    folder = write_files(tmp_path / "forecast", files)
    before = project.files
    first, second = [name for name, text in files.items() if text == STREAMLIT]
    with pytest.raises(InvalidInput) as caught:
        bring("Forecast", folder)
    assert f"{first} and {second}" in str(caught.value)
    assert f"--script {first}" in str(caught.value)
    assert project.files == before
    answers.choice = second
    answers.asked.clear()
    assert bring("Forecast", folder).app.script == f"apps/forecast/{second}"
    assert answers.asked == [first, second]


def test_named_script(bring, tmp_path):
    folder = write_files(tmp_path / "forecast", {"app.py": STREAMLIT, "b/c.py": OTHER})
    assert bring("Forecast", folder, script="b/c.py").app.script == "apps/forecast/b/c.py"


def test_package_with_run(project, bring, tmp_path):
    folder = write_files(tmp_path / "stock", {"__init__.py": MODULE, "menu.py": STREAMLIT})
    assert bring("", folder).app == App("Stock", module="apps.stock")


def test_add_is_for_any_root(tmp_path, answers, forecast):
    """A project that has only apps, as the hook makes one."""
    root = tmp_path / "new"
    root.mkdir()
    from apphub.bring.add import Options

    add("Forecast", answers, root, Options(str(forecast)))
    assert (root / "apps/forecast/streamlit_app.py").is_file()
