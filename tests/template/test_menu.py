"""menu.py of the generated project: what apps.json may say, and what is said of the rest."""

import json
import os
import time

import pytest


@pytest.fixture
def project(bake):
    return bake(apps="Sales Report, Churn Explorer")


@pytest.fixture
def told(project_code, tmp_path):
    """Return what the MenuError says when apps.json holds the given text or data."""
    menu, _ = project_code

    def told(apps: object) -> str:
        text = apps if isinstance(apps, str | bytes) else json.dumps(apps)
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "apps.json").write_bytes(content)
        with pytest.raises(menu.MenuError) as caught:
            menu.load_menu(tmp_path)
        return str(caught.value)

    return told


SALES = {"name": "Sales Report", "module": "apps.sales_report"}
CHURN = {"name": "Churn Explorer", "module": "apps.churn_explorer"}


def test_a_good_menu(project):
    menu = project.load("menu")
    assert menu.load_menu() == [
        menu.App("Sales Report", "apps.sales_report"),
        menu.App("Churn Explorer", "apps.churn_explorer"),
    ]
    assert [app.users for app in menu.load_menu()] == [(), ()]  # everybody
    assert [app.url_path for app in menu.load_menu()] == ["sales_report", "churn_explorer"]


def test_as_windows_editors_save_it(project):
    project.write("apps.json", "\ufeff" + project.read("apps.json").replace("\n", "\r\n"))
    assert len(project.load("menu").load_menu()) == 2


def test_not_there(project):
    (project.path / "apps.json").unlink()
    menu = project.load("menu")
    with pytest.raises(menu.MenuError, match="apps.json is not there.*write one: "):
        menu.load_menu()


def test_a_folder_in_its_place(project):
    (project.path / "apps.json").unlink()
    (project.path / "apps.json").mkdir()
    menu = project.load("menu")
    with pytest.raises(menu.MenuError, match=r"^apps\.json cannot be read: Is a directory\.$"):
        menu.load_menu()


def test_not_json(told):
    said = told('[\n  {"name": "Sales Report" "module": "apps.sales_report"}\n]')
    assert "apps.json is not JSON: Expecting ',' delimiter at line 2, column 27" in said
    assert "at the end of the line above for a comma or a quote too few or too many" in said
    assert told("").startswith("apps.json is not JSON")
    assert "not UTF-8" in told(b'[{"name": "Caf\xe9"}]')


@pytest.mark.parametrize("apps", [{}, "x", 3, None, {"apps": [SALES]}])
def test_not_a_list(told, apps):
    assert told(json.dumps(apps)).startswith("apps.json is not a list")


@pytest.mark.parametrize("apps", ["[" * 100_000, "[" + "1" * 5000 + "]"], ids=["deep", "long"])
def test_absurd(told, apps):
    assert told(apps).startswith("apps.json is no menu. It looks like this: ")


def test_empty(told):
    assert told([]).startswith("apps.json lists no app")


@pytest.mark.parametrize(
    "entry",
    [1, "x", [], {}, {"name": "A"}, {"module": "apps.a"}, {**SALES, "user": "x"}]
    + [{"users": ["anna"]}, {"name": "A", "users": ["anna"]}, {**SALES, "Users": ["anna"]}]
    + [{**SALES, "users": ["anna"], "group": "x"}],
)
def test_an_entry_of_another_shape(told, entry):
    assert "apps.json, entry 2: " in told([SALES, entry])
    assert (
        'needs "name" and "module", may have "icon", "description", "section" and "users", and '
        "nothing else: "
    ) in told([SALES, entry])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (3, "3 is no entry. "),
        ({"name": "A"}, '"module" is missing. '),
        ({**SALES, "colour": "red"}, "'colour' is no key. "),
        ({"name": "A", "modul": "apps.a"}, "\"module\" is missing, 'modul' is no key. "),
    ],
    ids=["no object", "lacks one", "one too many", "misspelt"],
)
def test_what_an_entry_lacks_and_what_is_too_much_is_named(told, entry, said):
    assert f"apps.json, entry 2: {said}" in told([SALES, entry])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (1, "is not text"),
        ("", "is empty"),
        (" x", "is empty, or begins or ends with a blank"),
        ("x" * 61, "is longer than 60 characters"),
        ("a\nb", "holds a control character or a line break"),
        ("\ud800", "holds a control character or a line break"),
    ],
)
def test_a_bad_name(told, name, fault):
    said = told([SALES, {"name": name, "module": "apps.a"}])
    assert said.startswith(f"apps.json, entry 2: the name {name!r} {fault}")


@pytest.mark.parametrize(
    "module",
    [1, "", "os", "apps", "apps.", "apps.a.b", "apps.a-b", "apps/a.py", "apps.../x", "..apps.a"]
    + ["Apps.a", "apps.1", "apps. a", "apps.a\n", "notapps.a"],
)
def test_a_module_outside_apps(told, module):
    said = told([SALES, {"name": "A", "module": module}])
    assert said.startswith(
        f"apps.json, entry 2: the module {module!r} is outside apps/, or misspelt."
    )


