"""Checks the size of the slug, estimated: Heroku accepts up to 500 MB.

https://devcenter.heroku.com/articles/slug-compiler#slug-size
"""

from __future__ import annotations

import os
import zlib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.check.requirements import NOT_INSTALLED
from apphub.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from apphub.check.project import Project

# In MB. Allowed for what the buildpacks add: Python and pip, nginx, and the Ruby for erb.
MAX_SIZE = 500
BUILDPACKS_SIZE = 50
# What tar and gzip leave of the packages of a new project: compiled by pip, their text files
# compressed by build/precompress.py.
PACKED = 0.37
LARGE_FILE = 1e6
SAMPLE_BYTES = 2**17


def check(project: Project) -> Generator[Finding, None, str]:
    """Yield a finding where the slug is too large. Return the size, for the list of what passed."""
    pins, installed = project.pins, project.installed
    if pins.for_here - installed.keys():
        raise CheckSkipped(NOT_INSTALLED)
    sizes = {
        name: PACKED * installed[name].size / 1e6 for name in pins.for_heroku & installed.keys()
    }
    for path in find_deployed_files(project):
        sizes[project.name(path)] = estimate_packed_size(path) / 1e6
    total = BUILDPACKS_SIZE + sum(sizes.values())
    unknown = sorted(pins.for_heroku - installed.keys())
    without = f", not counting {', '.join(unknown)}" if unknown else ""
    if total > MAX_SIZE:
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:4]
        listed = ", ".join(f"{name} {sizes[name]:.0f} MB" for name in largest)
        yield Finding(
            "slug-too-large",
            f"the slug would have about {total:.0f} MB{without}, and Heroku accepts {MAX_SIZE} MB. "
            f"The largest parts: {listed}.",
            hint="Remove packages that no app needs from requirements.in, and add files that no "
            "app reads to .slugignore.",
            # In the build, Heroku itself measures it.
            severity="warning" if project.on_heroku else "error",
        )
    return f"about {total:.0f} of {MAX_SIZE} MB{without}"


def find_deployed_files(project: Project) -> Iterator[Path]:
    """Yield the files that Heroku gets: what git would commit, without what .slugignore lists."""
    rules = [line.strip().strip("/") for line in project.text(".slugignore").splitlines()]
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    for name in set(_find_files(project)):
        is_ignored = any(
            fnmatch(name, rule) or name.startswith(f"{rule}/") or fnmatch(part, rule)
            for rule in rules
            for part in name.split("/")
        )
        if not is_ignored and project.has(name):
            yield project.root / name


def _find_files(project: Project) -> list[str]:
    if not project.on_heroku:
        try:
            return project.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        except CheckSkipped:
            pass
    names = []
    for top, folders, files in os.walk(project.root):
        folder = Path(top)
        environments = {name for name in folders if (folder / name / "pyvenv.cfg").exists()}
        folders[:] = {*folders} - environments - {".git", ".heroku", "__pycache__"}
        names += [project.name(folder / name) for name in files]
    return names


def estimate_packed_size(path: Path) -> float:
    """Return the size of a file after compression, in bytes; of a large one, by a sample."""
    size = path.stat().st_size
    if size < LARGE_FILE:
        return size
    with path.open("rb") as file:
        file.seek(size // 2)
        sample = file.read(SAMPLE_BYTES)
    return size * min(1, len(zlib.compress(sample, 6)) / len(sample))
