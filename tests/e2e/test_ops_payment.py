"""`python -m ops payment` against a deployed PaymentsProd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from local.deployed import Deployment, approve, audit, eventually, post
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, user

TOKEN = "tok_that_nobody_may_see"
TABLE = "payment-transactions"


@pytest.fixture
def deployment(production: Production) -> Deployment:
    return production.deployment


def validated(deployment: Deployment) -> str:
    """A new payment's transaction."""
    return approve(deployment, payment_method_token=TOKEN)


def processed(deployment: Deployment) -> str:
    """A new payment's transaction, which is posted."""
    return post(deployment, payment_method_token=TOKEN)


def audited(deployment: Deployment, transaction: str, items: int) -> str:
    """The same, once the audit trail has so many items."""
    assert eventually(lambda: audit(deployment, transaction), lambda found: len(found) >= items)
    return transaction


def story(production: Production, transaction: str, **variables: str) -> Answer:
    answer = ops(production, "payment", transaction, "--json", **variables)
    assert TOKEN not in answer.output + answer.errors
    return answer


def texts(answer: Answer, source: str) -> list[str]:
    return [each["text"] for each in answer.document["events"] if each["source"] == source]


def test_a_posted_payment_is_told_from_every_source_in_the_order_of_time(
    production: Production, deployment: Deployment
) -> None:
    transaction = audited(deployment, processed(deployment), 2)
    answer = story(production, transaction)
    assert answer.code == 0, answer
    assert answer.document["state"] == "posted"
    times = [each["at"] for each in answer.document["events"]]
    assert times == sorted(times)
    assert [text.partition(" ")[0] for text in texts(answer, "history")] == ["approved", "posted"]
    entry, told = texts(answer, "ledger")
    assert "debit clearing-receivable/EUR 12345 EUR; credit merchant-payable/corner-books" in entry
    assert told == "the history was told: posted"
    assert [text.split(" in ")[0] for text in texts(answer, "audit trail")] == [
        "INSERT approved",
        "INSERT posted",
    ]
    assert any("payment decided" in text for text in texts(answer, "payment-validator"))
    assert any("payment posted" in text for text in texts(answer, "payment-processor"))
    assert {each["verdict"] for each in answer.document["checks"]} == {"held"}
    for source in (
        "history",
        "ledger",
        "queues",
        "operators",
        "audit trail",
        "log of audit-logger",
    ):
        assert answer.check(source)


def test_the_time_line_is_readable_in_eighty_columns(
    production: Production, deployment: Deployment
) -> None:
    transaction = processed(deployment)
    answer = ops(production, "payment", transaction, COLUMNS="80")
    assert TOKEN not in answer.output + answer.errors
    lines = answer.output.splitlines()
    assert lines[0] == f"Payment {transaction}: posted"
    assert max(map(len, lines)) <= 80
    assert "the history was told: posted" in answer.output


def test_an_unknown_payment_is_told_with_what_was_looked_at(production: Production) -> None:
    answer = story(production, str(uuid4()))
    assert answer.code == 1
    assert answer.document["state"] == "unknown"
    assert answer.document["events"] == []
    looked_at = {each["what"]: each["found"] for each in answer.document["checks"]}
    assert looked_at["history"] == "nothing"
    assert looked_at["ledger"] == "no entry"
    assert looked_at["log of payment-validator"].startswith("0 lines")


def test_what_is_no_id_is_not_looked_for(production: Production) -> None:
    answer = ops(production, "payment", "4711")
    answer.refuses("4711 is no transaction id")


@pytest.fixture
def clerk(production: Production) -> Iterator[dict[str, str]]:
    """Credentials of somebody who may read the history, and nothing else of payments."""
    with user(
        production, allowed=("cloudformation:*", "dynamodb:Query", "kms:Decrypt")
    ) as variables:
        yield variables


def test_sources_that_may_not_be_read_are_told_and_the_others_read(
    production: Production, deployment: Deployment, clerk: dict[str, str]
) -> None:
    transaction = processed(deployment)
    answer = story(production, transaction, **clerk)
    assert answer.code == 2, answer
    assert not answer.document["held"]
    assert answer.document["state"] == "posted, says the history; not seen: ledger"
    assert len(texts(answer, "history")) == 2
    for source in ("ledger", "queues", "audit trail", "log of payment-processor"):
        check = answer.check(source)
        assert check["verdict"] == "not seen", check
        assert "may not do it" in check["found"]


