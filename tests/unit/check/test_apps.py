"""The apps: the function run(), the syntax, and imports of the project's own modules."""

from __future__ import annotations

import sys

import pytest
from check_helpers import APP, RUN, Change, all_of, app, copy_files, file, without

from apphub.check import apps
from apphub.check.project import Project
from apphub.check.sources import read_sources

VALID = {
    "as the template has it": app(RUN),
    "run by assignment": app("run = print\n"),
    "run with a type": app("from typing import Any\n\nrun: Any = print\n"),
    "run imported": app("from apps.churn_explorer import run\n"),
    "run imported by another name": app(
        "from apps.churn_explorer import run as draw\n\nrun = draw\n"
    ),
    "everything imported": app("from apps.churn_explorer import *\n"),
    "run by case": app("if 1:\n    def run(): pass\nelse:\n    run = None\n"),
    "run in a try": app("try:\n    import json\nexcept ImportError:\n    def run(): pass\n"),
    "a class": app("class run:\n    pass\n"),
    "defaults": app("def run(a=1, *b, c=2, **d): pass\n"),
    "decorated": app("from functools import cache\n\n@cache\ndef run(a): pass\n"),
    "decorated and async": app("from functools import cache\n\n@cache\nasync def run(): pass\n"),
    "the last one counts": app(f"def run(a): pass\n{RUN}"),
    "a warning": app(f'"\\d"\n{RUN}'),
    "a byte-order mark": app(f"\ufeff{RUN}"),
    "CRLF": app(RUN.replace("\n", "\r\n")),
    "Latin-1": file(APP, f"# coding: latin-1\n# \xe9\n{RUN}".encode("latin-1")),
    "a long sum": app(f"def run():\n    ({' + '.join(['1'] * 500)}).bit_length()\n"),
    "a folder": all_of(without(APP), file("apps/sales_report/__init__.py", RUN)),
    "a draft that is in no menu": file("apps/draft.py", "import nothing\ndef run(:"),
    "a script for a workstation": file("fetch.py", "x = (\n"),
    "own": all_of(
        app(f"from apps import helpers\nfrom apps.helpers import A\n{RUN}"),
        file("apps/helpers.py", "A = 1"),
    ),
    "own, relative": all_of(
        app(f"from .helpers import A\nfrom . import helpers\n{RUN}"),
        file("apps/helpers.py", "A = 1"),
    ),
    "own, in a folder": all_of(
        app(f"import lib.db\nfrom lib import db\nfrom lib.db import A\n{RUN}"),
        file("lib/db.py", "A = 1"),
    ),
    "own, in a package": all_of(
        app(f"from lib import A\nfrom lib.db import B\n{RUN}"),
        file("lib/__init__.py", "from .db import B\nA = B"),
        file("lib/db.py", "B = 1"),
    ),
    "own, each other's": all_of(
        app(f"import a\n{RUN}"), file("a.py", "import b"), file("b.py", "import a")
    ),
    "own, optional": app(
        f"try:\n    from apps import a\n    import apps.b\nexcept ImportError:\n    pass\n{RUN}"
    ),
}

FIRST = f"{APP}, line 1"


def script(path: str, text: str) -> Change:
    """Make the first app a script with this text."""
    entry = f'[{{"name": "Sales Report", "script": "{path}"}}]'
    return all_of(file("apps.json", entry), file(path, text))


