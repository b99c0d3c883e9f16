import os
import sys

from local.cli import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
# The emulator's worker threads are not daemons: one that waits for a function would hold up the
# end, and everything that has to be stopped has been.
os._exit(code)
