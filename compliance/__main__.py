"""`make docs`: write docs/acknowledgements.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from command_line import ending

if __name__ == "__main__":
    ending.prepare()

from command_line import files
from compliance import document

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "acknowledgements.md"

if __name__ == "__main__":
    sys.exit(ending.run(lambda: files.write(PAGE, document.text())))
