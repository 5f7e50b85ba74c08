"""Files and folders that are in apps/ already: add-app takes them."""

from __future__ import annotations

import json
import unicodedata

import pytest
from bring_helpers import MODULE, STREAMLIT, write_files

from apphub.apps import App
from apphub.finding import InvalidInput
from apphub.menu import load_menu
from apphub.registry import append_entry, remove_app

CHURN = """import streamlit as st

def main():
    st.title("My churn")

if __name__ == "__main__":
    main()
"""
NFD = unicodedata.normalize("NFD", "Café")


def test_script_that_is_there_is_taken(project, bring):
    """churn.py, and no churn_2.py with made-up numbers."""
    write_files(project.path, {"apps/churn.py": CHURN})
    added = bring("Churn")
    assert added.app == App("Churn", script="apps/churn.py")
    assert added.action == "Added Churn to apps.json, as the script apps/churn.py."
    assert project.menu[-1] == {"name": "Churn", "script": "apps/churn.py"}
    assert project.read("apps/churn.py") == CHURN
    assert not list(project.path.glob("apps/churn_2*"))


def test_removed_app_is_added_again(project, bring):
    before = project.menu
    remove_app("Churn Explorer", project.path)
    project.write("apps/churn_explorer.py", MODULE)
    assert bring("Churn Explorer").app == App("Churn Explorer", "apps.churn_explorer")
    assert project.menu == before
    assert project.read("apps/churn_explorer.py") == MODULE


def test_nothing_there_is_a_sample(project, bring):
    added = bring("Churn")
    assert added.app == App("Churn", "apps.churn")
    assert added.action == "Wrote apps/churn.py and added Churn to apps.json."
    assert 'TITLE = "Churn"' in project.read("apps/churn.py")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("churn", "Churn.py"),
        ("CHURN", "churn.py"),
        ("Churn Rate", "churn-rate.py"),
        ("Churn Rate", "churn_rate.py"),
        ("Churn-Rate!", "Churn_Rate.py"),
        ("Café", "cafe.py"),
        ("Café", "CAFÉ.py"),
        ("Cafe", "café.py"),
        (NFD, "café.py"),
        ("ＣＨＵＲＮ", "churn.py"),
        ("売上", "売上.py"),
        ("दैनिक", "दैनिक.py"),
        ("2024", "2024.py"),
        ("Json", "json_app.py"),
    ],
)
def test_name_in_another_form(project, bring, name, file):
    write_files(project.path, {f"apps/{file}": STREAMLIT})
    files = set(project.files)
    added = bring(name)
    assert added.app == App(name, script=f"apps/{file}")
    assert load_menu(project.path)[-1].find(project.path).read_text() == STREAMLIT
    assert set(project.files) == files


def test_decomposed_name_is_composed(project, bring):
    """git and browsers compose it: under the other name Heroku would not find the file."""
    write_files(project.path, {f"apps/{NFD}.py": STREAMLIT})
    assert bring("Café").app == App("Café", script="apps/Café.py")
    assert [path.name for path in project.path.glob("apps/Caf*")] == ["Café.py"]


def test_decomposed_name_stays_where_it_fails(project, bring, monkeypatch):
    write_files(project.path, {f"apps/{NFD}.py": STREAMLIT})
    before = project.files
    monkeypatch.setattr("apphub.bring.add.append_entry", append_and_fail)
    with pytest.raises(KeyboardInterrupt):
        bring("Café")
    assert project.files == before


def append_and_fail(*arguments: object) -> None:
    """Be interrupted right after the entry was written."""
    append_entry(*arguments)
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["📈", "!?"])
def test_name_without_letters_takes_nothing(project, bring, name):
    write_files(project.path, {"apps/app.py": STREAMLIT})
    assert bring(name).app.module == "apps.app_2"


def test_file_of_another_entry_is_not_taken(project, bring):
    write_files(project.path, {"apps/cafe.py": MODULE})
    project.add_to_menu({"name": "Old", "module": "apps.cafe"})
    assert bring("Café").app.module == "apps.cafe_2"


def test_two_that_may_be_meant(project, bring):
    write_files(project.path, {"apps/churn.py": STREAMLIT, "apps/churn/app.py": STREAMLIT})
    before = project.files
    with pytest.raises(InvalidInput, match=r"Both apps/churn and apps/churn\.py may be 'Churn'"):
        bring("Churn")
    assert project.files == before


@pytest.mark.parametrize(
    ("file", "name", "command"),
    [
        ("My churn.py", "My Churn", "git mv 'apps/My churn.py' apps/my_churn.py"),
        ("churn 2/app.py", "Churn 2", "git mv 'apps/churn 2' apps/churn_2"),
        ("static.py", "Static", "git mv apps/static.py apps/static_app.py"),
        ("Login/app.py", "Login", "git mv apps/Login apps/login_app"),
    ],
)
def test_name_that_cannot_be_an_address(project, bring, file, name, command):
    write_files(project.path, {f"apps/{file}": STREAMLIT})
    before = project.files
    with pytest.raises(InvalidInput) as caught:
        bring(name)
    assert str(caught.value).endswith(command)
    assert project.files == before


