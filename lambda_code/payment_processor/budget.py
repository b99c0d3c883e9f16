"""What each step may take at worst, in seconds, so that the function answers before it is stopped.

The function has 30 s (R5), API Gateway waits 29 s, in which the sandbox may have to start. A
/process reads the table, waits for the ledger, notes that the payment is accepted and writes to the
queue. It does not ask the ledger if too little is left for that and what follows if it cannot post.
"""

from __future__ import annotations

from typing import Final

from ledger.connection import OPENING_WAITS, RESOLVER_SECONDS
from ledger.session import IDLE_SESSION_TIMEOUT, longest_call
from payments.clients import LONGEST_IMPATIENT_CALL

GATEWAY: Final = 29.0
"""API Gateway's longest wait for an integration (API Gateway quotas, "Integration timeout")."""

COLD_START: Final = 3.0
"""Of that, kept for a sandbox's start where it is not known when the gateway got the request."""

LEDGER_SILENCE: Final = 3.0
"""Without an answer to a statement for so long, the ledger counts as unreachable. The server gives
up before that, at 2.5 s (migration 0002), which leaves the connection usable."""

LEDGER_SESSION: Final = {
    "statement_timeout": "2500ms",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "idle_session_timeout": IDLE_SESSION_TIMEOUT,
}
"""What the server is told of that at each sign-in; migrations 0002 and 0009 have the same for good,
which the database's user could change."""

LEDGER_OPENING_SILENCE: Final = 1.2
"""The same, for each answer while a connection is opened."""

LEDGER: Final = longest_call(
    opening=RESOLVER_SECONDS + OPENING_WAITS * LEDGER_OPENING_SILENCE, statement=LEDGER_SILENCE
)
"""Any one use of the ledger."""

AWS: Final = LONGEST_IMPATIENT_CALL
"""Any one call of the table or the queue."""

QUEUEING: Final = 2 * AWS
"""Noting that a payment is accepted, and queueing it."""

POSTING: Final = LEDGER + QUEUEING
"""Asking the ledger to post a payment, and queueing it when that fails."""

DELIVERY: Final = AWS + LEDGER
"""Telling the history of an event, and marking that."""

DELAY: Final = AWS
"""Telling the queue how long a batch's failed messages wait."""

MESSAGE: Final = AWS + LEDGER + DELAY
"""One message of the retry queue, with what follows it in any case."""
