"""`python -m drills`."""

import sys

from command_line import ending

if __name__ == "__main__":
    ending.prepare()

from drills.cli import main

if __name__ == "__main__":
    sys.exit(main())
