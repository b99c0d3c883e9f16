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

MODULES: Final = ("__init__.py", "posting.py", "session.py")
"""Of the package ``ledger``: all of it that speaks SQL as payment-processor."""


def renew() -> None:
    for module in MODULES:
        shutil.copyfile(SOURCES / "ledger" / module, HERE / "ledger" / module)
    released = {migration.name: migration.checksum for migration in read()}
    MIGRATIONS.write_text(json.dumps(released, indent=2) + "\n")


if __name__ == "__main__":
    renew()
