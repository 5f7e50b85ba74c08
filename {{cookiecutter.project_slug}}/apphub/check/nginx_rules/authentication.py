"""Rules: every request requires a password or a session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.directives import Directive, variables_in
from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = re.compile(r"[0-9a-f]{64}")
HTTPS_REDIRECT = ["301", "https://$host$request_uri"]
ABSOLUTE_URL = re.compile(r"https?:|\$scheme")
AUTH_BASIC = {"auth_basic": "$realm", "auth_basic_user_file": "generated/htpasswd"}
# 401: the refusal itself. 429: limit_req does not limit the request for the other response.
KEPT_REFUSALS = {"401", "429"}
REMOVE = "Remove it."
USE_TRY_FILES = (
    "nginx asks for the password before try_files: `try_files /.nothing/ =404;` answers 404 then."
)


def each_server_requires_password(main: Directive) -> Iterator[Violation]:
    """A server has auth_basic at its own level or outside."""
    for server in main.servers:
        if not server.inherited("auth_basic"):
            yield Violation(server, "the server block has no auth_basic: it is open to everybody.")


def passwords_are_looked_up(main: Directive) -> Iterator[Violation]:
    """auth_basic without auth_basic_user_file lets everybody in, and `nginx -t` accepts it."""
    for directive in main.all("auth_basic"):
        if directive.parent and not directive.parent.inherited("auth_basic_user_file"):
            yield Violation(
                directive, "auth_basic without auth_basic_user_file is open to everybody."
            )


def password_is_never_off(main: Directive) -> Iterator[Violation]:
    """auth_basic is never off by itself, and nothing else is as good as a password."""
    for directive in main.all("auth_basic"):
        if directive.args == ["off"]:
            yield Violation(directive, "auth_basic off: nobody is asked for a password here.")
    for directive in main.all("satisfy"):
        if directive.args == ["any"]:
            yield Violation(directive, "satisfy any: an address would replace the password.")


def passwords_are_limited_and_checked(main: Directive) -> Iterator[Violation]:
    """The limits and the check of the hashes are for $realm and for the generated file.

    With a literal realm nginx checks a password beside a session, which no limit counts.
    """
    for directive in main.all(*AUTH_BASIC):
        if directive.args not in ([AUTH_BASIC[directive.name]], ["off"]):
            yield Violation(directive, f"only {AUTH_BASIC[directive.name]} is limited and checked")


def only_a_session_replaces_password(main: Directive) -> Iterator[Violation]:
    """A variable turns auth_basic off for the 64 digits that a map lists, and for nothing else."""
    for directive in main.all("auth_basic"):
        for name in variables_in(directive.arg(0)):
            if name not in main.maps:
                yield Violation(
                    directive, f"no map defines ${name}: a client may be able to set it to off."
                )
                continue
            for entry in main.maps[name].entries:
                values = main.resolve(entry.value)
                if "off" not in values.literals and not values.variables:
                    continue
                # nginx tries no regular expression on an empty value.
                source = main.maps[name].arg(0)
                if entry.name in ("", "default") or not _is_session(main, source):
                    yield Violation(entry, f"${name} may be off without a session: {entry}")


def _is_session(main: Directive, source: str) -> bool:
    """Return whether a text is empty unless the client knows one of a map's 64-digit keys."""
    defined_by = main.maps.get(source.strip("${}").lower())
    if not defined_by or defined_by.name != "map":
        return False
    return all(
        entry.args == [""] or bool(SESSION.fullmatch(entry.name)) for entry in defined_by.entries
    )


def nothing_responds_before_password(main: Directive) -> Iterator[Violation]:
    """`return` and redirects come before auth_basic; only the redirect to https is allowed."""
    for directive in main.all("return"):
        by_http = str(directive.parent) == "if $http_x_forwarded_proto = http"
        if not by_http or directive.args != HTTPS_REDIRECT:
            yield Violation(directive, f"responds before the password is asked for: {directive}")
    for directive in main.all("rewrite"):
        is_redirect = {"redirect", "permanent"} & set(directive.args[2:])
        if is_redirect or ABSOLUTE_URL.match(directive.arg(1)):
            yield Violation(directive, f"redirects before the password is asked for: {directive}")
    for directive in main.all("error_page"):
        if KEPT_REFUSALS & set(directive.args) or re.search(r" =\d|https?:", str(directive)):
            yield Violation(directive, f"replaces a refusal by another response: {directive}")


RULES = (
    Rule(
        "nginx-auth-basic-missing",
        each_server_requires_password,
        "Add `include ../apphub/nginx/server.conf;` to the server block.",
    ),
    Rule(
        "nginx-user-file-missing",
        passwords_are_looked_up,
        "Add `auth_basic_user_file generated/htpasswd;` to the same block.",
    ),
    Rule("nginx-auth-basic-off", password_is_never_off, REMOVE),
    Rule("nginx-auth-basic-other", passwords_are_limited_and_checked, REMOVE),
    Rule(
        "nginx-auth-basic-variable",
        only_a_session_replaces_password,
        "Only a map from the sessions may have the value off, as $realm in apphub/nginx/http.conf.",
    ),
    Rule("nginx-response-before-auth", nothing_responds_before_password, USE_TRY_FILES),
)
