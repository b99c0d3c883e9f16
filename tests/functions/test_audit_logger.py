"""Audit records: everything that the stream tells, each change once."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import audit_logger.handler
import pytest
from audit_logger.records import (
    LONGEST,
    audit_record,
    content,
    identities,
    identity,
    sequence_numbers,
)
from audit_logger.trail import AuditTrail
from botocore.exceptions import ClientError

from tests.functions.bucket_in_memory import KEY, BucketInMemory, client_error
from tests.functions.conftest import Logs, Metrics
from tests.functions.lambda_context import CONTEXT

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


def lines(stored: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(stored).decode().splitlines()]


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
    (plain,) = lines(content([change]))
    assert plain["item"] == {
        "b": "AAE=",
        "bs": ["AAE="],
        "n": "1.10",
        "ns": [1, "2.5"],
        "ss": ["a"],
        "m": {"l": [None, False]},
        "big": int("9" * 38),
    }


def test_the_same_records_make_the_same_content_at_any_time() -> None:
    assert content([record()])[4:8] == bytes(4)  # MTIME, RFC 1952
    assert sequence_numbers(content([record(1), record(2)])) == {f"{1:021}", f"{2:021}"}


def test_two_deliveries_of_a_record_are_one_and_another_of_its_number_is_not() -> None:
    assert identities(content([record(1), record(2)])) == {identity(record(1)), identity(record(2))}
    other = record(1)
    other["dynamodb"]["NewImage"]["amount"]["N"] = "1"
    assert identity(other) != identity(record(1))


@pytest.mark.parametrize(
    "stored", [b"", b"x", content([record()])[:-9], gzip.compress(bytes(LONGEST + 1))]
)
def test_what_is_no_object_of_records_holds_none(stored: bytes) -> None:
    """Nor is it unpacked to the end: a few MB can become a thousand times as many."""
    with pytest.raises((ValueError, zlib.error)):
        identities(stored)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> BucketInMemory:
    bucket = BucketInMemory()
    trail = AuditTrail(bucket, "audit", KEY)
    monkeypatch.setattr(audit_logger.handler, "_trail", lambda: trail)
    return bucket


def handle(*records: dict[str, Any]) -> dict[str, Any]:
    return audit_logger.handler.handle({"Records": list(records)}, CONTEXT)


def test_a_batch_is_audited_once(bucket: BucketInMemory, logs: Logs) -> None:
    assert handle(record(1), record(2)) == {"batchItemFailures": []}
    before = bucket.keys
    assert handle(record(1), record(2)) == {"batchItemFailures": []}
    assert bucket.keys == before
    assert [line["message"] for line in logs()] == [
        "records audited",
        "records were audited before",
    ]


def test_a_batch_that_cannot_be_stored_fails_the_function(
    bucket: BucketInMemory, logs: Logs
) -> None:
    """An error counts in the function's metrics; a list of failed items would not."""

    def slow_down() -> None:
        raise client_error(503, "SlowDown")

    bucket.before_put = slow_down
    with pytest.raises(ClientError, match="SlowDown"):
        handle(record(5), record(6))
    assert logs()[-1]["message"] == "records not audited"


def test_an_empty_batch_stores_nothing(bucket: BucketInMemory) -> None:
    assert handle() == {"batchItemFailures": []}
    assert bucket.keys == []


@pytest.mark.usefixtures("bucket")
def test_logs_carry_the_first_events_id_and_the_objects_witness(logs: Logs) -> None:
    handle(record(7), record(8))
    (line,) = logs()
    assert line["correlation_id"] == "event7"
    assert line["first_sequence_number"] == f"{7:021}"
    assert len(line["link_sha256"]) == 64
    assert "1050" not in json.dumps(line)


@pytest.mark.usefixtures("bucket")
def test_a_change_of_history_is_logged_as_critical_and_counted(
    logs: Logs, metrics: Metrics
) -> None:
    handle(record(1), record(2, eventName="REMOVE"))
    assert "CRITICAL" in [line["level"] for line in logs()]
    assert metrics() == [("RecordsAudited", 2, None), ("HistoryChanged", 1, None)]
