"""`python -m bioresearcher`."""

import sys

from bioresearcher.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
