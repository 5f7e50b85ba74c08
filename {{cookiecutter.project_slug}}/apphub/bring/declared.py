"""What a Streamlit project asks for: packages, apt packages, and a version of Python.

The formats are those that Streamlit Community Cloud reads:
https://docs.streamlit.io/deploy/streamlit-community-cloud/deploy-your-app/app-dependencies
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apphub.bring.requirement_lines import Lines, decode, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

VERSION = re.compile(r"(\d+)\.(\d+)")
CARET = re.compile(r"\^\s*(\d+(?:\.\d+)*)")
TILDE = re.compile(r"~\s*(?!=)(\d+(?:\.\d+)*)")
CONDA_LINE = re.compile(r"\s+-\s*[\"']?([^\"'#]+?)[\"']?\s*(?:#.*)?$")
CONDA_PIN = re.compile(r"([\w.-]+)\s*(?:=\s*([\d][\w.*]*)(?:=\S+)?|([<>=!~].*))?$")
# Names that conda has for packages of other names.
CONDA_NAMES = {
    "pytorch": "torch", "opencv": "opencv-python-headless", "py-opencv": "opencv-python-headless",
    "matplotlib-base": "matplotlib", "msgpack-python": "msgpack", "pytables": "tables",
    "graphviz": "", "python-graphviz": "graphviz", "pip": "", "setuptools": "", "wheel": "",
    "nodejs": "", "gcc": "", "cudatoolkit": "",
}  # fmt: skip


@dataclass
class Declared:
    """What a project declares.

    Attributes:
        file: the file that lists its packages, as the user knows it; "" where there is none.
        lines: its packages.
        python: the version that it asks for, such as "3.10"; "" where it does not say.
        python_range: the versions that pyproject.toml allows, such as ">=3.9,<3.12".
        apt_packages: what packages.txt lists.
    """

    file: str = ""
    lines: Lines = field(default_factory=Lines)
    python: str = ""
    python_range: str = ""
    apt_packages: list[str] = field(default_factory=list)


def read_declared(folders: Iterable[Path]) -> Declared:
    """Read what is declared.

    Args:
        folders: the folders to look in; the first one with a list of packages is taken.
    """
    declared, unique = Declared(), list(dict.fromkeys(folders))
    for folder in unique:
        for name, read in READERS.items():
            path = folder / name
            if path.is_file() and not declared.file and (found := read(path)):
                declared.file, declared.lines = name, found
        if not declared.apt_packages and (folder / "packages.txt").is_file():
            text = decode((folder / "packages.txt").read_bytes())
            declared.apt_packages = re.sub(r"#.*", "", text).split()
        declared.python = declared.python or _find_python(folder)
        project = _table(load_toml(folder / "pyproject.toml"), "project")
        declared.python_range = declared.python_range or str(project.get("requires-python", ""))
    return declared


def _read_requirements(path: Path) -> Lines | None:
    lines = read_lines(path)
    return lines if lines.requirements or lines.refused else None


def load_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file contains; nothing where it is missing or not valid."""
    try:
        return tomllib.loads(decode(path.read_bytes()))
    except (OSError, tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(data: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = data.get(name)
        data = value if isinstance(value, dict) else {}
    return data


def _read_pyproject(path: Path) -> Lines | None:
    data = load_toml(path)
    dependencies = _table(data, "project").get("dependencies", [])
    lines = Lines()
    for line in dependencies if isinstance(dependencies, list) else []:
        lines.add(str(line))
    _add_table(lines, _table(data, "tool", "poetry", "dependencies"))
    return lines if lines.requirements or lines.refused else None


def _read_pipfile(path: Path) -> Lines | None:
    data = load_toml(path)
    lines = Lines()
    sources = data.get("source", [])
    for source in sources if isinstance(sources, list) else []:
        url = str(_table({"source": source}, "source").get("url", ""))
        if url and "//pypi." not in url:
            lines.add(f"--extra-index-url {url}")
    _add_table(lines, _table(data, "packages"))
    return lines if lines.requirements or lines.refused else None


def _add_table(lines: Lines, packages: dict[str, Any]) -> None:
    """Add what Poetry and Pipenv have in a table: a version, or a table with one, by name."""
    for name, value in packages.items():
        if name.lower() == "python":
            continue
        options = value if isinstance(value, dict) else {"version": value}
        extras = options.get("extras", [])
        extra = f"[{','.join(map(str, extras))}]" if extras and isinstance(extras, list) else ""
        marker = f" ; {options['markers']}" if isinstance(options.get("markers"), str) else ""
        if "path" in options or "file" in options:
            lines.refused[f"{name} = {options.get('path') or options['file']}"] = (
                "is a path on one computer"
            )
        elif "git" in options:
            reference = next((options[key] for key in ("rev", "tag", "branch", "ref")
                              if key in options), "")  # fmt: skip
            at = f"@{reference}" if reference else ""
            lines.add(f"{name}{extra} @ git+{options['git']}{at}{marker}")
        else:
            lines.add(f"{name}{extra}{_convert_version(str(options.get('version', '*')))}{marker}")


def _convert_version(version: str) -> str:
    """Return a version as pip reads it: "^1.2" -> ">=1.2,<2", "*" -> ""."""
    if version.strip() in ("", "*"):
        return ""
    if re.fullmatch(r"\d[\w.]*", version.strip()):
        return f"=={version.strip()}"

    def below(parts: list[str], index: int) -> str:
        return ".".join([*parts[:index], str(int(parts[index]) + 1)])

    def caret(found: re.Match[str]) -> str:
        parts = found[1].split(".")
        index = next((n for n, part in enumerate(parts) if part != "0"), len(parts) - 1)
        return f">={found[1]},<{below(parts, index)}"

    def tilde(found: re.Match[str]) -> str:
        parts = found[1].split(".")
        return f">={found[1]},<{below(parts, min(1, len(parts) - 1))}"

    return TILDE.sub(tilde, CARET.sub(caret, version)).replace(" ", "")


def _read_conda(path: Path) -> Lines | None:
    lines = Lines()
    for name, specifier, is_pip in _parse_conda(path):
        if is_pip:
            lines.add(specifier)
        elif name != "python" and (package := CONDA_NAMES.get(name, name)):
            lines.add(f"{package}{specifier}")
    return lines if lines.requirements or lines.refused else None


def _parse_conda(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield the name and the versions of each of conda's packages, and the lines for pip.

    No package that reads YAML is a dependency of the project; these lists are simple.
    """
    section, is_pip = "", False
    for line in decode(path.read_bytes()).splitlines():
        if re.match(r"\S", line) and not line.lstrip().startswith(("#", "-")):
            section = line.partition(":")[0].strip()
        item = CONDA_LINE.match(f"  {line}" if line.startswith("-") else line)
        if section != "dependencies" or not item:
            continue
        text = item[1].strip()
        if text.rstrip(":") == "pip" and text.endswith(":"):
            is_pip = True
        elif is_pip:
            yield "", text, True
        elif pin := CONDA_PIN.match(text.rpartition("::")[2]):
            versions = (pin[3] or "").replace(" ", "")
            if pin[2]:  # "1.26" is any 1.26.x
                versions = f"=={pin[2]}{'' if pin[2].count('.') > 1 or '*' in pin[2] else '.*'}"
            yield pin[1].lower(), versions, False


# In the order in which they are preferred: what somebody wrote before what was generated from it.
READERS: dict[str, Callable[[Path], Lines | None]] = {
    "requirements.in": _read_requirements,
    "requirements.txt": _read_requirements,
    "pyproject.toml": _read_pyproject,
    "Pipfile": _read_pipfile,
    "environment.yml": _read_conda,
    "environment.yaml": _read_conda,
}


def _find_python(folder: Path) -> str:
    """Return the version of Python that a folder's files ask for, "" where they do not say."""
    texts = [
        decode(path.read_bytes()).removeprefix("python-")
        for name in (".python-version", "runtime.txt")
        if (path := folder / name).is_file()
    ]
    pipfile = _table(load_toml(folder / "Pipfile"), "requires")
    texts += [str(pipfile.get("python_version", "")), str(pipfile.get("python_full_version", ""))]
    for name in ("environment.yml", "environment.yaml"):
        if (path := folder / name).is_file():
            texts += [versions for name, versions, _ in _parse_conda(path) if name == "python"]
    for text in texts:
        if found := VERSION.search(text):
            return f"{found[1]}.{found[2]}"
    return ""
