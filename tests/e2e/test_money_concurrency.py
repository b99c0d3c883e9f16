"""Many clients at once, against the deployed PaymentsProd.

Fifty ask for one payment together. Twenty make two hundred payments each, and lose the ledger on
the way; what the ledger, the history and the audit trail say in the end is compared with what the
clients were told.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import URLError

from pg8000.native import Connection  # type: ignore[import-untyped]

from local import demonstration
from local.demonstration import Answer, eventually, payment_request
from tests.e2e.conftest import Production
from tests.environment import wait_for
from tests.tally import tally

PARALLEL: Final = 50
# Statements that stand before the ledger together; each waits two seconds at most.
HELD_UP: Final = 2
CLIENTS: Final = 20
PAYMENTS_A_CLIENT: Final = 200
# Payments that are queued before the ledger comes back.
QUEUED_AT_LEAST: Final = 100
TRIES: Final = 50
LEDGER: Final = "payments-ledger"
# Until all has come to rest: the longest wait of a queued payment is five minutes.
REST_SECONDS: Final = 600.0
AMOUNT: Final = 100  # a payment's is this, and its number: 101, 102 ...

Totals = dict[str, int]  # amounts by transaction


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
    # A client may be told to wait.
    assert statuses.keys() <= {None, 200, 202, 429, 502, 503, 504}, statuses
    told = {
        answer.body["entry"]["entry_id"] for answer in answers if answer and answer.status == 200
    }
    assert len(told) == 1, statuses
    again = deployment.call("POST", "/process", transaction)
    assert again.status == 200
    assert {again.body["entry"]["entry_id"]} == told
    postings = demonstration.postings(deployment, transaction["transaction_id"])
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


@dataclass
class Clients:
    """Clients that know what they sent, and go on until they are told that it is accepted."""

    production: Production

    def __post_init__(self) -> None:
        self.accepted: Totals = {}
        self.queued = 0
        self.sent = 0

    def run(self, client: int) -> None:
        for number in range(client * PAYMENTS_A_CLIENT, (client + 1) * PAYMENTS_A_CLIENT):
            amount = AMOUNT + number
            request = payment_request(amount=amount, merchant_id="many-clients")
            transaction_id = self._insist("/validate", request).body["transaction_id"]
            accepted = self._insist("/process", {"transaction_id": transaction_id})
            self.accepted[transaction_id] = amount
            self.queued += accepted.status == 202

    def _insist(self, path: str, content: object) -> Answer:
        """Send the same request until it is accepted."""
        for _ in range(TRIES):
            self.sent += 1
            answer = self.production.deployment.call("POST", path, content)
            if answer.status in (200, 202):
                return answer
            assert answer.status in (429, 502, 503, 504), answer
        raise AssertionError(f"not accepted after {TRIES} tries: {answer}")


def test_a_restart_of_the_ledger_loses_and_doubles_nothing(production: Production) -> None:
    rds = production.environment.client("rds")
    clients = Clients(production)
    all_payments = CLIENTS * PAYMENTS_A_CLIENT
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(clients.run, client) for client in range(CLIENTS)]
        wait_for(lambda: len(clients.accepted) >= all_payments // 3, REST_SECONDS)
        rds.stop_db_instance(DBInstanceIdentifier=LEDGER)
        try:
            wait_for(lambda: clients.queued >= QUEUED_AT_LEAST, REST_SECONDS)
        finally:
            rds.start_db_instance(DBInstanceIdentifier=LEDGER)
        for client in running:
            client.result()
    assert len(clients.accepted) == all_payments

    _wait_for_rest(production)
    assert _ledger(production) == clients.accepted
    assert _totals(_history(production)) == clients.accepted
    trail = Trail(production)
    eventually(trail.read, lambda found: len(found) >= all_payments)
    assert _totals(trail.items) == clients.accepted
    tally.schedules["clients at once, and the ledger restarted"] += 1
    tally.notes.append(
        f"{CLIENTS} clients x {PAYMENTS_A_CLIENT} payments: {clients.sent} requests, "
        f"{clients.queued} payments queued, {sum(clients.accepted.values())} minor units "
        "in clients' books, ledger, history and audit trail alike"
    )


def _wait_for_rest(production: Production) -> None:
    """Wait until the system has done with every payment, well or badly: nothing is left on the
    retry queue, and nothing that the history is still to be told."""
    sqs, queue = (
        production.environment.client("sqs"),
        production.deployment.outputs["RetryQueueUrl"],
    )

    def queued() -> int:
        """Messages that wait, that are delayed or that somebody holds."""
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        names = (name for name in counts if name.startswith("ApproximateNumberOfMessages"))
        return sum(int(counts[name]) for name in names)

    def untold() -> int:
        rows = ledger.run("SELECT count(*) FROM ledger.outbox WHERE delivered_at IS NULL")
        return int(rows[0][0])

    with contextlib.closing(production.deployment.ledger()) as ledger:
        wait_for(lambda: queued() + untold() == 0, REST_SECONDS)


class Trail:
    """The audit trail's records of our payments; every object is read once."""

    def __init__(self, production: Production) -> None:
        self._s3 = production.environment.client("s3")
        self._bucket = production.deployment.outputs["AuditBucketName"]
        self._read: set[str] = set()
        self.items: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """Read the objects that are new; all the records so far."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix="year="):
            for listed in page.get("Contents", []):
                if listed["Key"] not in self._read:
                    self._read.add(listed["Key"])
                    self.items += self._records(listed["Key"])
        return self.items

    def _records(self, key: str) -> Iterator[dict[str, Any]]:
        content = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        items = (json.loads(line)["item"] for line in gzip.decompress(content).splitlines())
        return (item for item in items if _is_ours(item))


def _totals(events: Sequence[dict[str, Any]]) -> Totals:
    assert len({event["transaction_id"] for event in events}) == len(events), "one is there twice"
    return {event["transaction_id"]: int(event["amount"]) for event in events}


def _ledger(production: Production) -> Totals:
    with contextlib.closing(production.deployment.ledger()) as connection:
        rows = connection.run(
            "SELECT transaction_id::text, amount FROM ledger.entries JOIN ledger.postings "
            "USING (entry_id) WHERE account = 'merchant-payable/many-clients/EUR'"
        )
        sides = connection.run(
            "SELECT sum(amount) FILTER (WHERE direction = 'debit'), "
            "sum(amount) FILTER (WHERE direction = 'credit') FROM ledger.postings"
        )
    assert sides[0][0] == sides[0][1]
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def _history(production: Production) -> list[dict[str, Any]]:
    pages = (
        production.environment.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName="payment-transactions", ConsistentRead=True)
    )
    items = (
        {name: next(iter(value.values())) for name, value in item.items()}
        for page in pages
        for item in page["Items"]
    )
    return [item for item in items if _is_ours(item)]


def _is_ours(item: dict[str, Any]) -> bool:
    return bool(item["state"] == "posted" and item["merchant_id"] == "many-clients")
