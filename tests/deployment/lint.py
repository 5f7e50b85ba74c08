"""A lint of the rendered nginx configuration, for what an analyser cannot know: how this door shuts.

nginx -t calls each of these faults ok. RULES, at the end, is the list. A rule is a function that
yields the directives that break it, each with what is wrong there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import crossplane

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([1-9]|\w+))")
CAPTURE = re.compile(r"\$\{?[1-9]")
NAMED_CAPTURE = re.compile(r"\(\?(?:P?<[A-Za-z_]|')")
SESSION = re.compile(r"[0-9a-f]{64}")
COOKIES = ("$session_cookie", "$process_cookie")  # whose it is, and where its sessions live

# What a proxy tells an app about who is asking, by the names that are in use for it.
IDENTITY = re.compile(
    r"x-(auth|user|webauth)|(x-)?(forwarded|remote)-(user|name|email|groups|preferred)", re.I
)
FORGED = {"authorization", "proxy", "forwarded", "x-forwarded-host"}
# Passwords, sessions, query strings, and the name, since some type their password there.
SECRET = re.compile(
    r"\$(request|request_uri|args|query_string|arg_\w+|cookie_\w+|remote_user|\d"
    r"|http_(authorization|cookie|referer))|[0-9a-f]{64}"
)
WITHOUT_QUERY = re.compile(r"~\^\(\[\^\?#[^]]*\]")  # a path up to its query string
# Decoded, or as it came: blanks and line breaks may be in it, and nobody knows how long it is.
ANYTHING = re.compile(r"\$(uri|document_uri|request_filename|http_\w+)")

# What stands in a map or a geo beside its entries.
SWITCHES = {
    "map": {"hostnames", "volatile"},
    "geo": {"delete", "proxy", "proxy_recursive", "ranges"},
}
SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(eq=False)
class Directive:
    """One directive with its block, where it has one. The lines of a map are its entries."""

    name: str
    args: list[str]
    line: int
    parent: Directive | None = None
    block: list[Directive] = field(default_factory=list)
    entries: list[Directive] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join([self.name, *self.args])

    def own(self, name: str) -> list[Directive]:
        """Return the directives of that name in this very block."""
        return [directive for directive in self.block if directive.name == name]

    def inherited(self, name: str) -> list[Directive]:
        """Return those that hold here: this block's own, or else the nearest ones outside."""
        return self.own(name) or (self.parent.inherited(name) if self.parent else [])

    def holds(self, name: str, value: str) -> bool:
        """Return whether a directive that takes one word has this one here."""
        return [directive.args for directive in self.inherited(name)] == [[value]]

    def all(self, *names: str) -> Iterator[Directive]:
        """Yield the directives of those names in here, at any depth; of any name without one."""
        for directive in self.block:
            if not names or directive.name in names:
                yield directive
            yield from directive.all(*names)

    @cached_property
    def maps(self) -> dict[str, Directive]:
        """Each variable that a map or a geo makes."""
        return {m.args[-1].strip("$"): m for m in self.all("map", "geo")}

    def ends(self, text: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Follow a text's variables through the maps: the literals at the ends, and what is none."""
        if not (names := variables(text)):
            return {text}
        found: set[str] = set()
        for name in names:
            if name not in self.maps:
                found.add(f"${name}")
            elif name not in seen:
                for entry in self.maps[name].entries:
                    found |= self.ends(entry.args[-1], seen | {name})
        return found

    def logged(
        self, text: str, line: Directive | None = None, seen: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, Directive | None]]:
        """Yield each variable and literal that a text ends in, and the line of the map it is from."""
        for name in variables(text) or [""]:
            if not name:
                yield text, line
            elif name not in self.maps:
                yield f"${name}", line
            elif name not in seen:
                for entry in self.maps[name].entries:
                    yield from self.logged(entry.args[-1], entry, seen | {name})

    def sources(self, name: str) -> set[str]:
        """Return the variables that a map's variable depends on by what the maps look at."""
        if name not in self.maps or self.maps[name].name == "geo":
            return {name}
        looks_at = variables(self.maps[name].args[0])
        return {name}.union(*(self.sources(other) for other in looks_at if other != name))


Faults = Iterator[tuple[Directive, str]]


