"""Rules: the headers of each response, and the files that nginx serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive


def no_header_is_dropped(main: Directive) -> Iterator[Violation]:
    """An add_header of its own drops all that a block would inherit."""
    for block in main.all():
        own = [header.args for header in block.own("add_header")]
        if not own or not block.parent:
            continue
        inherited = block.parent.inherited("add_header")
        if dropped := [header.arg(0) for header in inherited if header.args not in own]:
            yield Violation(
                block.own("add_header")[0],
                f"add_header in {block} drops the headers of the block around it: "
                f"{', '.join(dropped)}",
            )


def headers_are_on_every_response(main: Directive) -> Iterator[Violation]:
    """Without always, add_header leaves out 401, 404 and 502."""
    for header in main.all("add_header"):
        if header.arg(0).lower() != "set-cookie" and header.args[2:] != ["always"]:
            yield Violation(header, f"the header is not sent with every response: {header}")


def each_header_is_set_once(main: Directive) -> Iterator[Violation]:
    """Of two headers with one name a browser may take either. Cookies may be several."""
    for block in main.all():
        for name in ("add_header", "proxy_set_header"):
            first: dict[str, Directive] = {}
            for header in block.own(name):
                key = header.arg(0).lower()
                earlier = first.setdefault(key, header)
                if key != "set-cookie" and earlier is not header:
                    yield Violation(header, f"{header.arg(0)} is in {earlier.place} already")


def server_details_are_hidden(main: Directive) -> Iterator[Violation]:
    """No version, and no redirect with the inner scheme and port."""
    for server in main.servers:
        for name in ("absolute_redirect", "server_tokens"):
            if not server.is_set(name, "off"):
                yield Violation(server, f"{name} is not off in this server block")


def alias_has_its_slashes(main: Directive) -> Iterator[Violation]:
    """alias requires a slash on both sides: otherwise /static.. leads out of its folder."""
    for directive in main.all("alias"):
        location = directive.parent
        if not location or location.arg(0) in ("=", "~", "~*"):
            continue
        path = location.value
        if not path.endswith("/") or not directive.arg(0).endswith("/"):
            yield Violation(
                directive, f"there is no slash at the end: location {path}, {directive}"
            )


RULES = (
    Rule(
        "nginx-header-dropped",
        no_header_is_dropped,
        "Add `include ../apphub/nginx/headers.conf;` to the block.",
    ),
    Rule("nginx-header-always", headers_are_on_every_response, "Add `always` at its end."),
    Rule("nginx-header-duplicate", each_header_is_set_once, "Remove one of the two."),
    Rule(
        "nginx-server-details",
        server_details_are_hidden,
        "Remove the line that sets it, and leave it to apphub/nginx/.",
    ),
    Rule(
        "nginx-alias-slash",
        alias_has_its_slashes,
        "End both the location and the alias with a slash.",
    ),
)
