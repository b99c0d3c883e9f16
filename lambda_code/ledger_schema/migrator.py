"""Schema migrations: SQL files, applied in order, once, each in a transaction of its own.

Migrations only add (expand; contract in a later release), so that the release before still runs
on what a later one has applied: a migration that is applied but not in the bundle is no error.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pg8000.native import Connection  # type: ignore[import-untyped]

FILES = Path(__file__).parent / "migrations"

# One migrator at a time, in this database. Any constant will do.
LOCK = 4_242_001

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The migrations cannot be applied; the text says which, and why."""


@dataclass(frozen=True)
class Migration:
    """One file NNNN_name.sql.

    Attributes:
        checksum: SHA-256 (hex) of the file.
    """

    version: int
    name: str
    sql: str
    checksum: str


def read(directory: Path = FILES) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        MigrationError: a name is not NNNN_name.sql, or the numbers do not run 1, 2, 3 ….
    """
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named NNNN_name.sql")
        content = path.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        migrations.append(Migration(int(match[1]), path.name, content.decode(), checksum))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError(f"the migrations in {directory.name} do not run from 0001 on")
    return migrations


def migrate(connection: Connection, migrations: list[Migration]) -> list[str]:
    """Apply what is not applied yet; return the names.

    Args:
        connection: the migrator's own: the lock against others is held until it is closed.

    Raises:
        MigrationError: an applied migration was edited since, or one failed: then it, and what
            follows it, is not applied.
    """
    connection.run(f"SELECT pg_advisory_lock({LOCK})")
    connection.run(
        "CREATE SCHEMA IF NOT EXISTS ledger; "
        "CREATE TABLE IF NOT EXISTS ledger.schema_migrations ("
        " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    applied = dict(connection.run("SELECT version, checksum FROM ledger.schema_migrations"))
    edited = [m.name for m in migrations if applied.get(m.version, m.checksum) != m.checksum]
    if edited:
        raise MigrationError(f"edited after it was applied: {', '.join(edited)}")
    pending = [migration for migration in migrations if migration.version not in applied]
    for migration in pending:
        _apply(connection, migration)
    return [migration.name for migration in pending]


def _apply(connection: Connection, migration: Migration) -> None:
    connection.run("BEGIN")
    try:
        connection.run(migration.sql)
        connection.run(
            "INSERT INTO ledger.schema_migrations (version, name, checksum) "
            "VALUES (:version, :name, :checksum)",
            version=migration.version,
            name=migration.name,
            checksum=migration.checksum,
        )
        connection.run("COMMIT")
    except Exception as error:
        with suppress(Exception):  # a broken connection has rolled back
            connection.run("ROLLBACK")
        raise MigrationError(f"{migration.name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    fields = error.args[0] if error.args else None
    if isinstance(fields, dict):
        return f"{fields.get('M')} (SQLSTATE {fields.get('C')})"
    return str(error)
