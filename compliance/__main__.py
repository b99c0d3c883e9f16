"""`make docs`: write docs/acknowledgements.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from compliance import document

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "acknowledgements.md"

if __name__ == "__main__":
    PAGE.write_text(document.text())
