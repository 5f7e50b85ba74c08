"""menu.py: what apps.json may contain, and what is said about the rest."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from apphub import menu
from apphub.apps import App, MenuError, read_docstring
from apphub.menu import load_menu

if TYPE_CHECKING:
    from pathlib import Path

SALES = {"name": "Sales Report", "module": "apps.sales_report"}
CHURN = {"name": "Churn Explorer", "module": "apps.churn_explorer"}
FIRST, SECOND = "apps.json, entry 1", "apps.json, entry 2"
Found = list[tuple[str, str]]


@pytest.fixture
def write(tmp_path):
    """Write apps.json: text or data."""

    def write(apps: object) -> None:
        text = apps if isinstance(apps, str | bytes) else json.dumps(apps)
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "apps.json").write_bytes(content)

    return write


@pytest.fixture
def message(write, tmp_path):
    """Return the MenuError's text about this apps.json."""

    def message(apps: object) -> str:
        write(apps)
        with pytest.raises(MenuError) as caught:
            load_menu(tmp_path)
        return str(caught.value)

    return message


@pytest.fixture
def found(write, tmp_path):
    """Return the code and the place of each finding in this apps.json."""

    def found(apps: object) -> Found:
        write(apps)
        with pytest.raises(MenuError) as caught:
            load_menu(tmp_path)
        return [(finding.code, finding.where) for finding in caught.value.findings]

    return found


# -- The file --------------------------------------------------------------------------------------


def test_valid_menu(project):
    apps = load_menu(project.path)
    assert apps == [
        App("Sales Report", "apps.sales_report"),
        App("Churn Explorer", "apps.churn_explorer"),
    ]
    assert [app.users for app in apps] == [(), ()]  # everybody
    assert [app.url_path for app in apps] == ["sales_report", "churn_explorer"]


def test_as_windows_editors_save_it(project):
    project.write("apps.json", "\ufeff" + project.read("apps.json").replace(",", ",\r\n"))
    assert len(load_menu(project.path)) == 2


def test_no_file(tmp_path):
    with pytest.raises(MenuError, match=r"apps\.sales_report") as caught:  # an example
        load_menu(tmp_path)
    [finding] = caught.value.findings
    assert (finding.code, finding.where) == ("menu-missing", "apps.json")


def test_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "apps.json").mkdir()
    with pytest.raises(MenuError, match="Is a directory") as caught:
        load_menu(tmp_path)
    [finding] = caught.value.findings
    assert (finding.code, finding.where) == ("menu-unreadable", "apps.json")


def test_not_json(write, tmp_path, found):
    text = '[\n  {"name": "Sales Report" "module": "apps.sales_report"}\n]'
    assert found(text) == [("menu-not-json", "apps.json, line 2")]
    with pytest.raises(MenuError, match="',' delimiter at column 27"):
        load_menu(tmp_path)
    assert found("") == [("menu-not-json", "apps.json, line 1")]
    assert found(b'[{"name": "Caf\xe9"}]') == [("menu-encoding", "apps.json")]


@pytest.mark.parametrize("apps", [{}, "x", 3, None, {"apps": [SALES]}])
def test_not_a_list(found, apps):
    assert found(json.dumps(apps)) == [("menu-not-a-list", "apps.json")]


@pytest.mark.parametrize("apps", ["[" * 100_000, "[" + "1" * 5000 + "]"], ids=["deep", "long"])
def test_json_that_python_does_not_read(found, apps):
    assert found(apps) == [("menu-not-a-list", "apps.json")]


def test_empty_list(found):
    assert found([]) == [("menu-empty", "apps.json")]


