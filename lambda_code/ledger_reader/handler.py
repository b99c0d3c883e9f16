"""payments-ledger-reader: what the ledger holds, for the operator's tool (`python -m ops`).

It is invoked by operators, synchronously: requests as ledger_reader.requests, answers as
ledger_reader.reading, or {"error": {"code": invalid_request | ledger_refused | ledger_unavailable,
"detail"}}.
Environment: LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE, LEDGER_USER.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.connection import OPENING_WAITS, RESOLVER_SECONDS, LedgerAddress, connect
from ledger.session import (
    IDLE_SESSION_TIMEOUT,
    LedgerRefusedError,
    LedgerSession,
    LedgerUnavailableError,
    longest_call,
)
from ledger.token import sign_in_token
from ledger_reader.reading import answer
from ledger_reader.requests import InvalidRequestError, address, check
from payments.clients import session

SILENCE: Final = 11.0
"""Seconds. The server gives up before that, at 10 s (migration 0005)."""

SESSION: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "idle_session_timeout": IDLE_SESSION_TIMEOUT,
}
"""What the server is told at each sign-in; migrations 0005 and 0009 have the same for good, which
the database's user could change."""

OPENING_SILENCE: Final = 1.2
"""Seconds, for each answer while a connection is opened."""

LONGEST: Final = longest_call(
    opening=RESOLVER_SECONDS + OPENING_WAITS * OPENING_SILENCE, statement=SILENCE
)
"""Seconds that a request may take; a test holds it below the function's limit."""

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    try:
        request = check(event)
        database = address(request, LedgerAddress.from_environment(os.environ))
    except InvalidRequestError as error:
        return _error("invalid_request", str(error))
    # Who asked, CloudTrail and the request's id tell.
    logger.info("the ledger is read", extra={"request": request})
    try:
        return answer(_session(database), request)
    except LedgerRefusedError as error:
        logger.exception("the ledger refused")
        return _error("ledger_refused", str(error))
    except LedgerUnavailableError as error:
        logger.exception("the ledger is not available")
        return _error("ledger_unavailable", str(error))


def _error(code: str, detail: str) -> dict[str, Any]:
    return {"error": {"code": code, "detail": detail}}


@lru_cache(maxsize=2)  # the ledger's, and that of the copy that was restored last
def _session(database: LedgerAddress) -> LedgerSession:
    return LedgerSession(partial(_connect, database))


def _connect(database: LedgerAddress) -> Connection:
    user = os.environ["LEDGER_USER"]
    token = sign_in_token(session(), database, user)
    return connect(
        database, user, token, SILENCE, opening_timeout=OPENING_SILENCE, settings=SESSION
    )
