"""`python -m apphub.server bin/start-nginx`, as the Procfile has it."""

import sys

from apphub.server.supervisor import main

if __name__ == "__main__":
    main(sys.argv[1:])