INVALID: dict[str, tuple[Change, str, str]] = {
    "no file": (without(APP), "app-missing", "apps.json"),
    "syntax": (app("import os\nx = (\n"), "source-syntax", f"{APP}, line 2"),
    "syntax of a part": (
        all_of(app(f"from apps import part\n{RUN}"), file("apps/part.py", "x = (")),
        "source-syntax",
        "apps/part.py, line 1",
    ),
    "syntax of the entry point": (file("app.py", "x = ("), "source-syntax", "app.py, line 1"),
    "syntax of a script in the Procfile": (
        all_of(file("Procfile", "release: python migrate.py\n"), file("migrate.py", "x = (")),
        "source-syntax",
        "migrate.py, line 1",
    ),
    "syntax of a module in the Procfile": (
        all_of(file("Procfile", "worker: python -m jobs.daily\n"), file("jobs/daily.py", "x = (")),
        "source-syntax",
        "jobs/daily.py, line 1",
    ),
    "a NUL": (app("\0"), "source-syntax", APP),
    "a NUL after it": (app(f"{RUN}\0"), "source-syntax", APP),
    "too deep": (app("(" * 5000), "source-syntax", FIRST),
    "no encoding": (file(APP, b"x = '\xe9'\n"), "source-syntax", FIRST),
    "no run": (app("x = 1\n"), "app-no-run", APP),
    "an empty file": (app(""), "app-no-run", APP),
    "run of a class": (app("class App:\n    def run(self): pass\n"), "app-no-run", APP),
    "run in a function": (
        app("def main():\n    def run(): pass\n    run = 1\n"),
        "app-no-run",
        APP,
    ),
    "run of another module": (
        app("import apps.churn_explorer\nimport os.path as run_\n"),
        "app-no-run",
        APP,
    ),
    "run with arguments": (app("def run(a, b, /, c, d=1): pass\n"), "app-run-arguments", FIRST),
    "run with a keyword": (
        app("\ndef run(*, a, b=1): pass\n"),
        "app-run-arguments",
        f"{APP}, line 2",
    ),
    "async": (app("async def run(): pass\n"), "app-run-async", FIRST),
    "own": (
        app(f"\nfrom apps.gone import x\nimport apps.gone\n{RUN}"),
        "import-missing-module",
        f"{APP}, line 2",
    ),
    "own, relative": (app(f"from .gone import x\n{RUN}"), "import-missing-module", FIRST),
    "own, further on": (
        all_of(app(f"import lib.db\n{RUN}"), file("lib/db.py", "import lib.gone")),
        "import-missing-module",
        "lib/db.py, line 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", VALID.values(), ids=VALID)
def test_valid(project, found, change):
    change(project)
    assert found(apps.check) == []


@pytest.mark.parametrize(("change", "code", "where"), INVALID.values(), ids=INVALID)
def test_invalid(project, findings, change, code, where):
    change(project)
    [finding] = findings(apps.check)
    assert finding.code in (code, "source-unreadable" if code == "source-syntax" else code)
    assert finding.where.startswith(where)
    assert finding.severity == "error"


def test_arguments_are_named(project, findings):
    app("def run(a, b, /, c, d=1, *, e, f=1): pass\n")(project)
    [finding] = findings(apps.check)
    assert finding.text.startswith("run() requires a, b, c, e,")


def test_missing_module_is_named(project, findings):
    app(f"import apps.lib.gone.deeper\n{RUN}")(project)
    file("apps/lib/__init__.py", "")(project)
    [finding] = findings(apps.check)
    assert "apps/lib/gone.py" in finding.text


def test_syntax_error_is_explained(project, findings):
    app("x = (\n")(project)
    [finding] = findings(apps.check)
    assert "'(' was never closed" in finding.text


def test_text_that_cannot_be_decoded_is_explained(project, findings):
    file(APP, b"x = '\xe9'\n")(project)
    [finding] = findings(apps.check)
    assert "can't decode byte 0xe9" in finding.text


def test_unreadable_file(project):
    sources = read_sources(project.path, (3, 11), [project.path / "gone.py"])
    assert [(finding.code, finding.where) for finding in sources.findings] == [
        ("source-unreadable", "gone.py")
    ]


def test_syntax_of_a_newer_python(project, found):
    file(".python-version", "3.11")(project)
    app(f"type A = int\n{RUN}")(project)
    assert found(apps.check) == [("source-syntax", FIRST)]


def test_with_a_broken_menu_all_apps_are_read(project, found):
    file("apps.json", "[")(project)
    file("apps/draft.py", "x = (")(project)
    assert found(apps.check) == [("source-syntax", "apps/draft.py, line 1")]


def test_all_findings_at_once(project, found):
    file("app.py", "x = (")(project)
    app("import apps.gone\nasync def run(): pass\n")(project)
    assert found(apps.check) == [
        ("app-run-async", f"{APP}, line 2"),
        ("source-syntax", "app.py, line 1"),
        ("import-missing-module", FIRST),
    ]


def test_templates_own_code_can_be_read(template_project, found):
    assert found(apps.check) == []


def test_templates_own_code_is_read(template_project, programs):
    sources = Project(template_project.path, {}).sources
    names = {path.relative_to(template_project.path).as_posix() for path in sources.trees}
    assert {
        "app.py",
        "manage.py",
        "apphub/cli.py",
        "apphub/build/__main__.py",
        "apphub/server/__main__.py",
        "apphub/web/launcher.py",
        "apphub/check/nginx_rules/parsing.py",
    } <= names


@pytest.mark.parametrize("call", ["st.navigation([])", "page = streamlit.navigation([]).run()"])
def test_app_that_replaces_the_hubs_menu(project, findings, call):
    source = "import streamlit\nimport streamlit as st\n\ndef run():\n    navigation = 1\n"
    app(f"{source}    {call}\n")(project)
    [finding] = findings(apps.check)
    assert (finding.code, finding.where) == ("app-navigation", f"{APP}, line 6")
    assert finding.severity == "warning"
    app(source)(project)
    assert findings(apps.check) == []


def test_launcher_may_call_navigation(project, found):
    file("app.py", "import streamlit as st\n\nst.navigation([])\n")(project)
    assert found(apps.check) == []


def test_nothing_is_imported(project, found):
    app(f"raise SystemExit('imported')\n{RUN}")(project)
    assert found(apps.check) == []
    assert "apps.sales_report" not in sys.modules


def test_sources_are_read_once(project, monkeypatch):
    copy_files(project, "app.py")
    checked = Project(project.path, {})
    assert checked.sources is checked.sources


# -- Scripts ---------------------------------------------------------------------------------------

SCRIPTS: dict[str, Change] = {
    "without run()": script(APP, "import streamlit as st\n\nst.title('Sales')\n"),
    "a run() with arguments": script(APP, "def run(a): pass\n"),
    "an async run()": script("apps/sales/app.py", "async def run(): pass\n"),
    "its own navigation": script(APP, "import streamlit as st\n\nst.navigation([]).run()\n"),
    "what changes the process": script(APP, "import os\n\nos.chdir('data')\n"),
    "a module beside it": all_of(
        script("apps/sales/app.py", "import helpers\nfrom lib import db\n"),
        file("apps/sales/helpers.py", "from lib.db import A\n"),
        file("apps/sales/lib/db.py", "A = 1\n"),
    ),
    "a package beside it": all_of(
        script("apps/sales/app.py", "import lib\n"),
        file("apps/sales/lib/__init__.py", "from .db import A\nfrom . import db\n"),
        file("apps/sales/lib/db.py", "A = 1\n"),
    ),
    "the project's module": all_of(
        script("apps/sales/app.py", "import lib.db\nimport apps.sales.helpers\n"),
        file("lib/db.py", "A = 1\n"),
        file("apps/sales/helpers.py", ""),
    ),
    "a page that is not there": script(
        "apps/sales/app.py", "X = ['gone.py', '/x.py', '../y.py']\n"
    ),
}


@pytest.mark.parametrize("change", SCRIPTS.values(), ids=SCRIPTS)
def test_valid_script(project, found, change):
    change(project)
    assert found(apps.check) == []


INVALID_SCRIPTS: dict[str, tuple[Change, str, str]] = {
    "no file": (
        file("apps.json", '[{"name": "S", "script": "apps/gone/app.py"}]'),
        *("app-missing", "apps.json"),
    ),
    "syntax": (script(APP, "x = (\n"), "source-syntax", FIRST),
    "syntax of a page": (
        all_of(script("apps/sales/app.py", ""), file("apps/sales/pages/1_🗺️_Map.py", "x = (")),
        *("source-syntax", "apps/sales/pages/1_🗺️_Map.py, line 1"),
    ),
    "syntax of a page that it names": (
        all_of(
            script("apps/sales/app.py", "import streamlit as st\nst.Page('./views/map.py')\n"),
            file("apps/sales/views/map.py", "x = ("),
        ),
        *("source-syntax", "apps/sales/views/map.py, line 1"),
    ),
    "import of a module beside it": (
        all_of(
            script("apps/sales/app.py", "import lib.gone.x\n"), file("apps/sales/lib/db.py", "")
        ),
        *("import-missing-module", "apps/sales/app.py, line 1"),
    ),
    "import by a page": (
        all_of(
            script("apps/sales/app.py", ""),
            file("apps/sales/lib/db.py", ""),
            file("apps/sales/pages/1_Map.py", "\nimport lib.gone.x\n"),
        ),
        *("import-missing-module", "apps/sales/pages/1_Map.py, line 2"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code", "where"), INVALID_SCRIPTS.values(), ids=INVALID_SCRIPTS)
def test_invalid_script(project, findings, change, code, where):
    change(project)
    [finding] = findings(apps.check)
    assert (finding.code, finding.severity) == (code, "error")
    assert finding.where.startswith(where)


def test_missing_module_of_a_script_is_named(project, findings):
    script("apps/sales/app.py", "import lib.gone.x\n")(project)
    file("apps/sales/lib/db.py", "")(project)
    [finding] = findings(apps.check)
    assert "there is no apps/sales/lib/gone.py." in finding.text


def test_module_without_run_is_refused_with_the_fix(project, findings):
    app("import streamlit as st\n\nst.title('Sales')\n")(project)
    [finding] = findings(apps.check)
    assert finding.code == "app-no-run"
    assert f'"script": "{APP}"' in finding.hint


def test_file_of_a_module_and_of_a_script(project, found):
    """Each finds its own modules, and what is wrong in both is found once."""
    file(
        "apps.json",
        '[{"name": "A", "module": "apps.a"}, {"name": "B", "script": "apps/b/app.py"}]',
    )(project)
    file("apps/a.py", f"import lib.db\n{RUN}")(project)
    file("apps/b/app.py", "import lib.db\n")(project)
    file("lib/db.py", "x = (")(project)
    file("apps/b/lib/db.py", "y = 1")(project)
    assert found(apps.check) == [("source-syntax", "lib/db.py, line 1")]


# -- What a module does to the others --------------------------------------------------------------

PROCESS_WIDE = {
    "os.chdir": "import os\nos.chdir('data')\n",
    "os.chdir by its name": "from os import chdir as cd\ncd('data')\n",
    "locale": "import locale\nlocale.setlocale(locale.LC_ALL, '')\n",
    "an option of pandas": "import pandas as pd\npd.set_option('display.precision', 2)\n",
    "an attribute of pandas": "import pandas as pd\npd.options.display.precision = 2\n",
    "a variable": "import os\nos.environ['A'] = 'b'\n",
}
GUARDED = {
    "argv": "import argparse, sys\nargparse.ArgumentParser().parse_args()\nsys.argv = []\n",
    "logging": "import logging.config\nlogging.config.dictConfig({'version': 1})\n",
    "matplotlib": "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 30\n",
    "reading": "import os\nos.environ['A']\nos.getcwd()\nx = os.environ.get('A')\n",
    "names of its own": "def chdir(a): pass\nchdir('a')\noptions = {}\noptions['a'] = 1\n",
}


@pytest.mark.parametrize("text", PROCESS_WIDE.values(), ids=PROCESS_WIDE)
@pytest.mark.parametrize("in_run", [True, False])
def test_module_that_changes_the_process(project, findings, text, in_run):
    source = f"{text}{RUN}"
    if in_run:
        source = "def run():\n" + "".join(f"    {line}\n" for line in text.splitlines())
    app(source)(project)
    warnings = [each for each in findings(apps.check) if each.code == "app-process-wide"]
    assert [(each.where, each.severity) for each in warnings] == [
        (f"{APP}, line {3 if in_run else 2}", "warning")
    ]
    assert f'"script": "{APP}"' in warnings[0].hint


@pytest.mark.parametrize("text", GUARDED.values(), ids=GUARDED)
def test_what_the_hub_restores_is_not_noted(project, found, text):
    app(f"{text}{RUN}")(project)
    assert found(apps.check) == []


def test_part_of_a_module_that_changes_the_process(project, findings):
    app(f"from apps import part\n{RUN}")(project)
    file("apps/part.py", "import os\nos.chdir('a')\nos.chdir('b')\n")(project)
    [finding] = findings(apps.check)
    assert (finding.code, finding.where) == ("app-process-wide", "apps/part.py, line 2")
    assert '"script"' not in finding.hint
