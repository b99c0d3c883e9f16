"""What each step may take at worst, in seconds, so that the function answers before it is stopped.

The function has 30 s (R5), API Gateway waits 29 s. A /process that meets every fault at once reads
the table, waits for the ledger, notes that the payment is accepted and writes to the queue:
7 + 12 + 2 + 7 = 28 s.
"""

from __future__ import annotations

from typing import Final

from ledger.connection import OPENING_WAITS, RESOLVER_SECONDS
from ledger.session import longest_call
from payments.clients import LONGEST_CALL, LONGEST_IMPATIENT_CALL

LEDGER_SILENCE: Final = 3.0
"""Without an answer to a statement for so long, the ledger counts as unreachable. The server gives
up before that, at 2.5 s (migration 0002), which leaves the connection usable."""

LEDGER_OPENING_SILENCE: Final = 1.8
"""The same, for each answer while a connection is opened."""

LEDGER: Final = longest_call(
    opening=RESOLVER_SECONDS + OPENING_WAITS * LEDGER_OPENING_SILENCE, statement=LEDGER_SILENCE
)
"""Any one use of the ledger."""

PROCESS: Final = LONGEST_CALL + LEDGER + LONGEST_IMPATIENT_CALL + LONGEST_CALL
"""POST /process up to its answer: read the request, post it, or else accept and queue it. (An
expired one is looked up among the accepted ones first, and not noted again.)"""

DELIVERY: Final = LONGEST_CALL + LEDGER
"""Telling the history of an event, and marking that."""

DELAY: Final = LONGEST_CALL
"""Telling the queue how long a batch's failed messages wait."""

MESSAGE: Final = LONGEST_CALL + LEDGER + DELAY
"""One message of the retry queue, with what follows it in any case."""
