"""What is said of an app after it was added."""

from __future__ import annotations

import pytest
from bring_helpers import MODULE, STREAMLIT, write_files
from check_helpers import git

from apphub.bring.removed_calls import REPLACEMENTS


@pytest.fixture
def notes(bring, tmp_path):
    """Return what is said of a folder with these files."""

    def notes(files: dict[str, str | bytes]) -> list[str]:
        folder = write_files(tmp_path / "forecast", {"app.py": STREAMLIT, **files})
        return bring("Forecast", folder).notes

    return notes


def test_nothing(notes):
    assert notes({"data/a.csv": "", "utils.py": "import os\n"}) == []


def test_secrets_by_name(notes):
    text = "import os\nimport streamlit as st\n"
    text += "st.secrets['api_key']\nst.secrets.db.password\nst.secrets.get('optional', 1)\n"
    page = "import os\nos.environ['DATABASE_URL']\nos.getenv('REGION', 'eu')\nos.environ['HOME']\n"
    [secrets, variables] = notes({"app.py": text, "pages/1_A.py": page})
    assert 'st.secrets["api_key"] and st.secrets["db"]["password"]' in secrets
    assert ".streamlit/secrets.toml, in the table [forecast]" in secrets
    assert "reads DATABASE_URL from the environment" in variables
    assert "optional" not in secrets
    assert "REGION" not in variables
    assert "HOME" not in variables


def test_secrets_of_a_file_have_no_table(bring, tmp_path):
    path = write_files(tmp_path / "x", {"a.py": f"{STREAMLIT}st.secrets['key']\n"}) / "a.py"
    [note] = bring("A", path).notes
    assert "table" not in note


def test_apt_packages(notes):
    [note] = notes({"packages.txt": "libgl1\n# for OpenCV\nffmpeg\n"})
    assert "libgl1 and ffmpeg" in note
    assert "Aptfile" in note
    assert "heroku buildpacks:add --index 1 heroku-community/apt" in note


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".python-version": "3.10"}, "Python 3.10."),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.8,<3.12'"}, "Python >=3.8,<3.12."),
        ({".python-version": "3.13"}, None),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.8'"}, None),
        ({"pyproject.toml": "[project]\nrequires-python = 'new'"}, None),
    ],
)
def test_python_version(notes, files, version):
    found = notes(files)
    assert len(found) == (version is not None)
    assert all(f"It asks for {version} This project has 3.13" in note for note in found)


def test_removed_calls(notes):
    text = """import streamlit as st
from streamlit import cache as c, experimental_memo

@st.cache(allow_output_mutation=True)
def load():
    st.beta_columns(2)

st.experimental_rerun()
st.experimental_rerun()
st.experimental_new_thing()
st.set_option('deprecation.showPyplotGlobalUse', False)
st.cache_data(load)
other.cache()
"""
    [note] = notes({"app.py": text, "utils.py": "import streamlit as st\nst.beta_secrets\n"})
    assert note.startswith("apps/forecast/app.py, line 2: Streamlit has removed ")
    for call in (
        "st.cache (now st.cache_data or st.cache_resource)",
        "st.experimental_memo (now st.cache_data)",
        "st.beta_columns (now st.columns)",
        "st.experimental_rerun (now st.rerun)",
        "st.experimental_new_thing",
        'st.set_option("deprecation.showPyplotGlobalUse")',
    ):
        assert note.count(call) == 1
    assert "cache_data (now" not in note


def test_streamlit_has_none_of_the_removed_calls_and_all_replacements():
    import streamlit

    for name, replacement in REPLACEMENTS.items():
        assert not hasattr(streamlit, name)
        assert all(hasattr(streamlit, each) for each in replacement.split(" or st."))


def test_data_that_git_ignores(project, notes):
    git(project, "init", "-q")
    [note] = notes({"data/a.csv": "", "data/b.csv": "", ".gitignore": "data/\n"})
    assert note.startswith("git ignores apps/forecast/data/a.csv and apps/forecast/data/b.csv,")
    assert note.endswith("git add -f apps/forecast/data/a.csv")


def test_lfs_pointer(notes):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    [note] = notes({"data/a.parquet": pointer, "about.md": "git-lfs"})
    assert note.startswith("apps/forecast/data/a.parquet: git-lfs has only a pointer")


def test_data_that_is_not_there(notes):
    text = """import pandas as pd
import streamlit as st
from PIL import Image

pd.read_csv("data/gone.csv")
pd.read_csv("data/here.csv")
pd.read_csv("https://example.com/x.csv")
Image.open("img/logo.png")
open("out.txt", "w")
open("log.txt", mode="a")
st.image("cat.jpg")
st.write("notes.txt")
"""
    [note] = notes({"app.py": text, "data/here.csv": ""})
    assert "It reads cat.jpg, data/gone.csv and img/logo.png, which apps/forecast/" in note


def test_data_of_a_file_is_in_the_projects_folder(project, bring, tmp_path):
    text = f"import pandas as pd\n{STREAMLIT}pd.read_csv('data/a.csv')\n"
    path = write_files(tmp_path / "x", {"a.py": text}) / "a.py"
    [note] = bring("A", path).notes
    assert note == "It reads data/a.csv, which the project's folder does not have."
    write_files(project.path, {"data/a.csv": ""})
    assert bring("B", path).notes == []


def test_code_that_python_cannot_read(notes):
    [note] = notes({"app.py": "import streamlit\nprint 'x'\n"})
    assert note.startswith("apps/forecast/app.py, line 2: Python cannot read the file: ")


def test_module_that_is_there(project, bring):
    write_files(project.path, {"apps/churn.py": f"{MODULE}    st.secrets['a']\n"})
    [note] = bring("Churn").notes
    assert 'st.secrets["a"]' in note
