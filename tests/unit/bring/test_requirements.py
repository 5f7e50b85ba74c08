"""What an app asks for, in each format, and how requirements.in gets it."""

from __future__ import annotations

import pytest
from bring_helpers import STREAMLIT, write_files
from packaging.requirements import Requirement

from apphub.bring.declared import read_declared
from apphub.bring.merge import plan_merge
from apphub.bring.requirement_lines import Lines, read_lines
from apphub.check.project import LINUX

HEROKU = {**LINUX, "python_version": "3.13", "python_full_version": "3.13.99"}


# -- Lines of requirements.txt ---------------------------------------------------------------------

TAKEN = {
    "plotly": ["plotly"],
    "plotly==5.1  # why": ["plotly==5.1"],
    "# plotly": [],
    "plotly[all]>=5 ; sys_platform == 'linux'": ["plotly[all]>=5 ; sys_platform == 'linux'"],
    "plotly==5 --hash=sha256:0 \\\n    --hash=sha256:1": ["plotly==5"],
    "plotly==5 \\\r\n    --hash=sha256:1": ["plotly==5"],
    "git+https://example.com/x.git@v1#egg=x": ["x @ git+https://example.com/x.git@v1"],
    "-e git+ssh://git@example.com/x.git#egg=x": ["x @ git+ssh://git@example.com/x.git"],
    "x @ https://example.com/x-1-py3-none-any.whl": [
        "x @ https://example.com/x-1-py3-none-any.whl"
    ],
    "pywin32==1; sys_platform == 'win32'": ["pywin32==1; sys_platform == 'win32'"],
}
# A line, what is taken of it, and the reason why it is not taken as it is.
REFUSED = {
    "numpy @ file:///home/anna/numpy-1.26.whl": (["numpy"], "file of one computer"),
    "numpy[x] @ file:///C:/a/b ; python_version > '3'": (
        ["numpy[x] ; python_version > '3'"],
        "file of one computer",
    ),
    "-e .": ([], "path on one computer"),
    "--editable ../lib": ([], "path on one computer"),
    "./wheels/x.whl": ([], "path on one computer"),
    "/home/anna/x": ([], "path on one computer"),
    "C:\\Users\\anna\\x.whl": ([], "path on one computer"),
    "file:///home/anna/x.whl": ([], "path on one computer"),
    "pywin32==306": ([], "one system only"),
    "PyWin32": ([], "one system only"),
    "appnope==0.1.3": ([], "one system only"),
    "pyobjc-framework-Cocoa==9": ([], "one system only"),
    "pkg-resources==0.0.0": ([], "one system only"),
    "-c constraints.txt": ([], "limits versions"),
    "--no-binary :all:": ([], "option of pip"),
    "-r gone.txt": ([], "not there"),
    "--find-links ./wheels": ([], "folder of one computer"),
}


@pytest.fixture
def read(tmp_path):
    """Return the lines of a requirements.txt with this content."""

    def read(content: str | bytes) -> Lines:
        return read_lines(write_files(tmp_path, {"requirements.txt": content}) / "requirements.txt")

    return read


@pytest.mark.parametrize(("text", "lines"), TAKEN.items(), ids=TAKEN)
def test_line(read, text, lines):
    found = read(text)
    assert (found.requirements, found.options, found.refused) == (lines, [], {})
    assert all(Requirement(line) for line in found.requirements)


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=REFUSED)
def test_line_that_is_only_for_one_computer(read, text, expected):
    found = read(f"{text}\nplotly\n")
    assert found.requirements == [*expected[0], "plotly"]
    assert [expected[1] in reason for reason in found.refused.values()] == [True]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("--extra-index-url https://example.com/simple", None),
        ("--extra-index-url=https://example.com/simple", "--extra-index-url https://example.com/simple"),
        ("-i https://example.com/simple", "--index-url https://example.com/simple"),
        ("-f https://example.com/wheels", "--find-links https://example.com/wheels"),
        ("--index-url https://${USER}:${TOKEN}@example.com/simple", None),
    ],
)  # fmt: skip
def test_other_index(read, text, option):
    assert read(f"{text}\nsecretlib\n") == Lines(["secretlib"], [option or text], {})


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://anna:sesame@example.com/simple",
        "x @ https://sesame@example.com/x.whl",
        "-e git+https://anna:sesame@example.com/x.git#egg=x",
        "git+https://x-token:sesame@example.com/x.git@main#egg=x",
    ],
)
def test_password_is_not_taken_and_not_shown(read, line):
    found = read(line)
    assert (found.requirements, found.options) == ([], [])
    assert list(found.refused.values()) == ["contains a password"]
    assert "sesame" not in str(found)
    assert "example.com" in str(found)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_encoding(read, encoding):
    assert read("plotly\r\n# é\r\npandas\r\n".encode(encoding)).requirements == ["plotly", "pandas"]


