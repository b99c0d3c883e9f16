"""One connection to the ledger, kept as long as the sandbox lives, opened again when it breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time
from typing import Any

from pg8000.native import Connection, DatabaseError, PreparedStatement  # type: ignore[import-untyped]

from ledger.age import Age
from ledger.connection import is_unknown_name, refusal


class LedgerError(Exception):
    """The ledger did not do what it was asked; trying again later does no harm."""


class LedgerUnavailableError(LedgerError):
    """It could not be reached, or could not answer now. What was sent may have been done."""


class LedgerGoneError(LedgerUnavailableError):
    """Its name leads nowhere: there is no such database."""


class LedgerBusyError(LedgerUnavailableError):
    """It could not do this one statement now, because of what others do, and works otherwise."""


class LedgerRefusedError(LedgerError):
    """It refused this one statement, and works otherwise."""


# Classes of SQLSTATE (PostgreSQL, appendix A) that are about the server's state, not about the
# statement: connection, read-only (a former primary), sign-in, resources, operator's intervention
# (shutdown), system.
_UNAVAILABLE = frozenset({"08", "25", "28", "53", "57", "58"})
# Of these the server has told its answer, and waits for the next statement: rolled back
# (serialization, deadlock), a lock that somebody else holds; and the statement's time limit.
_BUSY = frozenset({"40", "55"})
_STATEMENT_TIME_LIMIT = "57014"


# Seconds. What fails within this time on a kept connection is tried once more, on a new one: it was
# ended by the server (57P01, a reset), or one of payment-processor's answers did not come (3 s).
RETRY_WITHIN = 3.2
# A connection that took longer to open is kept for the next statement, but starts none.
OPENED_WITHIN = 2.0
# A connection unused for longer is not trusted: what lies between may have forgotten it without
# telling (network load balancers and NAT do after 350 s), which would cost a time limit to notice.
IDLE_LIMIT = 300.0
# The server ends what sleeps for longer than that: a frozen sandbox cannot, and has others wait for
# its connection. Before what lies between forgets it, so that its end is told.
IDLE_SESSION_TIMEOUT = "330s"
# Answers that a statement waits for on a new connection: to its preparation, and to itself.
STATEMENT_WAITS = 2


class LedgerSession:
    """Runs statements, each its own transaction, prepared once a connection (one round trip)."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        clock: Callable[[], float] = monotonic,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        """Nothing is opened yet.

        Args:
            connect: opens a connection; what it raises counts as LedgerUnavailableError.
            clock: for what happens within a call.
            wall_clock: for what lies between two: in a frozen sandbox, `clock` stands still.
        """
        self._connect = connect
        self._clock = clock
        self._connection: Connection | None = None
        self._unused = Age(clock, wall_clock)
        self._statements: dict[str, PreparedStatement] = {}

    def run(self, sql: str, **parameters: Any) -> list[list[Any]]:
        """Run one statement that may be repeated; return its rows.

        A kept connection may have died since it was used (failover, idle time limit): then, and
        only then, the statement is run once more on a new one.

        Raises:
            LedgerUnavailableError (LedgerBusyError among them), LedgerRefusedError.
        """
        if self._unused.seconds() > IDLE_LIMIT:
            self.close()
        started = self._clock()
        kept = self._connection is not None
        try:
            return self._run(sql, parameters)
        except LedgerUnavailableError:
            if not kept or self._clock() - started > RETRY_WITHIN:
                raise
        return self._run(sql, parameters)

    def close(self) -> None:
        """Forget the connection; the next statement opens another."""
        connection, self._connection = self._connection, None
        self._statements.clear()
        if connection is not None:
            with suppress(Exception):  # it is gone, whatever becomes of it
                connection.close()

    def _run(self, sql: str, parameters: dict[str, Any]) -> list[list[Any]]:
        connection = self._connection or self._open()
        try:
            if sql not in self._statements:
                self._statements[sql] = connection.prepare(sql)
            rows: list[list[Any]] | None = self._statements[sql].run(**parameters)
        except DatabaseError as error:
            state = error.args[0].get("C", "")
            if state[:2] in _BUSY or state == _STATEMENT_TIME_LIMIT:
                raise LedgerBusyError(_told(error)) from error
            if state[:2] not in _UNAVAILABLE:
                raise LedgerRefusedError(_told(error)) from error
            self.close()
            raise LedgerUnavailableError(_told(error)) from error
        except Exception as error:
            # The protocol may have been left half-way: no answer on this connection is ours.
            self.close()
            raise LedgerUnavailableError(str(error)) from error
        self._unused.restart()
        return rows or []

    def _open(self) -> Connection:
        started = self._clock()
        try:
            self._connection = self._connect()
        except Exception as error:
            if is_unknown_name(error):
                raise LedgerGoneError("no connection: its name is unknown") from error
            refused = refusal(error)
            reason = _told(refused) if refused else error
            raise LedgerUnavailableError(f"no connection: {reason}") from error
        self._unused.restart()
        if self._clock() - started > OPENED_WITHIN:
            raise LedgerUnavailableError("it took too long to connect; the next statement may run")
        return self._connection


def _told(error: DatabaseError) -> str:
    """What the server says, of the many fields that the driver has of its answer."""
    return f"SQLSTATE {error.args[0].get('C', '')}: {error.args[0].get('M')}"


def longest_call(*, opening: float, statement: float) -> float:
    """How long LedgerSession.run may take at worst, in seconds.

    Args:
        opening: what `connect` may take.
        statement: what the server may be silent in a statement.
    """
    running = STATEMENT_WAITS * statement
    return max(running, RETRY_WITHIN + max(opening, OPENED_WITHIN + running))
