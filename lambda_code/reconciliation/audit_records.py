"""What the audit trail says. Whether it is intact, `python -m ops audit-trail verify` tells; this
takes its word."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from botocore.exceptions import ClientError

from audit_trail.link import hour_of, is_link_key
from reconciliation.stores import Deployed

_AT_ONCE: Final = 10
"""Objects: as many connections as a client of botocore keeps."""

_CLOCKS: Final = timedelta(minutes=1)
"""How far the writer's clock, which decides on the hour, and S3's may be apart."""

_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read."""
IN_GLACIER: Final = "it is in Glacier: restore it first"
_BEING_RESTORED: Final = "it is being restored from Glacier: try again when that is done"

_MEMBERS: Final = frozenset({"event_name", "created_at", "anomaly", "keys"})
"""What all records have, and readers rely on."""


@dataclass(frozen=True)
class Found:
    """A record, and the object that it is in.

    Attributes:
        stored: when S3 got the object.
        record: as audit_logger.records.audit_record writes it.
    """

    key: str
    stored: datetime
    record: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AuditRecords:
    """Reads one bucket; botocore's errors pass through.

    Attributes:
        unread: objects that were passed over, with the reason.
    """

    s3: Any
    bucket: str
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, production: Deployed) -> AuditRecords:
        return cls(s3=production.client("s3"), bucket=production.output("AuditBucketName"))

    def stored_between(self, begin: datetime, end: datetime) -> Iterator[Found]:
        """The records of all objects that were stored in a period, in the trail's order."""
        objects = self._objects(begin, end)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            # Not all at once: a day may have 86 400 objects.
            while some := list(islice(objects, 8 * _AT_ONCE)):
                for found in threads.map(self._read, some):
                    yield from found

    def _objects(self, begin: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
        last = f"{hour_of(end + _CLOCKS)}0"  # "0" comes after the "/" that ends the hour
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix="year=",
            StartAfter=hour_of(begin - _CLOCKS),
            OptionalObjectAttributes=["RestoreStatus"],
        )
        for listed in (entry for page in pages for entry in page.get("Contents", [])):
            if listed["Key"] > last:
                return
            # S3 tells the second.
            if is_link_key(listed["Key"]) and begin <= listed["LastModified"] + _CLOCKS:
                if listed["LastModified"] > end:
                    continue  # not the end: somebody may have put it among older ones
                if reason := unreadable(listed):
                    self.unread[listed["Key"]] = reason
                else:
                    yield listed["Key"], listed["LastModified"]

    def _read(self, listed: tuple[str, datetime]) -> list[Found]:
        key, stored = listed
        try:
            content = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            records = [json.loads(line) for line in gzip.decompress(content).splitlines()]
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidObjectState":
                raise
            self.unread[key] = IN_GLACIER
        except (OSError, EOFError, zlib.error, ValueError):
            self.unread[key] = "it is no gzip of JSON: verify the trail"
        else:
            if all(isinstance(record, dict) and record.keys() >= _MEMBERS for record in records):
                return [Found(key, stored, record) for record in records]
            self.unread[key] = "it holds something else than audit records: verify the trail"
        return []


def unreadable(listed: Mapping[str, Any]) -> str:
    """Why an object that S3 lists cannot be read, if so."""
    restored = listed.get("RestoreStatus", {})
    if listed.get("StorageClass") not in _ARCHIVED or "RestoreExpiryDate" in restored:
        return ""
    return _BEING_RESTORED if restored.get("IsRestoreInProgress") else IN_GLACIER
