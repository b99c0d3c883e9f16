"""The kept connection to the ledger, on a driver that does what it is told.

With a real server: tests/integration/ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ledger_reader.handler import SESSION, SILENCE
from payment_processor.budget import LEDGER_SESSION, LEDGER_SILENCE
from pg8000.native import DatabaseError, InterfaceError  # type: ignore[import-untyped]

from ledger.session import (
    IDLE_LIMIT,
    IDLE_SESSION_TIMEOUT,
    OPENED_WITHIN,
    RETRY_WITHIN,
    LedgerBusyError,
    LedgerRefusedError,
    LedgerSession,
    LedgerUnavailableError,
    longest_call,
)
from tests.functions.conftest import Clock

NAT_FORGETS = 350  # seconds without traffic (Amazon VPC user guide, "NAT gateway basics")
DEFECT = {"C": "22012", "M": "division by zero"}
SHUTDOWN = {"C": "57P01", "M": "terminating connection due to administrator command"}


class Server:
    """What a driver's connections lead to.

    Attributes:
        clock: the sandbox's; wall_clock: goes on while it is frozen, and may be set.
        errors: what the next statements raise; None lets one pass.
        opening: seconds that opening takes; answering: seconds that a statement takes.
    """

    def __init__(self) -> None:
        self.clock, self.wall_clock = Clock(1_000.0), Clock(1_000.0)
        self.session = LedgerSession(self.connect, self.clock, self.wall_clock)
        self.errors: list[Exception | None] = []
        self.opening = self.answering = 0.0
        self.opened: list[Connection] = []
        self.rows: list[list[Any]] | None = [[1]]

    def connect(self) -> Connection:
        self.clock.now += self.opening
        self.opened.append(Connection(self))
        return self.opened[-1]


class Connection:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.prepared: list[str] = []
        self.closed = 0
        self.close_error: Exception | None = None

    def prepare(self, sql: str) -> Connection:
        self.prepared.append(sql)
        return self

    def run(self, **parameters: Any) -> list[list[Any]] | None:
        self.server.clock.now += self.server.answering
        if self.server.errors and (error := self.server.errors.pop(0)):
            raise error
        return self.server.rows

    def close(self) -> None:
        self.closed += 1
        if self.close_error:
            raise self.close_error


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_statement_is_prepared_once_a_connection(server: Server) -> None:
    assert [server.session.run("SELECT 1"), server.session.run("SELECT 1")] == [[[1]], [[1]]]
    server.session.run("SELECT 2")
    (connection,) = server.opened
    assert connection.prepared == ["SELECT 1", "SELECT 2"]
    server.session.close()
    server.session.run("SELECT 1")
    assert server.opened[1].prepared == ["SELECT 1"]


def test_a_statement_without_rows_answers_none(server: Server) -> None:
    server.rows = None
    assert server.session.run("UPDATE t SET x = 1") == []


def test_a_defect_of_the_statement_is_refused_and_keeps_the_connection(server: Server) -> None:
    server.errors = [DatabaseError(DEFECT)]
    with pytest.raises(LedgerRefusedError, match=r"^SQLSTATE 22012: division by zero$"):
        server.session.run("SELECT 1/0")
    server.session.run("SELECT 1")
    assert len(server.opened) == 1


@pytest.mark.parametrize("state", ["08006", "25006", "28P01", "53300", "57P01", "57P02", "57P03"])
def test_the_servers_own_state_counts_as_unavailable(server: Server, state: str) -> None:
    server.errors = [DatabaseError({"C": state, "M": "no"})]
    with pytest.raises(LedgerUnavailableError, match=f"^SQLSTATE {state}: no$"):
        server.session.run("SELECT 1")
    assert server.opened[0].closed == 1


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
def test_what_others_hold_up_is_busy_and_keeps_the_connection(server: Server, state: str) -> None:
    """A lock, a deadlock, a time limit: about this statement, while the server works."""
    server.errors = [DatabaseError({"C": state, "M": "no"})]
    with pytest.raises(LedgerBusyError, match=rf"^SQLSTATE {state}: no$"):
        server.session.run("SELECT 1")
    assert server.session.run("SELECT 1") == [[1]]
    assert len(server.opened) == 1


def test_a_kept_connection_that_fails_at_once_is_replaced_unnoticed(server: Server) -> None:
    server.errors = [None, OSError("reset by peer")]
    server.session.run("SELECT 1")
    server.answering = 1.0
    assert server.session.run("SELECT 1") == [[1]]
    assert [connection.closed for connection in server.opened] == [1, 0]


@pytest.mark.parametrize(("silence", "opened"), [(LEDGER_SILENCE, 2), (2 * LEDGER_SILENCE, 1)])
def test_a_kept_connection_that_leads_nowhere_is_replaced_after_one_time_limit(
    server: Server, silence: float, opened: int
) -> None:
    """What lies between may have forgotten it. After two of them no time is left."""
    server.errors = [None, OSError("timed out"), OSError("timed out")]
    server.session.run("SELECT 1")
    server.answering = silence
    with pytest.raises(LedgerUnavailableError, match="timed out"):
        server.session.run("SELECT 1")
    assert len(server.opened) == opened


def test_a_new_connection_that_fails_is_not_tried_again(server: Server) -> None:
    server.errors = [OSError("reset by peer")]
    with pytest.raises(LedgerUnavailableError):
        server.session.run("SELECT 1")
    assert len(server.opened) == 1


@pytest.mark.parametrize(("idle", "opened"), [(300.0, 1), (300.5, 2)])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_connection_is_trusted_for_five_minutes(
    server: Server, idle: float, opened: int, frozen: bool
) -> None:
    """In a frozen sandbox, the monotonic clock stands still."""
    server.session.run("SELECT 1")
    server.wall_clock.now += idle
    server.clock.now += 0 if frozen else idle
    server.session.run("SELECT 1")
    assert len(server.opened) == opened
    assert server.opened[0].closed == opened - 1


@pytest.mark.parametrize("passed", [1, 301])
def test_a_wall_clock_that_was_set_back_tells_nothing(server: Server, passed: float) -> None:
    server.session.run("SELECT 1")
    server.clock.now += passed
    server.wall_clock.now -= 3600
    server.session.run("SELECT 1")
    assert len(server.opened) == 2


def test_the_server_ends_what_sleeps_before_nat_forgets_it() -> None:
    """Not before the function itself stops trusting it: no statement meets its end."""
    seconds = float(IDLE_SESSION_TIMEOUT.removesuffix("s"))
    assert IDLE_LIMIT < seconds < NAT_FORGETS
    for settings in (LEDGER_SESSION, SESSION):
        assert settings["idle_session_timeout"] == IDLE_SESSION_TIMEOUT


def test_the_server_gives_up_before_the_function_does() -> None:
    """The connection then stays usable. That sessions have these settings: integration/ledger."""
    limits = LEDGER_SESSION["statement_timeout"], SESSION["statement_timeout"]
    assert limits == ("2500ms", "10s")
    assert (LEDGER_SILENCE, SILENCE) == (2.5 + 0.5, 10 + 1)


@pytest.mark.parametrize(("opening", "starts"), [(2.0, True), (2.5, False)])
def test_after_a_slow_opening_no_statement_is_started(
    server: Server, opening: float, starts: bool
) -> None:
    server.opening = opening
    if starts:
        assert server.session.run("SELECT 1") == [[1]]
        return
    with pytest.raises(LedgerUnavailableError, match="took too long to connect"):
        server.session.run("SELECT 1")
    assert server.session.run("SELECT 1") == [[1]]  # on that connection
    assert len(server.opened) == 1


@pytest.mark.parametrize(
    "error", [OSError("gone"), InterfaceError("connection is closed"), ValueError("closed file")]
)
def test_an_error_of_closing_is_nobodys(server: Server, error: Exception) -> None:
    server.session.run("SELECT 1")
    server.opened[0].close_error = error
    server.session.close()
    server.session.close()
    assert server.opened[0].closed == 1


def refused_at(sign_in: Callable[[], Exception]) -> Callable[[], Any]:
    def connect() -> Any:
        raise sign_in()

    return connect


def test_who_cannot_be_reached_is_told_with_the_reason() -> None:
    session = LedgerSession(refused_at(lambda: OSError("no route")))
    with pytest.raises(LedgerUnavailableError, match=r"^no connection: no route$"):
        session.run("SELECT 1")


def test_what_the_server_says_of_a_sign_in_is_not_lost_where_closing_fails() -> None:
    """pg8000 closes a connection that was refused. Where the server has done so already, that
    raises over what the server said."""

    def sign_in() -> Exception:
        told = InterfaceError("network error")
        told.__context__ = DatabaseError({"C": "3D000", "M": 'database "x" does not exist'})
        return told  # type: ignore[no-any-return]

    session = LedgerSession(refused_at(sign_in))
    with pytest.raises(LedgerUnavailableError) as told:
        session.run("SELECT 1")
    assert str(told.value) == 'no connection: SQLSTATE 3D000: database "x" does not exist'


def test_the_longest_call_is_an_opening_after_a_dead_connection_and_all_answers() -> None:
    # 3.2 s until the kept connection is given up; 2 s in which a statement may still start on a new
    # one; two answers of 3 s each.
    assert longest_call(opening=2.0, statement=3.0) == 3.2 + 2.0 + 2 * 3.0
    assert longest_call(opening=20.0, statement=3.0) == 3.2 + 20.0
    assert longest_call(opening=0.0, statement=100.0) == 3.2 + 2.0 + 200.0


@pytest.mark.parametrize("opening", [0, 1, OPENED_WITHIN, 9, 12])
@pytest.mark.parametrize("answering", [0.5, 3, RETRY_WITHIN, 6])
def test_no_call_takes_longer_than_its_budget(
    server: Server, opening: float, answering: float
) -> None:
    server.session.run("SELECT 1")
    server.errors = [OSError("timed out")] * 2
    server.opening, server.answering = opening, answering
    started = server.clock.now
    with pytest.raises(LedgerUnavailableError):
        server.session.run("SELECT 2")
    assert server.clock.now - started <= longest_call(opening=12, statement=3)
