"""Fifty clients ask at once for one payment, against the deployed PaymentsProd."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Final
from urllib.error import URLError

from pg8000.native import Connection  # type: ignore[import-untyped]

from local import deployed
from local.deployed import Answer, payment_request
from tests.deployment import Production
from tests.environment import wait_for
from tests.tally import tally

PARALLEL: Final = 50
# Statements that stand before the ledger together; each waits two seconds at most.
HELD_UP: Final = 2


def test_fifty_parallel_requests_for_a_payment_post_one_entry(production: Production) -> None:
    # 50 sandboxes that start at once start one after the other, on a small machine.
    _process_in_parallel(production)
    # Now they are there, and the ledger lets nobody write until several have come to it, who so
    # cannot have seen one another's entry.
    with contextlib.closing(production.deployment.ledger()) as ledger:
        _process_in_parallel(production, lambda: _hold_up(ledger))


def _process_in_parallel(
    production: Production, holding: Callable[[], AbstractContextManager[None]] = nullcontext
) -> None:
    """Let many clients ask for one payment, which must then be posted once.

    Args:
        holding: is entered before, and left while they ask.
    """
    deployment = production.deployment
    approved = deployment.call("POST", "/validate", payment_request())
    transaction = {"transaction_id": approved.body["transaction_id"]}
    together = threading.Barrier(PARALLEL)

    def process(_: int) -> Answer | None:
        together.wait()
        with contextlib.suppress(TimeoutError, URLError):  # this client has no more patience
            return deployment.call("POST", "/process", transaction)
        return None

    with ThreadPoolExecutor(PARALLEL) as clients:
        with holding():
            asked = [clients.submit(process, client) for client in range(PARALLEL)]
        answers = [answer.result() for answer in asked]
    statuses = Counter(answer.status if answer else None for answer in answers)
    # A client may be told to wait; on a busy machine, each of those whose sandboxes start at once.
    assert statuses.keys() <= {None, 200, 202, 429, 500, 502, 503, 504}, statuses
    told = {
        answer.body["entry"]["entry_id"] for answer in answers if answer and answer.status == 200
    }
    again: list[Answer] = []

    def posted() -> bool:
        again.append(deployment.call("POST", "/process", transaction))
        return again[-1].status == 200

    wait_for(posted)
    assert told <= {again[-1].body["entry"]["entry_id"]}, statuses
    postings = deployed.postings(deployment, transaction["transaction_id"])
    assert [posting.direction for posting in postings] == ["debit", "credit"]
    tally.schedules["parallel requests for one payment"] += 1
    tally.notes.append(f"of {PARALLEL} parallel requests {dict(statuses)} were answered so")


@contextlib.contextmanager
def _hold_up(ledger: Connection) -> Iterator[None]:
    """Let the ledger be read but not written, until HELD_UP statements wait at the end."""
    ledger.run("BEGIN")
    ledger.run("LOCK TABLE ledger.entries IN SHARE ROW EXCLUSIVE MODE")
    try:
        yield
        wait_for(
            lambda: ledger.run("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] >= HELD_UP
        )
    finally:
        ledger.run("ROLLBACK")
