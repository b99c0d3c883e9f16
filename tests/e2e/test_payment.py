"""A payment goes through the deployed PaymentsProd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from local.deployed import (
    AuditRecord,
    Json,
    Posting,
    audit,
    eventually,
    history,
    payment_request,
    postings,
)
from ops.leftovers import proof
from ops.production.questions import Clients
from tests.deployment import Production


@dataclass(frozen=True)
class Seen:
    """A payment that was posted, and what it left in each store."""

    request: Json
    transaction_id: str
    entry: Json
    postings: list[Posting]
    history: list[Json]
    audit: list[AuditRecord]


@pytest.fixture(scope="module")
def seen(production: Production) -> Seen:
    deployment, request = production.deployment, payment_request()
    id_ = deployment.call("POST", "/validate", request).body["transaction_id"]
    processed = deployment.call("POST", "/process", {"transaction_id": id_})
    return Seen(
        request=request,
        transaction_id=id_,
        entry=processed.body["entry"],
        postings=postings(deployment, id_),
        history=eventually(lambda: history(deployment, id_), lambda found: len(found) >= 2),
        audit=eventually(lambda: audit(deployment, id_), lambda found: len(found) >= 2),
    )


def test_every_store_tells_the_same_of_it(seen: Seen) -> None:
    money = seen.request["amount"], seen.request["currency"]
    assert [(each.entry_id, each.direction) for each in seen.postings] == [
        (seen.entry["entry_id"], "debit"),
        (seen.entry["entry_id"], "credit"),
    ]
    assert {(each.amount, each.currency) for each in seen.postings} == {money}
    items = json.loads(json.dumps(seen.history, default=int))
    assert [each["state"] for each in items] == ["approved", "posted"]
    assert [(each["amount"], each["currency"]) for each in items] == [money, money]
    assert {each["transaction_id"] for each in items} == {seen.transaction_id}
    assert [found.record["item"] for found in seen.audit] == items
    assert all(found.intact and not found.record["anomaly"] for found in seen.audit)


def test_what_is_posted_is_counted_before_a_ledger_is_taken_for_empty(
    production: Production, seen: Seen
) -> None:
    clients = cast(Clients, production.deployment.client)
    empty, told = proof.database(clients, "payments-ledger", nothing_written=True)
    assert seen.postings
    assert not empty
    assert int(told.removesuffix(" entries")) >= 3  # an entry with two postings


@pytest.mark.parametrize(("method", "path"), [("POST", "/validate"), ("POST", "/process")])
def test_without_a_key_nothing_is_served(production: Production, method: str, path: str) -> None:
    answer = production.deployment.call(method, path, payment_request(), with_key=False)
    assert answer.status == 403


MALFORMED: dict[str, object] = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "cut off": b'{"merchant_id": ',
    "not UTF-8": b"\xff\xfe",
    "an amount in words": payment_request(amount="12"),
    "no amount": payment_request(amount=0),
    "too long an amount": payment_request(amount=10**20),
    "no currency code": payment_request(currency="euro"),
    "a card number": payment_request(reference="4111 1111 1111 1111"),
    "a surplus member": payment_request(surplus=1),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_gets_a_problem(production: Production, body: object) -> None:
    answer = production.deployment.call("POST", "/validate", body)
    assert answer.status == 400
    assert answer.content_type == "application/problem+json"
    assert answer.body["code"]


def test_the_same_key_with_another_payload_is_a_conflict(production: Production) -> None:
    request = payment_request()
    assert production.deployment.call("POST", "/validate", request).status == 200
    changed = {**request, "amount": request["amount"] + 1}
    assert production.deployment.call("POST", "/validate", changed).status == 409


def test_an_unknown_transaction_is_not_found(production: Production) -> None:
    unknown = {"transaction_id": "00000000-0000-5000-8000-000000000000"}
    assert production.deployment.call("POST", "/process", unknown).status == 404


def _messages(logs: Any, group: str) -> Iterator[str]:
    """All of a log. The emulator answers the first 10,000 events, and does not say that there
    are more."""
    since, most = 0, 10_000
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=since, limit=most)["events"]
        yield from (event["message"] for event in events)
        if len(events) < most:
            return
        since = events[-1]["timestamp"]


def test_no_function_has_logged_what_a_client_sent_secretly(
    production: Production, seen: Seen
) -> None:
    logs = production.client("logs")
    written = ""
    for name in ("payment-validator", "payment-processor", "audit-logger"):
        written += "".join(_messages(logs, f"/aws/lambda/{name}"))
    # Lists, not the logs themselves: a failure would compare megabytes of text.
    secrets = [seen.request["payment_method_token"], "4111 1111 1111 1111", "4111111111111111"]
    assert [secret for secret in secrets if secret in written] == []
    told = [seen.transaction_id]
    assert [name for name in told if name not in written] == []
