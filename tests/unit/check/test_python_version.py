""".python-version, by the rules of Heroku's buildpack."""

from __future__ import annotations

import pytest
from check_helpers import Change, all_of, copy_files, file, without

from apphub.check import python_version
from apphub.check.project import Project
from apphub.check.report import CheckSkipped


@pytest.fixture(autouse=True)
def version_file(project):
    copy_files(project, ".python-version", "requirements.txt")


def version(content: str | bytes, name: str = ".python-version") -> Change:
    return file(name, content)


def pinned_for(python: str) -> Change:
    return lambda project: project.write(
        "requirements.txt", f"#    uv pip compile --python-version {python}\n"
    )


VALID = {
    "as the template has it": all_of(),
    "with its patch": version("3.14.2"),
    "with a comment": version("# ours\r\n\r\n 3.12 \r\n"),
    "no pins": all_of(without("requirements.txt"), version("3.11")),
}
# What is changed, the finding's code and file, and words of it.
INVALID: dict[str, tuple[Change, str, str, str]] = {
    "no file": (
        without(".python-version"),
        *("python-version-missing", ".python-version", "3.13"),
    ),
    "no version": (version("# 3.13\n"), "python-version-count", ".python-version", "no versions"),
    "two versions": (
        version("3.13\n3.12\n"),
        *("python-version-count", ".python-version", "2 versions"),
    ),
    "too old": (version("3.10"), "python-version-unsupported", ".python-version", "at least 3.11"),
    "far too old": (
        version("2.7.18"),
        *("python-version-unsupported", ".python-version", "Python 2.7.18."),
    ),
    "too new": (
        version("3.15"),
        *("python-version-unsupported", ".python-version", "The newest on Heroku is 3.14"),
    ),
    "older than the pins": (
        all_of(version("3.12.1"), pinned_for("3.13")),
        *("python-version-unsupported", ".python-version", "at least 3.13"),
    ),
    "runtime.txt": (
        version("3.13", "runtime.txt"),
        *("python-version-format", "runtime.txt", "Write python-3.13 or python-3.13.2"),
    ),
    "runtime.txt, too old": (
        version("python-3.9.1", "runtime.txt"),
        *("python-version-unsupported", "runtime.txt", "Write python-3.13."),
    ),
    "misspelled": (
        version("3.13", "python-version"),
        *("python-version-misspelled", "python-version", ""),
    ),
    "misspelled by Windows": (
        version("3.13", ".python-version.txt"),
        *("python-version-misspelled", ".python-version.txt", ""),
    ),
    **{
        name: (version(text), "python-version-format", ".python-version", repr(shown))
        for name, text, shown in (
            ("a prefix", "python-3.13", "python-3.13"),
            ("more on the line", "3.13 # ours", "3.13 # ours"),
            ("one number", "3", "3"),
            ("a zero", "3.013", "3.013"),
            ("other digits", "3.1٣", "3.1٣"),
            ("a byte-order mark", "\ufeff3.13", "\ufeff3.13"),
            ("one of two", "3.13\nlatest\n", "latest"),
            (
                "UTF-16",
                b"\xff\xfe3\x00.\x001\x003\x00\n\x00",
                "\\xff\\xfe3\x00.\x001\x003\x00",
            ),
        )
    },
}


@pytest.mark.parametrize("change", VALID.values(), ids=VALID)
def test_valid(project, found, change):
    change(project)
    assert found(python_version.check) == []


@pytest.mark.parametrize(("change", "code", "where", "words"), INVALID.values(), ids=INVALID)
def test_invalid(project, findings, change, code, where, words):
    change(project)
    [finding] = [each for each in findings(python_version.check) if each.severity == "error"]
    assert (finding.code, finding.where) == (code, where)
    assert words in str(finding)


def test_runtime_txt_is_deprecated(project, findings):
    file("runtime.txt", "python-3.11.9\n")(project)
    [finding] = findings(python_version.check)
    assert (finding.code, finding.where) == ("python-version-runtime-txt", "runtime.txt")
    assert finding.severity == "warning"


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_heroku_has_decided_already(project, findings, variable):
    project.write(".python-version", "3.99\n")
    with pytest.raises(CheckSkipped, match=r"^$"):
        findings(python_version.check, **variable)


def test_version_that_the_other_checks_use(project):
    def python() -> tuple[int, int]:
        return Project(project.path, {}).python

    assert python() == (3, 13)
    project.write(".python-version", "# 3.10\n3.12.1\n")
    assert python() == (3, 12)
    project.write("runtime.txt", "python-3.11.9\n")
    assert python() == (3, 11)
