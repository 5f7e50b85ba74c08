"""The list of packages, and whether everything that is imported is in it."""

from __future__ import annotations

import sys

import pytest
from check_helpers import APP, RUN, Change, added, all_of, app, copy_files, file, without

from apphub.check import packages
from apphub.check.packages import RECOMPILE, install_commands
from apphub.check.project import Project


@pytest.fixture(autouse=True)
def requirements(project):
    copy_files(project, "requirements.in", "requirements.txt", ".python-version")


def optional(text: str) -> Change:
    """An import that may fail, in the place of <import>."""
    return app(f"{text}\n{RUN}")


VALID = {
    "as the template has it": app(RUN),
    "a module beside it": all_of(app(f"import helpers\n{RUN}"), file("apps/helpers.py", "")),
    "try": optional("try:\n    import nothing\nexcept ImportError:\n    import nothing2"),
    "try, anything": optional("try:\n    import nothing.at.all\nexcept:\n    pass"),
    "try, one of some": optional(
        "try:\n    import nothing\nexcept (OSError, Exception):\n    pass"
    ),
    "try, star": optional("try:\n    import nothing\nexcept* ImportError:\n    pass"),
    "suppress": optional(
        "from contextlib import suppress\nwith suppress(ImportError):\n    import nothing"
    ),
    "a type checker's": optional(
        "import typing\nif typing.TYPE_CHECKING:\n    from nothing import A"
    ),
    "a platform": optional("import sys\nif sys.platform == 'win32':\n    import nothing"),
    "a system": optional("import os\nif os.name == 'nt':\n    import nothing"),
    "a look before": optional("if find_spec('nothing'):\n    import nothing\nelse:\n    pass"),
    "the standard library": app(
        f"import __future__, tomllib, os.path\nfrom xml.etree import ElementTree\n{RUN}"
    ),
    "what Streamlit requires": app(
        f"import altair, jinja2.ext\nfrom pyarrow import parquet\n{RUN}"
    ),
    "another spelling": app(f"import typing_extensions\n{RUN}"),
    "names that differ from their packages": app(
        f"import PIL.Image, dateutil.parser\nfrom google.protobuf import message\n{RUN}"
    ),
    "own": all_of(app(f"from apps import part\n{RUN}"), file("apps/part.py", "")),
    "hashes": all_of(
        added("requirements.txt", "\nNo-thing==6 --hash=sha256:0 \\\n    --hash=sha256:1  # why\n"),
        app(f"import no_thing\n{RUN}"),
    ),
    "another list": all_of(
        added("requirements.txt", "-r more.txt\n"),
        file("more.txt", "nothing[all]>=1"),
        app(f"import nothing\n{RUN}"),
    ),
    "a list that includes itself": added("requirements.txt", "-r requirements.txt\n"),
    "options": added("requirements.txt", "--extra-index-url https://example.com\n"),
    "as PowerShell writes it": lambda project: file(
        "requirements.txt", project.read("requirements.txt").encode("utf-16")
    )(project),
    "what the listed packages require": all_of(
        file("requirements.txt", "streamlit\nbcrypt\nuvicorn\n"),
        app(f"import altair, PIL, dateutil\n{RUN}"),
    ),
    "a draft that is in no menu": file("apps/draft.py", "import nothing\n"),
    "a script for a workstation": file("fetch.py", "import nothing\n"),
}  # fmt: skip

FIRST = f"{APP}, line 1"


def asked_for(line: str) -> Change:
    return added("requirements.in", line)


def pinned(line: str) -> Change:
    """Add a line at the top of requirements.txt."""
    return lambda project: project.write(
        "requirements.txt", f"{line}\n{project.read('requirements.txt')}"
    )


# What is changed, the finding's code and place, and words of its text and hint.
INVALID: dict[str, tuple[Change, str, str, str]] = {
    "installed only here": (
        app(f"import pytest\n{RUN}"),
        *("package-not-listed", FIRST, "Add pytest to requirements.in"),
    ),
    "installed, and asked for": (
        all_of(app("def run():\n    from pytest import raises\n"), asked_for("PyTest>6  # why\n")),
        *("package-not-listed", f"{APP}, line 2", "requirements.in has pytest already"),
    ),
    "not installed": (
        app(f"import nothing.at.all\n{RUN}"),
        *("package-not-installed", FIRST, "imports nothing.at.all, "),
    ),
    "not installed, and asked for": (
        all_of(app(f"import not_thing\n{RUN}"), asked_for("Not.Thing\n")),
        *("package-not-installed", FIRST, "requirements.in has not-thing already"),
    ),
    "a part of a namespace that no package has": (
        app(f"from google.cloud import storage\n{RUN}"),
        *("package-not-installed", FIRST, "imports google.cloud, "),
    ),
    "imported by two": (
        all_of(
            app(f"import nothing\n{RUN}"), file("apps/churn_explorer.py", f"import nothing\n{RUN}")
        ),
        *("package-not-installed", FIRST, "imports nothing, "),
    ),
    "imported by a part": (
        all_of(app(f"import lib.db\n{RUN}"), file("lib/db.py", "import nothing")),
        *("package-not-installed", "lib/db.py, line 1", "imports nothing, "),
    ),
    "imported in a try that catches another error": (
        app(f"try:\n    import nothing\nexcept OSError:\n    pass\n{RUN}"),
        *("package-not-installed", f"{APP}, line 2", ""),
    ),
    "imported for others than type checkers": (
        app(f"if TYPE_CHECKING:\n    import this\nelse:\n    import nothing\n{RUN}"),
        *("package-not-installed", f"{APP}, line 4", ""),
    ),
    "beside it": (
        all_of(
            app(f"import apps.sub.a\n{RUN}"),
            file("apps/sub/a.py", "import helpers\n"),
            file("apps/sub/helpers.py", ""),
        ),
        *("package-import-beside", "apps/sub/a.py, line 1", "Write: from apps.sub import helpers"),
    ),
    "pinned for Windows": (
        all_of(app(f"import nothing\n{RUN}"), pinned("nothing==1 ; sys_platform == 'win32'")),
        *("package-other-platform", FIRST, 'only where sys_platform == "win32"'),
    ),
    "pinned for another Python": (
        all_of(app(f"import nothing\n{RUN}"), pinned("nothing==1; python_full_version < '3.12'")),
        *("package-other-platform", FIRST, 'only where python_full_version < "3.12"'),
    ),
    "two lists of packages": (
        file("uv.lock", ""),
        *("packages-two-lists", "uv.lock", "git rm uv.lock"),
    ),
    "half of Pipenv": (
        file("Pipfile", ""),
        *("packages-two-lists", "Pipfile", "git rm Pipfile"),
    ),
    "no list": (
        without("requirements.txt"),
        *("packages-missing", "requirements.txt", "uv pip compile requirements.in"),
    ),
}


