"""`python -m ops reconcile` against a deployed PaymentsProd, whose stores are made to differ."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from local.deployed import Deployment, audit, eventually, post
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops
from tests.environment import wait_for

TABLE = "payment-transactions"
EUR_12 = "12 EUR"
NIGHTLY = "payments-reconciliation"


@dataclass(frozen=True)
class Ours:
    """A period in which nobody but one test pays.

    Attributes:
        begin: its begin.
    """

    production: Production
    begin: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def deployment(self) -> Deployment:
        return self.production.deployment

    def reconcile(self, *options: str, grace: int = 0) -> Answer:
        end = datetime.now(UTC)
        period = [f"--from={self.begin:%Y-%m-%dT%H:%M:%S.%fZ}", f"--to={end:%Y-%m-%dT%H:%M:%S.%fZ}"]
        return ops(self.production, "reconcile", "--json", f"--grace={grace}", *period, *options)

    def pay(self, amount: int = 12, currency: str = "EUR", *, audited: bool = True) -> str:
        """A payment that is posted; its transaction."""
        transaction = post(self.deployment, amount=amount, currency=currency)
        if audited:
            self.audited(transaction, 2)
        return transaction

    def audited(self, transaction: str, records: int) -> None:
        """Wait until the audit trail has so many records of the payment."""
        found = eventually(
            lambda: audit(self.deployment, transaction), lambda found: len(found) >= records
        )
        assert len(found) == records, found

    def posted_item(self, transaction: str) -> dict[str, Any]:
        """As DynamoDB's API has it."""
        items = self.table.query(
            TableName=TABLE,
            KeyConditionExpression="transaction_id = :id",
            ExpressionAttributeValues={":id": {"S": transaction}},
        )["Items"]
        (posted,) = [item for item in items if item["state"]["S"] == "posted"]
        found: dict[str, Any] = posted
        return found

    def night(self, task: str) -> int:
        """How much payments-reconciliation finds of today."""
        invoked = self.deployment.client("lambda").invoke(
            FunctionName=NIGHTLY,
            Payload=json.dumps({"task": task, "day": f"{self.begin:%Y-%m-%d}"}),
        )
        told = json.loads(invoked["Payload"].read())
        assert "FunctionError" not in invoked, told
        return int(told["found"])

    def night_log(self) -> list[dict[str, Any]]:
        """What it has logged since, its metrics too."""
        found = self.deployment.client("logs").filter_log_events(
            logGroupName=f"/aws/lambda/{NIGHTLY}", startTime=int(self.begin.timestamp() * 1000)
        )
        lines = (event["message"] for event in found["events"])
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def table(self) -> Any:
        return self.deployment.client("dynamodb")

    def put(self, item: dict[str, Any]) -> None:
        self.table.put_item(TableName=TABLE, Item=item)


@pytest.fixture
def ours(production: Production) -> Ours:
    # DynamoDB tells the second of a change: the test before has made its own in another one.
    time.sleep(1 - datetime.now(UTC).microsecond / 1_000_000)
    return Ours(production)


@contextlib.contextmanager
def unaudited(production: Production) -> Iterator[None]:
    """The table's stream is not read until the end of the block."""
    functions = production.client("lambda")
    (mapping,) = [
        each
        for each in functions.list_event_source_mappings()["EventSourceMappings"]
        if "/stream/" in each["EventSourceArn"]
    ]

    def switch(state: str, *, on: bool) -> None:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
        wait_for(lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == state)

    switch("Disabled", on=False)
    try:
        yield
    finally:
        switch("Enabled", on=True)


def differences(answer: Answer) -> dict[tuple[str, str], str]:
    """What was told, by payment and kind."""
    return {
        (each["transaction_id"], each["kind"]): each["detail"]
        for each in answer.document["differences"]
    }


def made_up(transaction: str, amount: int) -> dict[str, Any]:
    """An item that says that the payment was posted now."""
    return {
        "transaction_id": {"S": transaction},
        "timestamp": {"N": str(int(datetime.now(UTC).timestamp() * 1_000_000))},
        "state": {"S": "posted"},
        "amount": {"N": str(amount)},
        "currency": {"S": "EUR"},
    }


