"""Audit records: stream records of payment-transactions as plain JSON, one a line."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from payments.attributes import from_item
from payments.moments import to_rfc3339

# An invocation's event has at most 6 MB, and so have its records as lines, more or less.
LONGEST: Final = 32 * 1024 * 1024


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


def identity(record: Mapping[str, Any]) -> bytes:
    """What two deliveries of the same record have in common, and nothing else has.

    Not its number alone: an object that only claims to hold the record must not keep it out.
    """
    return hashlib.sha256(_line(audit_record(record)).encode()).digest()


def identities(content: bytes) -> frozenset[bytes]:
    """Of the records in an object.

    Raises:
        ValueError, zlib.error: this is no object of records.
    """
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    lines = unpacking.decompress(content, LONGEST)
    if not unpacking.eof:
        raise ValueError("it is cut off, or too long")
    return frozenset(hashlib.sha256(line).digest() for line in lines.splitlines(keepends=True))


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
        "keys": from_item(change["Keys"]),
    }
    if "NewImage" in change:
        plain["item"] = from_item(change["NewImage"])
    if "OldImage" in change:
        plain["old_item"] = from_item(change["OldImage"])
    return plain


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n"