def variables(text: str) -> list[str]:
    """Return the names of the variables in a text, in their order."""
    return [one or other for one, other in VARIABLE.findall(text)]


def is_literal(end: str) -> bool:
    return not VARIABLE.search(end)


def servers(root: Directive) -> list[Directive]:
    """Return the servers, and not the lines of that name in an upstream."""
    return [server for server in root.all("server") if server.parent.name != "upstream"]


def parse(configuration: Path) -> Directive:
    """Read a configuration.

    Raises:
        ValueError: it is none, or includes what is not there.
    """
    payload = crossplane.parse(str(configuration), combine=True)
    if payload["errors"]:
        raise ValueError("; ".join(error["error"] for error in payload["errors"]))
    root = Directive("main", [], 0)
    _grow(root, payload["config"][0]["parsed"])
    return root


def _grow(parent: Directive, parsed: list[dict]) -> None:
    for each in parsed:
        directive = Directive(each["directive"], each["args"], each["line"], parent)
        if parent.name not in SWITCHES:
            parent.block.append(directive)
        elif directive.name not in SWITCHES[parent.name]:
            parent.entries.append(directive)
        _grow(directive, each.get("block", []))


def lint(configuration: Path | str) -> list[str]:
    """Return a line for each fault of a rendered configuration: the rule, the line, what is wrong.

    Args:
        configuration: the file, or the text of one.
    """
    if isinstance(configuration, str):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".conf") as file:
            file.write(configuration)
            file.flush()
            return lint(Path(file.name))
    root = parse(configuration)
    return [
        f"{rule.__name__}, line {directive.line}: {what}"
        for rule in RULES
        for directive, what in rule(root)
    ]


# -- The password -------------------------------------------------------------------------------


def each_server_asks_for_the_password(root: Directive) -> Faults:
    """A server has auth_basic at its own level or outside."""
    for server in servers(root):
        if not server.inherited("auth_basic"):
            yield server, "a server without auth_basic"


def each_password_is_looked_up(root: Directive) -> Faults:
    """auth_basic without auth_basic_user_file lets everybody in."""
    for directive in root.all("auth_basic"):
        if not directive.parent.inherited("auth_basic_user_file"):
            yield directive, "auth_basic without auth_basic_user_file in scope: open to everybody"


def no_password_is_switched_off(root: Directive) -> Faults:
    """auth_basic is nowhere off by itself, nor is another thing as good as a password."""
    for directive in root.all("auth_basic"):
        if directive.args == ["off"]:
            yield directive, "auth_basic off"
    for directive in root.all("satisfy"):
        if directive.args == ["any"]:
            yield directive, "satisfy any: an address would do in place of the password"


def a_session_alone_opens(root: Directive) -> Faults:
    """A variable turns auth_basic off for the 64 digits that a map lists, and for nothing else."""
    for directive in root.all("auth_basic"):
        for name in variables(directive.args[0]):
            if name not in root.maps:
                yield directive, f"${name} comes from no map: whoever chooses it may choose off"
                continue
            for entry in root.maps[name].entries:
                ends = root.ends(entry.args[-1])
                if "off" not in ends and all(map(is_literal, ends)):
                    continue
                # nginx tries no regular expression on an empty value.
                if entry.name in ("", "default") or not _is_session(root, entry.parent.args[0]):
                    yield entry, f"${name} may be off without a session: {entry}"


def _is_session(root: Directive, source: str) -> bool:
    """Whether a text is empty unless the client knows one of the 64-digit keys of a map."""
    made_by = root.maps.get(source.strip("${}"))
    if not made_by or made_by.name != "map":
        return False
    return all(entry.args == [""] or SESSION.fullmatch(entry.name) for entry in made_by.entries)


def nothing_answers_before_the_password(root: Directive) -> Faults:
    """return and redirects come before auth_basic; the one to https is all there is."""
    for directive in root.all("return"):
        by_http = str(directive.parent) == "if $http_x_forwarded_proto = http"
        if not by_http or directive.args != ["301", "https://$host$request_uri"]:
            yield directive, f"answers before the password is asked for: {directive}"
    for directive in root.all("rewrite"):
        away = re.match(r"https?:|\$scheme", directive.args[1])
        if away or {"redirect", "permanent"} & set(directive.args[2:]):
            yield directive, f"redirects before the password is asked for: {directive}"
    for directive in root.all("error_page"):
        if "401" in directive.args or re.search(r" =\d|https?:", str(directive)):
            yield directive, f"puts another answer in the place of the refusal: {directive}"


