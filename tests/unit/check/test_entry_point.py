"""app.py: it has to start the hub."""

from __future__ import annotations

import pytest
from check_helpers import copy_files, write

from apphub.check import entry_point

STARTS = {
    "import from": "from apphub.web.launcher import main\n\nmain()\n",
    "module": "import apphub.web.launcher\n\napphub.web.launcher.main()\n",
    "from its package": "from apphub.web import launcher\n\nlauncher.main()\n",
    "in a function": (
        "def start():\n    from apphub.web.launcher import main\n    main()\n\nstart()\n"
    ),
}


def test_templates_own(project, found):
    copy_files(project, "app.py")
    assert found(entry_point.check) == []


@pytest.mark.parametrize("text", STARTS.values(), ids=STARTS)
def test_other_ways_to_start_the_hub(project, found, text):
    project.write("app.py", text)
    assert found(entry_point.check) == []


def test_app_copied_over_it(project, findings):
    project.write("app.py", "import streamlit as st\n\nst.title('Sales')\n")
    [finding] = findings(entry_point.check)
    assert (finding.code, finding.where) == ("entry-point-replaced", "app.py")
    assert "git mv app.py apps/my_app.py" in finding.hint
    assert "from apphub.web.launcher import main" in finding.hint


def test_first_edition(project, found):
    project.write("app.py", "from launcher import main\n\nmain()\n")
    assert found(entry_point.check) == [("entry-point-replaced", "app.py")]


def test_missing(found):
    assert found(entry_point.check) == [("entry-point-missing", "app.py")]


def test_unreadable_file_is_the_apps_checks(project, found):
    write(project, "app.py", "x = (\n")
    assert found(entry_point.check) == []
