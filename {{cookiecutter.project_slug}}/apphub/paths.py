"""Where things are in the project."""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP_TEMPLATE = ROOT / "config/app_template.py"  # `manage.py add-app` copies it
ICON = ROOT / "config/icon.svg"  # in the browser's tab

# Relative to the project's root.
NGINX_CONF = "config/nginx.conf.erb"  # the user's; bin/start-nginx renders it
GENERATED = "config/generated"  # written by server/gateway.py at each start
PROCFILE_COMMAND = "python -m apphub.server bin/start-nginx"

# A dyno has its own /tmp. Where several servers run on one computer, each has a folder instead.
RUNTIME = Path(os.environ.get("RUNTIME_DIRECTORY", "/tmp"))  # noqa: S108
READY = RUNTIME / "app-initialized"  # bin/start-nginx waits for it


def worker_socket(number: int, runtime: Path = RUNTIME) -> Path:
    """Return the path of the unix socket at which a worker listens. Workers count from 1."""
    return runtime / ("streamlit.socket" if number == 1 else f"streamlit.{number}.socket")


def app_socket(url_path: str, number: int = 1, runtime: Path = RUNTIME) -> Path:
    """Return the path of the unix socket of a script's process. Its processes count from 1.

    The system allows a hundred bytes, fewer than an app's name may have.
    """
    digest = hashlib.sha256(url_path.encode()).hexdigest()[:12]
    return runtime / f"app.{digest}.{number}.socket"


def find_static_files() -> Path | None:
    """Return the folder that Streamlit serves at /static/, or None. Streamlit is not imported."""
    streamlit = find_spec("streamlit")
    for package in (streamlit and streamlit.submodule_search_locations) or ():
        if (folder := Path(package) / "static" / "static").is_dir():
            return folder
    return None