# -- An entry --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "codes"),
    [
        *((entry, ["menu-not-an-object"]) for entry in (1, 3, "x", [], None)),
        ({}, ["menu-missing-key"] * 2),
        ({"name": "A"}, ["menu-missing-key"]),
        ({"module": "apps.a"}, ["menu-missing-key"]),
        ({"users": ["anna"]}, ["menu-missing-key"] * 2),
        ({"name": "A", "users": ["anna"]}, ["menu-missing-key"]),
        ({"name": "A", "modul": "apps.a"}, ["menu-missing-key", "menu-unknown-key"]),
        ({**SALES, "user": "x"}, ["menu-unknown-key"]),
        ({**SALES, "Users": ["anna"]}, ["menu-unknown-key"]),
        ({**SALES, "colour": "red"}, ["menu-unknown-key"]),
        ({**SALES, "users": ["anna"], "group": "x"}, ["menu-unknown-key"]),
        ({"script": "apps/a.py"}, ["menu-missing-key"]),
        ({"name": "A", "always_on": True}, ["menu-missing-key", "menu-unknown-key"]),
        ({"name": "A", "script": "apps/a.py", "port": 1}, ["menu-unknown-key"]),
    ],
)
def test_entry_with_other_keys(found, entry, codes):
    assert found([SALES, entry]) == [(code, SECOND) for code in codes]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (3, ["3"]),
        ({"name": "A"}, ['"module"']),
        ({**SALES, "colour": "red"}, ["'colour'"]),
        ({"name": "A", "modul": "apps.a"}, ['"module"', "'modul'"]),
    ],
    ids=["not an object", "one missing", "one too many", "misspelt"],
)
def test_missing_and_unknown_keys_are_named(message, entry, words):
    said = message([SALES, entry])
    assert all(word in said for word in words)
    assert '"name"' in said  # the hint has all keys
    assert '"users"' in said


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (1, "not text"),
        ("", "empty"),
        (" x", "begins or ends with a blank"),
        ("x" * 61, "60 characters"),
        ("a\nb", "line break"),
        ("\ud800", "control character"),
    ],
)
def test_bad_name(found, message, name, reason):
    entry = {"name": name, "module": "apps.a"}
    assert found([SALES, entry]) == [("menu-name", SECOND)]
    assert reason in message([SALES, entry])


@pytest.mark.parametrize(
    "module",
    [
        *[1, None, "", "os", "apps", "apps.", "apps.a.b", "apps.a-b", "apps/a.py", "apps.../x"],
        *["..apps.a", "Apps.a", "apps.1", "apps. a", "apps.a\n", "notapps.a"],
    ],
)
def test_module_outside_apps(found, module):
    assert found([SALES, {"name": "A", "module": module}]) == [("menu-module", SECOND)]


@pytest.mark.parametrize("name", ["Sales Report", "sales  report", "ＳＡＬＥＳ Report"])
def test_duplicate_name(found, message, name):
    apps = [SALES, {"name": name, "module": "apps.a"}]
    assert found(apps) == [("menu-duplicate", SECOND)]
    assert "entry 1" in message(apps)


def test_duplicate_module(found):
    assert found([SALES, {**SALES, "name": "Again"}]) == [("menu-duplicate", SECOND)]


def test_all_findings_at_once(found):
    assert found([{"name": "", "module": "os", "users": []}, {"name": "A"}]) == [
        ("menu-name", FIRST),
        ("menu-module", FIRST),
        ("menu-users", FIRST),
        ("menu-missing-key", SECOND),
    ]


NOT_LISTS = [[], "anna", "", {}, {"anna": True}, None, True, False, 0, 1]
NOT_NAMES = [1, None, True, [], ["anna"], "", " ", "a b", "anna ", "anna\n", "a:b", "a" * 65, "é"]
NOT_NAMES += ["$host", "~.*", "*", ".anna", "-anna", '"anna"', "anna;", "anna, bob"]


@pytest.mark.parametrize("users", [*NOT_LISTS, *([name] for name in NOT_NAMES), ["anna", "a b"]])
def test_users_that_are_not_a_list_of_names(found, users):
    """An empty list, or null, must not mean everybody."""
    assert found([SALES, {**CHURN, "users": users}]) == [("menu-users", SECOND)]


@pytest.mark.parametrize("icon", ["🧭", "👩‍👩‍👧", "🇫🇮", ":material/apps:", ":material/1k_plus:"])
def test_icon(write, tmp_path, icon):
    write([{**SALES, "icon": icon}])
    assert load_menu(tmp_path)[0].icon == icon


NOT_ICONS = ["", "x", "apps", ":smile:", ":material/Apps:", ":material/:", "icon.png", 1, None, []]


@pytest.mark.parametrize("icon", [*NOT_ICONS, "spinner"])
def test_not_an_icon(found, icon):
    assert found([SALES, {**CHURN, "icon": icon}]) == [("menu-icon", SECOND)]


@pytest.mark.parametrize("icon", ["🧭", "👩‍👩‍👧", "🇫🇮", ":material/apps:", *NOT_ICONS])
def test_icon_where_streamlit_is_not_installed(monkeypatch, icon):
    for name in ("streamlit.errors", "streamlit.string_util"):
        monkeypatch.setitem(sys.modules, name, None)
    assert menu.is_icon(icon) == (icon not in NOT_ICONS)


