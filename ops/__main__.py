import sys
from pathlib import Path

# The audit trail's objects are described where they are written, in the functions' code.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambda_code"))

from ops.cli import main

sys.exit(main())
