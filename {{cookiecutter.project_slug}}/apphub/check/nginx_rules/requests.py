"""Rules: what Streamlit gets of a request, and how many login attempts there may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.directives import Directive, variables_in
from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGEABLE = {"authorization", "proxy", "forwarded", "x-forwarded-host"}
SEE_SERVER_CONF = "See location / in apphub/nginx/server.conf."


def client_headers_are_not_passed_on(main: Directive) -> Iterator[Violation]:
    """Streamlit gets the headers that are listed, not whatever a client sends."""
    for directive in main.all("proxy_pass"):
        if directive.parent and not directive.parent.is_set("proxy_pass_request_headers", "off"):
            yield Violation(
                directive,
                "passes on all headers of a client, also forged ones: "
                "`proxy_pass_request_headers off;` is missing",
            )
    for directive in main.all("proxy_set_header"):
        header, value = directive.arg(0), directive.arg(1)
        if header.lower() in FORGEABLE and value:
            yield Violation(directive, f"passes on {header}: {value}")
        if header.lower() == "cookie" and "http_cookie" in variables_in(value):
            yield Violation(directive, "passes on every cookie, the session among them")


def only_websocket_is_upgraded(main: Directive) -> Iterator[Violation]:
    """Upgrade and Connection come from a map: h2c would bypass nginx."""
    for directive in main.all("proxy_set_header"):
        header, value = directive.arg(0), directive.arg(1)
        if header.lower() not in ("upgrade", "connection") or not value:
            continue
        if not variables_in(value) or main.resolve(value).variables:
            yield Violation(directive, f"{header} is not from a map of literals: {value}")


def address_is_nginxs_own(main: Directive) -> Iterator[Violation]:
    """Entries of X-Forwarded-For that came with the request may be forged, and so may the rest."""
    for directive in main.all("proxy_set_header"):
        header, value = directive.arg(0), directive.arg(1)
        if header.lower() in ("x-forwarded-for", "x-real-ip") and value != "$remote_addr":
            yield Violation(directive, f"{header} is {value}, not $remote_addr")
        elif re.match("x-forwarded-", header, re.I) and any(
            name.startswith("http_") for name in variables_in(value)
        ):
            yield Violation(directive, f"{header} is what the client wrote: {value}")
    for directive in main.all("real_ip_header", "real_ip_recursive", "set_real_ip_from"):
        value = directive.arg(0).lower()
        if value not in ("x-forwarded-for", "off") and directive.name != "set_real_ip_from":
            yield Violation(directive, f"a client could choose its address: {directive}")
        elif value.endswith("/0"):
            yield Violation(directive, f"every client could choose its address: {directive}")


def target_is_fixed(main: Directive) -> Iterator[Violation]:
    """proxy_pass leads to a host of the configuration, not to one that a client names."""
    for directive in main.all("proxy_pass"):
        scheme, _, target = directive.arg(0).rpartition("://")
        host = target.partition("/")[0]
        if names := main.resolve(f"{scheme}{host}").variables:
            yield Violation(directive, f"a client may choose the host, by way of ${min(names)}")


def login_attempts_are_limited(main: Directive) -> Iterator[Violation]:
    """limit_req is valid in the whole server, and responds with 429."""
    for server in main.servers:
        if server.inherited("auth_basic"):
            if not server.own("limit_req"):
                yield Violation(server, "the server block has a password and no limit_req")
            if not server.is_set("limit_req_status", "429"):
                yield Violation(server, "limit_req_status is not 429")
    for directive in main.all("limit_req"):
        if directive.parent and directive.parent.name != "server":
            yield Violation(
                directive, f"limit_req in {directive.parent} replaces those of the server block"
            )
    for directive in main.all("limit_req_dry_run"):
        if directive.args != ["off"]:
            yield Violation(directive, "limit_req_dry_run: nothing is limited")


def sessions_are_never_limited(main: Directive) -> Iterator[Violation]:
    """A zone's key is from a map that depends on the session, and may be empty: not counted."""
    realms = {name for each in main.all("auth_basic") for name in variables_in(each.arg(0))}
    keys = [each.arg(0) for each in main.all("map") if each.value.strip("$") in realms]
    sessions = {name for key in keys for name in variables_in(key)}
    for zone in main.all("limit_req_zone"):
        key = zone.arg(0)
        name = key.strip("${}").lower()
        defined_by = main.maps.get(name)
        if not defined_by or defined_by.name != "map" or len(variables_in(key)) != 1:
            yield Violation(zone, f"no map defines the key {key}")
        elif "" not in {entry.value for entry in defined_by.entries}:
            yield Violation(zone, f"{key} is never empty: every request counts as a login attempt")
        elif sessions and not sessions & main.sources(name):
            yield Violation(zone, f"{key} does not depend on the session")


RULES = (
    Rule("nginx-request-headers", client_headers_are_not_passed_on, SEE_SERVER_CONF),
    Rule("nginx-proxy-target", target_is_fixed, "Name the host, or use a map of literals."),
    Rule("nginx-upgrade-header", only_websocket_is_upgraded, SEE_SERVER_CONF),
    Rule(
        "nginx-client-address",
        address_is_nginxs_own,
        "Use $remote_addr, which is the client's address as the router says it.",
    ),
    Rule(
        "nginx-rate-limit",
        login_attempts_are_limited,
        "Remove it, and leave the limits to apphub/nginx/.",
    ),
    Rule(
        "nginx-rate-limit-key",
        sessions_are_never_limited,
        "Use a key like $login_attempt in apphub/nginx/http.conf.",
    ),
)