@pytest.mark.parametrize("key", ["description", "section"])
@pytest.mark.parametrize("text", ["", " x", "x" * 201, "a\nb", 1, None])
def test_bad_description_or_section(found, message, key, text):
    apps = [SALES, {**CHURN, key: text}]
    assert found(apps) == [(f"menu-{key}", SECOND)]
    assert "omit the key" in message(apps)


# -- Who may see an app ----------------------------------------------------------------------------


def test_app_for_some_users(write, tmp_path):
    users = ["anna", "bob@example.com"]
    write([{**SALES, "users": users}, CHURN])
    sales, churn = load_menu(tmp_path)
    assert sales.users == ("anna", "bob@example.com")
    for user in (*users, "Anna", "ann", "anna2", "bob", "carol", ""):
        assert sales.is_for(user) == (user in users), user
        assert churn.is_for(user), user


def test_workstation_shows_every_app(write, tmp_path):
    write([{**SALES, "users": ["anna"]}, CHURN])
    assert all(app.is_for(None) for app in load_menu(tmp_path))


def test_user_in_several_entries_and_in_none(write, tmp_path):
    write([{**SALES, "users": ["anna", "bob"]}, {**CHURN, "users": ["bob", "carol"]}])
    apps = load_menu(tmp_path)
    visible = {
        user: [app.name for app in apps if app.is_for(user)] for user in ("anna", "bob", "dave")
    }
    assert visible == {
        "anna": ["Sales Report"],
        "bob": ["Sales Report", "Churn Explorer"],
        "dave": [],
    }


# -- What a card shows -----------------------------------------------------------------------------


def test_card(project, monkeypatch):
    monkeypatch.setattr(App.find, "__defaults__", (project.path,))
    more = {"icon": ":material/payments:", "description": "What we sold", "section": "Money"}
    project.write("apps.json", json.dumps([{**SALES, **more}, CHURN]))
    sales, churn = load_menu(project.path)
    assert (sales.icon, sales.summary, sales.section) == tuple(more.values())
    assert (churn.icon, churn.summary, churn.section) == ("", "What it does.", "")


DOCSTRINGS = {
    "one line": ('"""What it does."""\n', "What it does."),
    "a paragraph": ('"""What it\n  does.\n\nAnd how.\n"""\nx = 1\n', "What it does."),
    "after comments": ("#!python\n# -*- coding: utf-8 -*-\n\n'Überblick'\n", "Überblick"),
    "raw": ('r"""A \\d."""\n', "A \\d."),
    "as Windows saves it": ('\ufeff"""What it does.\r\n\r\nAnd how."""\r\n', "What it does."),
    "before a syntax error": ('"""What it does."""\ndef run(:\n', "What it does."),
    "no docstring": ("import os\n'late'\n", ""),
    "an f-string is not one": ('f"""{1}"""\n', ""),
    "bytes": ('b"""x"""\n', ""),
    "empty": ("", ""),
    "not closed": ('"""What it does.\n', ""),
    "not UTF-8": (b'"""\xff"""\n', ""),
    "not a text encoding": ('# coding: rot13\n"""Jung vg qbrf."""\n', ""),
    "half a character": ('"""What \\ud800 does."""\n', "What ? does."),
    "a long one": (f'"""{"word " * 40}word"""\n', f"{'word ' * 39}word…"),
}


@pytest.mark.parametrize(("source", "summary"), DOCSTRINGS.values(), ids=DOCSTRINGS)
def test_summary_is_the_docstring(tmp_path, source, summary):
    path = tmp_path / "app.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    assert read_docstring(path) == summary


def test_summary_follows_the_file(project, monkeypatch):
    monkeypatch.setattr(App.find, "__defaults__", (project.path,))
    sales = load_menu(project.path)[0]
    for line in ("What we sold.", "What we have sold."):
        project.write("apps/sales_report.py", f'"""{line}"""\n')
        assert sales.summary == line
    (project.path / "apps/sales_report.py").unlink()
    assert sales.summary == ""


def test_summary_of_a_file_that_is_gone_by_then(tmp_path):
    assert read_docstring(tmp_path / "gone.py") == ""


