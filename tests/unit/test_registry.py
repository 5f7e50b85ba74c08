"""registry.py: adding and removing apps."""

from __future__ import annotations

import ast
import json
import keyword
import sys
import tempfile
from pathlib import Path

import pytest
from baked import NASTY
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import APP_NAMES, SIMILAR_APP_NAMES

from apphub.apps import App, MenuError
from apphub.finding import InvalidInput
from apphub.menu import load_menu
from apphub.registry import add_app, make_module_name, quote_python, remove_app
from apphub.text import escape_markdown, name_key

SALES = {"name": "Sales Report", "module": "apps.sales_report"}


def title(project, name: str) -> str:
    """Return the constant TITLE of an app."""
    tree = ast.parse(project.read(f"apps/{name}.py"))
    [value] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TITLE"
    ]
    return ast.literal_eval(value)


# -- Adding ----------------------------------------------------------------------------------------


def test_new_app(project):
    app = add_app("Café, 2nd floor", project.path)
    assert app == App("Café, 2nd floor", "apps.cafe_2nd_floor")
    assert project.menu[2] == {"name": "Café, 2nd floor", "module": "apps.cafe_2nd_floor"}
    assert project.read("apps.json").count("\n") == 5  # one line per entry
    assert 'TITLE = "Café, 2nd floor"' in project.read("apps/cafe_2nd_floor.py")


def test_new_app_is_a_copy_of_the_projects_template(project, tmp_path):
    template = tmp_path / "app_template.py"
    template.write_text('TITLE = "New app"\n\ndef run():\n    print("New app")\n')
    add_app("R", project.path, template)
    assert project.read("apps/r.py") == 'TITLE = "R"\n\ndef run():\n    print("R")\n'


def test_first_app_of_a_new_project(tmp_path):
    app = add_app("A", tmp_path)
    assert load_menu(tmp_path) == [app] == [App("A", "apps.a")]


def test_users_of_the_other_apps_stay(project):
    project.write("apps.json", json.dumps([{**SALES, "users": ["anna.b"]}]))
    add_app("Churn", project.path)
    assert project.menu == [
        {**SALES, "users": ["anna.b"]},
        {"name": "Churn", "module": "apps.churn"},
    ]


def test_no_module_is_overwritten(project):
    project.write("apps/churn.py", "# a module that is in no menu\n")
    add_app("Churn", project.path)
    assert project.read("apps/churn.py") == "# a module that is in no menu\n"
    assert project.menu[2]["module"] == "apps.churn_2"
    assert add_app("Churn!", project.path).module == "apps.churn_3"


def test_no_folder_is_overwritten(project):
    (project.path / "apps/churn").mkdir()
    (project.path / "apps/Forecast.py").touch()  # on some systems apps/forecast.py is the same
    assert add_app("Churn", project.path).module == "apps.churn_2"
    assert add_app("Forecast", project.path).module == "apps.forecast_2"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Sales  report", "is in apps.json already"),
        ("SALES REPORT", "is in apps.json already"),
        ("", "is empty"),
        ("x" * 61, "60 characters"),
        ("a\nb", "line break"),
    ],
)
def test_name_that_breaks_a_rule_changes_nothing(project, name, reason):
    before = project.files
    with pytest.raises(InvalidInput, match=reason):
        add_app(name, project.path)
    assert project.files == before


@pytest.mark.parametrize("menu", ["[{]", "[{}]", "{}"])
def test_menu_that_is_not_valid_is_not_changed(project, menu):
    project.write("apps.json", menu)
    before = project.files
    with pytest.raises(MenuError):
        add_app("Churn", project.path)
    assert project.files == before


@pytest.mark.parametrize("at", [1, 2])
def test_interrupted_it_changes_nothing(project, monkeypatch, at):
    """At the module, or at the menu."""
    before, replace, replaced = project.files, Path.replace, []

    def interrupt(source: Path, target: Path) -> Path:
        replaced.append(target)
        if len(replaced) == at:
            raise KeyboardInterrupt
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_app("Churn", project.path)
    assert len(replaced) == at
    assert project.files == before


