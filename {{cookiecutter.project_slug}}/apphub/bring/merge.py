"""Merging what an app asks for into requirements.in, which all apps share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apphub.check.requirements import COMMENT_OR_HASH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    from apphub.bring.requirement_lines import Lines


@dataclass
class Merge:
    """What is added to requirements.in, and what is not.

    Attributes:
        added: the new lines.
        changes: what the new lines change for the other apps, as sentences.
        other_versions: the exact versions of packages that the project has in another version,
            and keeps: "pandas==2.2.3".
        conflicts: the lines that contradict requirements.in, and are not added, as sentences.
        refused: the lines that are not for other computers, each with the reason.
    """

    added: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    other_versions: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def text(self, before: str, title: str) -> str:
        """Return requirements.in with the new lines at its end.

        Args:
            before: its text.
            title: the app's name, for a comment.
        """
        end = "" if not before or before.endswith("\n") else "\n"
        return "\n".join([f"{before}{end}# {title}", *self.added, ""])


def plan_merge(lines: Lines, project: str, pins: str, heroku: Mapping[str, str]) -> Merge:
    """Compare what an app asks for with what the project has.

    Args:
        lines: what the app asks for.
        project: the text of requirements.in.
        pins: the text of requirements.txt.
        heroku: the environment of the markers on Heroku.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    merge = Merge(refused=dict(lines.refused))
    present = list(_split(project))
    merge.added = [option for option in lines.options if option not in present]
    wanted = _parse(present)
    pinned = _pinned_versions(pins, heroku)
    for line in dict.fromkeys(lines.requirements):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            if line.startswith(("git+", "http")):
                merge.added += [line] if line not in present else []
            else:
                merge.refused[line] = "cannot be read"
            continue
        name = canonicalize_name(requirement.name)
        here = wanted.get(name, [])
        if str(requirement) in map(str, here):
            continue
        if contradicted := next((each for each in here if not _agree(requirement, each)), None):
            merge.conflicts.append(
                f"{requirement} contradicts {contradicted} in requirements.in, which applies."
            )
            continue
        version = pinned.get(name)
        is_met = not requirement.url and (
            version is None or requirement.specifier.contains(version, prereleases=True)
        )
        has_extras = any(requirement.extras <= each.extras for each in here)
        if here and is_met and has_extras:
            continue
        if version and not is_met and _is_exact(requirement):
            # Most often pip freeze has written it. All of them would pin the other apps' packages.
            merge.other_versions.append(str(requirement))
            continue
        merge.added.append(line)
        if version and not is_met:
            merge.changes.append(
                f"{requirement}: every app has {name} {version} now, and would get this one."
            )
    if merge.other_versions or merge.conflicts:
        _loosen_all(merge)
    return merge


def _loosen_all(merge: Merge) -> None:
    """Add exact versions as the oldest ones.

    A list's versions belong together. Where they do not apply together, one of them alone may not
    fit what all apps share.
    """
    for number, line in enumerate(merge.added):
        if (loosened := _loosen(line)) != line:
            merge.added[number] = loosened
            text = f"{line}: added as {loosened}, because other versions of its list differ."
            merge.changes.append(text)


def _loosen(line: str) -> str:
    """Return "plotly==5.13.1" as "plotly>=5.13.1"."""
    return re.sub(r"={2,3}(?=\s*[\w.!+]+\s*(;|$))", ">=", line, count=1)


def _split(text: str) -> Iterator[str]:
    """Yield the lines of a file of requirements without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if stripped := COMMENT_OR_HASH.split(line.strip())[0].strip():
            yield stripped


def _parse(lines: Iterable[str]) -> dict[str, list[Requirement]]:
    """Return the requirements by their normalized names."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, list[Requirement]] = {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def _pinned_versions(pins: str, heroku: Mapping[str, str]) -> dict[str, str]:
    """Return the exact versions that Heroku installs, by the packages' normalized names."""
    return {
        name: next(iter(requirement.specifier)).version
        for name, requirements in _parse(_split(pins)).items()
        for requirement in requirements
        if len(requirement.specifier) == 1
        and (not requirement.marker or requirement.marker.evaluate(dict(heroku)))
    }


def _is_exact(requirement: Requirement) -> bool:
    return any(specifier.operator in ("==", "===") for specifier in requirement.specifier)


def _agree(one: Requirement, other: Requirement) -> bool:
    """Return whether some version may satisfy both."""
    if one.url or other.url:
        return one.url == other.url
    if one.marker != other.marker and one.marker and other.marker:
        return True  # they may apply to different systems
    both = one.specifier & other.specifier
    return not both or any(both.contains(each, prereleases=True) for each in _candidates(both))


def _candidates(specifiers: SpecifierSet) -> Iterator[str]:
    """Yield versions at, just above and just below each bound: if any fit, one of these does."""
    from packaging.version import InvalidVersion, Version

    yield from ("0", "999999")
    for specifier in specifiers:
        try:
            version = Version(specifier.version.removesuffix(".*"))
        except InvalidVersion:
            continue
        yield from (str(version), f"{version.public}.0.1" if not version.is_prerelease else "0")
        release = [*version.release]
        while release:
            yield ".".join(map(str, [*release[:-1], release[-1] + 1]))
            if release[-1]:
                yield ".".join(map(str, [*release[:-1], release[-1] - 1, 999999]))
            release.pop()
