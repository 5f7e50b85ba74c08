"""Starts apphub.server for a Procfile that starts server.py. Change that, then delete this file."""

import sys

from apphub.paths import PROCFILE_COMMAND
from apphub.server.__main__ import main

if __name__ == "__main__":
    print(f"at=warning server: Procfile starts server.py. Write: web: {PROCFILE_COMMAND}")
    main(sys.argv[1:])
