"""Rules: Streamlit gets the user's name from nginx, never from the client."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.directives import VARIABLE, Directive, is_literal, variables_in
from apphub.check.nginx_rules.rule import Rule, Violation
from apphub.check.nginx_rules.script_apps import sends_app_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

# The headers in which proxies send the user to an app.
IDENTITY_HEADER = re.compile(
    r"x-(auth|user|webauth)|(x-)?(forwarded|remote)-(user|name|email|groups|preferred)", re.I
)
IDENTITIES = ("$user", "$session_user", "$password_user")
# Whose session it is, and in which process: the hub's, or an app's.
COOKIES = ("$session_cookie", "$process_cookie", "$app_process_cookie")
CAPTURE = re.compile(r"\$\{?[1-9]")
NGINX_VARIABLE = re.compile(
    r"\$\{?(http|cookie|arg|sent_http|sent_trailer|upstream_(http|cookie|trailer))_"
)
NAMED_CAPTURE = re.compile(r"\(\?(?:P?<[A-Za-z_]|')")


def identity_is_never_the_clients(main: Directive) -> Iterator[Violation]:
    """The user's name is a literal of the configuration, never a text that a client wrote."""
    for directive in main.all("proxy_set_header"):
        header, value = directive.arg(0), directive.arg(1)
        if not IDENTITY_HEADER.match(header) or not value:
            continue
        if is_literal(value):
            yield Violation(directive, f"{header} is the same for every user: {value}")
        elif value not in IDENTITIES:
            yield Violation(directive, f"{header} may be what a client chose: {value}")
        for name in sorted(main.resolve(value).variables):
            yield Violation(directive, f"{header} may be what a client wrote, by way of ${name}")


def session_is_set_after_login(main: Directive) -> Iterator[Violation]:
    """Set-Cookie is where nginx has checked a password: where it proxies or sends pages."""
    first: dict[str, Directive] = {}
    for directive in main.all("add_header"):
        place = directive.parent
        if directive.arg(0).lower() != "set-cookie" or not place:
            continue
        sends_pages = sends_app_pages(place)
        if place.name != "location" or not (place.own("proxy_pass") or sends_pages):
            yield Violation(directive, f"Set-Cookie in {place}, which is not a proxied location")
        elif not place.inherited("auth_basic") or place.is_set("auth_basic", "off"):
            yield Violation(directive, f"Set-Cookie in {place}, which requires no password")
        if "always" in directive.args:
            yield Violation(directive, "Set-Cookie with `always` is sent with refusals, too")
        key = f"{directive.arg(1)} of pages" if sends_pages else directive.arg(1)
        earlier = first.setdefault(key, directive)
        if earlier.place != directive.place:  # two servers may include the same line
            yield Violation(directive, f"the same Set-Cookie is in {earlier.place}")
        elif directive.arg(1) not in COOKIES:
            yield Violation(
                directive, f"Set-Cookie {directive.arg(1)} is not one of {', '.join(COOKIES)}"
            )


def values_are_separated(main: Directive) -> Iterator[Violation]:
    """Two variables side by side could be split in another place: "bob" and "by" are "bobby"."""
    for directive in main.all("map", "limit_req_zone"):
        found = list(VARIABLE.finditer(directive.arg(0)))
        for one, other in pairwise(found):
            if one.end() == other.start():
                yield Violation(directive, f"there is no separator between {one[0]} and {other[0]}")


def captures_stay_in_their_entry(main: Directive) -> Iterator[Violation]:
    """A capture is used only in the map's entry whose regular expression has it.

    https://nginx.org/en/security_advisories.html, CVE-2026-42533.
    """
    for directive in main.all():
        if CAPTURE.search(" ".join(directive.args)):
            yield Violation(directive, f"a capture is used outside a map: {directive}")
        for line in [directive, *directive.entries]:
            if NAMED_CAPTURE.search(str(line)):
                yield Violation(line, f"a named capture is visible in other lines: {line}")
        for entry in directive.entries:
            if not CAPTURE.search(entry.value):
                continue
            if not entry.name.startswith("~"):
                yield Violation(entry, f"a capture of another regular expression: {entry}")
            elif not all(name.isdigit() for name in variables_in(entry.value)):
                yield Violation(entry, f"a variable beside the capture may change it: {entry}")


def variables_are_defined_once(main: Directive) -> Iterator[Violation]:
    """A second map, or `set`, would silently replace a variable that decides who gets in."""
    first: dict[str, Directive] = {}
    for directive in main.all("map", "geo", "split_clients", "set"):
        is_set = directive.name == "set"
        variable = (directive.arg(0) if is_set else directive.value).lower()
        earlier = first.get(variable) if is_set else first.setdefault(variable, directive)
        if earlier and earlier is not directive:
            yield Violation(directive, f"{variable} is defined in {earlier.place} already")
        elif NGINX_VARIABLE.match(variable):
            yield Violation(directive, f"{variable} is nginx's own, and would change everywhere")


RULES = (
    Rule(
        "nginx-identity-header",
        identity_is_never_the_clients,
        "Use $user, which nginx has checked: `proxy_set_header X-Forwarded-User $user;`",
    ),
    Rule(
        "nginx-set-cookie",
        session_is_set_after_login,
        "Remove it: only apphub/nginx/server.conf sets the cookies.",
    ),
    Rule("nginx-value-separator", values_are_separated, 'Put a ":" between the two variables.'),
    Rule(
        "nginx-capture",
        captures_stay_in_their_entry,
        "Use the capture only as the value of its own entry of a map.",
    ),
    Rule("nginx-variable-redefined", variables_are_defined_once, "Choose another name."),
)
