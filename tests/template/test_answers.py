"""Good answers and bad ones, and what is said of the bad ones."""

import json
import re
from functools import cache

import pytest
from baked import NASTY, ROOT
from cookiecutter.environment import StrictEnvironment
from hypothesis import given
from hypothesis import strategies as st

nasty = pytest.mark.parametrize("name", NASTY.values(), ids=NASTY.keys())


@nasty
def test_any_name_is_data(bake, capfd, name):
    app_name = name[:30].strip()
    project = bake(app_name=app_name, project_slug="nasty", apps=f"{name}, Plain")
    assert json.loads(project.read("app.json"))["name"] == app_name
    assert [entry["name"] for entry in project.menu] == [name, "Plain"]
    first = project.read(project.menu[0]["module"].replace(".", "/") + ".py")
    compile(first, "app", "exec")
    assert "49" not in project.read("README.md").splitlines()[0]
    assert app_name in capfd.readouterr().out


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
def test_names_of_modules_are_readable(bake, apps, modules):
    project = bake(apps=apps)
    assert [entry["module"] for entry in project.menu] == [f"apps.{name}" for name in modules]
    assert all(name.isidentifier() for name in modules)
    assert {path.stem for path in (project.path / "apps").iterdir()} == {"__init__", *modules}


def test_a_hundred_apps(bake):
    project = bake(apps=", ".join(f"App {number}" for number in range(100)))
    assert len({entry["module"] for entry in project.menu}) == 100


RULES = {
    "app_name": "It has 1 to 30 characters on one line (Heroku's limit in app.json). "
    "Example: Data Apps",
    "project_slug": "It begins with a letter, then lower-case letters, digits and dashes, 3 to 30 "
    "in all, no dash at the end (Heroku's rule). Example: data-apps",
    "auth_user": "It is 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit. "
    "Example: anna.b",
    "apps": "It holds names of 1 to 60 characters on one line, separated by commas, but name ",
}
BAD = {
    "app_name": [" ", "x" * 31, "two\nlines", "tab\there", "nul\0", " edge", "line\u2028sep"],
    "project_slug": ["ab", "x" * 31, "Data", "1data", "data-", "da_ta", "da ta", "dáta", "data\n"],
    "auth_user": ["", "a:b", "$host", "~.*", ".a", "-a", "a b", "é", "a" * 65, "a\nb", 'a"b', "a;"],
    "apps": ["", " , ", "a,,b", "a,", "x" * 61, "two\nlines", "a,b\0"],
}


@pytest.mark.parametrize(
    ("question", "answer"), [(question, answer) for question in BAD for answer in BAD[question]]
)
def test_a_bad_answer_is_refused(refused, question, answer):
    told = refused(**{"project_slug": "data-apps", question: answer})
    assert f"  - {question}: {answer!r} is refused. {RULES[question]}" in told
    assert told.count("  - ") == 1


@pytest.mark.parametrize("apps", ["Sales, Sales", "Sales,sales", "Ａ, a", "a  b, a b"])
def test_a_name_twice_is_refused(refused, apps):
    told = refused(apps=apps)
    second = apps.split(",")[1].strip()
    rule = f"It holds each name once, whatever the capitals, but {second!r} stands there twice."
    assert f"  - apps: {apps!r} is refused. {rule} Example: " in told


def test_the_name_that_is_wrong_is_named(refused):
    assert "but name 3 is empty. Example: " in refused(apps="a, b,")
    assert "but name 2 is not. Example: " in refused(apps=f"a, {'x' * 61}")


@pytest.mark.parametrize("password", ["", "short", "x" * 73, "é" * 37, "tab\tin the middle"])
def test_a_bad_password_is_refused_and_not_shown(refused, password):
    told = refused(password=password)
    rule = "It has 12 to 72 bytes of UTF-8 without control characters."
    assert f"  - AUTH_PASSWORD: what is in the environment is refused. {rule}\n" in told
    assert not password or password not in told


@pytest.mark.parametrize("password", ["x" * 12, "é" * 36, "  blanks at the ends  ", "🔑🔑🔑"])
def test_a_good_password_is_taken(bake, password):
    import bcrypt

    digest = bake(password=password).read(".htpasswd").strip().partition(":")[2]
    assert bcrypt.checkpw(password.encode(), digest.encode())


def test_all_that_is_wrong_is_said_at_once(refused):
    told = refused(
        password="short", app_name="x" * 31, project_slug="X", auth_user="a:b", apps="a,,b"
    )
    named = re.findall(r"^  - (\w+):", told, re.MULTILINE)
    assert named == ["app_name", "project_slug", "auth_user", "apps", "AUTH_PASSWORD"]
    assert "Nothing was written" in told


@cache
def rendered_hook(name: str) -> dict:
    """Return the names of a hook after cookiecutter has rendered it."""
    source = (ROOT / "hooks" / f"{name}.py").read_text("utf-8")
    names = {"__name__": name, "__file__": name}
    private = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    exec(StrictEnvironment(context={}).from_string(source).render(cookiecutter=private), names)
    return names


text = st.text(max_size=75) | st.from_regex(r"[A-Za-z0-9._@-]{0,66}", fullmatch=True)


@given(text)
def test_the_hook_and_the_project_agree_on_every_rule(project_code, value):
    hook = rendered_hook("pre_gen_project")
    menu, manage = project_code
    one_app = not re.search("[,，、،]", value) and value == value.strip(" ")
    if one_app:
        assert (hook["check_apps"](value) is None) == (menu.name_fault(value) is None)
    for check, told in (
        (manage.check_user, hook["check_auth_user"](value)),
        (manage.check_password, hook["password_fault"](value)),
    ):
        try:
            check(value)
        except manage.Refused:
            assert told
        else:
            assert told is None
