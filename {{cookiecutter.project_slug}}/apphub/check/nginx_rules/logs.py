"""Rules: logs contain no secrets, and only what nginx has checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.directives import Directive, variables_in
from apphub.check.nginx_rules.identity import CAPTURE
from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

# Passwords, sessions, query strings, and the name, as some type their password there.
SECRET = re.compile(
    r"\$(request|request_uri|args|query_string|arg_\w+|cookie_\w+|remote_user|\d"
    r"|http_(authorization|cookie|referer)|(sent|upstream)_http_set_cookie|request_body)"
    r"|[0-9a-f]{64}"
)
PATH_WITHOUT_QUERY = re.compile(r"~\^\(\[\^\?#[^]]*\]")
# Decoded, or as the client sent it: it may have blanks and line breaks, and any length.
UNCHECKED = re.compile(r"\$(uri|document_uri|request_filename|http_\w+)")


def logs_have_no_secrets(main: Directive) -> Iterator[Violation]:
    """From crit on the error log has query strings and refused names; from info on passwords."""
    if not main.own("error_log"):
        yield Violation(main, "there is no error_log outside http, so its level is error")
    for directive in main.all("error_log"):
        if directive.value not in ("alert", "emerg"):
            yield Violation(directive, f"logs more than the level alert does: {directive}")
    formats = {directive.arg(0): directive for directive in main.all("log_format")}
    for directive in main.all("access_log"):
        if directive.args != ["off"] and directive.arg(1) not in formats:
            yield Violation(directive, "the log format combined contains query strings")
    for directive in formats.values():
        yield from _find_secrets(main, directive)


def _find_secrets(main: Directive, log_format: Directive) -> Iterator[Violation]:
    for end, entry in main.resolve_with_entries(" ".join(log_format.args[1:])):
        secret = end
        if CAPTURE.fullmatch(end) and entry and entry.parent:
            # No more than what the map looks at.
            keys = [f"${name}" for name in variables_in(entry.parent.arg(0))]
            if PATH_WITHOUT_QUERY.match(entry.name) and keys == ["$request_uri"]:
                continue
            secret = next(filter(SECRET.fullmatch, keys), "")
        if SECRET.fullmatch(secret):
            yield Violation(entry or log_format, f"logs a secret: {secret}")


def log_lines_cannot_be_forged(main: Directive) -> Iterator[Violation]:
    """A client's text is escaped, and matched first: no blanks, and limited in length."""
    for directive in main.all("log_format"):
        if "escape=none" in directive.args:
            yield Violation(
                directive, "escape=none: a line break in a value would begin a new line"
            )
        for end, entry in main.resolve_with_entries(" ".join(directive.args[1:])):
            if UNCHECKED.fullmatch(end) and not (entry and entry.name.startswith("~")):
                yield Violation(entry or directive, f"logs whatever a client wrote: {end}")


def log_names_only_authenticated_users(main: Directive) -> Iterator[Violation]:
    """A name that came with a password is only a claim until nginx has passed the request on."""

    def is_claim(name: str, seen: frozenset[str] = frozenset()) -> bool:
        if name not in main.maps:
            return name == "remote_user"
        sources = main.sources(name)
        if name in seen or "upstream_status" in sources:
            return False
        values = [entry.value for entry in main.maps[name].entries]
        others = {other for value in values for other in variables_in(value)}
        return "remote_user" in sources or any(is_claim(other, seen | {name}) for other in others)

    for directive in main.all("log_format"):
        for name in variables_in(" ".join(directive.args[1:])):
            if is_claim(name):
                yield Violation(directive, f"${name} may be a user who was refused")


RULES = (
    Rule(
        "nginx-log-secret",
        logs_have_no_secrets,
        "Write `error_log logs/nginx/error.log alert;` at the top of the file, and leave "
        "access_log and log_format to apphub/nginx/.",
    ),
    Rule(
        "nginx-log-injection",
        log_lines_cannot_be_forged,
        "Use $logged_path and $passed_id, which apphub/nginx/http.conf defines.",
    ),
    Rule("nginx-log-user", log_names_only_authenticated_users, "Use $authenticated_user."),
)