def test_module_that_is_a_file_or_a_package(project):
    sales = load_menu(project.path)[0]
    assert sales.find(project.path) == project.path / "apps/sales_report.py"
    (project.path / "apps/sales_report.py").unlink()
    (project.path / "apps/sales_report").mkdir()
    project.write("apps/sales_report/__init__.py", "def run():\n    pass\n")
    assert sales.find(project.path) == project.path / "apps/sales_report/__init__.py"


def test_module_that_is_missing(tmp_path):
    with pytest.raises(MenuError, match=r"apps/gone\.py") as caught:
        App("Gone", "apps.gone").find(tmp_path)
    [finding] = caught.value.findings
    assert (finding.code, finding.where) == ("app-missing", "apps.json")


# -- Modules and scripts ---------------------------------------------------------------------------


def load_entry(write, root: Path, **entry: object) -> App:
    """Return the app of an entry."""
    write([{"name": "A", **entry}])
    [app] = load_menu(root)
    return app


@pytest.mark.parametrize(
    ("script", "url_path", "folder"),
    [
        ("apps/sales.py", "sales", ""),
        ("apps/Sales-2024.py", "Sales-2024", ""),
        ("apps/2024.py", "2024", ""),
        ("apps/売上.py", "売上", ""),
        ("apps/दैनिक.py", "दैनिक", ""),
        ("apps/forecast/streamlit_app.py", "forecast", "apps/forecast"),
        ("apps/forecast/src/Home.py", "forecast", "apps/forecast"),
        ("apps/forecast/My page 1.py", "forecast", "apps/forecast"),
    ],
)
def test_script(write, tmp_path, script, url_path, folder):
    app = load_entry(write, tmp_path, script=script)
    assert (app.script, app.module, app.source) == (script, "", script)
    assert (app.url_path, app.folder) == (url_path, folder)
    assert (app.always_on, app.memory_mb, app.processes) == (False, 0, 1)
    with pytest.raises(MenuError, match=r"has no file apps/"):
        app.find(tmp_path)
    path = tmp_path / script
    path.parent.mkdir(parents=True)
    path.write_text('"""What it does."""\n')
    assert app.find(tmp_path) == path


@pytest.mark.parametrize(
    "script",
    [
        *[1, None, "", [], "sales.py", "apps", "apps/", "apps/sales", "apps/sales.txt", "apps/.py"],
        *["/apps/sales.py", "./apps/sales.py", "apps//sales.py", "apps/./sales.py", "Apps/a.py"],
        *[
            "apps/../app.py",
            "apps/a/../../app.py",
            "apps/a b.py",
            "apps/a b/app.py",
            "apps/a.b.py",
            "apps/a.py/b.py",
        ],
        *["apps/a?.py", "apps/a%2f.py", "apps/📈.py", "apps/a\n.py", "apps\\a.py", "apps/a\\b.py"],
        *["apps/a$x.py", 'apps/a".py', "apps/a;.py", "apps/{a}.py", "apps/~/app.py"],
    ],
)
def test_script_that_is_not_a_file_in_apps(found, script):
    assert found([SALES, {"name": "A", "script": script}]) == [("menu-script", SECOND)]


@pytest.mark.parametrize("name", ["static", "media", "_stcore", "component", "App", "login"])
@pytest.mark.parametrize("script", ["apps/{}.py", "apps/{}/app.py"])
def test_address_that_is_not_available(found, message, name, script):
    entry = {"name": "A", "script": script.format(name)}
    assert found([SALES, entry]) == [("menu-reserved", SECOND)]
    assert f"/{name}/" in message([SALES, entry])


def test_module_and_script(found, message):
    both = {**SALES, "script": "apps/sales.py"}
    assert found([both]) == [("menu-two-kinds", FIRST)]
    assert '"script"' in message([both])


@pytest.mark.parametrize(
    ("key", "values"),
    {
        "shares_state": [True, False],
        "always_on": [True, False],
        "memory_mb": [128, 512, 1_000_000],
        "processes": [1, 2, 99],
    }.items(),
)
def test_options(write, tmp_path, key, values):
    kind = {"module": "apps.a"} if key == "shares_state" else {"script": "apps/a.py"}
    for value in values:
        app = load_entry(write, tmp_path, **kind, **{key: value})
        assert getattr(app, key) == value


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"module": "apps.a", "always_on": True}, "script"),
        ({"module": "apps.a", "memory_mb": 512}, "script"),
        ({"module": "apps.a", "processes": 2}, "script"),
        ({"script": "apps/a.py", "shares_state": True}, "module"),
    ],
)
def test_option_of_the_other_kind(found, message, entry, kind):
    apps = [SALES, {"name": "A", **entry}]
    assert found(apps) == [("menu-unknown-key", SECOND)]
    assert f'{list(entry)[1]!r} is only for a "{kind}".' in message(apps)