def test_included_file(tmp_path):
    files = {"requirements.txt": "-r more/a.txt\nplotly\n", "more/a.txt": "-r b.txt\n"}
    files["more/b.txt"] = "pandas\n-r ../requirements.txt\n"
    folder = write_files(tmp_path, files)
    lines = read_lines(folder / "requirements.txt")
    assert set(lines.requirements) == {"plotly", "pandas"}
    assert lines.refused == {}


COMPILED = """# This file was autogenerated by uv via the following command:
#    uv pip compile requirements.in -o requirements.txt
altair==5.5.0
    # via streamlit
numpy==1.26.4 \\
    --hash=sha256:0
    # via
    #   -r requirements.in
    #   pandas
pandas==2.2.3
    # via forecast (pyproject.toml)
captcha==0.7.1  # via -r requirements.in
six==1.17.0  # via python-dateutil
toml==0.10.2
    # via
    #   streamlit
"""


def test_dependencies_in_a_compiled_file_are_left_to_the_compiler(read):
    found = read(COMPILED)
    assert found.requirements == ["numpy==1.26.4", "pandas==2.2.3", "captcha==0.7.1"]
    assert found.refused == {}


# -- Other formats ---------------------------------------------------------------------------------

PYPROJECT = """[project]
dependencies = ["plotly>=5", "pandas"]
requires-python = ">=3.9,<3.12"
"""
POETRY = """[tool.poetry.dependencies]
python = "^3.9"
plotly = "^5.1.2"
numpy = "~1.2"
pandas = "*"
zero = "^0.2.3"
exact = "1.4"
ranged = ">=1,<3"
extra = {version = "^2", extras = ["a", "b"], markers = "sys_platform == 'linux'"}
lib = {path = "../lib"}
own = {git = "https://example.com/own.git", rev = "abc"}
"""
PIPFILE = """[[source]]
url = "https://example.com/simple"
[packages]
plotly = "*"
pandas = {version = "==2.1"}
[dev-packages]
pytest = "*"
[requires]
python_version = "3.9"
"""
CONDA = """name: forecast
channels:
  - conda-forge
dependencies:
  - python=3.10
  - plotly=5.1
  - numpy=1.26.4=py310h1234
  - pandas>=2
  - conda-forge::scipy   # why
  - pytorch
  - nodejs
  - pip
  - pip:
      - streamlit-folium==0.20
      - "pydeck"
prefix: /home/anna/envs/forecast
"""
CONDA_FLAT = CONDA.replace("\n  ", "\n")
FORMATS = {
    "requirements.txt": ("plotly\n", ["plotly"], "", ""),
    "pyproject.toml": (PYPROJECT, ["plotly>=5", "pandas"], "", ">=3.9,<3.12"),
    "pyproject.toml of Poetry": (
        POETRY,
        [
            *("plotly>=5.1.2,<6", "numpy>=1.2,<1.3", "pandas", "zero>=0.2.3,<0.3", "exact==1.4"),
            *("ranged>=1,<3", "extra[a,b]>=2,<3 ; sys_platform == 'linux'"),
            "own @ git+https://example.com/own.git@abc",
        ],
        *("", ""),
    ),
    "Pipfile": (PIPFILE, ["plotly", "pandas==2.1"], "3.9", ""),
    "environment.yml": (
        CONDA,
        [
            *("plotly==5.1.*", "numpy==1.26.4", "pandas>=2", "scipy", "torch"),
            *("streamlit-folium==0.20", "pydeck"),
        ],
        *("3.10", ""),
    ),
    "environment.yaml": (
        CONDA_FLAT,
        [
            *("plotly==5.1.*", "numpy==1.26.4", "pandas>=2", "scipy", "torch"),
            *("streamlit-folium==0.20", "pydeck"),
        ],
        *("3.10", ""),
    ),
}


@pytest.mark.parametrize(("name", "expected"), FORMATS.items(), ids=FORMATS)
def test_format(tmp_path, name, expected):
    text, lines, python, python_range = expected
    file = name.partition(" ")[0]
    declared = read_declared([write_files(tmp_path, {file: text})])
    assert (declared.file, declared.lines.requirements) == (file, lines)
    assert (declared.python, declared.python_range) == (python, python_range)
    assert all(Requirement(line) for line in declared.lines.requirements)


