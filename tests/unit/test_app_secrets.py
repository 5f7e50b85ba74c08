"""SECRETS in the environment: what each app sees of it, and what a broken one shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback

import pytest
from check_helpers import TEMPLATE, file
from hypothesis import given
from hypothesis import strategies as st
from streamlit.runtime.secrets import _validate_secrets_value

from apphub import app_secrets
from apphub.app_secrets import SecretsError
from apphub.apps import App

VALUE = "hunter2-hunter2"
FILE = ".streamlit/secrets.toml"
TEXT = f"""\
api_key = "{VALUE}"

[forecast]
password = "f"
[forecast.db]
port = 5432

[sales]
password = "s"
"""
ALL = {
    "api_key": VALUE,
    "forecast": {"password": "f", "db": {"port": 5432}},
    "sales": {"password": "s"},
}
FORECAST = App("Forecast", script="apps/forecast/streamlit_app.py")
CHURN = App("Churn", script="apps/churn/app.py")
SALES = App("Sales", script="apps/sales.py")
REPORT = App("Report", module="apps.report")

# Text, and the place in the finding. Versions of Python count columns differently.
NOT_TOML = {
    "no quotes": (f"api_key = {VALUE}", ", line 1, column "),
    "no end": (f'a = 1\napi_key = "{VALUE}\n', ", line 2, column "),
    "no end of a long string": (f'api_key = """{VALUE}', ", end of document"),
    "no value": (f'"{VALUE}"', ", end of document"),
    "a name twice": (f'"{VALUE}" = 1\n"{VALUE}" = 2\n', ", line 2, column "),
    "a table twice": (f'["{VALUE}"]\n["{VALUE}"]\n', ", line 2, column "),
    "a key of a value": (f'a = "{VALUE}"\na.b = 1\n', ", line 2, column "),
    "JSON": (f'{{"api_key": "{VALUE}"}}', ", line 1, column "),
    ".env": (f"export API_KEY={VALUE}\n", ", line 1, column "),
    "a character": (f'a = "{VALUE}\x01"', ", line 1, column "),
    "an escape": (rf'a = "C:\{VALUE}"', ", line 1, column "),
    "a day": (f'a = 2024-02-31 # "{VALUE}"', ", line 1, column "),
    "a long number": (f"a = {'9' * 5000} # {VALUE}", ""),
    "a deep list": (f"a = {'[' * 100_000} # {VALUE}", ""),
    "not UTF-8": (f'a = "{VALUE}\udcff"', ""),
}


def findings(text: str) -> list[tuple[str, str]]:
    """Return the code and the place of each finding, none of which shows a value."""
    with pytest.raises(SecretsError) as caught:
        app_secrets.load({"SECRETS": text})
    assert VALUE not in "".join(traceback.format_exception(caught.value))
    return [(finding.code, finding.where) for finding in caught.value.findings]


def test_secrets_are_those_of_the_text():
    assert app_secrets.load({"SECRETS": TEXT}) == ALL


def test_without_the_variable_streamlit_reads_its_files(project):
    file(FILE, "not TOML")(project)
    assert app_secrets.load({}) is None
    assert app_secrets.load({"SECRETS": ""}) == {}


@pytest.mark.parametrize(("text", "place"), NOT_TOML.values(), ids=NOT_TOML)
def test_bad_toml_shows_its_place_and_nothing_else(text, place):
    [(code, where)] = findings(text)
    assert code == "secrets-toml"
    assert re.fullmatch(rf"SECRETS{place}\d*", where)
    with pytest.raises(SecretsError) as caught:
        app_secrets.load({"SECRETS": text})
    assert caught.value.__context__ is None  # a logger may show it, even where Python does not
    assert caught.value.__cause__ is None


@given(st.text())
def test_no_text_is_repeated(text):
    """What a finding says depends on the error's place only."""
    try:
        app_secrets.load({"SECRETS": f"{text}\n= {VALUE}"})
    except SecretsError as error:
        [finding] = error.findings
        assert finding.text == "the secrets are not valid TOML."
        assert re.fullmatch(r"SECRETS(, line \d+, column \d+|, end of document)?", finding.where)
    else:
        pytest.fail("is valid")


def test_bad_toml_in_a_process_of_its_own():
    """Nothing of it is in the output of a server that ends with it."""
    code = "from apphub import app_secrets; app_secrets.load()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(TEMPLATE), "SECRETS": f"api_key = {VALUE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert re.search(r"SECRETS, line 1, column \d+: the secrets are not valid", result.stderr)
    assert VALUE not in result.stderr + result.stdout


def test_what_streamlit_would_not_accept():
    text = f'when = 2024-01-31\nlist = ["{VALUE}", {{ at = 07:32:00 }}]\n[db]\nday = 2024-01-31'
    with pytest.raises(SecretsError) as caught:
        app_secrets.load({"SECRETS": text})
    assert [finding.text.split()[0] for finding in caught.value.findings] == [
        *("'when'", "'list[1].at'", "'db.day'")
    ]
    assert {(f.code, f.where) for f in caught.value.findings} == {("secrets-type", "SECRETS")}
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize("text", [f'"" = "{VALUE}"', f'"a=b" = "{VALUE}"', f'a = "{VALUE}\\u0000"'])
def test_what_cannot_be_a_variable(text):
    """Streamlit makes one of each value that is not in a table."""
    assert findings(text) == [("secrets-name", "SECRETS")]
    assert app_secrets.load({"SECRETS": f"[table]\n{text}"})


VALUES = st.recursive(
    st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES))
