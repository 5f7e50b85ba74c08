"""Sorting the lines of a requirements.txt: for any computer, or only for the one it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.check.requirements import COMMENT_OR_HASH, NESTED_FILE

if TYPE_CHECKING:
    from pathlib import Path

INDEX_OPTION = re.compile(r"(--extra-index-url|--index-url|-i|--find-links|-f)[\s=]+(\S+)")
CONSTRAINT = re.compile(r"(?:-c|--constraint)\b")
EDITABLE = re.compile(r"(?:-e|--editable)[\s=]+")
GIT_URL = re.compile(r"git\+\S+")
EGG = re.compile(r"[#&]egg=([\w.-]+)")
# After ${...}, which pip and uv replace by a variable, there may be a password.
PASSWORD = re.compile(r"://(?!\$\{)[^/@\s]*[^/@\s}]@(?<!git@)")
LOCAL = re.compile(r"(file:|[./~\\]|[A-Za-z]:[\\/])")
LOCAL_URL = re.compile(r"^([\w.-]+(?:\[[^\]]*\])?)\s*@\s*(?:file:|[./~])\S*\s*(;.*)?$")
# Packages that pip freeze lists on one system only, without a marker.
ONE_SYSTEM = re.compile(
    r"(pywin32|pypiwin32|pywin32-ctypes|pywinpty|pyreadline3?|wincertstore|win32-setctime|wmi|"
    r"win-?inet-?pton|appnope|pyobjc[\w-]*|pkg[-_]resources|distro-info|python-apt)(?=$|[\s=<>!~;])",
    re.IGNORECASE,
)
COMPILED = re.compile(r"^[^\n]*#\s+via\b", re.MULTILINE)
ASKED_FOR = re.compile(
    r"#\s+(?:via\s+)?(?:-r\s|\S*\.(?:in|toml|txt|cfg|py)\b|\S+ \(\S+\.(?:toml|py|cfg)\))"
)
MAX_DEPTH = 10  # a file may include itself


@dataclass
class Lines:
    """The lines of a list of requirements.

    Attributes:
        requirements: what any computer can install.
        options: where else to look for packages: "--extra-index-url https://…".
        refused: the lines that are not for other computers, each with the reason.
    """

    requirements: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Sort one requirement, without a comment."""
        if PASSWORD.search(line):
            shown = re.sub(r"://[^/@\s]*@", "://…@", line)
            self.refused[shown] = "contains a password"
        elif option := INDEX_OPTION.fullmatch(line):
            self._add_option(option[1], option[2])
        elif CONSTRAINT.match(line):
            self.refused[line] = "limits versions, and is not read"
        elif local := LOCAL_URL.match(line):
            self.refused[line] = f"is a file of one computer; {local[1]} is taken without it"
            self.requirements.append(f"{local[1]}{f' {local[2]}' if local[2] else ''}")
        else:
            self._add_requirement(EDITABLE.sub("", line))

    def _add_option(self, name: str, value: str) -> None:
        name = {"-i": "--index-url", "-f": "--find-links"}.get(name, name)
        if LOCAL.match(value):
            self.refused[f"{name} {value}"] = "is a folder of one computer"
        else:
            self.options.append(f"{name} {value}")

    def _add_requirement(self, line: str) -> None:
        if line.startswith("-"):
            self.refused[line] = "is an option of pip"
        elif LOCAL.match(line):
            self.refused[line] = "is a path on one computer"
        elif ONE_SYSTEM.match(line) and ";" not in line:
            self.refused[line] = "works on one system only, which is not Heroku's"
        elif GIT_URL.match(line) and (egg := EGG.search(line)):
            self.requirements.append(f"{egg[1]} @ {EGG.sub('', line)}")
        else:
            self.requirements.append(line)


def read_lines(path: Path, lines: Lines | None = None, _depth: int = 0) -> Lines:
    """Return the lines of a requirements.txt, and of the files that it includes."""
    lines = lines or Lines()
    text = re.sub(r"\\\r?\n", " ", decode(path.read_bytes()))
    for line in _without_dependencies(text).splitlines():
        text = COMMENT_OR_HASH.split(line.strip())[0].strip()
        if nested := NESTED_FILE.match(text):
            included = path.parent / nested[1]
            if included.is_file() and _depth < MAX_DEPTH:
                read_lines(included, lines, _depth + 1)
            elif not included.is_file():
                lines.refused[text] = "includes a file that is not there"
        elif text:
            lines.add(text)
    return lines


def _without_dependencies(text: str) -> str:
    """Return what pip-compile or uv has written without what is there only for another package."""
    if not COMPILED.search(text):
        return text
    blocks = re.split(r"\n(?=[^\s#])", text)  # each is a requirement with the comments below it
    kept = [block for block in blocks if not COMPILED.search(block) or ASKED_FOR.search(block)]
    return "\n".join(kept)


def decode(data: bytes) -> str:
    """Return a file's text in whatever encoding an editor or a shell wrote it.

    PowerShell writes UTF-16, some editors do so without a byte-order mark.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4]:
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
