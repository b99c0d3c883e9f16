"""Failover: what the ledger's connection does while the server is away, and within which time."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.session import Session
from payment_processor import budget
from pg8000.native import Connection  # type: ignore[import-untyped]

from config import FUNCTION_TIMEOUT_SECONDS
from ledger.connection import LedgerAddress
from ledger.session import (
    IDLE_LIMIT,
    OPENED_WITHIN,
    RETRY_WITHIN,
    LedgerSession,
    LedgerUnavailableError,
    longest_call,
)
from ledger.token import sign_in_token
from tests.integration.ledger.conftest import Connect

GATEWAY_SECONDS = 29  # API Gateway quotas, "Integration timeout" of REST APIs


def test_a_payment_that_meets_every_fault_is_queued_before_the_gateway_gives_up() -> None:
    """Whether the ledger is asked, or not for want of time."""
    assert budget.POSTING + budget.COLD_START < GATEWAY_SECONDS
    assert budget.AWS + budget.QUEUEING + budget.COLD_START < GATEWAY_SECONDS


def test_one_message_of_the_retry_queue_fits_into_the_function() -> None:
    assert budget.MESSAGE < FUNCTION_TIMEOUT_SECONDS


def test_an_event_is_delivered_within_the_function() -> None:
    assert budget.DELIVERY < FUNCTION_TIMEOUT_SECONDS


def test_the_server_gives_up_before_the_function_does(processor: Connection) -> None:
    (limit,) = processor.run(
        "SELECT setting::int / 1000.0 FROM pg_settings WHERE name = 'statement_timeout'"
    )[0]
    assert limit < budget.LEDGER_SILENCE


class SlowServer:
    """Lets time pass on a clock of its own: so long to open a connection, and for each wait."""

    def __init__(self, connect: Connect) -> None:
        self.now = 1000.0
        self.opening = 0.0
        self.opened = 0
        self.dies_after: float | None = None
        self._connect = connect

    def clock(self) -> float:
        return self.now

    def open(self) -> Connection:
        self.opened += 1
        self.now += self.opening
        return _Slow(self, self._connect())


class _Slow:
    """A connection whose statements take what the server's `dies_after` says, and then fail."""

    def __init__(self, server: SlowServer, connection: Connection) -> None:
        self._server = server
        self._connection = connection

    def prepare(self, sql: str) -> object:
        if self._server.dies_after is not None:
            self._server.now += self._server.dies_after
            raise TimeoutError("timed out")
        return self._connection.prepare(sql)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def slow(connect: Connect) -> SlowServer:
    return SlowServer(connect)


@pytest.fixture
def session(slow: SlowServer) -> LedgerSession:
    return LedgerSession(slow.open, slow.clock)


def fails_with_a_kept_connection(slow: SlowServer, session: LedgerSession, after: float) -> int:
    """How many connections a statement opens when the kept one dies after so many seconds."""
    session.run("SELECT 1")
    slow.opened = 0
    slow.dies_after = after
    with pytest.raises(LedgerUnavailableError):
        session.run("SELECT 2")
    return slow.opened


def test_a_connection_that_the_server_ended_is_replaced_at_once(
    slow: SlowServer, session: LedgerSession
) -> None:
    assert fails_with_a_kept_connection(slow, session, 0) == 1


@pytest.mark.parametrize(("limits", "opened"), [(1, 1), (2, 0)])
def test_a_connection_that_leads_nowhere_is_replaced_after_one_time_limit(
    slow: SlowServer, session: LedgerSession, limits: int, opened: int
) -> None:
    """Half-open: the former primary is gone, and has told nobody."""
    after = limits * budget.LEDGER_SILENCE
    assert fails_with_a_kept_connection(slow, session, after) == opened


def test_a_connection_that_was_slow_to_open_runs_the_next_statement(
    slow: SlowServer, session: LedgerSession
) -> None:
    slow.opening = OPENED_WITHIN + 1
    with pytest.raises(LedgerUnavailableError, match="too long to connect"):
        session.run("SELECT 1")
    assert session.run("SELECT 1") == [[1]]
    assert slow.opened == 1


@pytest.mark.parametrize(("idle", "opened"), [(IDLE_LIMIT, 1), (IDLE_LIMIT + 1, 2)])
def test_a_connection_idle_for_too_long_is_not_trusted(
    slow: SlowServer, session: LedgerSession, idle: float, opened: int
) -> None:
    session.run("SELECT 1")
    slow.now += idle
    session.run("SELECT 1")
    assert slow.opened == opened


@pytest.mark.parametrize("opening", [0, 1, OPENED_WITHIN, 9, 12])
@pytest.mark.parametrize("dies_after", [0.5, 3, RETRY_WITHIN, 6])
def test_no_call_takes_longer_than_its_budget(
    slow: SlowServer, session: LedgerSession, opening: float, dies_after: float
) -> None:
    session.run("SELECT 1")
    slow.opening, slow.dies_after = opening, dies_after
    started = slow.now
    with pytest.raises(LedgerUnavailableError):
        session.run("SELECT 2")
    assert slow.now - started <= longest_call(opening=12, statement=3)


@pytest.mark.parametrize("state", ["57P01", "57P02", "57P03", "25006", "08006", "53300"])
def test_a_server_that_is_going_or_not_yet_there_counts_as_unavailable(
    connect: Connect, state: str
) -> None:
    """Shutdown, crash, start-up, a former primary, a broken connection, too many connections."""
    session = LedgerSession(connect)
    with pytest.raises(LedgerUnavailableError, match=state):
        session.run(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")


ADDRESS = LedgerAddress("ledger.example", 5432, "payments")


def signed_in() -> Session:
    session = Session()
    session.set_config_variable("region", "us-east-1")
    session.set_credentials("AKIAEXAMPLE", "secret", "a/token+with=signs")
    return session


def query(token: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(f"https://{token}").query)


def test_a_token_is_the_one_that_the_rds_client_makes() -> None:
    session = signed_in()
    rds: Any = session.create_client("rds")

    def both() -> tuple[str, str]:
        ours = sign_in_token(session, ADDRESS, "payment_processor")
        theirs = rds.generate_db_auth_token(
            DBHostname=ADDRESS.host, Port=ADDRESS.port, DBUsername="payment_processor"
        )
        return ours, theirs

    ours, theirs = both()
    while query(ours)["X-Amz-Date"] != query(theirs)["X-Amz-Date"]:
        ours, theirs = both()  # a second has ended in between
    assert ours == theirs
