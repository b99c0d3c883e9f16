"""A real PostgreSQL with the ledger as a deployment leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ledger_schema.migrator import migrate, read
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from ledger import session
from ledger.posting import Ledger
from ledger.session import LedgerSession
from local.postgres import PostgresServer, new_password

MASTER = "ledger_admin"
PROCESSOR = "payment_processor"

Connect = Callable[..., Connection]


@pytest.fixture(autouse=True)
def _connections_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine they do, and what a client then sends again, these tests do not. The limit
    itself is tried with a clock that can be set (tests/functions/test_ledger_session.py)."""
    monkeypatch.setattr(session, "OPENED_WITHIN", inf)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        server.create_ledger_database(master_password=new_password())
        yield server


_databases = count(1)


@pytest.fixture(scope="session")
def new_database(server: PostgresServer) -> Callable[[], str]:
    """Makes an empty database that belongs to the master user, and names it."""

    def create() -> str:
        name = f"payments_{next(_databases)}"
        with closing(server.connect()) as connection:
            connection.run(f"CREATE DATABASE {name} OWNER {MASTER}")
        return name

    return create


@pytest.fixture(scope="session")
def database(server: PostgresServer, new_database: Callable[[], str]) -> str:
    """One database with every migration, for all tests that only add transactions."""
    name = new_database()
    with closing(server.connect(MASTER, name)) as connection:
        migrate(connection, read())
    return name


@pytest.fixture
def connect(server: PostgresServer, database: str) -> Iterator[Connect]:
    """Opens connections to the migrated database, as a user, and closes them in the end."""
    opened: list[Connection] = []

    def open_connection(user: str = PROCESSOR) -> Connection:
        opened.append(server.connect(user, database))
        return opened[-1]

    yield open_connection
    for connection in opened:
        try:
            connection.close()
        except Exception as error:
            print(f"already closed: {error}")  # noqa: T201


@pytest.fixture
def master(connect: Connect) -> Connection:
    return connect(MASTER)


@pytest.fixture
def processor(connect: Connect) -> Connection:
    return connect(PROCESSOR)


@pytest.fixture
def ledger(connect: Connect) -> Ledger:
    """As payment-processor uses it, signed in as payment_processor."""
    return Ledger(LedgerSession(connect))


def sqlstate(error: pytest.ExceptionInfo[DatabaseError]) -> Any:
    return error.value.args[0]["C"]


def write_migrations(directory: Path, *statements: str) -> Path:
    for number, sql in enumerate(statements, 1):
        (directory / f"{number:04}_test.sql").write_text(sql)
    return directory


def insert_entry(connection: Connection) -> str:
    rows = connection.run(
        "INSERT INTO ledger.entries (transaction_id) VALUES (:t) RETURNING entry_id::text",
        t=str(uuid4()),
    )
    return str(rows[0][0])
