"""Reading requirements.txt: which packages are installed on Heroku, and which here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.requirements import Requirement

COMMENT_OR_HASH = re.compile(r"(?:^|\s)(?:#|--hash)")
NESTED_FILE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")
OTHER_OPTION = re.compile(r"-(?!e|-editable)")
NOT_INSTALLED = "the packages are not installed here: pip install -r requirements.txt"


@dataclass
class Pins:
    """The packages that requirements.txt lists, by their normalized names.

    Attributes:
        for_heroku: those that are installed on Heroku.
        for_here: those that are installed on this computer.
        elsewhere: those that are not for Heroku, with the marker that excludes it.
        unnamed: whether it lists a path or a URL, which may bring any module.
    """

    for_heroku: set[str] = field(default_factory=set)
    for_here: set[str] = field(default_factory=set)
    elsewhere: dict[str, str] = field(default_factory=dict)
    unnamed: bool = False


def read_pins(
    name: str, read_text: Callable[[str], str], heroku: Mapping[str, str], _depth: int = 0
) -> Pins:
    """Return what a file of requirements lists.

    Args:
        name: the file's name.
        read_text: returns the text of a file of the project.
        heroku: the environment of the markers (https://peps.python.org/pep-0508/) on Heroku.

    Raises:
        CheckSkipped: the package that reads requirements is not installed here.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        raise CheckSkipped(NOT_INSTALLED) from None
    pins = Pins()
    for line in read_text(name).replace("\\\n", " ").splitlines():
        requirement = COMMENT_OR_HASH.split(line.strip())[0]
        if nested := NESTED_FILE.match(requirement):
            if _depth < 10:  # a file may include itself
                _merge(pins, read_pins(nested[1], read_text, heroku, _depth + 1))
        elif requirement and not OTHER_OPTION.match(requirement):
            try:
                _add(pins, Requirement(requirement), heroku)
            except InvalidRequirement:
                pins.unnamed = True
    return pins


def _add(pins: Pins, requirement: Requirement, heroku: Mapping[str, str]) -> None:
    from packaging.utils import canonicalize_name

    package, marker = canonicalize_name(requirement.name), requirement.marker
    if not marker or marker.evaluate(dict(heroku)):
        pins.for_heroku.add(package)
    else:
        pins.elsewhere[package] = str(marker)
    if not marker or marker.evaluate():
        pins.for_here.add(package)


def _merge(pins: Pins, other: Pins) -> None:
    pins.for_heroku |= other.for_heroku
    pins.for_here |= other.for_here
    pins.elsewhere |= other.elsewhere
    pins.unnamed |= other.unnamed