@pytest.mark.parametrize("name", ["Sales Report", "sales  report", "ＳＡＬＥＳ Report"])
def test_a_name_twice(told, name):
    said = told([SALES, {"name": name, "module": "apps.a"}])
    assert said.startswith(f"apps.json, entry 2: the name {name!r} stands in entry 1 already.")


def test_a_module_twice(told):
    said = told([SALES, {**SALES, "name": "Again"}])
    assert said.startswith("apps.json, entry 2: the module 'apps.sales_report' stands in entry 1")


def test_all_faults_at_once(told):
    said = told([{"name": "", "module": "os", "users": []}, {"name": "A"}]).splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "apps.json, entry 1",
        "apps.json, entry 1",
        "apps.json, entry 1",
        "apps.json, entry 2",
    ]


def test_who_may_see_an_app(project):
    users = ["anna", "bob@example.com"]
    project.write("apps.json", json.dumps([{**SALES, "users": users}, CHURN]))
    sales, churn = project.load("menu").load_menu()
    assert sales.users == ("anna", "bob@example.com")
    for user in (*users, "Anna", "ann", "anna2", "bob", "carol", ""):
        assert sales.is_for(user) == (user in users), user
        assert churn.is_for(user), user


def test_who_works_on_a_laptop_sees_every_app(project):
    project.write("apps.json", json.dumps([{**SALES, "users": ["anna"]}, CHURN]))
    assert all(app.is_for(None) for app in project.load("menu").load_menu())


def test_a_user_may_be_in_many_entries_and_none_need_be_for_all(project):
    project.write(
        "apps.json",
        json.dumps([{**SALES, "users": ["anna", "bob"]}, {**CHURN, "users": ["bob", "carol"]}]),
    )
    menu = project.load("menu").load_menu()
    seen = {
        user: [app.name for app in menu if app.is_for(user)] for user in ("anna", "bob", "dave")
    }
    assert seen == {"anna": ["Sales Report"], "bob": ["Sales Report", "Churn Explorer"], "dave": []}


NO_USERS = [[], "anna", "", {}, {"anna": True}, None, True, False, 0, 1]
NO_NAMES = [1, None, True, [], ["anna"], "", " ", "a b", "anna ", "anna\n", "a:b", "a" * 65, "é"]
NO_NAMES += ["$host", "~.*", "*", ".anna", "-anna", '"anna"', "anna;", "anna, bob"]


@pytest.mark.parametrize("users", [*NO_USERS, *([name] for name in NO_NAMES), ["anna", "a b"]])
def test_users_that_are_no_list_of_names(told, users):
    """An empty list, or null, must not come to mean everybody."""
    assert told([SALES, {**CHURN, "users": users}]) == (
        f'apps.json, entry 2: "users" is {users!r}. It is a list of user names, one at least, '
        'like ["anna", "bob"]; without it, everybody sees the app.'
    )


def test_what_a_card_shows(project):
    more = {"icon": ":material/payments:", "description": "What we sold", "section": "Money"}
    project.write("apps.json", json.dumps([{**SALES, **more}, CHURN]))
    sales, churn = project.load("menu").load_menu()
    assert (sales.icon, sales.summary, sales.section) == tuple(more.values())
    assert (churn.icon, churn.section) == ("", "")
    assert churn.summary.startswith("A first sketch with made-up numbers")


@pytest.mark.parametrize("icon", ["🧭", "👩‍👩‍👧", "🇫🇮", ":material/apps:", ":material/1k_plus:"])
def test_an_icon(project, icon):
    project.write("apps.json", json.dumps([{**SALES, "icon": icon}]))
    assert project.load("menu").load_menu()[0].icon == icon


@pytest.mark.parametrize(
    "icon", ["", "x", "apps", ":smile:", ":material/Apps:", ":material/:", "icon.png", 1, None, []]
)
def test_what_is_no_icon(told, icon):
    said = told([SALES, {**CHURN, "icon": icon}])
    assert said.startswith(f"apps.json, entry 2: the icon {icon!r} is none. It is one emoji, or ")


@pytest.mark.parametrize("key", ["description", "section"])
@pytest.mark.parametrize("text", ["", " x", "x" * 201, "a\nb", 1, None])
def test_a_bad_description_or_section(told, key, text):
    said = told([SALES, {**CHURN, key: text}])
    assert said.startswith(f"apps.json, entry 2: the {key} {text!r} ")
    assert "without it, leave the key out." in said