def dead_letters(production: Production) -> tuple[Any, str]:
    """A client of SQS, and the retry queue's dead-letter queue."""
    sqs = production.client("sqs")
    policy = sqs.get_queue_attributes(
        QueueUrl=production.outputs["RetryQueueUrl"], AttributeNames=["RedrivePolicy"]
    )["Attributes"]["RedrivePolicy"]
    name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
    return sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"]


def test_a_payment_that_was_given_up_is_found_among_the_dead_letters_which_stay(
    production: Production, deployment: Deployment
) -> None:
    sqs, url = dead_letters(production)
    transaction = audited(deployment, validated(deployment), 1)
    bodies = [json.dumps({"transaction_id": each}) for each in (str(uuid4()), transaction)]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    try:
        answer = story(production, transaction)
    finally:
        left = {}
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            left.update({each["Body"]: each["MessageId"] for each in got})
            for each in got:
                if each["Body"] in bodies:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    assert set(bodies) <= set(left)
    assert answer.code == 1
    assert "given up" in answer.document["state"]
    assert left[bodies[1]] in answer.check("payment")["mend"]
    (told,) = texts(answer, "queue")
    assert told == f"sent to the retry queue, and given up since (message {left[bodies[1]]})"


def test_what_operators_did_with_its_message_is_told(
    production: Production, deployment: Deployment
) -> None:
    sqs, url = dead_letters(production)
    transaction = audited(deployment, validated(deployment), 1)
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"transaction_id": transaction}))
    moved = ops(
        production, "dlq", "quarantine", "retry", f"--id={transaction}", "--reason=twice", "--yes"
    )
    assert moved.code == 0, moved
    (told,) = texts(story(production, transaction), "operators")
    assert told.startswith("dlq quarantine by arn:aws:iam::")
    assert "because 'twice': done; operations/year=" in told


def test_a_posting_that_was_altered_in_the_history_is_a_problem_and_so_is_the_change(
    production: Production, deployment: Deployment
) -> None:
    transaction = audited(deployment, processed(deployment), 2)
    table = deployment.client("dynamodb")
    items = table.query(
        TableName=TABLE,
        KeyConditionExpression="transaction_id = :id",
        ExpressionAttributeValues={":id": {"S": transaction}},
    )["Items"]
    (posted,) = [item for item in items if item["state"]["S"] == "posted"]
    table.put_item(TableName=TABLE, Item={**posted, "amount": {"N": "99"}})
    try:
        audited(deployment, transaction, 3)
        answer = story(production, transaction)
    finally:
        table.put_item(TableName=TABLE, Item=posted)
        audited(deployment, transaction, 4)
    assert answer.code == 1, answer
    assert answer.document["state"] == "posted"
    problems = {each["what"]: each["found"] for each in answer.problems}
    assert any(what.startswith("MODIFY ") for what in problems)
    assert problems["history item posted, terms"].startswith("amount 99, but 12345 in")
    mended = story(production, transaction)  # the change is still told
    assert mended.code == 1
    assert "terms" not in mended.output


def test_a_payment_whose_only_item_was_deleted_is_found_in_the_audit_trail(
    production: Production, deployment: Deployment
) -> None:
    transaction = str(uuid4())
    key = {"transaction_id": {"S": transaction}, "timestamp": {"N": "0"}}
    table = deployment.client("dynamodb")
    table.put_item(TableName=TABLE, Item={**key, "state": {"S": "approved"}})
    table.delete_item(TableName=TABLE, Key=key)
    audited(deployment, transaction, 2)
    answer = story(production, transaction)
    assert answer.code == 1
    assert answer.document["state"].startswith("there are traces of it")
    assert answer.check("REMOVE approved")["verdict"] == "problem"


def test_a_posting_that_nobody_approved_is_a_problem(
    production: Production, deployment: Deployment
) -> None:
    transaction = str(uuid4())
    ledger = deployment.ledger()
    ledger.run("SELECT ledger.post_payment(CAST(:id AS uuid), 'acme', 5, 'EUR')", id=transaction)
    ledger.close()
    answer = story(production, transaction)
    assert answer.code == 1
    assert answer.check("approval of the posting")["found"] == "missing"
