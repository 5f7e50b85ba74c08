"""web/app_loader.py: a module is executed again for each run, as a script is."""

from __future__ import annotations

import json
import linecache
import os
import pickle
import sys
import traceback

import pytest
from streamlit import config

from apphub.apps import App, MenuError
from apphub.web import app_loader, reload
from apphub.web.app_loader import find_magic, load_code, run_app

SALES = App("Sales", "apps.sales")
OLD = 1_700_000_000  # long ago: what is compiled then is kept


@pytest.fixture
def write(hub):
    """Write the app's file as it was saved long ago, or another file."""
    app_loader._load_cached.cache_clear()

    def write(source: str, name: str = "apps/sales.py", saved: int = OLD):
        path = hub.project.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, "utf-8")
        os.utime(path, (saved, saved))
        return path

    return write


@pytest.fixture
def results() -> list:
    """What an app reports, by way of the json module, which it shares with the test."""
    json.results = []
    yield json.results
    del json.results


def test_modules_beside_it_are_found_but_replace_nobody_elses(write, results, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    write("NAME = 'mine'\n", "apps/beside_it.py")
    write("NAME = 'mine'\n", "apps/json.py")
    write("import beside_it, json\ndef run():\n    json.results.append(beside_it.NAME)\n")
    run_app(SALES)
    monkeypatch.delitem(sys.modules, "beside_it")
    assert results == ["mine"]


def test_each_run_has_variables_and_classes_of_its_own(write, results):
    write(
        "import json\n"
        "seen = []\n"
        "class Row: pass\n"
        "def run():\n"
        "    seen.append(1)\n"
        "    json.results.append((len(seen), Row))\n"
    )
    run_app(SALES)
    run_app(SALES)
    (first, one), (second, two) = results
    assert first == second == 1
    assert one is not two


def test_names_of_the_module(write, results):
    path = write(
        "import json\n"
        "def run():\n"
        "    json.results += [__name__, __file__, __package__, __spec__.name, run.__module__]\n"
    )
    run_app(SALES)
    assert results == ["apps.sales", str(path), "apps", "apps.sales", "apps.sales"]


def test_its_classes_can_be_pickled(write, results):
    write(
        "import dataclasses, enum, json, pickle\n"
        "@dataclasses.dataclass\n"
        "class Row:\n"
        "    a: 'int'\n"
        "Kind = enum.Enum('Kind', ['A'])\n"
        "def run():\n"
        "    json.results.append(pickle.dumps([Row(1), Kind.A]))\n"
    )
    for _ in range(2):
        run_app(SALES)
        row, kind = pickle.loads(results.pop())  # noqa: S301 - of the test itself
        module = sys.modules["apps.sales"]
        assert row == module.Row(1)
        assert kind is module.Kind.A


def test_other_modules_import_what_runs(write, results):
    write("import json\nNAME = 'sales'\ndef run():\n    from apps import other\n")
    write("import json\nimport apps.sales\njson.results.append(apps.sales.NAME)\n", "apps/other.py")
    run_app(SALES)
    assert results == ["sales"]
    assert sys.modules["apps"].sales is sys.modules["apps.sales"]


def test_relative_import(write, results):
    write("import json\nfrom . import other\ndef run():\n    json.results.append(other.X)\n")
    write("X = 3\n", "apps/other.py")
    run_app(SALES)
    assert results == [3]


def test_package(write, results):
    """In the second run its modules are loaded already."""
    write(
        "import json\n"
        "import apps.sales.tables\n"
        "from . import tables\n"
        "from apps.sales.tables import X\n"
        "def run():\n"
        "    json.results.append(apps.sales.tables.X + tables.X + X)\n",
        "apps/sales/__init__.py",
    )
    write("X = 1\n", "apps/sales/tables.py")
    run_app(SALES)
    run_app(SALES)
    assert results == [3, 3]


def test_magic_draws_as_in_a_script(hub):
    hub.only(
        "'A docstring.'\n'# Above'\n\ndef run():\n    'Another.'\n    '## Inside'\n    1 + 1\n"
    )
    page = hub.open()
    assert [element.value for element in page.markdown] == ["# Above", "## Inside", "`2`"]


def test_magic_may_be_disabled(hub, monkeypatch):
    option = config.get_option
    monkeypatch.setattr(
        config, "get_option", lambda key: key != "runner.magicEnabled" and option(key)
    )
    hub.only("def run():\n    'A docstring.'\n    '## Inside'\n")
    assert not hub.open().markdown


def test_streamlit_without_magic_is_warned_of_once(write, results, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "streamlit.runtime.scriptrunner.magic", None)
    app_loader._warn_of_magic.cache_clear()
    write("import json\ndef run():\n    'text'\n    json.results.append(1)\n")
    run_app(SALES)
    run_app(SALES)
    assert results == [1, 1]
    assert find_magic() is None
    [record] = caplog.records
    assert "st.write()" in record.getMessage()


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfdef run(): pass\n",
        b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\ndef run(): pass\n",
        b"def run():\r\n    pass\r\n",
    ],
)
def test_encodings(write, source):
    path = write("")
    path.write_bytes(source)
    run_app(SALES)