# -- Who it is ----------------------------------------------------------------------------------


def identity_ends_in_literals(root: Directive) -> Faults:
    """What names the user is a word of this file, never one that a client wrote."""
    for directive in root.all("proxy_set_header"):
        header, value = directive.args
        if not IDENTITY.match(header) or not value:
            continue
        if is_literal(value):
            yield directive, f"{header} is the same for everybody: {value}"
        for end in sorted(root.ends(value)):
            if not is_literal(end):
                yield directive, f"{header} may be what a client wrote: {value} ends in {end}"


def the_session_is_given_in_one_place(root: Directive) -> Faults:
    """Set-Cookie stands where nginx has checked a password: in the location that proxies."""
    given: dict[str, Directive] = {}
    for directive in root.all("add_header"):
        if directive.args[0].lower() != "set-cookie":
            continue
        place = directive.parent
        if place.name != "location" or not place.own("proxy_pass"):
            yield directive, f"Set-Cookie in {place}, which is no location that proxies"
        elif not place.inherited("auth_basic") or place.holds("auth_basic", "off"):
            yield directive, f"Set-Cookie in {place}, where no password is asked for"
        if "always" in directive.args:
            yield directive, "Set-Cookie on every answer, refusals too: always"
        first = given.setdefault(directive.args[1], directive)
        if first is not directive:
            yield directive, f"Set-Cookie a second time; line {first.line} has it"
        elif directive.args[1] not in COOKIES:
            yield directive, f"Set-Cookie {directive.args[1]}, which is none of {COOKIES}"


def values_are_kept_apart(root: Directive) -> Faults:
    """Two variables side by side: bob and by are bobby."""
    for directive in root.all("map", "limit_req_zone"):
        found = list(VARIABLE.finditer(directive.args[0]))
        for one, other in zip(found, found[1:], strict=False):
            if one.end() == other.start():
                yield directive, f"no separator between {one[0]} and {other[0]}"


def captures_stay_in_their_line(root: Directive) -> Faults:
    """What a regular expression has caught is used in its own line of a map, and nowhere else."""
    for directive in root.all():
        if CAPTURE.search(" ".join(directive.args)):
            yield directive, f"a capture outside a map: {directive}"
        for line in [directive, *directive.entries]:
            if NAMED_CAPTURE.search(str(line)):
                yield line, f"a named capture, which outlives its line: {line}"
        for entry in directive.entries:
            if not CAPTURE.search(entry.args[-1]):
                continue
            if not entry.name.startswith("~"):
                yield entry, f"a capture of some other regular expression: {entry}"
            elif not all(name.isdigit() for name in variables(entry.args[-1])):
                yield entry, f"a variable beside the capture may change it: {entry}"


# -- What goes in -------------------------------------------------------------------------------


def client_headers_stay_outside(root: Directive) -> Faults:
    """Streamlit gets the headers that are listed, not whatever a client sends."""
    for directive in root.all("proxy_pass"):
        if not directive.parent.holds("proxy_pass_request_headers", "off"):
            yield directive, "proxy_pass without proxy_pass_request_headers off"
    for directive in root.all("proxy_set_header"):
        header, value = directive.args
        if header.lower() in FORGED and value:
            yield directive, f"{header} is passed on: {value}"
        if header.lower() == "cookie" and "http_cookie" in variables(value):
            yield directive, "every cookie is passed on, the session with the others"


def one_upgrade_is_passed_on(root: Directive) -> Faults:
    """Upgrade and Connection come from a map: h2c would lead past nginx."""
    for directive in root.all("proxy_set_header"):
        header, value = directive.args
        if header.lower() in ("upgrade", "connection") and value:
            ends = root.ends(value)
            if not variables(value) or not all(map(is_literal, ends)):
                yield directive, f"{header} is not from a map of literals: {value}"


