"""Schema migrations: SQL files, applied in order, once, each in a transaction of its own.

Migrations only add (expand; contract in a later release), so that the release before still runs
on what a later one has applied: a migration that is applied but not in the bundle is no error.

Nothing waits without end: for another migrator, for a lock that a migration needs, and for the
migration itself there are limits. What is told of a failure stands in CloudFormation's event.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

FILES = Path(__file__).parent / "migrations"

# One migrator at a time, in this database. Any constant will do.
LOCK = 4_242_001

# Seconds to wait for another migrator. CloudFormation runs one update of a stack at a time, and the
# function one execution: it would be one that was cut off, whose connection is about to be noticed
# as dead, or a person.
MIGRATOR_PATIENCE = 60.0
# Seconds to wait for each lock: statements on the table queue up behind the waiting migration, and
# payments in them go to the retry queue after two.
LOCK_PATIENCE = 5.0
# Seconds that a migration may take, all its statements together.
MIGRATION_LIMIT = 120.0
# Seconds by which the whole transaction may outlast a statement's limit: ending the transaction
# ends the connection (PostgreSQL, `transaction_timeout`), so a statement is to be stopped first.
_GRACE = 2.0

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The migrations cannot be applied; the text says which, and why."""


@dataclass(frozen=True)
class Migration:
    """One file NNNN_name.sql.

    Attributes:
        checksum: SHA-256 (hex) of `sql`, whose lines end with LF.
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
        # As it was released, whatever ends of lines a checkout has.
        content = path.read_bytes().replace(b"\r\n", b"\n")
        checksum = hashlib.sha256(content).hexdigest()
        migrations.append(Migration(int(match[1]), path.name, content.decode(), checksum))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError(f"the migrations in {directory.name} do not run from 0001 on")
    return migrations


def migrate(
    connection: Connection,
    migrations: list[Migration],
    time_left: Callable[[], float] = lambda: MIGRATOR_PATIENCE + MIGRATION_LIMIT,
) -> list[str]:
    """Apply what is not applied yet; return the names.

    Args:
        connection: the migrator's own: the lock against others is held until it is closed.
        time_left: seconds that all that is still to be done may take.

    Raises:
        MigrationError: an applied migration was edited since, another migrator is at work, or a
            migration failed or took too long: then it, and what follows it, is not applied.
    """
    _keep_others_out(connection, min(MIGRATOR_PATIENCE, time_left()))
    connection.run(
        "CREATE SCHEMA IF NOT EXISTS ledger; "
        "CREATE TABLE IF NOT EXISTS ledger.schema_migrations ("
        " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    applied = dict(connection.run("SELECT version, checksum FROM ledger.schema_migrations"))
    edited = [m.name for m in migrations if applied.get(m.version, m.checksum) != m.checksum]
    if edited:
        raise MigrationError(
            f"edited after it was applied: {', '.join(edited)}. Nothing was applied. Restore the "
            "file as it was released, and put the change into a new migration."
        )
    pending = [migration for migration in migrations if migration.version not in applied]
    for migration in pending:
        _apply(connection, migration, min(MIGRATION_LIMIT, time_left()))
    return [migration.name for migration in pending]


def _keep_others_out(connection: Connection, patience: float) -> None:
    connection.run(f"SET lock_timeout = {_milliseconds(patience)}")
    try:
        connection.run(f"SELECT pg_advisory_lock({LOCK})")
    except DatabaseError as error:
        if _fields(error).get("C") != _LOCK_NOT_AVAILABLE:
            raise
        raise MigrationError(
            f"another migrator was at work for {round(patience)} s: {_holder(connection)}. "
            "Nothing was applied. Deploy again when it is done; if it hangs, end it first, with "
            "pg_terminate_backend and its pid."
        ) from error


def _holder(connection: Connection) -> str:
    """Who holds the lock against others."""
    rows = connection.run(
        "SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamp(0)::text "
        "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' "
        "AND l.classid = 0 AND l.objid = :lock AND l.granted AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        lock=LOCK,
    )
    holders = [
        f"pid {pid} of {user}, {application or 'of no name'}, connected since {since}"
        for pid, user, application, since in rows
    ]
    return "; ".join(holders) or "it has ended meanwhile"


def _apply(connection: Connection, migration: Migration, limit: float) -> None:
    started = time.monotonic()
    connection.run("BEGIN")
    try:
        connection.run(
            f"SET LOCAL lock_timeout = {_milliseconds(LOCK_PATIENCE)}; "
            f"SET LOCAL statement_timeout = {_milliseconds(limit)}; "
            f"SET LOCAL transaction_timeout = {_milliseconds(limit + _GRACE)}"
        )
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
        fields = _fields(error)
        told = f"{fields['M']} (SQLSTATE {fields['C']})" if fields else f"connection lost, {error}"
        advice = _advice(fields.get("C"), time.monotonic() - started, limit)
        raise MigrationError(
            f"{migration.name}: {told}. It was rolled back; what follows it was not tried. {advice}"
        ) from error


def _advice(state: str | None, taken: float, limit: float) -> str:
    """What to do about a migration that failed.

    Args:
        state: SQLSTATE (PostgreSQL, appendix A); None if the connection broke, as it does when the
            server ends a whole transaction: the driver loses the server's last word.
        taken: seconds.
    """
    if state == _LOCK_NOT_AVAILABLE:
        return (
            f"It waited {LOCK_PATIENCE:g} s for a lock that somebody holds: see pg_stat_activity, "
            "end the long transaction there, and deploy again."
        )
    if state == _QUERY_CANCELED or (state is None and taken >= limit):
        return (
            f"It may take {limit:g} s. Split it into smaller ones, or do the long part "
            "beforehand, in batches."
        )
    if state is None:
        return "Deploy again."
    return "Mend the file, which may be edited as long as it is applied nowhere, and deploy again."


_LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"


def _milliseconds(seconds: float) -> int:
    """At least one: none at all would mean no limit."""
    return max(round(seconds * 1000), 1)


def _fields(error: Exception) -> dict[str, str]:
    """What the server told of an error (PostgreSQL, "Error and Notice Message Fields")."""
    fields = error.args[0] if error.args else None
    return fields if isinstance(fields, dict) else {}
