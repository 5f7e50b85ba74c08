"""A rule for the nginx configuration, and a directive that breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apphub.check.nginx_rules.directives import Directive


class Violation(NamedTuple):
    """A directive that breaks a rule, and what is wrong there, as a sentence."""

    directive: Directive
    text: str


class Rule(NamedTuple):
    """A rule.

    Attributes:
        code: its findings' code.
        find: yields what breaks the rule, given the main context.
        hint: how to fix it.
    """

    code: str
    find: Callable[[Directive], Iterator[Violation]]
    hint: str
