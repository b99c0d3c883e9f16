"""The kept connection: it survives what happens to servers.

With all that a driver may raise: tests/functions/test_ledger_session.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.posting import Ledger
from ledger.session import LedgerSession, LedgerUnavailableError
from local.postgres import PostgresServer
from tests.integration.ledger.conftest import Connect


class Opener:
    """Opens connections, and counts them."""

    def __init__(self, connect: Connect) -> None:
        self.opened = 0
        self._connect = connect

    def __call__(self) -> Connection:
        self.opened += 1
        return self._connect()


@pytest.fixture
def opener(connect: Connect) -> Opener:
    return Opener(connect)


@pytest.fixture
def session(opener: Opener) -> Iterator[LedgerSession]:
    session = LedgerSession(opener)
    yield session
    session.close()


def backend(session: LedgerSession) -> int:
    return int(session.run("SELECT pg_backend_pid()")[0][0])


def test_a_connection_that_the_server_ended_is_replaced(
    session: LedgerSession, server: PostgresServer
) -> None:
    before = backend(session)
    administrator = server.connect()
    administrator.run("SELECT pg_terminate_backend(:p, 5000)", p=before)
    administrator.close()
    assert backend(session) != before


def test_a_payment_whose_session_the_server_has_ended_is_posted_once(
    server: PostgresServer, database: str, opener: Opener, master: Connection
) -> None:
    """What sleeps is ended by the server. Nothing tells the function until it wakes."""

    def connect() -> Connection:
        opener.opened += 1
        limit = "50ms" if opener.opened == 1 else "1min"
        return server.connect("payment_processor", database, idle_session_timeout=limit)

    session = LedgerSession(connect)
    sleeping = backend(session)
    while master.run("SELECT FROM pg_stat_activity WHERE pid = :p", p=sleeping):
        pass
    transaction = str(uuid4())
    for _ in range(2):
        entry = Ledger(session).post(
            transaction_id=transaction, merchant_id="acme", amount=1, currency="EUR", not_after=None
        )
        assert entry
    session.close()
    assert opener.opened == 2
    assert master.run(
        "SELECT count(*) FROM ledger.entries WHERE transaction_id = :t", t=transaction
    ) == [[1]]


def test_a_statement_beyond_its_time_limit_counts_as_unavailable(session: LedgerSession) -> None:
    with pytest.raises(LedgerUnavailableError, match="57014"):
        session.run("SELECT pg_sleep(10)")