DOCSTRINGS = {
    "one line": ('"""What it does."""\n', "What it does."),
    "a paragraph": ('"""What it\n  does.\n\nAnd how.\n"""\nx = 1\n', "What it does."),
    "after comments": ("#!python\n# -*- coding: utf-8 -*-\n\n'Überblick'\n", "Überblick"),
    "raw": ('r"""A \\d."""\n', "A \\d."),
    "as Windows saves it": ('\ufeff"""What it does.\r\n\r\nAnd how."""\r\n', "What it does."),
    "before what is no Python": ('"""What it does."""\ndef run(:\n', "What it does."),
    "no docstring": ("import os\n'late'\n", ""),
    "none that counts": ('f"""{1}"""\n', ""),
    "bytes": ('b"""x"""\n', ""),
    "empty": ("", ""),
    "not closed": ('"""What it does.\n', ""),
    "no UTF-8": (b'"""\xff"""\n', ""),
    "no encoding": ('# coding: rot13\n"""Jung vg qbrf."""\n', ""),
    "half a character": ('"""What \\ud800 does."""\n', "What ? does."),
    "a long one": (f'"""{"word " * 40}word"""\n', f"{'word ' * 39}word…"),
}


@pytest.mark.parametrize(("source", "line"), DOCSTRINGS.values(), ids=DOCSTRINGS)
def test_a_line_on_what_an_app_does(project_code, tmp_path, source, line):
    path = tmp_path / "app.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    menu, _ = project_code
    assert menu.docstring(path) == line


def test_that_line_is_read_again_when_the_module_has_changed(project):
    [sales, _] = project.load("menu").load_menu()
    for line in ("What we sold.", "What we have sold."):
        project.write("apps/sales_report.py", f'"""{line}"""\n')
        assert sales.summary == line
    (project.path / "apps/sales_report.py").unlink()
    assert sales.summary == ""


@pytest.fixture
def old_menu(project):
    """The menu module of a project whose apps.json is a minute old, and a count of its readings."""
    menu = project.load("menu")
    readings, read = [], menu.read_entries
    menu.read_entries = lambda root: readings.append(root) or read(root)

    def write(*entries: dict) -> None:
        project.write("apps.json", json.dumps(entries))
        minute_ago = time.time() - 60
        os.utime(project.path / "apps.json", (minute_ago, minute_ago))

    write(SALES, CHURN)
    return menu, readings, write


def test_what_has_not_changed_is_not_read_again(old_menu):
    menu, readings, _ = old_menu
    first = menu.load_menu()
    first.clear()  # it is the caller's own
    for _ in range(5):
        assert [app.name for app in menu.load_menu()] == ["Sales Report", "Churn Explorer"]
    assert len(readings) == 1


def test_a_change_shows_at_once(old_menu):
    menu, _, write = old_menu
    menu.load_menu()
    other = {**CHURN, "name": "Churn Explored"}  # as long, and with the same time
    write(SALES, other)
    assert [app.name for app in menu.load_menu()] == ["Sales Report", "Churn Explored"]


def test_a_change_in_the_same_tick_of_the_clock_shows(project):
    menu = project.load("menu")
    stamp = (project.path / "apps.json").stat().st_mtime_ns
    for name in ("Churn Explored", "Churn Explorer"):
        with (project.path / "apps.json").open("r+") as file:
            file.write(json.dumps([SALES, {**CHURN, "name": name}]))
            file.truncate()
        os.utime(project.path / "apps.json", ns=(stamp, stamp))
        assert menu.load_menu()[1].name == name


def test_a_broken_menu_is_told_each_time_until_it_is_mended(old_menu):
    menu, _, write = old_menu
    write(SALES, SALES)
    for _ in range(2):
        with pytest.raises(menu.MenuError, match="stands in entry 1 already"):
            menu.load_menu()
    write(SALES)
    assert len(menu.load_menu()) == 1


def test_a_module_that_is_not_there(project):
    menu = project.load("menu")
    with pytest.raises(menu.MenuError, match='"Gone": there is no file apps/gone.py'):
        menu.App("Gone", "apps.gone").load()


@pytest.mark.parametrize("text", ["", "[]", '{"name": 1}', '{"name": " "}', "{"])
def test_without_a_name_in_app_json_there_is_one_all_the_same(project, text):
    project.write("app.json", text)
    assert project.load("menu").app_name() == "Apps"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Sales Report (EU), 50% - #1!", "Sales Report (EU), 50% - #1!"),
        ("R&D", "R&D"),
        ("Cost in $ and $", r"Cost in \$ and \$"),
        (
            "*a* `b` [c](d) <e> :f: ~g~ h_i\\",
            r"\*a\* \`b\` \[c\](d) \<e\> \:f\: \~g\~ h\_i" + "\\\\",
        ),
        ("&copy;", r"\&copy;"),
        ("anna@example.com", "anna\u2060@example.com"),
        ("WWW.example.com", "WWW\u2060.example.com"),
        ("https://example.com", "https\\:\u2060//example.com"),
    ],
)
def test_plain_text_in_markdown(project, text, markdown):
    assert project.load("menu").plain(text) == markdown
