"""``PYTHONPATH=lambda_code python -m tests.integration.ledger.previous_release.renew``

The release just made is now the one before the next. Run it when a release is in production, and
commit what it writes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from ledger_schema.migrator import read

from building_blocks.bundle import SOURCES

HERE: Final = Path(__file__).resolve().parent

MIGRATIONS: Final = HERE / "migrations.json"
"""The migrations that are in production: SHA-256 by name."""

PACKAGES: Final = (
    "ledger",
    "payments",
    "audit_trail",
    "payment_validator",
    "payment_processor",
    "audit_logger",
)
"""The functions that payments pass through, and what they share."""


def renew() -> None:
    for package in PACKAGES:
        shutil.rmtree(HERE / package, ignore_errors=True)
        shutil.copytree(
            SOURCES / package,
            HERE / package,
            ignore=shutil.ignore_patterns("__pycache__", "requirements.*"),
        )
    released = {migration.name: migration.checksum for migration in read()}
    MIGRATIONS.write_text(json.dumps(released, indent=2) + "\n")


if __name__ == "__main__":
    renew()
