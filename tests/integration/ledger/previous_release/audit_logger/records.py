"""Audit records: stream records of payment-transactions as plain JSON, one a line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from payments.moments import to_rfc3339


def content(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Audit records as an object holds them: gzip of NDJSON, one record a line.

    Args:
        records: of a DynamoDB stream event, in the stream's order.
    """
    lines = "".join(_line(audit_record(record)) for record in records)
    # mtime=0: the time of compression must not change the content.
    return gzip.compress(lines.encode(), mtime=0)


def sequence_numbers(content: bytes) -> frozenset[str]:
    """The sequence numbers of the records in an object."""
    lines = gzip.decompress(content).splitlines()
    return frozenset(json.loads(line)["sequence_number"] for line in lines)


def sequence_number(record: Mapping[str, Any]) -> str:
    """What names a record in its stream."""
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def created(record: Mapping[str, Any]) -> datetime:
    """When the change was made; DynamoDB tells the second."""
    return datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)


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
        "created_at": to_rfc3339(created(record)),
        "anomaly": record["eventName"] != "INSERT",
        "keys": _plain(change["Keys"]),
    }
    if "NewImage" in change:
        plain["item"] = _plain(change["NewImage"])
    if "OldImage" in change:
        plain["old_item"] = _plain(change["OldImage"])
    return plain


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
