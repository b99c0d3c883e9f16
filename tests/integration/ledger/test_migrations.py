"""Migrations: in order, once, one at a time, all of a file or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from ledger_schema import handler, migrator
from ledger_schema.migrator import MigrationError, migrate, read
from pg8000.native import Connection, InterfaceError  # type: ignore[import-untyped]

from local.postgres import PostgresServer
from nested.data.ledger_schema import MIGRATION_TIMEOUT_SECONDS
from tests.integration.ledger.conftest import MASTER, write_migrations


@pytest.fixture
def connections(
    server: PostgresServer, new_database: Callable[[], str]
) -> Iterator[list[Connection]]:
    """Two of the master user to an empty database."""
    name = new_database()
    opened = [server.connect(MASTER, name) for _ in range(2)]
    yield opened
    for connection in opened:
        with suppress(InterfaceError):  # the server has ended it
            connection.close()


@pytest.fixture
def connection(connections: list[Connection]) -> Connection:
    return connections[0]


def tables(connection: Connection) -> set[str]:
    return {
        row[0]
        for row in connection.run(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ledger'"
        )
    }


def test_from_nothing_every_migration_is_applied(connection: Connection) -> None:
    names = [migration.name for migration in read()]
    assert migrate(connection, read()) == names
    assert tables(connection) == {
        "accounts",
        "entries",
        "postings",
        "outbox",
        "refusals",
        "schema_migrations",
    }
    assert connection.run("SELECT name FROM ledger.schema_migrations ORDER BY version") == [
        [name] for name in names
    ]


def test_a_second_run_applies_nothing(connection: Connection) -> None:
    migrate(connection, read())
    assert migrate(connection, read()) == []


def test_a_new_migration_is_applied_alone(connection: Connection, tmp_path: Path) -> None:
    first = "CREATE TABLE ledger.first (id int)"
    migrate(connection, read(write_migrations(tmp_path, first)))
    write_migrations(tmp_path, first, "CREATE TABLE ledger.second (id int)")
    assert migrate(connection, read(tmp_path)) == ["0002_test.sql"]
    assert {"first", "second"} <= tables(connection)


def test_an_edited_migration_is_refused(connection: Connection, tmp_path: Path) -> None:
    migrate(connection, read(write_migrations(tmp_path, "CREATE TABLE ledger.first (id int)")))
    write_migrations(
        tmp_path, "CREATE TABLE ledger.first (id bigint)", "CREATE TABLE ledger.second (id int)"
    )
    with pytest.raises(MigrationError, match=r"edited after it was applied: 0001_test\.sql"):
        migrate(connection, read(tmp_path))
    assert "second" not in tables(connection)


def test_a_failing_migration_leaves_nothing_of_itself(
    connection: Connection, tmp_path: Path
) -> None:
    write_migrations(
        tmp_path,
        "CREATE TABLE ledger.first (id int)",
        "CREATE TABLE ledger.second (id int); SELECT 1 / 0",
        "CREATE TABLE ledger.third (id int)",
    )
    with pytest.raises(MigrationError, match=r"0002_test\.sql: division by zero \(SQLSTATE 22012"):
        migrate(connection, read(tmp_path))
    assert tables(connection) == {"schema_migrations", "first"}


def test_a_migration_that_cannot_be_recorded_is_not_applied(
    connection: Connection, tmp_path: Path
) -> None:
    write_migrations(tmp_path, "ALTER TABLE ledger.schema_migrations RENAME TO gone")
    with pytest.raises(MigrationError, match="schema_migrations"):
        migrate(connection, read(tmp_path))
    assert tables(connection) == {"schema_migrations"}


def test_a_release_before_runs_on_what_a_later_one_applied(
    connection: Connection, tmp_path: Path
) -> None:
    """A rollback brings back the older bundle, not the older schema."""
    write_migrations(tmp_path, "SELECT 1", "SELECT 2")
    later = read(tmp_path)
    migrate(connection, later)
    assert migrate(connection, later[:1]) == []


def test_two_migrators_at_once_apply_each_migration_once(connections: list[Connection]) -> None:
    def work(connection: Connection) -> list[str]:
        applied = migrate(connection, read())
        connection.run("SELECT pg_advisory_unlock_all()")  # as closing it does
        return applied

    with ThreadPoolExecutor(2) as pool:
        applied = sorted(pool.map(work, connections))
    assert applied == [[], [migration.name for migration in read()]]


def test_waiting_for_another_migrator_ends_and_tells_who_it_is(
    connections: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = connections
    second.run(f"SELECT pg_advisory_lock({migrator.LOCK})")
    ((pid,),) = second.run("SELECT pg_backend_pid()")
    monkeypatch.setattr(migrator, "MIGRATOR_PATIENCE", 0.2)
    with pytest.raises(MigrationError, match=rf"pid {pid} of {MASTER}, .*Nothing was applied"):
        migrate(first, read())
    assert tables(first) == set()
    second.run("SELECT pg_advisory_unlock_all()")
    assert migrate(first, read()) == [migration.name for migration in read()]


def test_a_migrator_that_died_is_in_nobodys_way(
    server: PostgresServer, new_database: Callable[[], str]
) -> None:
    name = new_database()
    dead = server.connect(MASTER, name)
    dead.run(f"SELECT pg_advisory_lock({migrator.LOCK})")
    dead._usock.close()  # without a word to the server, as a killed process ends
    dead._sock.close()
    alive = server.connect(MASTER, name)
    assert migrate(alive, read()) == [migration.name for migration in read()]
    alive.close()


def test_a_migration_does_not_wait_long_for_a_lock(
    connections: list[Connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it waits for, the payments on that table wait for behind it."""
    migrating, working = connections
    first = "CREATE TABLE ledger.first (id int)"
    migrate(migrating, read(write_migrations(tmp_path, first)))
    write_migrations(tmp_path, first, "ALTER TABLE ledger.first ADD COLUMN more int")
    working.run("BEGIN")
    working.run("SELECT FROM ledger.first")
    monkeypatch.setattr(migrator, "LOCK_PATIENCE", 0.2)
    with pytest.raises(MigrationError, match=r"0002_test\.sql: .*55P03.*0\.2 s for a lock.*again"):
        migrate(migrating, read(tmp_path))
    working.run("COMMIT")
    assert migrate(migrating, read(tmp_path)) == ["0002_test.sql"]


