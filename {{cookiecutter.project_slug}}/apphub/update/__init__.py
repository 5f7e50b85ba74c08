"""Updates: what the hook does with an existing project, and the command `manage.py update`."""

from apphub.update.command import UpdateError, update

__all__ = ["UpdateError", "update"]