def the_address_is_nginxs_own(root: Directive) -> Faults:
    """Entries of X-Forwarded-For that came with the request may be forged, and so may the rest."""
    for directive in root.all("proxy_set_header"):
        header, value = directive.args
        if header.lower() in ("x-forwarded-for", "x-real-ip") and value != "$remote_addr":
            yield directive, f"{header} is {value}, not $remote_addr"
        elif re.match("x-forwarded-", header, re.I) and "$http_" in value:
            yield directive, f"{header} is what the client says: {value}"


def guesses_are_limited(root: Directive) -> Faults:
    """limit_req holds in the whole server, and answers 429."""
    for server in servers(root):
        if server.inherited("auth_basic"):
            if not server.own("limit_req"):
                yield server, "a server with a password and without limit_req"
            if not server.holds("limit_req_status", "429"):
                yield server, "limit_req_status is not 429"
    for directive in root.all("limit_req"):
        if directive.parent.name != "server":
            yield directive, f"limit_req in {directive.parent} takes the place of the server's"


def sessions_are_never_limited(root: Directive) -> Faults:
    """A zone's key is from a map that knows of the sessions, and may be empty: not counted."""
    realms = {name for d in root.all("auth_basic") for name in variables(d.args[0])}
    looks_at = [m.args[0] for m in root.all("map") if m.args[-1].strip("$") in realms]
    sessions = {name for source in looks_at for name in variables(source)}
    for zone in root.all("limit_req_zone"):
        key = zone.args[0]
        made_by = root.maps.get(key.strip("${}"))
        if not made_by or made_by.name != "map" or len(variables(key)) != 1:
            yield zone, f"the key {key} is from no map"
        elif "" not in {entry.args[-1] for entry in made_by.entries}:
            yield zone, f"{key} is never empty, so that everything counts as a guess"
        elif sessions and not sessions & root.sources(key.strip("${}")):
            yield zone, f"{key} does not depend on the session"


# -- What goes out ------------------------------------------------------------------------------


def no_header_is_dropped(root: Directive) -> Faults:
    """An add_header of its own drops all that a block would inherit."""
    for block in root.all():
        if block.own("add_header") and block.parent:
            own = [header.args for header in block.own("add_header")]
            for header in block.parent.inherited("add_header"):
                if header.args not in own:
                    yield block, f"{block} drops line {header.line}: {header}"


def headers_are_on_every_answer(root: Directive) -> Faults:
    """Without always, add_header leaves out 401, 404 and 502."""
    for header in root.all("add_header"):
        if header.args[0].lower() != "set-cookie" and header.args[2:] != ["always"]:
            yield header, f"without always: {header}"


def each_header_stands_once(root: Directive) -> Faults:
    """A browser may take either of two, but for its cookies."""
    for block in root.all():
        for name in ("add_header", "proxy_set_header"):
            first: dict[str, int] = {}
            for header in block.own(name):
                if header.args[0].lower() == "set-cookie":
                    continue  # the_session_is_given_in_one_place
                if first.setdefault(header.args[0].lower(), header.line) != header.line:
                    earlier = first[header.args[0].lower()]
                    yield header, f"{header.args[0]} stands in line {earlier} already"


def little_is_told_of_the_server(root: Directive) -> Faults:
    """No version, and no redirect with the inner scheme and port."""
    for server in servers(root):
        for name in ("absolute_redirect", "server_tokens"):
            if not server.holds(name, "off"):
                yield server, f"{name} is not off"


def logs_hold_no_secrets(root: Directive) -> Faults:
    """crit and below tell query strings and what was typed as a name; info shows passwords."""
    for directive in [root, *root.all("error_log")]:
        if directive is root and not root.own("error_log"):
            yield root, "no error_log outside http: its level is error then"
        elif directive is not root and directive.args[-1] not in ("alert", "emerg"):
            yield directive, f"tells more than alert does: {directive}"
    formats = {directive.args[0]: directive for directive in root.all("log_format")}
    for directive in root.all("access_log"):
        if directive.args != ["off"] and not formats.keys() & set(directive.args[1:2]):
            yield directive, "the format combined, with query strings"
    for directive in formats.values():
        for end, line in root.logged(" ".join(directive.args[1:])):
            if CAPTURE.fullmatch(end) and line:  # no more than what the map looks at
                looks_at = [f"${name}" for name in variables(line.parent.args[0])]
                if WITHOUT_QUERY.match(line.name) and looks_at == ["$request_uri"]:
                    continue
                end = next(filter(SECRET.fullmatch, looks_at), "")
            if SECRET.fullmatch(end):
                yield line or directive, f"logs a secret: {end}"