# A statement is stopped, and the connection stays; all of them together end with the connection.
TOO_LONG = {
    "SQLSTATE 57014": "SELECT pg_sleep(30)",
    "connection lost": "SELECT pg_sleep(0.1);" * 300,
}


@pytest.mark.parametrize(("told", "sql"), TOO_LONG.items(), ids=TOO_LONG)
def test_a_migration_that_takes_too_long_is_ended(
    connections: list[Connection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: str,
    sql: str,
) -> None:
    monkeypatch.setattr(migrator, "MIGRATION_LIMIT", 0.3)
    monkeypatch.setattr(migrator, "_GRACE", 0.3)
    migrating, looking = connections
    write_migrations(tmp_path, "CREATE TABLE ledger.first (id int)", sql)
    started = time.monotonic()
    with pytest.raises(
        MigrationError, match=rf"0002_test\.sql: .*{told}.* It may take 0\.3 s\. Split"
    ):
        migrate(migrating, read(tmp_path))
    assert time.monotonic() - started < 10
    assert tables(looking) == {"schema_migrations", "first"}


def test_a_connection_that_breaks_is_told_as_such(
    connections: list[Connection], tmp_path: Path
) -> None:
    write_migrations(tmp_path, "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(MigrationError, match=r"0001_test\.sql: connection lost, .* Deploy again"):
        migrate(connections[0], read(tmp_path))


def test_a_migration_gets_no_more_time_than_there_is(
    connection: Connection, tmp_path: Path
) -> None:
    """CloudFormation must be answered before the function's own time is up."""
    write_migrations(tmp_path, "SELECT pg_sleep(30)")
    with pytest.raises(MigrationError, match=r"It may take 0\.4 s"):
        migrate(connection, read(tmp_path), lambda: 0.4)


def test_all_waits_together_fit_into_the_functions_time() -> None:
    waits = handler.PATIENCE + migrator.MIGRATOR_PATIENCE + migrator.MIGRATION_LIMIT
    assert waits + handler.RESERVE <= MIGRATION_TIMEOUT_SECONDS


def test_the_role_may_be_there_already(connection: Connection, database: str) -> None:
    """Roles belong to the server: `database` was migrated on the same one."""
    migrate(connection, read())


@pytest.mark.parametrize("name", ["1_x.sql", "0001-x.sql", "0001_X.sql", "0002_x.sql"])
def test_a_misnamed_migration_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        read(tmp_path)