def test_what_is_written_is_read_again(secrets):
    text = app_secrets.format_toml({"table": secrets})
    assert app_secrets.load({"SECRETS": text}) == {"table": secrets}
    _validate_secrets_value(secrets)  # Streamlit's own check


# Which app sees what.


@pytest.mark.parametrize("app", [SALES, REPORT])
def test_a_file_and_a_module_see_everything(app):
    assert app_secrets.for_app(app, {"SECRETS": TEXT}) == ALL


def test_a_folder_sees_its_own_table():
    assert app_secrets.for_app(FORECAST, {"SECRETS": TEXT}) == ALL["forecast"]


@pytest.mark.parametrize("text", ["", 'churn = "x"', "[churn_2]\na = 1", "[forecast.churn]\na = 1"])
def test_a_folder_without_a_table_sees_nothing(text):
    assert app_secrets.for_app(CHURN, {"SECRETS": text}) == {}


@pytest.mark.parametrize(
    ("folder", "table"),
    [("Café", "Cafe\u0301"), ("Cafe\u0301", "Café"), ("Forecast", "forecast"), ("a-b", "a-b")],
)
def test_a_folder_and_its_table_in_other_forms(folder, table):
    app = App("x", script=f"apps/{folder}/app.py")
    assert app_secrets.for_app(app, {"SECRETS": f'["{table}"]\na = 1'}) == {"a": 1}


def test_on_a_workstation_the_project_has_a_file(project):
    file(FILE, TEXT)(project)
    assert app_secrets.for_app(FORECAST, {}, project.path) == ALL["forecast"]
    assert app_secrets.for_app(SALES, {}, project.path) == ALL
    assert app_secrets.for_app(FORECAST, {"SECRETS": ""}, project.path) == {}


def test_without_secrets(project):
    assert app_secrets.for_app(FORECAST, {}, project.path) == {}
    assert app_secrets.for_app(SALES, {}, project.path) == {}


# A script's process.

SERVER = {"PATH": "/bin", "HTPASSWD": "anna:x", "SESSION_SECRET": VALUE, "SECRETS": TEXT}


def test_the_environment_of_a_folders_process_has_only_its_own():
    environ = app_secrets.environ_for_app(FORECAST, SERVER)
    assert set(environ) == {"PATH", "SECRETS"}
    assert VALUE not in str(environ)
    assert app_secrets.load(environ) == ALL["forecast"]
    assert set(app_secrets.environ_for_app(CHURN, SERVER)) == {"PATH"}


def test_the_environment_of_a_files_process_has_all_secrets_of_apps():
    assert app_secrets.environ_for_app(SALES, SERVER) == {"PATH": "/bin", "SECRETS": TEXT}


def test_the_environment_on_a_workstation(project):
    file(FILE, TEXT)(project)
    environ = app_secrets.environ_for_app(FORECAST, {"PATH": "/bin"}, project.path)
    assert app_secrets.load(environ) == ALL["forecast"]
    # Streamlit reads the file, and reads it again when it changes.
    assert app_secrets.environ_for_app(SALES, {"PATH": "/bin"}, project.path) == {"PATH": "/bin"}


def test_a_folder_does_not_find_the_projects_file_in_the_home_folder(project):
    files = [str(project.path / FILE), str(project.path / "apps/forecast" / FILE)]
    assert app_secrets.files_for_app(FORECAST, files, project.path) == files[1:]
    assert app_secrets.files_for_app(SALES, files, project.path) == files


# Files.


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a = 1\n\xff", "secrets-encoding"),
        (b"\xff\xfea\0", "secrets-encoding"),
        (b"a", "secrets-toml"),
    ],
)
def test_a_file_that_cannot_be_read(project, content, code):
    file(FILE, content)(project)
    with pytest.raises(SecretsError) as caught:
        app_secrets.load_project(project.path, {})
    [finding] = caught.value.findings
    assert (finding.code, finding.where.split(",")[0]) == (code, FILE)


def test_a_folder_in_place_of_the_file(project):
    (project.path / FILE).mkdir(parents=True)
    with pytest.raises(SecretsError, match=r"^\.streamlit/secrets\.toml: cannot be read: "):
        app_secrets.load_file(project.path / FILE)


def test_no_file(project):
    assert app_secrets.load_file(project.path / FILE) is None
    file(".streamlit", "")(project)
    assert app_secrets.load_project(project.path, {}) is None
    assert app_secrets.read_text(project.path, [FORECAST]) is None


def test_the_text_for_heroku_is_the_file(project):
    text = f"# The key of the staging account\r\n{TEXT}"
    file(FILE, text)(project)
    assert app_secrets.read_text(project.path, [FORECAST, SALES]) == text


def test_the_file_of_a_folder_becomes_its_table(project):
    file(FILE, TEXT)(project)
    file(f"apps/forecast/{FILE}", 'password = "own"\ntoken = "t"\n')(project)
    file(f"apps/churn/{FILE}", "a = [1, 2]\n")(project)
    text = app_secrets.read_text(project.path, [FORECAST, CHURN, SALES])
    secrets = app_secrets.load({"SECRETS": text})
    assert secrets == {
        **ALL,
        "forecast": {**ALL["forecast"], "token": "t"},
        "churn": {"a": [1, 2]},
    }


def test_the_file_of_a_folder_alone(project):
    file(f"apps/churn/{FILE}", "a = 1")(project)
    text = app_secrets.read_text(project.path, [CHURN])
    assert app_secrets.for_app(CHURN, {"SECRETS": text}) == {"a": 1}
    file(f"apps/churn/{FILE}", "a = ")(project)
    with pytest.raises(SecretsError, match=rf"^apps/churn/{FILE}, end of document: "):
        app_secrets.read_text(project.path, [CHURN])
