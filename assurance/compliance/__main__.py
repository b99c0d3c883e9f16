"""`make docs`: write docs/acknowledgements.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from assurance.compliance import document
from ops.console import files

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "acknowledgements.md"

if __name__ == "__main__":
    sys.exit(ending.run(lambda: files.write(PAGE, document.text())))