def test_helper_is_not_an_app(project, bring):
    write_files(project.path, {"apps/helpers.py": "A = 1\n"})
    before = project.files
    with pytest.raises(InvalidInput, match=r"does not import streamlit.*--script helpers\.py"):
        bring("Helpers")
    assert project.files == before
    assert bring("Helpers", script="helpers.py").app.script == "apps/helpers.py"


# -- Module or script ------------------------------------------------------------------------------

MODULES = {
    "run()": MODULE,
    "run() and a guard": f"{MODULE}\nif __name__ == '__main__':\n    run()\n",
    "run() in a guard with more": f"{MODULE}\nif '__main__' == __name__:\n    run(), 1\n",
    "top-level calls": f"{STREAMLIT}\ndef run():\n    pass\n",
    "defaults": "import streamlit\n\ndef run(a=1, *b, c=2, **d): pass\n",
    "imported": "import streamlit\nfrom apps.sales_report import run\n",
}
SCRIPTS = {
    "no run()": STREAMLIT,
    "main() in a guard": CHURN,
    "run() that is another function": CHURN.replace("def main", "def run(): pass\n\ndef main"),
    "run() at the end": f"{MODULE}\nrun()\n",
    "arguments": "import streamlit\n\ndef run(query): pass\n",
    "async": "import streamlit\n\nasync def run(): pass\n",
    "a class": "import streamlit\n\nclass run: pass\n",
    "of a class": "import streamlit\n\nclass App:\n    def run(self): pass\n",
    "syntax of another Python": "import streamlit\nprint 'x'\n",
}


@pytest.mark.parametrize("text", MODULES.values(), ids=MODULES)
def test_module(project, bring, text):
    write_files(project.path, {"apps/new.py": text})
    assert bring("New").app == App("New", module="apps.new")


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_script(project, bring, text):
    write_files(project.path, {"apps/new.py": text})
    assert bring("New").app == App("New", script="apps/new.py")


def test_module_whose_name_is_not_an_identifier(project, bring):
    write_files(
        project.path, {"apps/my-churn.py": f"{MODULE}\nif __name__ == '__main__':\n    run()"}
    )
    assert bring("My Churn").app == App("My Churn", script="apps/my-churn.py")


def test_folder(project, bring):
    write_files(project.path, {"apps/Churn/streamlit_app.py": STREAMLIT, "apps/Churn/a.csv": ""})
    assert bring("churn").app == App("churn", script="apps/Churn/streamlit_app.py")


def test_package(project, bring):
    write_files(project.path, {"apps/churn/__init__.py": MODULE, "apps/churn/app.py": STREAMLIT})
    assert bring("Churn").app == App("Churn", module="apps.churn")


def test_package_with_a_script(project, bring):
    write_files(project.path, {"apps/churn/__init__.py": "", "apps/churn/app.py": STREAMLIT})
    assert bring("Churn").app == App("Churn", script="apps/churn/app.py")


@pytest.mark.parametrize("file", ["__pycache__/app.pyc", ".DS_Store"])
def test_folder_that_was_left_behind(project, bring, file):
    write_files(project.path, {f"apps/churn/{file}": ""})
    assert bring("Churn").app.module == "apps.churn_2"


def test_options_are_for_something_that_is_there(project, bring):
    before = project.files
    with pytest.raises(InvalidInput, match="Name its place: --from PATH"):
        bring("Churn", script="app.py")
    assert project.files == before


@pytest.mark.parametrize("at", ["apphub.bring.add.find_needs", "apphub.registry.write_entries"])
def test_interrupted_it_changes_nothing(project, bring, monkeypatch, at):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_files(project.path, {"apps/churn.py": CHURN})
    before = project.files
    monkeypatch.setattr(at, interrupt)
    with pytest.raises(KeyboardInterrupt):
        bring("Churn")
    assert project.files == before


def test_entry_that_would_not_be_valid_is_not_written(project):
    before = project.files
    with pytest.raises(InvalidInput):
        append_entry(App("A", script="apps/static.py"), project.path)
    assert project.files == before
    (project.path / "apps.json").unlink()
    with pytest.raises(InvalidInput):
        append_entry(App("A", script="apps/static.py"), project.path)
    assert not (project.path / "apps.json").exists()


def test_first_entry(tmp_path):
    append_entry(App("A", script="apps/a.py"), tmp_path)
    entries = json.loads((tmp_path / "apps.json").read_text("utf-8"))
    assert entries == [{"name": "A", "script": "apps/a.py"}]
