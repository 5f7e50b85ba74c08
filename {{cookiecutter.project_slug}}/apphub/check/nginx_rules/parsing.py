"""Reading an nginx configuration with crossplane, and resolving its includes."""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apphub.check.nginx_rules.directives import MAP_PARAMETERS, Directive
from apphub.check.report import CheckSkipped
from apphub.check.requirements import NOT_INSTALLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGURATION = "config/nginx.conf"
MAX_DEPTH = 20  # of includes within includes


class ParseError(Exception):
    """The configuration cannot be parsed.

    Attributes:
        place: the file and the line in which it is wrong.
    """

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        super().__init__(text)


def name_place(file: str, line: int | None) -> str:
    """Return a file and a line as findings name them: "apphub/nginx/http.conf, line 3"."""
    return f"{file}, line {line}" if line else file


def parse(root: Path, locate: Callable[[str, int | None], str] = name_place) -> Directive:
    """Read config/nginx.conf and the files that it includes.

    Args:
        root: the project's folder.
        locate: returns how findings name a line of a file, which is relative to the project.

    Returns:
        The main context, with the directives of included files in place of each include.

    Raises:
        ParseError: it cannot be parsed, or includes a file that is missing.
        CheckSkipped: crossplane is not installed.
    """
    if not find_spec("crossplane"):
        raise CheckSkipped(NOT_INSTALLED)
    import crossplane  # type: ignore[import-untyped]

    # Not combine=True: of what follows an include, it names the wrong file (seen in 0.5.8).
    payload = crossplane.parse(str(root / CONFIGURATION), onerror=_describe)
    for error in payload["errors"]:
        file = _relative(error["file"], root)
        raise ParseError(error["callback"], locate(file, error["line"]))
    return _Builder(root, locate, payload["config"]).build()


def _describe(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot open {Path(error.filename or '').name}: {error.strerror}"
    return getattr(error, "strerror", None) or str(error) or "unexpected end of file"


def _relative(file: str, root: Path) -> str:
    """Return a file's path in the project, its links not followed."""
    path = Path(os.path.normpath(file))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


class _Builder:
    """Builds the tree from crossplane's lists, one per file."""

    def __init__(
        self, root: Path, locate: Callable[[str, int | None], str], configs: list[dict[str, Any]]
    ) -> None:
        self.locate = locate
        self.configs = configs
        self.files = [_relative(config["file"], root) for config in configs]
        self.numbers = count(1)

    def build(self) -> Directive:
        main = Directive("main", [], self.locate(self.files[0], None))
        self._add(main, 0, self.configs[0]["parsed"], 0)
        return main

    def _add(self, parent: Directive, file: int, parsed: list[dict[str, Any]], depth: int) -> None:
        for statement, index, level in self._with_includes(parent, file, parsed, depth):
            place = self.locate(self.files[index], statement["line"])
            directive = Directive(
                statement["directive"], statement["args"], place, next(self.numbers), parent
            )
            parameters = MAP_PARAMETERS.get(parent.name)
            if parameters is None:
                parent.block.append(directive)
            elif directive.name not in parameters:
                parent.entries.append(directive)
            self._add(directive, index, statement.get("block", []), level)

    def _with_includes(
        self, parent: Directive, file: int, parsed: list[dict[str, Any]], depth: int
    ) -> Iterator[tuple[dict[str, Any], int, int]]:
        """Yield each statement with the number of its file, and the depth of its include."""
        for statement in parsed:
            if "includes" not in statement:
                yield statement, file, depth
                continue
            if depth == MAX_DEPTH:
                place = self.locate(self.files[file], statement["line"])
                raise ParseError("the file includes itself", place)
            for included in statement["includes"]:
                parent.includes.append(self.files[included])
                inner = self.configs[included]["parsed"]
                yield from self._with_includes(parent, included, inner, depth + 1)