def test_path_of_poetry_and_index_of_pipenv(tmp_path):
    declared = read_declared([write_files(tmp_path / "a", {"pyproject.toml": POETRY})])
    assert list(declared.lines.refused) == ["lib = ../lib"]
    declared = read_declared([write_files(tmp_path / "b", {"Pipfile": PIPFILE})])
    assert declared.lines.options == ["--extra-index-url https://example.com/simple"]


NOT_VALID = [b"", b"\xff\xfe\0", b"[project\n", b"[project]\ndependencies = 3\n", b"- a: ["]
NOT_VALID += [b"packages = 1\n", b"[packages]\nx = []\n", b"dependencies:\n  - [\n  - pip:\n"]


@pytest.mark.parametrize("file", ["pyproject.toml", "Pipfile", "environment.yml"])
@pytest.mark.parametrize("content", NOT_VALID)
def test_file_that_is_not_valid_is_no_obstacle(tmp_path, file, content):
    declared = read_declared([write_files(tmp_path, {file: content})])
    assert all(isinstance(line, str) for line in declared.lines.requirements)


def test_what_somebody_wrote_comes_before_what_was_generated(tmp_path):
    files = {"requirements.in": "plotly\n", "requirements.txt": "plotly==5\ntenacity==8\n"}
    declared = read_declared([write_files(tmp_path, {**files, "pyproject.toml": PYPROJECT})])
    assert declared.lines.requirements == ["plotly"]
    assert declared.python_range == ">=3.9,<3.12"


def test_folder_of_the_script_comes_first(tmp_path):
    top = write_files(tmp_path, {"requirements.txt": "pandas\n", "packages.txt": "git\n"})
    inner = write_files(tmp_path / "app", {"requirements.txt": "plotly\n"})
    declared = read_declared([inner, top])
    assert declared.lines.requirements == ["plotly"]
    assert declared.apt_packages == ["git"]
    assert read_declared([top, inner]).lines.requirements == ["pandas"]


@pytest.mark.parametrize(
    ("files", "python"),
    [
        ({".python-version": "3.10\n"}, "3.10"),
        ({"runtime.txt": "python-3.9.7\n"}, "3.9"),
        ({"README.md": ""}, ""),
    ],
)
def test_python(tmp_path, files, python):
    assert read_declared([write_files(tmp_path, files)]).python == python


# -- Merging ---------------------------------------------------------------------------------------

INPUT = "# What we want.\nstreamlit>=1.67,<2\npandas\nplotly[express]>=5  # charts\n"
PINS = (
    "streamlit==1.67.0\npandas==3.0.1\nplotly==6.3\naltair==6.3.0\nx==1 ; sys_platform == 'win32'\n"
)


def merge(*requirements: str, options: tuple[str, ...] = (), project: str = INPUT):
    return plan_merge(Lines([*requirements], [*options]), project, PINS, HEROKU)


@pytest.mark.parametrize(
    "line",
    [
        "streamlit",
        "Streamlit",
        "streamlit==1.67.0",
        "streamlit>=1.28",
        "pandas",
        "pandas<4",
        "plotly[express]",
        "plotly>=5.9",
        "streamlit<2,>=1.67",
    ],
)
def test_what_is_there_is_not_added(line):
    found = merge(line)
    assert (found.added, found.changes, found.conflicts) == ([], [], [])


@pytest.mark.parametrize(
    "line",
    [
        *("folium", "folium==0.20", "altair", "altair>=5", "x==1", "plotly[kaleido]"),
        *("own @ git+https://example.com/own.git", "git+https://example.com/own.git"),
    ],
)
def test_what_is_missing_is_added(line):
    found = merge(line, line)
    assert (found.added, found.changes, found.conflicts) == ([line], [], [])


@pytest.mark.parametrize(
    "line",
    [
        "streamlit==1.28.0",
        "streamlit<1.60",
        "streamlit>=2",
        "streamlit~=1.40.0",
        "streamlit==1.66.*",
        "plotly<5",
        "plotly==4.14.3",
        "pandas @ https://example.com/pandas.whl",
    ],
)
def test_contradiction_is_said_and_not_added(line):
    found = merge(line, "folium")
    assert found.added == ["folium"]
    assert found.changes == []
    [conflict] = found.conflicts
    assert "contradicts" in conflict
    assert "in requirements.in" in conflict


