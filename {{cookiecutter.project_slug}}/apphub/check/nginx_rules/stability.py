"""Rules: connections to Streamlit, and the size of hash tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.rule import Rule, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive

SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_KEEPALIVE = 60  # uvicorn closes an idle connection after 75 s, in server/worker.py
LONG_KEY = 64
MIN_BUCKET_SIZE = 128


def nginx_closes_connections_first(main: Directive) -> Iterator[Violation]:
    """uvicorn must not close a connection while nginx sends a request on it."""
    for upstream in main.all("upstream"):
        if not upstream.own("keepalive_timeout"):
            yield Violation(upstream, "the upstream has no keepalive_timeout")
        for limit in upstream.own("keepalive_timeout"):
            parts = re.findall(r"(\d+)([a-z]*)", limit.arg(0))
            if sum(int(number) * SECONDS.get(unit, 1) for number, unit in parts) > MAX_KEEPALIVE:
                yield Violation(limit, f"it is longer than {MAX_KEEPALIVE} s: {limit}")


def maps_accept_long_keys(main: Directive) -> Iterator[Violation]:
    """map_hash_bucket_size is 128 or more, before the first map, which fixes it."""
    for http in main.all("http"):
        maps = list(http.all("map"))
        keys = [entry.name for each in maps for entry in each.entries]
        if max((len(key) for key in keys if not key.startswith("~")), default=0) < LONG_KEY:
            continue
        sizes = http.own("map_hash_bucket_size")
        if not sizes:
            yield Violation(http, "there is no map_hash_bucket_size, so it is 64")
        for size in sizes:
            if int(re.sub(r"\D", "", size.arg(0)) or 0) < MIN_BUCKET_SIZE:
                yield Violation(size, f"it is less than {MIN_BUCKET_SIZE}: {size}")
            if size.order > maps[0].order:
                yield Violation(maps[0], f"the map is before map_hash_bucket_size in {size.place}")


RULES = (
    Rule(
        "nginx-keepalive",
        nginx_closes_connections_first,
        f"Set keepalive_timeout to {MAX_KEEPALIVE}s or less in the upstream.",
    ),
    Rule(
        "nginx-map-hash",
        maps_accept_long_keys,
        "Put your own maps after the include of apphub/nginx/http.conf, which sets it.",
    ),
)
