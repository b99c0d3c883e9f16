"""One connection to the ledger, kept as long as the sandbox lives, opened again when it breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pg8000.native import Connection, DatabaseError, InterfaceError, PreparedStatement  # type: ignore[import-untyped]


class LedgerError(Exception):
    """The ledger did not do what it was asked; trying again later does no harm."""


class LedgerUnavailableError(LedgerError):
    """It could not be reached, or could not answer now. What was sent may have been done."""


class LedgerRefusedError(LedgerError):
    """It refused this one statement, and works otherwise."""


# Classes of SQLSTATE (PostgreSQL, appendix A) that are about the server's state, not about the
# statement: connection, read-only (a former primary), sign-in, rollback, resources, locks,
# operator's intervention (shutdown, time limit), system.
_UNAVAILABLE = frozenset({"08", "25", "28", "40", "53", "55", "57", "58"})


class LedgerSession:
    """Runs statements, each its own transaction, prepared once a connection (one round trip)."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Nothing is opened yet.

        Args:
            connect: opens a connection; what it raises counts as LedgerUnavailableError.
        """
        self._connect = connect
        self._connection: Connection | None = None
        self._statements: dict[str, PreparedStatement] = {}

    def run(self, sql: str, **parameters: Any) -> list[list[Any]]:
        """Run one statement that may be repeated; return its rows.

        A kept connection may have died since it was used (failover, idle time limit): then, and
        only then, the statement is run once more on a new one.

        Raises:
            LedgerUnavailableError, LedgerRefusedError.
        """
        kept = self._connection is not None
        try:
            return self._run(sql, parameters)
        except LedgerUnavailableError:
            if not kept:
                raise
        return self._run(sql, parameters)

    def close(self) -> None:
        """Forget the connection; the next statement opens another."""
        connection, self._connection = self._connection, None
        self._statements.clear()
        if connection is not None:
            with suppress(OSError, InterfaceError):
                connection.close()

    def _run(self, sql: str, parameters: dict[str, Any]) -> list[list[Any]]:
        connection = self._connection or self._open()
        try:
            if sql not in self._statements:
                self._statements[sql] = connection.prepare(sql)
            rows: list[list[Any]] | None = self._statements[sql].run(**parameters)
        except DatabaseError as error:
            state = error.args[0].get("C", "")
            if state[:2] not in _UNAVAILABLE:
                raise LedgerRefusedError(f"SQLSTATE {state}: {error.args[0].get('M')}") from error
            self.close()
            raise LedgerUnavailableError(f"SQLSTATE {state}: {error.args[0].get('M')}") from error
        except Exception as error:
            # The protocol may have been left half-way: no answer on this connection is ours.
            self.close()
            raise LedgerUnavailableError(str(error)) from error
        return rows or []

    def _open(self) -> Connection:
        try:
            self._connection = self._connect()
        except Exception as error:
            raise LedgerUnavailableError(f"no connection: {error}") from error
        return self._connection