@contextlib.contextmanager
def debited(ours: Ours, transaction: str, amount: int) -> Iterator[None]:
    """A payment of 12 has other debits until the end of the block."""
    ledger = ours.deployment.ledger()

    def debit(amount: int) -> None:
        ledger.run("BEGIN")
        ledger.run("ALTER TABLE ledger.postings DISABLE TRIGGER USER")
        ledger.run(
            "UPDATE ledger.postings SET amount = :amount WHERE direction = 'debit' AND entry_id = "
            "(SELECT entry_id FROM ledger.entries WHERE transaction_id = CAST(:id AS uuid))",
            amount=amount,
            id=transaction,
        )
        ledger.run("ALTER TABLE ledger.postings ENABLE TRIGGER USER")
        ledger.run("COMMIT")

    debit(amount)
    try:
        yield
    finally:
        debit(12)
        ledger.close()


# -- good --------------------------------------------------------------------------------


def test_payments_that_left_all_their_traces_are_counted_and_summed(ours: Ours) -> None:
    for amount, currency in ((100, "EUR"), (23, "EUR"), (7, "JPY")):
        ours.pay(amount, currency)
    answer = ours.reconcile("--scan")
    assert answer.code == 0, answer
    document = answer.document
    assert document["held"]
    assert document["differences"] == []
    told = {each["currency"]: each for each in document["sums"]}
    for store in ("ledger", "history", "audit"):
        assert told["EUR"][store] == {"count": 2, "sum": 123}, store
        assert told["JPY"][store] == {"count": 1, "sum": 7}, store


def test_a_period_without_payments_is_fine_and_yesterday_is_the_default(
    production: Production,
) -> None:
    answer = ops(production, "reconcile")
    assert answer.code == 0, answer
    assert "No payment was posted then." in answer.output
    assert "No difference." in answer.output


# -- differences -------------------------------------------------------------------------


def test_a_posting_that_the_history_was_never_told_of_is_found(ours: Ours) -> None:
    transaction = str(uuid4())
    ledger = ours.deployment.ledger()
    ledger.run("BEGIN")
    ledger.run("SELECT ledger.post_payment(CAST(:id AS uuid), 'acme', 12, 'EUR')", id=transaction)
    # As if it were delivered, so that no sweep delivers it.
    ledger.run(
        "UPDATE ledger.outbox SET delivered_at = clock_timestamp() "
        "WHERE transaction_id = CAST(:id AS uuid)",
        id=transaction,
    )
    ledger.run("COMMIT")
    ledger.close()
    answer = ours.reconcile()
    assert answer.code == 1
    found = differences(answer)
    assert set(found) == {(transaction, "no history item"), (transaction, "no approval")}
    assert found[transaction, "no history item"].startswith(f"in the ledger, {EUR_12}")
    assert found[transaction, "no approval"].endswith("the request is not in the history")


def test_an_item_that_was_deleted_is_found(ours: Ours) -> None:
    transaction = ours.pay()
    item = ours.posted_item(transaction)
    key = {name: item[name] for name in ("transaction_id", "timestamp")}
    ours.table.delete_item(TableName=TABLE, Key=key)
    try:
        ours.audited(transaction, 3)
        answer = ours.reconcile()
    finally:
        ours.put(item)
        ours.audited(transaction, 4)
    assert answer.code == 1
    found = differences(answer)
    assert found[transaction, "history item deleted"] == f"the audit trail has it, {EUR_12}"
    assert found[transaction, "history item changed"].startswith("REMOVE of item ")
    assert len(found) == 2


def test_an_item_that_was_changed_is_found(ours: Ours) -> None:
    transaction = ours.pay()
    item = ours.posted_item(transaction)
    ours.put({**item, "amount": {"N": "99"}})
    try:
        ours.audited(transaction, 3)
        answer = ours.reconcile()
    finally:
        ours.put(item)
        ours.audited(transaction, 4)
    assert answer.code == 1
    found = differences(answer)
    told = set(found[transaction, "amounts differ"].split(", "))
    assert told == {"ledger 12 EUR", "approval 12 EUR", "history 99 EUR", "audit trail 12 EUR"}
    assert found[transaction, "history item changed"].startswith("MODIFY of item ")
    assert len(found) == 2


