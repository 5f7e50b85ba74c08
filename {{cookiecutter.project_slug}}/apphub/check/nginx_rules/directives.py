"""The directives of an nginx configuration as a tree, with its includes resolved."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([1-9]|\w+))")

# Parameters of a map or a geo, which are not entries.
MAP_PARAMETERS = {
    "map": {"hostnames", "volatile"},
    "geo": {"delete", "proxy", "proxy_recursive", "ranges"},
}


class Values(NamedTuple):
    """The values that a text may have.

    Attributes:
        literals: words of the configuration.
        variables: names of nginx's own variables, and of those that no map defines.
    """

    literals: set[str]
    variables: set[str]


@dataclass(eq=False)
class Directive:
    """One directive with its block, where it has one.

    Attributes:
        name: such as "proxy_pass"; of a map's entry, the value that it is for.
        args: its arguments.
        place: the file and the line that it is in.
        order: its number in the whole configuration.
        parent: the block that it is in.
        block: the directives in its block.
        entries: the lines of a map or a geo.
        includes: the files that its block includes.
    """

    name: str
    args: list[str]
    place: str = ""
    order: int = 0
    parent: Directive | None = None
    block: list[Directive] = field(default_factory=list)
    entries: list[Directive] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join([self.name, *self.args])

    def arg(self, number: int) -> str:
        """Return an argument, counted from 0, or "" where it has fewer."""
        return self.args[number] if number < len(self.args) else ""

    @property
    def value(self) -> str:
        """The last argument: the value of a map's entry, or a map's own variable."""
        return self.args[-1] if self.args else ""

    def own(self, name: str) -> list[Directive]:
        """Return the directives of that name in this very block."""
        return [directive for directive in self.block if directive.name == name]

    def inherited(self, name: str) -> list[Directive]:
        """Return those that are valid here: this block's own, or else the nearest ones outside."""
        return self.own(name) or (self.parent.inherited(name) if self.parent else [])

    def is_set(self, name: str, value: str) -> bool:
        """Return whether a directive with one argument has this one here."""
        return [directive.args for directive in self.inherited(name)] == [[value]]

    def all(self, *names: str) -> Iterator[Directive]:
        """Yield the directives of those names in here, at any depth; without names, all."""
        for directive in self._descendants:
            if not names or directive.name in names:
                yield directive

    @cached_property
    def _descendants(self) -> list[Directive]:
        found: list[Directive] = []
        for directive in self.block:
            found += [directive, *directive._descendants]
        return found

    @property
    def servers(self) -> list[Directive]:
        """The servers, and not the lines of that name in an upstream."""
        return [
            server
            for server in self.all("server")
            if server.parent and server.parent.name != "upstream"
        ]

    @cached_property
    def maps(self) -> dict[str, Directive]:
        """Each variable that a map or a geo defines."""
        return {each.value.strip("$").lower(): each for each in self.all("map", "geo")}

    def resolve(self, text: str, seen: frozenset[str] = frozenset()) -> Values:
        """Follow a text's variables through the maps to what they may become."""
        values = Values(set(), set())
        for name in variables_in(text):
            if name not in self.maps:
                values.variables.add(name)
            elif name not in seen:
                for entry in self.maps[name].entries:
                    if self.maps[name].name == "geo":  # where a "$" has no meaning
                        values.literals.add(entry.value)
                        continue
                    inner = self.resolve(entry.value, seen | {name})
                    values.literals.update(inner.literals)
                    values.variables.update(inner.variables)
        if not variables_in(text):
            values.literals.add(text)
        return values

    def resolve_with_entries(
        self, text: str, entry: Directive | None = None, seen: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, Directive | None]]:
        """Yield what resolve() returns, variables with their "$", each with the map's entry."""
        for name in variables_in(text):
            if name not in self.maps:
                yield f"${name}", entry
            elif name not in seen and self.maps[name].name == "map":
                for each in self.maps[name].entries:
                    yield from self.resolve_with_entries(each.value, each, seen | {name})
        if not variables_in(text):
            yield text, entry

    def sources(self, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Return the variables that decide which of its entries a map's variable has."""
        if name not in self.maps or self.maps[name].name == "geo" or name in seen:
            return {name}
        others = set(variables_in(self.maps[name].arg(0))) - {name}
        return {name}.union(*(self.sources(other, seen | {name}) for other in others))


def variables_in(text: str) -> list[str]:
    """Return the names of the variables in a text, in their order. nginx ignores their case."""
    return [(one or other).lower() for one, other in VARIABLE.findall(text)]


def is_literal(text: str) -> bool:
    """Return whether a text has no variable."""
    return not VARIABLE.search(text)
