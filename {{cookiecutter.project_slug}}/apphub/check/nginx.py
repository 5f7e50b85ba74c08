"""Checks config/nginx.conf.erb: it is rendered, read by nginx, and checked against the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.nginx_render import LineMap, RenderError, copy_project
from apphub.check.nginx_rules import find_violations
from apphub.check.nginx_rules.parsing import CONFIGURATION, ParseError, parse
from apphub.check.nginx_syntax import check_syntax
from apphub.check.report import CheckSkipped
from apphub.finding import Finding
from apphub.paths import NGINX_CONF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project

RULES_FOLDER = "apphub/nginx/"


def check(project: Project) -> Iterator[Finding]:
    """Yield what is wrong with the configuration."""
    if not project.has(NGINX_CONF):
        yield Finding(
            "nginx-conf-missing",
            "the file is missing. Heroku would use a configuration of its own, which asks for no "
            "password.",
            NGINX_CONF,
            f"Restore it: git checkout HEAD -- {NGINX_CONF}",
        )
    elif _is_outdated(project):
        yield _outdated(project)
    else:
        try:
            yield from _check_rendered(project)
        except RenderError as error:
            yield error.finding


def _is_outdated(project: Project) -> bool:
    """Return whether the file is an earlier version's, which has all rules in itself."""
    files = [NGINX_CONF, *map(project.name, (project.root / "config").glob("*.conf"))]
    return not any(RULES_FOLDER in project.text(name) for name in files if name != CONFIGURATION)


def _outdated(project: Project) -> Finding:
    new = f"{NGINX_CONF}.new"
    hint = (
        f"Move your own locations, if any, into {new}, then: mv {new} {NGINX_CONF}"
        if project.has(new)
        else f"Get the new file: python manage.py update (it writes {new}), move your own "
        f"locations, if any, into it, then: mv {new} {NGINX_CONF}"
    )
    text = f"the file is an earlier version's: it does not include {RULES_FOLDER}http.conf and "
    return Finding("nginx-outdated", f"{text}server.conf.", NGINX_CONF, hint)


def _check_rendered(project: Project) -> Iterator[Finding]:
    """Yield what nginx refuses, and what breaks a rule.

    Raises:
        RenderError: it cannot be rendered.
        CheckSkipped: something that is needed is not installed here.
    """
    skipped: CheckSkipped | None = None
    syntax: Finding | None = None
    with copy_project(project) as folder:
        rendered = (folder / CONFIGURATION).read_text("utf-8")
        lines = LineMap(project.text(NGINX_CONF), rendered)
        try:
            if syntax := check_syntax(project, folder, lines):
                yield syntax
        except CheckSkipped as reason:
            skipped = reason
        try:
            yield from find_violations(parse(folder, lines.locate))
        except CheckSkipped as reason:
            if not project.on_heroku:
                raise
            # The last chance to look: no build without it.
            text = f"the file was not checked: {reason.reason}"
            yield Finding("nginx-unchecked", f"{text.rstrip('.')}.", NGINX_CONF)
        except ParseError as error:
            if not syntax:  # else nginx has said it already
                yield Finding("nginx-syntax", f"cannot be parsed: {error}.", error.place)
    if skipped:
        raise skipped
