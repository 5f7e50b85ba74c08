"""Rules: a script app answers only those who may enter it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apphub.check.nginx_rules.directives import is_literal
from apphub.check.nginx_rules.includes import SERVER_CONF
from apphub.check.nginx_rules.rule import Rule, Violation
from apphub.paths import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.nginx_rules.directives import Directive

PAGES = f"{GENERATED}/pages"
APP_UPSTREAM = re.compile(r"app_[0-9]+(_[0-9]+)?")


def sends_app_pages(location: Directive | None) -> bool:
    """Return whether this is the template's location that sends the index pages of script apps.

    It requires a password, and $app_page chooses the file, not the client.
    """
    return (
        location is not None
        and str(location) == "location = /.app-page"
        and location.place.startswith(f"{SERVER_CONF},")
        and location.is_set("auth_basic", "$realm")
        and [each.args for each in location.own("try_files")] == [["$app_page", "=404"]]
        and [each.args for each in location.own("root")] == [[PAGES]]
    )


def apps_answer_their_users_only(main: Directive) -> Iterator[Violation]:
    """Only $backend, which a map from the user sets, leads to the process of a script app."""
    for directive in main.all("proxy_pass"):
        target = directive.arg(0).rpartition("://")[2].partition("/")[0]
        upstreams = {target} if is_literal(target) else main.resolve(target).literals
        if target != "$backend" and any(map(APP_UPSTREAM.fullmatch, upstreams)):
            yield Violation(directive, f"leads every user to an app: {directive}")


RULES = (
    Rule(
        "nginx-app-access",
        apps_answer_their_users_only,
        "Use $backend, which depends on the address and the user.",
    ),
)
