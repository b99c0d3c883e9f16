"""``PYTHONPATH=lambda_code python -m tests.integration.ledger.previous_release.renew``

The release just made is now the one before the next. Run it when a release is in production, and
commit what it writes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ledger_schema.migrator import read

from building_blocks.bundle import SOURCES

HERE: Final = Path(__file__).resolve().parent

FUNCTIONS: Final = HERE / "functions.zip"
"""The functions that payments pass through, and what they share, as they were. An archive: whoever
searches the project's code finds today's only."""

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


def renew() -> None:
    with TemporaryDirectory() as folder:
        for package in PACKAGES:
            shutil.copytree(
                SOURCES / package,
                Path(folder) / package,
                ignore=shutil.ignore_patterns("__pycache__", "requirements.*"),
            )
        shutil.make_archive(str(FUNCTIONS.with_suffix("")), "zip", folder)
    released = {migration.name: migration.checksum for migration in read()}
    MIGRATIONS.write_text(json.dumps(released, indent=2) + "\n")


if __name__ == "__main__":
    renew()