@pytest.mark.parametrize("line", ["pandas==2.1.4", "altair==4.2", "altair===4.2", "pandas==2.*"])
def test_exact_version_of_what_all_apps_share_is_said_and_not_added(line):
    """pip freeze lists everything: all apps would get the old versions, or none."""
    found = merge(line, "folium==0.20")
    assert (found.added, found.other_versions) == (["folium>=0.20"], [line])
    assert found.conflicts == []
    # A list's versions belong together: one of them alone may not fit what all apps share.
    [change] = found.changes
    assert change.startswith("folium==0.20: added as folium>=0.20, because other versions")


def test_exact_versions_that_all_apply_stay_exact():
    found = merge("folium==0.20", "rich==14.0")
    assert (found.added, found.changes) == (["folium==0.20", "rich==14.0"], [])


@pytest.mark.parametrize("line", ["pandas<3", "altair<5,>4", "plotly>5,<6"])
def test_another_version_for_all_apps_is_said(line):
    found = merge(line)
    assert found.added == [line]
    assert found.conflicts == []
    [change] = found.changes
    assert "every app has" in change


@pytest.mark.parametrize("line", ["numpy 1.2", "=1", "a b c", "name=="])
def test_line_that_cannot_be_read(line):
    found = merge(line, "folium")
    assert (found.added, found.refused) == (["folium"], {line: "cannot be read"})


def test_index_is_added_once():
    option = "--extra-index-url https://example.com/simple"
    assert merge("secretlib", options=(option,)).added == [option, "secretlib"]
    project = f"{option}\n{INPUT}"
    assert merge("secretlib", options=(option,), project=project).added == ["secretlib"]


@pytest.mark.parametrize("before", [INPUT, INPUT.rstrip(), ""])
def test_text(before):
    text = merge("folium", "geopandas").text(before, "Café Map")
    assert text == f"{before.rstrip()}\n# Café Map\nfolium\ngeopandas\n".lstrip("\n")


# -- Adding an app with packages -------------------------------------------------------------------


@pytest.fixture
def forecast(tmp_path):
    files = {"app.py": STREAMLIT, "requirements.txt": "streamlit==1.28.0\nfolium\npywin32==306\n"}
    return write_files(tmp_path / "forecast", files)


def test_packages_are_shown_and_merged(project, bring, answers, forecast):
    before = project.read("requirements.in")
    added = bring("Forecast", forecast)
    assert answers.shown == [("requirements.txt", ["folium"])]
    assert project.read("requirements.in") == f"{before}# Forecast\nfolium\n"
    assert list(added.merge.refused) == ["pywin32==306"]
    [conflict] = added.merge.conflicts
    assert conflict.startswith("streamlit==1.28.0 contradicts streamlit")


def test_packages_are_not_merged_where_the_answer_is_no(project, bring, answers, forecast):
    before = project.read("requirements.in")
    answers.merges = False
    added = bring("Forecast", forecast)
    assert project.read("requirements.in") == before
    assert added.merge.added == []
    assert project.menu[-1]["name"] == "Forecast"


def test_nothing_to_merge_is_not_asked(project, bring, answers, forecast):
    write_files(forecast, {"requirements.txt": "streamlit\npandas\n"})
    before = project.read("requirements.in")
    bring("Forecast", forecast)
    assert answers.shown == []
    assert project.read("requirements.in") == before


def test_packages_of_the_folder_above_a_part(project, bring, tmp_path):
    files = {"requirements.txt": "folium\n", "sub/app.py": STREAMLIT}
    bring("Forecast", write_files(tmp_path / "tools", files), subdirectory="sub")
    assert project.read("requirements.in").endswith("# Forecast\nfolium\n")


def test_packages_of_a_folder_that_is_there(project, bring):
    files = {"apps/forecast/app.py": STREAMLIT, "apps/forecast/requirements.txt": "folium\n"}
    write_files(project.path, files)
    bring("Forecast")
    assert project.read("requirements.in").endswith("# Forecast\nfolium\n")


def test_project_with_another_list(project, bring, answers, forecast):
    (project.path / "requirements.in").unlink()
    added = bring("Forecast", forecast)
    assert answers.shown == []
    [note] = added.notes
    assert note.startswith("requirements.txt asks for streamlit==1.28.0 and folium. Add them")
    assert not (project.path / "requirements.in").exists()