# -- Compiled once -----------------------------------------------------------------------------


def test_unchanged_file_is_compiled_once(write):
    path = write("def run(): pass\n")
    assert load_code(path) is load_code(path)


def test_saved_file_counts_on_the_next_run(write, results):
    for number, saved in enumerate([OLD, OLD + 1]):
        write(f"import json\ndef run():\n    json.results.append({number})\n", saved=saved)
        run_app(SALES)
    assert results == [0, 1]


def test_file_saved_just_now_is_compiled_again(write):
    """Two changes within a tick of the clock have one time."""
    path = write("def run(): pass\n")
    os.utime(path)
    assert load_code(path) is not load_code(path)


# -- Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["", "x = 1\n", "def main():\n    pass\n", "run = 1\n"])
def test_module_without_run_names_the_fix(write, source):
    write(source)
    with pytest.raises(MenuError) as caught:
        run_app(SALES)
    assert '"script": "apps/sales.py"' in str(caught.value)
    assert "def run():" in str(caught.value)


def test_module_without_run_is_not_executed(write, results):
    """A whole script would have drawn itself above the error."""
    write("import json\njson.results.append(1)\n")
    with pytest.raises(MenuError):
        run_app(SALES)
    assert results == []


@pytest.mark.parametrize(
    "source", ["from apps.other import run\n", "from apps.other import *\n", "run = lambda: None\n"]
)
def test_run_need_not_be_a_def(write, source):
    write(source)
    write("def run():\n    pass\n", "apps/other.py")
    run_app(SALES)


def test_syntax_error_has_no_frame_of_the_compiler(write):
    write("def run(:\n")
    with pytest.raises(SyntaxError) as caught:
        run_app(SALES)
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert not [file for file in files if "streamlit" in file or file.endswith("ast.py")]
    assert caught.value.filename.endswith("apps/sales.py")


def test_traceback_has_the_lines_of_the_saved_file(write):
    linecache.clearcache()
    for number, saved in enumerate([OLD, OLD + 1]):
        write(f"def run():\n    raise ValueError({number})\n", saved=saved)
        with pytest.raises(ValueError, match=str(number)) as caught:
            run_app(SALES)
        assert f"raise ValueError({number})" in "".join(traceback.format_exception(caught.value))


# -- The project's own modules -----------------------------------------------------------------


def test_saved_helper_counts_on_the_next_run(write, results):
    write("import json\nfrom apps.other import X\ndef run():\n    json.results.append(X)\n")
    for number in range(3):
        write(f"X = {number}\n", "apps/other.py", saved=OLD + number)
        run_app(SALES)
        run_app(SALES)
    assert results == [0, 0, 1, 1, 2, 2]


def test_unchanged_helper_is_imported_once(write, results):
    write("import json\nfrom apps import other\ndef run():\n    json.results.append(other)\n")
    write("", "apps/other.py")
    run_app(SALES)
    run_app(SALES)
    assert results[0] is results[1]


def test_helper_saved_while_it_runs_is_imported_again(write, results, hub):
    """Its time is known only after the run, and is that of the new file."""
    write(
        "import json, os, time\n"
        "from apps.other import X\n"
        "def run():\n"
        "    json.results.append(X)\n"
        "    with open('apps/other.py', 'w') as file:\n"
        "        file.write('X = 2')\n"
        "    later = time.time() + 1\n"
        "    os.utime('apps/other.py', (later, later))\n"
    )
    write("X = 1\n", "apps/other.py")
    run_app(SALES)
    run_app(SALES)
    assert results == [1, 2]


def test_on_a_dyno_no_file_is_looked_at(write, results, monkeypatch):
    option = config.get_option
    monkeypatch.setattr(
        config,
        "get_option",
        lambda key: "none" if key == "server.fileWatcherType" else option(key),
    )
    monkeypatch.setattr(reload, "find_modules", None)
    write("import json\ndef run():\n    json.results.append(1)\n")
    run_app(SALES)
    assert results == [1]
