"""The functions' roles are enforced: each is let do one thing that it needs, and refused others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Production
from tests.probe import Call, make_probe

KEY = {"transaction_id": {"S": "probe"}, "timestamp": {"N": "0"}}


def _calls(outputs: dict[str, str]) -> dict[str, Call]:
    table = {"TableName": outputs["TransactionsTableName"]}
    bucket, queue = outputs["AuditBucketName"], outputs["RetryQueueUrl"]
    item = {"Bucket": bucket, "Key": "probe"}
    return {
        "read an item": ["dynamodb", "get_item", {**table, "Key": KEY}],
        "add an item": ["dynamodb", "put_item", {**table, "Item": KEY}],
        "delete an item": ["dynamodb", "delete_item", {**table, "Key": KEY}],
        "change an item": [
            "dynamodb",
            "update_item",
            {
                **table,
                "Key": KEY,
                "UpdateExpression": "SET a = :a",
                "ExpressionAttributeValues": {":a": {"N": "1"}},
            },
        ],
        "read the table": ["dynamodb", "scan", table],
        "find the stream": ["dynamodbstreams", "list_streams", table],
        "look at the queue": [
            "sqs",
            "get_queue_attributes",
            {"QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"]},
        ],
        "send a retry": ["sqs", "send_message", {"QueueUrl": queue, "MessageBody": "{}"}],
        "write an audit object": ["s3", "put_object", {**item, "Body": "x"}],
        "read an audit object": ["s3", "get_object", item],
        "delete an audit object": ["s3", "delete_object", item],
        "read the master password": [
            "secretsmanager",
            "get_secret_value",
            {"SecretId": outputs["LedgerSecretArn"]},
        ],
        "gain rights": ["iam", "create_user", {"UserName": "probe"}],
    }


ALLOWED = {
    "payment-validator": ["read an item"],
    "payment-processor": ["read an item", "look at the queue"],
    "audit-logger": ["find the stream"],
}
REFUSED = {
    "payment-validator": [
        "delete an item",
        "change an item",
        "read the table",
        "send a retry",
        "write an audit object",
        "read the master password",
        "gain rights",
    ],
    "payment-processor": [
        "delete an item",
        "change an item",
        "read the table",
        "write an audit object",
        "read the master password",
        "gain rights",
    ],
    "audit-logger": [
        "read an item",
        "add an item",
        "delete an item",
        "delete an audit object",
        "read an audit object",
        "read the master password",
        "gain rights",
    ],
}


@pytest.fixture(scope="module")
def attempt(production: Production) -> Callable[[str, str], Any]:
    """Let a function of the same role as the named one try something."""
    probes = {
        name: make_probe(production.environment, str(production.function(name)["Role"]))[1]
        for name in ALLOWED
    }
    calls = _calls(production.deployment.outputs)
    return lambda function, what: probes[function](calls[what])


def _pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(function, what) for function, attempts in table.items() for what in attempts]


@pytest.mark.parametrize(("function", "what"), _pairs(ALLOWED))
def test_a_role_allows(attempt: Callable[[str, str], Any], function: str, what: str) -> None:
    assert attempt(function, what) == "done"


@pytest.mark.parametrize(("function", "what"), _pairs(REFUSED))
def test_a_role_refuses(attempt: Callable[[str, str], Any], function: str, what: str) -> None:
    assert "AccessDenied" in attempt(function, what)