# -- Names of modules ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module"),
    {
        "Sales Report": "sales_report",
        "Café 2024": "cafe_2024",
        "R&D": "r_d",
        "snake_case": "snake_case",
        "ＦＵＬＬ width": "full_width",
        "ﬁ ß": "fi_ss",
        "2024": "app_2024",
        "📈": "app",
        "!?": "app",
        "Class": "class_app",
        "con": "con_app",
        "COM1": "com1_app",
        "json": "json_app",
        "streamlit": "streamlit_app",
        "Pandas": "pandas_app",
        "売上": "売上",
        "Отчёт": "отчёт",
        "दैनिक रिपोर्ट": "दैनिक_रिपोर्ट",
    }.items(),
)
def test_module_is_a_readable_identifier(name, module):
    assert make_module_name(name) == module


def test_module_that_would_shadow_a_pinned_package(tmp_path):
    assert make_module_name("My data", tmp_path) == "my_data"
    (tmp_path / "requirements.txt").write_text("streamlit==1\nmy-data==2.0 ; x\n    # via other\n")
    assert make_module_name("My data", tmp_path) == "my_data_app"
    assert make_module_name("other", tmp_path) == "other"


@pytest.mark.parametrize("name", ["\ufdfa" * 60, "売" * 60, "x" * 60])
def test_file_name_is_not_too_long(project, name):
    app = add_app(name, project.path)
    assert len(f"{app.url_path}.py".encode()) <= 255
    assert app.find(project.path).is_file()


@given(st.text(min_size=1, max_size=60))
def test_any_name_gives_an_identifier(name):
    module = make_module_name(name)
    assert module.isidentifier()
    assert not keyword.iskeyword(module)
    assert module not in sys.stdlib_module_names
    compile(f"import apps.{module}", "an import", "exec")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_any_name_gives_a_literal(name):
    assert ast.literal_eval(quote_python(name)) == name


@pytest.mark.parametrize("name", [name[:60].strip() for name in NASTY.values()])
def test_title_is_the_name_whatever_is_in_it(project, name):
    app = add_app(name, project.path)
    assert title(project, app.url_path) == escape_markdown(name)


@settings(max_examples=60)
@given(names=st.lists(APP_NAMES) | st.lists(SIMILAR_APP_NAMES, min_size=2))
def test_any_list_of_apps_is_read_back(names):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        added: dict[str, App] = {}
        for name in names:
            if name_key(name) in map(name_key, added):
                with pytest.raises(InvalidInput, match=r"is in apps\.json already"):
                    add_app(name, root)
            else:
                added[name] = add_app(name, root)
            assert load_menu(root) == list(added.values())
        entries = json.loads((root / "apps.json").read_text("utf-8")) if names else []
        assert [entry["name"] for entry in entries] == list(added)
        assert len({app.find(root) for app in added.values()}) == len(added)


# -- Removing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["café", "CAFÉ", "cafe", "/cafe", "/cafe/", "apps.cafe"])
def test_removed_app_and_its_module_stays(project, name):
    app = add_app("Café", project.path)
    assert remove_app(name, project.path) == app
    assert [entry["name"] for entry in project.menu] == ["Sales Report", "Churn Explorer"]
    assert (project.path / "apps/cafe.py").is_file()


def test_name_comes_before_the_path_of_another_app(project):
    other = add_app("Café!", project.path)
    app = add_app("Cafe", project.path)
    assert (other.url_path, app.url_path) == ("cafe", "cafe_2")
    assert remove_app("cafe", project.path) == app
    assert remove_app("cafe", project.path) == other


def test_everything_in_the_other_entries_stays(project):
    more = {"icon": "🧭", "description": "Ää", "section": "Money", "users": ["anna.b"]}
    project.write("apps.json", json.dumps([{**SALES, **more}, {"name": "B", "module": "apps.b"}]))
    before = project.menu[:1]
    remove_app("b", project.path)
    assert project.menu == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Sales Report", "Sales Report is the only app"),
        ("Sales", "no app 'Sales' in apps.json. Apps: Sales Report."),
        ("", "no app ''"),
    ],
)
def test_app_that_cannot_be_removed(project, name, reason):
    project.write("apps.json", json.dumps([SALES]))
    before = project.files
    with pytest.raises(InvalidInput, match=reason):
        remove_app(name, project.path)
    assert project.files == before


def test_menu_that_is_not_valid_is_reported(project):
    project.write("apps.json", "[")
    with pytest.raises(MenuError):
        remove_app("x", project.path)
