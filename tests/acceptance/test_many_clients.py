"""Twenty clients make two hundred payments each, and lose the ledger on the way: what ledger,
history and audit trail say in the end is compared with what the clients were told."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from local.deployed import Answer, eventually, payment_request
from local.drills.payments import entries, unfinished
from tests.deployment import Production
from tests.environment import wait_for
from tests.tally import tally

CLIENTS: Final = 20
PAYMENTS_A_CLIENT: Final = 200
# Payments that are queued before the ledger comes back.
QUEUED_AT_LEAST: Final = 100
TRIES: Final = 50
LEDGER: Final = "payments-ledger"
MERCHANT: Final = "many-clients"
# Until all has come to rest: the longest wait of a queued payment is five minutes.
REST_SECONDS: Final = 600.0
AMOUNT: Final = 100  # a payment's is this, and its number: 101, 102 ...

Totals = dict[str, int]  # amounts by transaction


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
            request = payment_request(amount=amount, merchant_id=MERCHANT)
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
            assert answer.status in (429, 500, 502, 503, 504), answer
        raise AssertionError(f"not accepted after {TRIES} tries: {answer}")


def test_a_restart_of_the_ledger_loses_and_doubles_nothing(production: Production) -> None:
    rds = production.client("rds")
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

    wait_for(lambda: unfinished(production.deployment) == 0, REST_SECONDS)
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


class Trail:
    """The audit trail's records of our payments; every object is read once."""

    def __init__(self, production: Production) -> None:
        self._s3 = production.client("s3")
        self._bucket = production.outputs["AuditBucketName"]
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
    rows = entries(production.deployment, MERCHANT)
    with contextlib.closing(production.deployment.ledger()) as connection:
        sides = connection.run(
            "SELECT sum(amount) FILTER (WHERE direction = 'debit'), "
            "sum(amount) FILTER (WHERE direction = 'credit') FROM ledger.postings"
        )
    assert sides[0][0] == sides[0][1]
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def _history(production: Production) -> list[dict[str, Any]]:
    pages = (
        production.client("dynamodb")
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
    return bool(item["state"] == "posted" and item["merchant_id"] == MERCHANT)
