"""Secrets and variables that an app reads, and that nothing provides."""

from __future__ import annotations

import ast
import json

import pytest
from check_helpers import APP, file

from apphub.check import secrets_provided
from apphub.check.secrets_read import find_secrets

IMPORTS = "import os\nimport streamlit as st\n"
FILE = ".streamlit/secrets.toml"
VALUE = "hunter2-hunter2"

# A module's code, and what it reads.
READS = {
    "a key": ('st.secrets["a"]', ['st.secrets["a"]']),
    "an attribute": ("st.secrets.a", ['st.secrets["a"]']),
    "get": ('st.secrets.get("a")', ['st.secrets["a"]']),
    "a table": ('st.secrets["db"]["a"]', ['st.secrets["db"]["a"]']),
    "attributes of a table": ("st.secrets.db.a", ['st.secrets["db"]["a"]']),
    "a table as a whole": ("connect(**st.secrets.db)", ['st.secrets["db"]']),
    "methods of a table": ("st.secrets.db.items(); st.secrets.to_dict()", ['st.secrets["db"]']),
    "a method of a value": ("st.secrets.a.strip()", ['st.secrets["a"]']),
    "a function": ("def run():\n    return st.secrets['a']", ['st.secrets["a"]']),
    "an argument": ("client(key=st.secrets['a'])", ['st.secrets["a"]']),
    "a string": ("f\"{st.secrets['a']}\"", ['st.secrets["a"]']),
    "a default": ("st.secrets.get('a', os.environ['B'])", ['os.environ["B"]']),
    "another import": ("from streamlit import secrets as s\ns['a']", ['st.secrets["a"]']),
    "Streamlit's name": ("import streamlit\nstreamlit.secrets['a']", ['st.secrets["a"]']),
    "another name": ("keys = st.secrets\nkeys['a']", ['st.secrets["a"]']),
    "a variable": ('os.environ["A"]', ['os.environ["A"]']),
    "get of a variable": ('os.environ.get("A").split()', ['os.environ["A"]']),
    "getenv": ('os.getenv("A")', ['os.environ["A"]']),
    "getenv by its name": ("from os import getenv, environ\ngetenv('A')\nenviron['B']",
                           ['os.environ["A"]', 'os.environ["B"]']),
    "a login": ("st.login()", ['st.secrets["auth"]']),
    "a login with a provider": ("st.login('google')", ['st.secrets["auth"]["google"]']),
    "a connection": ("st.connection('pets', type='sql')", ['st.secrets["connections"]["pets"]']),
    "the order of lines": ("st.secrets.b\nst.secrets.a", ['st.secrets["b"]', 'st.secrets["a"]']),
    "another handler": ("try:\n    st.secrets.a\nexcept ValueError:\n    0", ['st.secrets["a"]']),
    "a handler's own": ("try:\n    f()\nexcept KeyError:\n    st.secrets.a", ['st.secrets["a"]']),
}  # fmt: skip
# What goes on without the secret.
OPTIONAL = [
    'st.secrets.get("a", "")',
    'os.getenv("A", "")',
    'os.environ.get("A", default="")',
    'if "a" in st.secrets:\n    st.secrets["a"]',
    '"A" not in os.environ or os.environ["A"]',
    'try:\n    st.secrets["a"]\nexcept KeyError:\n    pass',
    'try:\n    st.secrets.a\nexcept (AttributeError, FileNotFoundError):\n    pass',
    'try:\n    os.environ["A"]\nexcept:\n    pass',
    'from contextlib import suppress\nwith suppress(KeyError):\n    st.secrets["a"]',
]  # fmt: skip
# What reads no secret, or none whose name one can see.
OTHERS = [
    'os.environ["A"] = "x"\nos.environ["A"]',
    'os.environ.setdefault("A", "x")\nos.environ["A"]',
    'st.secrets[name]',
    'os.environ[name]',
    'os.environ.copy()',
    'st.session_state["a"]',
    'st.session_state.get("a")',
    'st.query_params.get("a")',
    'config.secrets["a"]',
    'secrets = {}\nsecrets["a"]',
    'import secrets\nsecrets.token_hex(3)',
    'len(st.secrets)',
    'st.connection("pets", type="sql", url=url)',
    'st.connection("snowflake")',
    'st.button("a")',
]  # fmt: skip


def read(code: str, optional: bool = False) -> list[str]:
    secrets = find_secrets(ast.parse(IMPORTS + code))
    return [str(secret) for secret in secrets if secret.optional == optional]


@pytest.mark.parametrize(("code", "secrets"), READS.values(), ids=READS)
def test_what_is_read(code, secrets):
    assert read(code) == secrets


@pytest.mark.parametrize("code", OPTIONAL)
def test_what_may_be_missing(code):
    assert read(code) == []
    assert read(code, optional=True)


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_no_secret(code):
    assert read(code) == read(code, optional=True) == []


def test_the_line_is_that_of_the_first_read():
    [first, second] = find_secrets(ast.parse("import os\n\nos.environ['A']\nos.environ['A']"))
    assert (first.line, second.line) == (3, 4)


@pytest.fixture
def app(project):
    """Give the first app this code."""
    return lambda code: file(APP, f"{IMPORTS}{code}\ndef run(): pass\n")(project)


@pytest.fixture
def folder_app(project):
    """Give the project an app in a folder with this code."""

    def folder_app(code: str) -> None:
        file("apps/forecast/streamlit_app.py", IMPORTS + code)(project)
        project.add_to_menu({"name": "Forecast", "script": "apps/forecast/streamlit_app.py"})

    return folder_app


