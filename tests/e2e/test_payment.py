"""A payment goes through the deployed PaymentsProd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from local import demonstration
from local.demonstration import Evidence, payment_request
from ops.leftovers import proof
from ops.production.questions import Clients
from tests.deployment import Production


@pytest.fixture(scope="module")
def seen(production: Production) -> Evidence:
    return demonstration.gather(production.deployment)


def test_all_of_the_demonstration_holds(seen: Evidence) -> None:
    judged = list(demonstration.checks(seen))
    assert len(judged) == 13
    assert [check for check in judged if not check.held] == []


def test_ids_and_amounts_are_the_same_in_every_store(seen: Evidence) -> None:
    transaction_id, amount = seen.approved.body["transaction_id"], seen.request["amount"]
    assert {posting.amount for posting in seen.postings} == {amount}
    assert [int(item["amount"]) for item in seen.history] == [amount, amount]
    assert {item["transaction_id"] for item in seen.history} == {transaction_id}
    audited = [found.record["item"] for found in seen.audit]
    assert [item["amount"] for item in audited] == [amount, amount]
    assert {item["transaction_id"] for item in audited} == {transaction_id}


def test_what_is_posted_is_counted_before_a_ledger_is_taken_for_empty(
    production: Production, seen: Evidence
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
    production: Production, seen: Evidence
) -> None:
    logs = production.environment.client("logs")
    written = ""
    for name in ("payment-validator", "payment-processor", "audit-logger"):
        written += "".join(_messages(logs, f"/aws/lambda/{name}"))
    # Lists, not the logs themselves: a failure would compare megabytes of text.
    secrets = [seen.request["payment_method_token"], "4111 1111 1111 1111", "4111111111111111"]
    assert [secret for secret in secrets if secret in written] == []
    told = [seen.approved.body["transaction_id"]]
    assert [name for name in told if name not in written] == []
