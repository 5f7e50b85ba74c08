"""Rules that `nginx -t` does not know: mistakes with which gateways were found open or broken.

A rule is a function that yields the directives that break it. They are checked in the rendered
configuration with its includes resolved: a mistake in config/nginx.conf.erb is found, and one in
an edited file of apphub/, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.nginx_rules import (
    authentication,
    exposure,
    identity,
    includes,
    logs,
    requests,
    responses,
    script_apps,
    stability,
)
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive
    from apphub.check.nginx_rules.rule import Rule

INCLUDE_RULES: tuple[Rule, ...] = includes.RULES
RULES: tuple[Rule, ...] = (
    *authentication.RULES,
    *exposure.RULES,
    *script_apps.RULES,
    *identity.RULES,
    *requests.RULES,
    *responses.RULES,
    *logs.RULES,
    *stability.RULES,
)


def find_violations(main: Directive) -> Iterator[Finding]:
    """Yield a finding for each directive that breaks a rule.

    Args:
        main: the main context of a parsed configuration.
    """
    reported: list[Directive] = []
    for rule in INCLUDE_RULES:
        for violation in rule.find(main):
            reported.append(violation.directive)
            yield _finding(rule, *violation)
        if reported and rule.code == "nginx-http-rules-missing":
            return  # all other rules would fail for this reason
    for rule in RULES:
        for violation in rule.find(main):
            if violation.directive not in reported:
                yield _finding(rule, *violation)


def _finding(rule: Rule, directive: Directive, text: str) -> Finding:
    return Finding(
        rule.code, text if text.endswith(".") else f"{text}.", directive.place, rule.hint
    )
