"""The template's code as the template wrote it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from check_helpers import file

from apphub.check import template_files
from apphub.check.report import CheckSkipped

if TYPE_CHECKING:
    from baked import BakedProject

FILES = {"__init__.py": "A = 1\n", "nginx/server.conf": "server_name _;\n"}


@pytest.fixture(autouse=True)
def recorded(project):
    """A folder apphub/ with two files, and its RECORD."""
    lines = []
    for name, text in FILES.items():
        file(f"apphub/{name}", text)(project)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")
    file("apphub/RECORD", "".join(lines))(project)


def warnings(project: BakedProject, findings) -> list[tuple[str, str]]:
    found = findings(template_files.check)
    assert {finding.severity for finding in found} <= {"warning"}
    return [(finding.code, finding.where) for finding in found]


def test_unchanged(project, findings):
    file("apphub/__pycache__/a.pyc", "x")(project)
    file("apphub/nginx/__pycache__/a.pyc", "x")(project)
    assert warnings(project, findings) == []


def test_line_ends_of_windows(project, findings):
    for name, text in FILES.items():
        file(f"apphub/{name}", text.replace("\n", "\r\n"))(project)
    project.write("apphub/RECORD", project.read("apphub/RECORD").replace("\n", "\r\n"))
    assert warnings(project, findings) == []


def test_edited_missing_and_extra(project, findings):
    project.write("apphub/__init__.py", "A = 2\n")
    (project.path / "apphub/nginx/server.conf").unlink()
    file("apphub/web/mine.py", "")(project)
    assert warnings(project, findings) == [
        ("template-file-edited", "apphub/__init__.py"),
        ("template-file-missing", "apphub/nginx/server.conf"),
        ("template-file-extra", "apphub/web/mine.py"),
    ]


def test_no_record(project, findings):
    (project.path / "apphub/RECORD").unlink()
    with pytest.raises(CheckSkipped, match=r"^$"):
        findings(template_files.check)
