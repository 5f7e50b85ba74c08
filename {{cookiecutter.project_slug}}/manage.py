"""Manage users and apps, check, run locally, deploy: `python manage.py` lists the commands."""

import sys

sys.path.append(sys.path.pop(0))  # last: a secrets.py of yours does not replace Python's

from apphub.cli import main

main()
