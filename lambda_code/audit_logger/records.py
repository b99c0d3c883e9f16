"""Audit records: stream records of payment-transactions as plain JSON, and the object they fill."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from payments.moments import to_rfc3339


@dataclass(frozen=True)
class AuditObject:
    """One object of the audit bucket.

    Attributes:
        content: gzip of NDJSON, one record a line.
        metadata: S3 user metadata: content-sha256 (hex, of `content`), first-sequence-number,
            last-sequence-number, record-count, and shard-id where it is known.
            `previous-sha256`, the content-sha256 of the shard's object before, completes the
            chain; it is absent where the predecessor is not known.
    """

    key: str
    content: bytes
    metadata: dict[str, str]


def audit_object(records: Sequence[Mapping[str, Any]], shard_id: str | None) -> AuditObject:
    """The object for a batch; everything in it follows from the batch, so that the same batch
    gives the same object whenever it is delivered.

    Args:
        records: of a DynamoDB stream event, at least one, in the stream's order.
        shard_id: if the event names it; sequence numbers alone are unique in a stream.
    """
    first, last = (record["dynamodb"]["SequenceNumber"] for record in (records[0], records[-1]))
    lines = "".join(_line(audit_record(record)) for record in records)
    # mtime=0: the time of compression must not change the content.
    content = gzip.compress(lines.encode(), mtime=0)
    hour = _created(records[0]).strftime("year=%Y/month=%m/day=%d/hour=%H")
    # arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>; a label holds colons.
    label = records[0]["eventSourceARN"].rpartition("/")[2].replace(":", "")
    name = "-".join(part for part in (label, shard_id, first, last) if part)
    metadata = {
        "content-sha256": hashlib.sha256(content).hexdigest(),
        "first-sequence-number": first,
        "last-sequence-number": last,
        "record-count": str(len(records)),
    }
    if shard_id:
        metadata["shard-id"] = shard_id
    return AuditObject(f"{hour}/{name}.ndjson.gz", content, metadata)


def audit_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """One change of the table as plain JSON.

    `anomaly` is true for anything but an added item: history is never updated or deleted, so
    somebody has gone round the functions. Then `old_item` tells what was there, if the stream
    knows it.
    """
    change = record["dynamodb"]
    plain = {
        "event_id": record["eventID"],
        "event_name": record["eventName"],
        "sequence_number": change["SequenceNumber"],
        "created_at": to_rfc3339(_created(record)),
        "anomaly": record["eventName"] != "INSERT",
        "keys": _plain(change["Keys"]),
    }
    if "NewImage" in change:
        plain["item"] = _plain(change["NewImage"])
    if "OldImage" in change:
        plain["old_item"] = _plain(change["OldImage"])
    return plain


def _created(record: Mapping[str, Any]) -> datetime:
    # Seconds since 1970; DynamoDB gives no finer time.
    return datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)


def _plain(image: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in image.items()}


def _plain_value(attribute: Mapping[str, Any]) -> Any:
    """A DynamoDB attribute as JSON; binary stays the base64 text of the event."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return _number(value)
        case "NS":
            return [_number(number) for number in value]
        case "L":
            return [_plain_value(element) for element in value]
        case "M":
            return _plain(value)
        case "NULL":
            return None
    return value


def _number(text: str) -> int | str:
    """Integers as they are; others as text, since a float would lose digits."""
    try:
        return int(text)
    except ValueError:
        return text


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n"
