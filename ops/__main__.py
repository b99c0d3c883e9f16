import sys
from pathlib import Path

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

# The audit trail's objects are described where they are written, in the functions' code.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambda_code"))

from ops.cli import main

if __name__ == "__main__":
    sys.exit(main())