def test_an_item_about_a_payment_that_the_ledger_does_not_have_is_found(ours: Ours) -> None:
    transaction = str(uuid4())
    ours.put(made_up(transaction, 12))
    ours.audited(transaction, 1)
    answer = ours.reconcile()
    assert answer.code == 1
    told = differences(answer)
    assert set(told) == {(transaction, "no ledger entry"), (transaction, "no approval")}
    assert told[transaction, "no ledger entry"].startswith(f"posted, {EUR_12}, say: ")
    assert {"history", "audit trail"} <= set(
        told[transaction, "no ledger entry"].partition(": ")[2].split(", ")
    )
    in_time = ours.reconcile(grace=3600)
    assert (in_time.code, in_time.document["under_way"]) == (0, 1)


def test_a_payment_that_is_not_audited_is_found(production: Production, ours: Ours) -> None:
    with unaudited(production):
        transaction = ours.pay(audited=False)
        answer = ours.reconcile()
    ours.audited(transaction, 2)
    assert answer.code == 1
    assert differences(answer) == {
        (transaction, "no audit record"): f"the history has the item, {EUR_12}"
    }
    assert ours.reconcile().code == 0


def test_an_item_that_only_the_history_knows_is_found_by_a_scan(
    production: Production, ours: Ours
) -> None:
    transaction = str(uuid4())
    with unaudited(production):
        ours.put(made_up(transaction, 12))
        by_index, by_scan = ours.reconcile(), ours.reconcile("--scan")
    ours.audited(transaction, 1)
    assert by_index.code == 0
    assert by_scan.code == 1
    assert set(differences(by_scan)) == {
        (transaction, "no ledger entry"),
        (transaction, "no approval"),
        (transaction, "no audit record"),
    }


def test_an_entry_whose_debits_are_not_its_credits_is_found(ours: Ours) -> None:
    """The triggers refuse it: only whoever owns the tables can get round them."""
    transaction = ours.pay()
    with debited(ours, transaction, 13):
        answer = ours.reconcile()
    assert answer.code == 1
    found = differences(answer)
    assert found[transaction, "debits and credits differ"] == "debit 13, credit 12 EUR"
    assert "ledger 13 EUR" in found[transaction, "amounts differ"]
    assert ours.reconcile().code == 0


# -- unasked -----------------------------------------------------------------------------


def test_a_night_finds_a_fault_in_each_of_the_three(ours: Ours) -> None:
    in_ledger, in_history = ours.pay(), ours.pay()
    before = ours.night("compare"), ours.night("walk")
    item, s3 = ours.posted_item(in_history), ours.deployment.client("s3")
    bucket = ours.deployment.outputs["AuditBucketName"]
    *_, last = s3.list_objects_v2(Bucket=bucket, Prefix="year=2")["Contents"]
    with debited(ours, in_ledger, 13):
        ours.put({**item, "amount": {"N": "99"}})
        hidden = s3.delete_object(Bucket=bucket, Key=last["Key"])
        try:
            after = ours.night("compare"), ours.night("walk")
        finally:
            s3.delete_object(Bucket=bucket, Key=last["Key"], VersionId=hidden["VersionId"])
            ours.put(item)
            ours.audited(in_history, 4)
    assert after[1] == before[1] + 1
    log = ours.night_log()
    told = {
        (line.get("transaction_id") or line.get("key"), line["kind"])
        for line in log
        if "kind" in line
    }
    assert (in_ledger, "debits and credits differ") in told
    assert (in_history, "amounts differ") in told
    assert (last["Key"], "deleted") in told
    for metric, found in zip(("DifferencesFound", "TrailFaultsFound"), after, strict=True):
        assert [line[metric] for line in log if metric in line][-1] == [found]


def test_differences_are_told_to_people_too(ours: Ours) -> None:
    transaction = str(uuid4())
    ours.put(made_up(transaction, 12))
    ours.audited(transaction, 1)
    answer = ops(
        ours.production,
        *("reconcile", f"--from={ours.begin:%Y-%m-%dT%H:%M:%S.%fZ}", "--grace=0"),
        COLUMNS="80",
    )
    assert answer.code == 1
    assert transaction in answer.output
    assert "no ledger entry" in answer.output
    assert "python -m ops payment" in answer.output
    assert max(map(len, answer.output.splitlines())) <= 80
