"""Rules: the template's own files are included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive

HTTP_CONF = "apphub/nginx/http.conf"
SERVER_CONF = "apphub/nginx/server.conf"


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
)