@pytest.mark.parametrize("change", VALID.values(), ids=VALID)
def test_valid(project, found, change):
    change(project)
    assert found(packages.check) == []


@pytest.mark.parametrize(("change", "code", "where", "words"), INVALID.values(), ids=INVALID)
def test_invalid(project, findings, change, code, where, words):
    change(project)
    [finding] = findings(packages.check)
    assert (finding.code, finding.where, finding.severity) == (code, where, "error")
    assert words in str(finding)
    has_commands = code in ("package-not-listed", "package-not-installed")
    assert finding.hint.endswith(f"{RECOMPILE}{install_commands((3, 13))}") == has_commands


def test_commands_are_shown_once(project, findings):
    app(f"import nothing\nimport pip\n{RUN}")(project)
    first, last = findings(packages.check)
    assert first.hint.endswith(f"{RECOMPILE}.")
    assert last.hint.endswith(f"{RECOMPILE}{install_commands((3, 13))}")


def test_no_requirements_in(project, findings, found):
    without("requirements.in")(project)
    [finding] = findings(packages.check)
    assert (finding.code, finding.severity) == ("packages-no-input", "warning")
    assert found(packages.check, STACK="heroku-24") == []


@pytest.mark.parametrize(
    "line", ["-e .", "./wheels/x-1-py3-none-any.whl", "git+https://example.com/x.git"]
)
def test_path_or_url_may_bring_any_module(project, findings, line):
    added("requirements.txt", f"{line}\n")(project)
    app(f"import nothing\n{RUN}")(project)
    [finding] = findings(packages.check)
    assert (finding.code, finding.severity) == ("package-not-installed", "warning")


def test_templates_own_imports_are_listed(template_project, found):
    assert found(packages.check) == []


def test_templates_own_imports_are_checked(template_project, found):
    """An update does not replace the user's requirements.txt."""
    text = template_project.read("requirements.txt")
    template_project.write("requirements.txt", text.replace("crossplane==", "#"))
    assert [code for code, _ in found(packages.check)] == ["package-not-listed"]


def test_pins_by_the_python_of_heroku(project):
    pinned("a==1 ; python_version < '3.12'\nb==1 ; python_version >= '3.12'")(project)
    for version, package in (("3.11", "a"), ("3.13", "b")):
        file(".python-version", version)(project)
        pins = Project(project.path, {}).pins
        assert {"a", "b"} & pins.for_heroku == {package}


@pytest.mark.parametrize(
    ("version", "python"), [("3.13", "3.13"), ("3.12.4", "3.12"), ("3.9", "3.11"), ("x", "3.1")]
)
def test_pins_are_compiled_for_the_python_of_heroku(
    project, findings, version, python, monkeypatch
):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    all_of(file(".python-version", version), without("requirements.txt"))(project)
    [finding] = findings(packages.check)
    assert f" --python-version {python}" in finding.hint
    for option in ("--universal", "--emit-index-url", "--emit-find-links", "-o requirements.txt"):
        assert option in finding.hint


def test_pins_are_compiled_for_an_older_python_here_too(project, findings, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    all_of(file(".python-version", "3.13"), without("requirements.txt"))(project)
    [finding] = findings(packages.check)
    assert " --python-version 3.12 " in finding.hint


def script(path: str, text: str) -> Change:
    """Make the first app a script with this text."""
    entry = f'[{{"name": "Sales Report", "script": "{path}"}}]'
    return all_of(file("apps.json", entry), file(path, text))


def test_imports_of_a_script_are_listed(project, findings):
    script("apps/sales/app.py", "import nothing\n")(project)
    file("apps/sales/pages/1_Plot.py", "import nothing.too\nimport other_thing\n")(project)
    assert [(finding.code, finding.where) for finding in findings(packages.check)] == [
        ("package-not-installed", "apps/sales/app.py, line 1"),
        ("package-not-installed", "apps/sales/pages/1_Plot.py, line 2"),
    ]


@pytest.mark.parametrize("path", ["apps/sales/app.py", "apps/sales.py"])
def test_modules_beside_a_script_are_its_own(project, found, path):
    script(path, "import helpers\nfrom lib.db import A\nimport apphub_like\n")(project)
    folder = path.rpartition("/")[0]
    file(f"{folder}/helpers.py", "import nothing\n")(project)
    file(f"{folder}/lib/db.py", "A = 1\n")(project)
    file("apphub_like.py", "")(project)  # the project's folder is on the path, too
    assert found(packages.check) == [("package-not-installed", f"{folder}/helpers.py, line 1")]
