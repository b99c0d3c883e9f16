"""Audit objects: everything the stream tells, under a name that a redelivery finds again."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import audit_logger.handler
import boto3
import pytest
from audit_logger.bucket import AuditBucket
from audit_logger.records import AuditObject, audit_object, audit_record
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lambda_code.conftest import Logs
from tests.unit.lambda_code.lambda_context import CONTEXT

STREAM = (
    "arn:aws:dynamodb:us-east-1:123456789012:table/payment-transactions"
    "/stream/2026-01-01T00:00:00.000"
)


def record(number: int = 1, **change: Any) -> dict[str, Any]:
    """A stream record, as AWS documents it, of the second `number` of 2026-01-31T08."""
    return {
        "eventID": f"event{number}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM,
        "dynamodb": {
            "ApproximateCreationDateTime": 1769846400.0 + number,
            "Keys": {"transaction_id": {"S": "t1"}, "timestamp": {"N": "0"}},
            "NewImage": {
                "transaction_id": {"S": "t1"},
                "timestamp": {"N": "0"},
                "amount": {"N": "1050"},
                "reasons": {"L": [{"S": "x"}]},
            },
            "SequenceNumber": f"{number:021}",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    } | change


def lines(made: AuditObject) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(made.content).decode().splitlines()]


def test_a_record_is_the_item_as_plain_json_with_its_place_in_the_stream() -> None:
    assert audit_record(record(7)) == {
        "event_id": "event7",
        "event_name": "INSERT",
        "sequence_number": "000000000000000000007",
        "created_at": "2026-01-31T08:00:07.000000Z",
        "anomaly": False,
        "keys": {"transaction_id": "t1", "timestamp": 0},
        "item": {"transaction_id": "t1", "timestamp": 0, "amount": 1050, "reasons": ["x"]},
    }


@pytest.mark.parametrize("name", ["MODIFY", "REMOVE"])
def test_a_change_of_history_is_recorded_as_an_anomaly(name: str) -> None:
    changed = record(eventName=name)
    changed["dynamodb"]["OldImage"] = changed["dynamodb"].pop("NewImage")
    plain = audit_record(changed)
    assert plain["anomaly"] is True
    assert plain["old_item"]["amount"] == 1050
    assert "item" not in plain


def test_every_attribute_type_can_be_recorded() -> None:
    """Someone else's item must not be able to stop the audit."""
    change = record()
    change["dynamodb"]["NewImage"] = {
        "b": {"B": "AAE="},
        "bs": {"BS": ["AAE="]},
        "n": {"N": "1.10"},
        "ns": {"NS": ["1", "2.5"]},
        "ss": {"SS": ["a"]},
        "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}]}}},
        "big": {"N": "9" * 38},
    }
    (plain,) = lines(audit_object([change], None))
    assert plain["item"] == {
        "b": "AAE=",
        "bs": ["AAE="],
        "n": "1.10",
        "ns": [1, "2.5"],
        "ss": ["a"],
        "m": {"l": [None, False]},
        "big": int("9" * 38),
    }


def test_the_name_tells_hour_stream_and_sequence_numbers() -> None:
    made = audit_object([record(3), record(4)], None)
    assert made.key == (
        "year=2026/month=01/day=31/hour=08/"
        "2026-01-01T000000.000-000000000000000000003-000000000000000000004.ndjson.gz"
    )


def test_the_hour_is_that_of_the_first_record() -> None:
    late = record(2)
    late["dynamodb"]["ApproximateCreationDateTime"] += 3600
    assert "/hour=08/" in audit_object([record(1), late], None).key


def test_the_name_tells_the_shard_where_it_is_known() -> None:
    made = audit_object([record(1)], "shardId-1")
    assert "-shardId-1-0000" in made.key
    assert made.metadata["shard-id"] == "shardId-1"


@given(st.lists(st.integers(1, 3599), min_size=1, unique=True))
def test_a_redelivered_batch_makes_the_same_object(numbers: list[int]) -> None:
    first, again = (audit_object([record(n) for n in sorted(numbers)], None) for _ in range(2))
    assert first == again
    assert len(lines(first)) == len(numbers)


def test_the_objects_content_does_not_hold_the_time_of_compression() -> None:
    assert audit_object([record()], None).content[4:8] == bytes(4)  # MTIME, RFC 1952


def test_the_metadata_describe_the_content() -> None:
    made = audit_object([record(1), record(2)], None)
    assert made.metadata == {
        "content-sha256": hashlib.sha256(made.content).hexdigest(),
        "first-sequence-number": "000000000000000000001",
        "last-sequence-number": "000000000000000000002",
        "record-count": "2",
    }


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )


@pytest.fixture
def stub(client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(audit_logger.handler, "_bucket", lambda: AuditBucket(client, "audit"))
    with Stubber(client) as stubber:
        yield stubber


MADE = audit_object([record()], None)
PUT = {
    "Bucket": "audit",
    "Key": MADE.key,
    "Body": MADE.content,
    "ContentType": "application/x-ndjson",
    "ContentEncoding": "gzip",
    "ChecksumAlgorithm": "SHA256",
    "Metadata": MADE.metadata,
    "IfNoneMatch": "*",
}


def test_an_object_is_created_only_if_there_is_none(client: Any, stub: Any) -> None:
    stub.add_response("put_object", {}, PUT)
    assert AuditBucket(client, "audit").create(MADE)


def test_an_object_that_is_there_is_left_alone(client: Any, stub: Any) -> None:
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    assert not AuditBucket(client, "audit").create(MADE)


def test_any_other_error_of_the_bucket_passes_through(client: Any, stub: Any) -> None:
    stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
    with pytest.raises(ClientError, match="AccessDenied"):
        AuditBucket(client, "audit").create(MADE)


def test_a_stored_batch_is_done(stub: Any) -> None:
    stub.add_response("put_object", {}, PUT)
    answer = audit_logger.handler.handle({"Records": [record()]}, CONTEXT)
    assert answer == {"batchItemFailures": []}


def test_a_batch_that_cannot_be_stored_comes_again_from_its_first_record(stub: Any) -> None:
    stub.add_client_error("put_object", "SlowDown", http_status_code=503)
    answer = audit_logger.handler.handle({"Records": [record(5), record(6)]}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "000000000000000000005"}]}


def test_a_change_of_history_is_logged_as_critical(stub: Any, logs: Logs) -> None:
    stub.add_response("put_object", {}, PUT | {"Body": ANY, "Metadata": ANY})
    audit_logger.handler.handle({"Records": [record(eventName="REMOVE")]}, CONTEXT)
    assert "CRITICAL" in [line["level"] for line in logs()]
