"""Rules: the template's own files are included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive

HTTP_CONF = "apphub/nginx/http.conf"
SERVER_CONF = "apphub/nginx/server.conf"
REWRITES = ("break", "if", "rewrite")


def http_block_includes_rules(main: Directive) -> Iterator[Violation]:
    """The http block includes http.conf: users, sessions, rate limits, logs."""
    for http in main.own("http") or [main]:
        if HTTP_CONF not in http.includes:
            yield Violation(http, f"the http block does not include {HTTP_CONF}.")


def each_server_includes_rules(main: Directive) -> Iterator[Violation]:
    """Each server includes server.conf: the password, limits, headers."""
    for server in main.servers:
        if SERVER_CONF not in server.includes:
            yield Violation(
                server,
                f"the server block does not include {SERVER_CONF}, so nobody is asked for a "
                "password.",
            )


def server_rules_come_first(main: Directive) -> Iterator[Violation]:
    """nginx executes these in their order, and `break` or `last` skips the rest of the server's."""
    for server in main.servers:
        rules = [each.order for each in server.block if each.place.startswith(SERVER_CONF)]
        for directive in server.block:
            if directive.name in REWRITES and rules and directive.order < rules[0]:
                yield Violation(
                    directive,
                    f"may skip the redirect to https and the check of Origin: {directive}",
                )


RULES = (
    Rule(
        "nginx-http-rules-missing",
        http_block_includes_rules,
        f"Add `include ../{HTTP_CONF};` at the top of the http block.",
    ),
    Rule(
        "nginx-server-rules-missing",
        each_server_includes_rules,
        f"Add `include ../{SERVER_CONF};` to the server block.",
    ),
    Rule(
        "nginx-server-rules-order",
        server_rules_come_first,
        f"Put it after `include ../{SERVER_CONF};`.",
    ),
)
