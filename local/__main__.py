import os
import sys

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from local.cli import main

if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # The emulator's worker threads are not daemons: one that waits for a function would hold up the
    # end, and everything that has to be stopped has been.
    os._exit(code)
