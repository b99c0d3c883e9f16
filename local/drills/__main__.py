"""`python -m local.drills`."""

import sys

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from local.drills.cli import main

if __name__ == "__main__":
    sys.exit(main())
