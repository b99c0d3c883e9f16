"""`python -m audit_trail`: the operators' command line for the audit trail."""

from __future__ import annotations

import sys
from pathlib import Path

from command_line import ending

if __name__ == "__main__":
    ending.prepare()

# The chain is defined where it is written, in the functions' code.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambda_code"))

from audit_trail.cli import main

if __name__ == "__main__":
    sys.exit(main())
