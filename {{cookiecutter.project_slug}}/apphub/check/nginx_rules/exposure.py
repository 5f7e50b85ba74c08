"""Rules: no session, password or private file is sent to a client or an app."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.authentication import REMOVE, SESSION
from apphub.check.nginx_rules.directives import Directive, variables_in
from apphub.check.nginx_rules.rule import Rule, Violation
from apphub.check.nginx_rules.script_apps import sends_app_pages
from apphub.paths import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = PurePosixPath("/app")  # the project's folder on Heroku
PRIVATE_FOLDERS = {"apphub", "apps", "bin", "config", "logs", "tests"}
SECRETS = {
    *("session", "new_session", "session_cookie", "http_cookie", "http_authorization"),
    *("sent_http_set_cookie", "upstream_http_set_cookie"),
}
# They only compare, and rules of their own check the log formats.
COMPARING = {"map", "geo", "split_clients", "limit_req_zone", "log_format"}
ALLOWED = (["Set-Cookie", "$session_cookie"], ["Cookie", "$passed_cookie"])
OWN_HEADERS = {
    *("strict-transport-security", "content-security-policy", "x-content-type-options"),
    *("referrer-policy", "cache-control", "retry-after"),
}
# They change requests before authentication, store responses, or bypass the other rules.
UNSUPPORTED = {
    *("add_header_inherit", "add_trailer", "client_body_in_file_only", "load_module", "mirror"),
    *("more_clear_input_headers", "more_set_headers", "more_set_input_headers", "post_action"),
    *("proxy_cache", "proxy_store", "ssi"),
    *("fastcgi_pass", "grpc_pass", "memcached_pass", "scgi_pass", "uwsgi_pass"),
}


def secrets_stay_in_nginx(main: Directive) -> Iterator[Violation]:
    """Sessions and passwords are in the session cookie and nowhere else."""
    for directive in main.all():
        if directive.name in COMPARING or directive.args in ALLOWED:
            continue
        names = set().union(*(_find_variables(main, argument) for argument in directive.args))
        values = main.resolve(" ".join(directive.args)).literals if names else set()
        if SECRETS & names or any(map(SESSION.fullmatch, values)):
            yield Violation(directive, f"shows a session or a password: {directive}")


def _find_variables(main: Directive, text: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the variables in a text, and those that their maps' values have."""
    names = set(variables_in(text)) - seen
    for name in names & main.maps.keys():
        for entry in main.maps[name].entries:
            names |= _find_variables(main, entry.value, seen | names)
    return names


def served_files_are_public(main: Directive) -> Iterator[Violation]:
    """alias and root are folders of public files, not the project with its users and sessions."""
    for directive in main.all("alias", "root"):
        if directive.place.startswith(f"{GENERATED}/") or sends_app_pages(directive.parent):
            continue
        path = PurePosixPath(posixpath.normpath(ROOT / directive.arg(0)))
        folder = path.relative_to(ROOT).parts[:1] if path.is_relative_to(ROOT) else ()
        is_private = not folder or folder[0][0] == "." or folder[0] in PRIVATE_FOLDERS
        if is_private or variables_in(directive.arg(0)):
            yield Violation(directive, f"serves private files: {directive}")


def directives_are_supported(main: Directive) -> Iterator[Violation]:
    """A directive that no rule can judge may open a hole."""
    for directive in main.all(*UNSUPPORTED):
        if directive.args != ["off"]:
            yield Violation(directive, f"is not supported, because it may be unsafe: {directive}")
    for directive in main.all("more_clear_headers"):
        if OWN_HEADERS & {argument.lower() for argument in directive.args}:
            yield Violation(directive, f"removes a header that protects users: {directive}")


RULES = (
    Rule("nginx-secret-exposed", secrets_stay_in_nginx, REMOVE),
    Rule(
        "nginx-files-exposed",
        served_files_are_public,
        "Put the files into a folder of their own, such as public/.",
    ),
    Rule("nginx-unsupported", directives_are_supported, REMOVE),
)
