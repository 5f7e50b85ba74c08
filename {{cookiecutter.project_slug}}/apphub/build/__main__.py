"""Checks the project, and does once what each start would do otherwise.

If the check finds an error, the build fails and nothing is deployed: the dyno continues with the
previous version.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])


def main() -> None:
    """Run the end of the build.

    Raises:
        SystemExit: with status 1 where the check has found an error.
    """
    from apphub.build import compile as compile_python
    from apphub.build import precompress
    from apphub.check import run_checks
    from apphub.server import gateway

    report = run_checks()
    print(report.render())
    if report.errors:
        sys.exit(1)
    gateway.clear()  # nothing of another start belongs into the slug
    precompress.main()
    compile_python.main()


if __name__ == "__main__":
    # At the end of the path, a module of the project cannot replace one of Python's before the
    # check has found it.
    sys.path[:] = [*(path for path in sys.path if path != ROOT), ROOT]
    main()