def no_line_of_the_log_is_forged(root: Directive) -> Faults:
    """What a client writes is escaped, and matched before, so that it has no blanks and an end."""
    for directive in root.all("log_format"):
        if "escape=none" in directive.args:
            yield directive, "escape=none: a line break in a value begins a line"
        for end, line in root.logged(" ".join(directive.args[1:])):
            if ANYTHING.fullmatch(end) and not (line and line.name.startswith("~")):
                yield line or directive, f"logs whatever a client writes: {end}"


def the_log_names_who_was_let_in(root: Directive) -> Faults:
    """A name that came with a password is one's own claim until nginx has passed the request on."""

    def claims(name: str) -> bool:
        if name not in root.maps:
            return name == "remote_user"
        if "upstream_status" in root.sources(name):
            return False
        values = [entry.args[-1] for entry in root.maps[name].entries]
        others = {other for value in values for other in variables(value)} - {name}
        return "remote_user" in root.sources(name) or any(map(claims, others))

    for directive in root.all("log_format"):
        for name in variables(" ".join(directive.args[1:])):
            if claims(name):
                yield directive, f"${name} may be somebody who has not been let in"


def alias_has_its_slash(root: Directive) -> Faults:
    """alias wants a slash on both sides: /static.. would lead out of its folder otherwise."""
    for directive in root.all("alias"):
        location = directive.parent
        path = location.args[-1]
        slashes = {path.endswith("/"), directive.args[0].endswith("/")}
        if location.args[0] not in ("=", "~", "~*") and slashes != {True}:
            yield directive, f"a slash is missing: location {path}, {directive}"


# -- How it lasts -------------------------------------------------------------------------------


def nginx_lets_go_first(root: Directive) -> Faults:
    """uvicorn closes a connection after 75 s without a word; a request must not be on its way."""
    for upstream in root.all("upstream"):
        if not upstream.own("keepalive_timeout"):
            yield upstream, "an upstream without keepalive_timeout"
        for limit in upstream.own("keepalive_timeout"):
            parts = re.findall(r"(\d+)([a-z]*)", limit.args[0])
            if sum(int(number) * SECONDS[unit] for number, unit in parts) > 60:
                yield limit, f"longer than 60 s: {limit}"


def maps_take_long_keys(root: Directive) -> Faults:
    """map_hash_bucket_size is 128 or more, and stands before the first map, which settles it."""
    for http in root.all("http"):
        maps = list(http.all("map"))
        keys = [entry.name for m in maps for entry in m.entries if not entry.name.startswith("~")]
        if max(map(len, keys), default=0) < 64:
            continue
        if not http.own("map_hash_bucket_size"):
            yield http, "no map_hash_bucket_size: it is 64 then"
        for size in http.own("map_hash_bucket_size"):
            if int(size.args[0]) < 128:
                yield size, f"less than 128: {size}"
            if size.line > maps[0].line:
                yield size, f"stands after the map in line {maps[0].line}: {size}"


RULES = (
    each_server_asks_for_the_password,
    each_password_is_looked_up,
    no_password_is_switched_off,
    a_session_alone_opens,
    nothing_answers_before_the_password,
    identity_ends_in_literals,
    the_session_is_given_in_one_place,
    values_are_kept_apart,
    captures_stay_in_their_line,
    client_headers_stay_outside,
    one_upgrade_is_passed_on,
    the_address_is_nginxs_own,
    guesses_are_limited,
    sessions_are_never_limited,
    no_header_is_dropped,
    headers_are_on_every_answer,
    each_header_stands_once,
    little_is_told_of_the_server,
    logs_hold_no_secrets,
    no_line_of_the_log_is_forged,
    the_log_names_who_was_let_in,
    alias_has_its_slash,
    nginx_lets_go_first,
    maps_take_long_keys,
)
