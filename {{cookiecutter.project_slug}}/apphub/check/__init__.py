"""What would break a deploy or make it insecure: `manage.py check`, and the end of the build.

The project is read; nothing of it is imported or run, except config/nginx.conf.erb in a copy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from apphub.check import (
    access,
    apps,
    entry_point,
    git,
    nginx,
    packages,
    procfile,
    python_version,
    secrets_in_git,
    secrets_provided,
    shadowing,
    slug_size,
    template_files,
)
from apphub.check.access import check_access
from apphub.check.project import Project
from apphub.check.report import CheckSkipped, Report, Skipped
from apphub.check.secrets_in_git import describe_secret
from apphub.finding import Finding
from apphub.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["CHECKS", "CheckSkipped", "Report", "check_access", "describe_secret", "run_checks"]

# In the order of the report. None depends on another one.
CHECKS: dict[str, Callable[[Project], Iterator[Finding]]] = {
    "users and menu": access.check,
    "Procfile": procfile.check,
    "app.py": entry_point.check,
    "module names": shadowing.check,
    "apps": apps.check,
    "secrets": secrets_provided.check,
    "packages": packages.check,
    "Python version": python_version.check,
    "git": git.check,
    "secrets in git": secrets_in_git.check,
    "slug size": slug_size.check,
    "nginx": nginx.check,
    "template files": template_files.check,
}


def run_checks(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> Report:
    """Run all checks.

    Args:
        root: the project's folder.
        environ: the environment. Programs that a check starts get it, too.

    Returns:
        What they found. One that fails itself becomes an error, and the others run all the same.
    """
    project, report = Project(root, environ), Report()
    for name, check in CHECKS.items():
        _run(name, check, project, report)
    return report


def _run(
    name: str,
    check: Callable[[Project], Iterator[Finding]],
    project: Project,
    report: Report,
) -> None:
    before = len(report.errors)
    result = None
    findings = check(project)
    try:
        while True:
            report.add(next(findings))
    except StopIteration as end:
        result = end.value
    except CheckSkipped as skipped:
        report.skipped.append(Skipped(skipped.part or name, skipped.reason))
        if not skipped.part:
            return
    except Exception as error:  # noqa: BLE001
        text = f"this check failed: {type(error).__name__}: {error}"
        report.add(
            Finding(
                "check-failed",
                text,
                name,
                "Report it: https://github.com/org/streamlit-heroku/issues",
            )
        )
    if len(report.errors) == before:
        report.passed.append(f"{name} ({result})" if result else name)
