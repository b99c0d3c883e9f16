"""The files that are made from the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from assurance.api_docs import openapi, tables

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
OPENAPI: Final = DOCS / "openapi.yaml"
GUIDE: Final = DOCS / "payments.md"


def written() -> dict[Path, str]:
    """What each file must hold."""
    return {OPENAPI: openapi.text(), GUIDE: tables.renew(GUIDE.read_text(encoding="utf-8"))}
