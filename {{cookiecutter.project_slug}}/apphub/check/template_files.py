"""Checks that apphub/ is as the template wrote it: an update replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apphub.check.report import CheckSkipped
from apphub.finding import Finding
from apphub.record import compute_hashes, read_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apphub.check.project import Project

FOLDER = "apphub"


def check(project: Project) -> Iterator[Finding]:
    """Yield a warning for each file of apphub/ that is not as the template wrote it."""
    try:
        recorded = read_record(project.root / FOLDER)
        present = compute_hashes(project.root / FOLDER)
    except OSError:
        raise CheckSkipped from None
    for name in sorted(recorded.keys() | present.keys()):
        if name not in present:
            code, text = "template-file-missing", "was deleted; an update will restore it."
        elif name not in recorded:
            code, text = "template-file-extra", "is not the template's; an update will remove it."
        elif recorded[name] != present[name]:
            code, text = "template-file-edited", "was edited; an update will replace it."
        else:
            continue
        hint = "" if name not in present else "Put your own code and settings outside apphub/."
        yield Finding(code, text, f"{FOLDER}/{name}", hint, "warning")