NOT_BOOLEANS = [0, 1, "true", "", None, [], {}]
NOT_NUMBERS = [0, -1, 1.5, "512", True, None, [], 10**9]


@pytest.mark.parametrize("value", NOT_BOOLEANS)
@pytest.mark.parametrize("key", ["shares_state", "always_on"])
def test_option_that_is_not_true_or_false(found, key, value):
    kind = {"module": "apps.a"} if key == "shares_state" else {"script": "apps/a.py"}
    assert found([SALES, {"name": "A", **kind, key: value}]) == [("menu-boolean", SECOND)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("memory_mb", value) for value in (*NOT_NUMBERS, 127)),
        *(("processes", value) for value in (*NOT_NUMBERS, 100)),
    ],
)
def test_option_that_is_not_a_number_in_its_range(found, key, value):
    entry = {"name": "A", "script": "apps/a.py", key: value}
    assert found([SALES, entry]) == [("menu-number", SECOND)]


@pytest.mark.parametrize(
    "entry",
    [
        {"script": "apps/sales_report.py"},
        {"script": "apps/sales_report/app.py"},
        {"script": "apps/Sales_Report.py"},
        {"module": "apps.SALES_REPORT"},
    ],
)
def test_address_of_another_app(found, entry):
    assert found([SALES, {"name": "A", **entry}]) == [("menu-duplicate", SECOND)]


def test_two_scripts_of_one_folder(found):
    first, second = ({"name": name, "script": f"apps/x/{name}.py"} for name in "ab")
    assert found([first, second]) == [("menu-duplicate", SECOND)]


def test_summary_of_a_script_is_its_docstring(write, tmp_path, monkeypatch):
    monkeypatch.setattr(App.find, "__defaults__", (tmp_path,))
    app = load_entry(write, tmp_path, script="apps/a/app.py")
    assert app.summary == ""
    (tmp_path / "apps/a").mkdir(parents=True)
    (tmp_path / "apps/a/app.py").write_text('"""Sales per week."""\n')
    assert app.summary == "Sales per week."


# -- Reading it again ------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """A list with an entry for each time that apps.json is read."""
    reads, read = [], menu.read_entries
    monkeypatch.setattr(menu, "read_entries", lambda root: reads.append(root) or read(root))
    return reads


@pytest.fixture
def write_old(write, tmp_path):
    """Write an apps.json that is a minute old."""

    def write_old(*entries: dict) -> None:
        write(list(entries))
        minute_ago = time.time() - 60
        os.utime(tmp_path / "apps.json", (minute_ago, minute_ago))

    write_old(SALES, CHURN)
    return write_old


def test_unchanged_file_is_not_read_again(write_old, reads, tmp_path):
    first = load_menu(tmp_path)
    first.clear()  # it is the caller's own
    for _ in range(5):
        assert [app.name for app in load_menu(tmp_path)] == ["Sales Report", "Churn Explorer"]
    assert len(reads) == 1


def test_change_shows_at_once(write_old, tmp_path):
    load_menu(tmp_path)
    other = {**CHURN, "name": "Churn Explored"}  # as long, and with the same time
    write_old(SALES, other)
    assert [app.name for app in load_menu(tmp_path)] == ["Sales Report", "Churn Explored"]


def test_change_within_a_tick_of_the_clock_shows(write, tmp_path):
    write([SALES, CHURN])
    stamp = (tmp_path / "apps.json").stat().st_mtime_ns
    for name in ("Churn Explored", "Churn Explorer"):
        with (tmp_path / "apps.json").open("r+") as file:
            file.write(json.dumps([SALES, {**CHURN, "name": name}]))
            file.truncate()
        os.utime(tmp_path / "apps.json", ns=(stamp, stamp))
        assert load_menu(tmp_path)[1].name == name


def test_error_is_raised_each_time_until_it_is_fixed(write_old, tmp_path):
    write_old(SALES, SALES)
    for _ in range(2):
        with pytest.raises(MenuError, match="entry 1"):
            load_menu(tmp_path)
    write_old(SALES)
    assert len(load_menu(tmp_path)) == 1