def test_a_missing_secret_is_a_warning_with_its_place(findings, app):
    app('st.write(st.secrets["api_key"])\nst.secrets.api_key')
    [finding] = findings(secrets_provided.check)
    assert (finding.code, finding.severity) == ("secret-missing", "warning")
    assert str(finding) == (
        f'{APP}, line 3: reads st.secrets["api_key"], and nothing provides it. Add api_key to '
        f"{FILE}: `python manage.py deploy` sets SECRETS from it."
    )


def test_a_missing_variable(findings, app):
    app('os.environ["API_KEY"]')
    [finding] = findings(secrets_provided.check)
    assert (finding.code, finding.severity) == ("variable-missing", "warning")
    assert finding.text == 'reads os.environ["API_KEY"], and nothing provides it.'
    assert finding.hint.endswith(" Or set API_KEY in the environment.")


def test_the_table_that_is_missing_and_the_value_in_it(project, found, findings, app):
    app("st.secrets.db.user\nst.secrets.db.port")
    assert [finding.text for finding in findings(secrets_provided.check)] == [
        'reads st.secrets["db"], and nothing provides it.'
    ]
    [finding] = findings(secrets_provided.check, SECRETS='[db]\nuser = "a"')
    assert finding.text == 'reads st.secrets["db"]["port"], and nothing provides it.'
    assert finding.hint.startswith(f"Add port under [db] in {FILE}: ")
    assert found(secrets_provided.check, SECRETS='[db]\nuser = "a"\nport = 1') == []


@pytest.mark.parametrize("place", ["variable", "file"])
def test_what_provides_secrets(project, found, app, place):
    app(
        'st.secrets.a\nst.secrets["b"].strip()\nos.environ["b"]\nos.environ["PORT"]\nst.secrets.d.e'
    )
    text = 'a = true\nb = "x"\n[d]\ne = 1'
    if place == "file":
        file(FILE, text)(project)
        assert found(secrets_provided.check) == []
    assert found(secrets_provided.check, SECRETS=text) == []


def test_a_boolean_and_a_table_are_not_variables(found, app):
    """Streamlit makes variables only of text and numbers."""
    app('os.environ["A"]\nos.environ["B"]\nos.environ["C"]')
    assert found(secrets_provided.check, SECRETS="A = true\nC = 1.5\n[B]\nx = 1") == [
        ("variable-missing", f"{APP}, line 3"),
        ("variable-missing", f"{APP}, line 4"),
    ]


def test_a_variable_of_the_environment(found, app):
    app('os.environ["API_KEY"]')
    assert found(secrets_provided.check, API_KEY="") == []


def test_a_helper_module_counts(project, found, app):
    app("import helper")
    file("helper.py", f"{IMPORTS}st.secrets.a")(project)
    assert found(secrets_provided.check) == [("secret-missing", "helper.py, line 3")]


def test_an_app_in_a_folder_sees_its_own_table(found, findings, folder_app):
    folder_app("st.secrets.key\nos.environ['KEY']")
    everything = 'key = "x"\nKEY = "x"\n[forecast]\n'
    where = "apps/forecast/streamlit_app.py, line"
    assert found(secrets_provided.check, SECRETS=everything) == [
        ("secret-missing", f"{where} 3"),
        ("variable-missing", f"{where} 4"),
    ]
    for finding in findings(secrets_provided.check):
        assert f"under [forecast] in {FILE}: " in finding.hint
    text = '[forecast]\nkey = "x"\nKEY = "x"\n'
    assert found(secrets_provided.check, SECRETS=text) == []


def test_an_app_in_a_folder_may_have_a_file(project, found, folder_app):
    folder_app("st.secrets.key")
    file(f"apps/forecast/{FILE}", "key = 1")(project)
    assert found(secrets_provided.check) == []


def test_each_app_has_its_own_warning(project, found, app, folder_app):
    app("st.secrets.key")
    folder_app("st.secrets.key")
    assert found(secrets_provided.check) == [
        ("secret-missing", f"{APP}, line 3"),
        ("secret-missing", "apps/forecast/streamlit_app.py, line 3"),
    ]


def test_a_file_that_is_not_valid(project, findings, folder_app):
    folder_app("st.secrets.key")
    file(f"apps/forecast/{FILE}", f"key = {VALUE}")(project)
    [finding] = findings(secrets_provided.check)
    assert (finding.code, finding.severity) == ("secrets-toml", "error")
    assert finding.where == f"apps/forecast/{FILE}, line 1, column 7"
    assert VALUE not in str(finding)


@pytest.mark.parametrize(("size", "codes"), [(2**16, []), (2**16 + 1, ["secrets-size"])])
def test_the_size_that_heroku_stores(project, findings, size, codes):
    text = 'a = "'
    file(FILE, f'{text}{"x" * (size - len(text) - 1)}"')(project)
    found = findings(secrets_provided.check)
    assert [finding.code for finding in found] == codes
    assert "xxx" not in "".join(map(str, found))


def test_apphub_itself_reads_no_secret(project, found):
    file("apphub/server/x.py", f"{IMPORTS}st.secrets.a")(project)
    file(APP, "from apphub.server import x\ndef run(): pass\n")(project)
    file("apphub/server/__init__.py", "")(project)
    file("apphub/__init__.py", "")(project)
    assert found(secrets_provided.check) == []


def test_a_menu_that_is_not_valid(project, found, app):
    app("st.secrets.a")
    project.write("apps.json", "[")
    assert found(secrets_provided.check) == [("secret-missing", f"{APP}, line 3")]
    project.write("apps.json", json.dumps([]))
    assert found(secrets_provided.check) == [("secret-missing", f"{APP}, line 3")]
