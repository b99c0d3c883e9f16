"""Many clients at once, against the deployed PaymentsProd.

What the ledger, the history and the audit trail say in the end is compared with what the clients
sent. `make soak` sends forty times as much.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import URLError

from local import demonstration
from local.demonstration import Answer, payment_request
from tests.e2e.conftest import Production
from tests.environment import wait_for
from tests.tally import SOAK, tally

PARALLEL: Final = 50
CLIENTS: Final = 20
PAYMENTS_A_CLIENT: Final = 200 if SOAK > 1 else 5
# Payments that are queued before the ledger comes back.
QUEUED_AT_LEAST: Final = 5
TRIES: Final = 50
LEDGER: Final = "payments-ledger"
# Until all has come to rest: the longest wait of a queued payment is five minutes.
REST_SECONDS: Final = 600.0
AMOUNT: Final = 100  # a payment's is this, and its number: 101, 102 ...

Totals = dict[str, int]  # amounts by transaction


def test_fifty_parallel_requests_for_a_payment_post_one_entry(production: Production) -> None:
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
        answers = list(clients.map(process, range(PARALLEL)))
    statuses = Counter(answer.status if answer else None for answer in answers)
    # 50 sandboxes that start at once are slow on a small machine: a client may be told to wait.
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

    wait_for(lambda: len(_ledger(production)) >= all_payments, REST_SECONDS)
    assert _ledger(production) == clients.accepted
    wait_for(lambda: len(_history(production)) >= all_payments, REST_SECONDS)
    assert _totals(_history(production)) == clients.accepted
    wait_for(lambda: len(_audited(production)) >= all_payments, REST_SECONDS)
    assert _totals(_audited(production)) == clients.accepted
    tally.schedules["clients at once, and the ledger restarted"] += 1
    tally.notes.append(
        f"{CLIENTS} clients x {PAYMENTS_A_CLIENT} payments: {clients.sent} requests, "
        f"{clients.queued} payments queued, {sum(clients.accepted.values())} minor units "
        "in clients' books, ledger, history and audit trail alike"
    )


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


def _audited(production: Production) -> list[dict[str, Any]]:
    return [item for item in _all_audited(production) if _is_ours(item)]


def _all_audited(production: Production) -> Iterator[dict[str, Any]]:
    s3, bucket = (
        production.environment.client("s3"),
        production.deployment.outputs["AuditBucketName"],
    )
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for listed in page.get("Contents", []):
            content = s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
            for line in gzip.decompress(content).splitlines():
                yield json.loads(line)["item"]


def _is_ours(item: dict[str, Any]) -> bool:
    return bool(item["state"] == "posted" and item["merchant_id"] == "many-clients")
