"""The packages that are installed here: their files, their requirements, their modules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import distributions
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.check.requirements import NOT_INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIZE = re.compile(r",(\d+)\r?$", re.MULTILINE)
# A path in RECORD whose first part is a module: "six.py", "yaml/__init__.py", "_yaml.cp311.so".
TOP_LEVEL = re.compile(r"^\"?(\w+)(?:/[^,]*\.(?:py|so|pyd)|(?:\.[^/,]+)?\.(?:py|so|pyd))\"?,", re.M)


@dataclass(frozen=True)
class Package:
    """The metadata of an installed package.

    Attributes:
        record: its files with their hashes and sizes
            (https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
        requires: its requirements.
    """

    record: str
    requires: list[str]

    @property
    def size(self) -> int:
        """The size of its files, in bytes."""
        return sum(map(int, SIZE.findall(self.record)))

    @cached_property
    def top_level_modules(self) -> set[str]:
        """The modules that `import` finds by one name."""
        return set(TOP_LEVEL.findall(self.record))


def read_installed() -> dict[str, Package]:
    """Return the packages that are installed here, by their normalized names.

    Raises:
        CheckSkipped: the package that reads their names is not installed here.
    """
    try:
        from packaging.utils import canonicalize_name
    except ImportError:
        raise CheckSkipped(NOT_INSTALLED) from None
    packages: dict[str, Package] = {}
    for distribution in distributions():
        metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        headers = metadata.partition("\n\n")[0]
        if name := re.search(r"^Name: *(\S+)", headers, re.MULTILINE):
            requires = re.findall(r"^Requires-Dist: *(.+)", headers, re.MULTILINE)
            record = distribution.read_text("RECORD") or ""
            packages.setdefault(canonicalize_name(name[1]), Package(record, requires))
    return packages


def add_dependencies(
    names: Iterable[str], packages: Mapping[str, Package], heroku: Mapping[str, str]
) -> set[str]:
    """Return the packages and those that they require, as far as they are installed here.

    Args:
        names: normalized names.
        packages: what is installed.
        heroku: the environment of the markers on Heroku.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, todo = set(names), list(names)
    while todo:
        package = packages.get(todo.pop(), Package("", []))
        for requirement in map(Requirement, package.requires):
            name, marker = canonicalize_name(requirement.name), requirement.marker
            applies = not marker or marker.evaluate({**heroku, "extra": ""})
            if applies and name not in found:
                found.add(name)
                todo.append(name)
    return found


def find_owners(names: tuple[str, ...], packages: Mapping[str, Package]) -> set[str]:
    """Return the installed packages that contain a module.

    Of a namespace package those that contain its part: many packages contain "google", one
    contains "google.cloud.storage".

    Args:
        names: the module's name in parts.
        packages: what is installed.
    """
    for length in range(1, len(names) + 1):
        path = "/".join(map(re.escape, names[:length]))
        module = re.compile(rf"^{path}(/__init__)?\.([^/,]+\.)?(py|so|pyd),", re.MULTILINE)
        if found := {name for name, here in packages.items() if module.search(here.record)}:
            return found
    return set()
