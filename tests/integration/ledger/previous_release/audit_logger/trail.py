"""Appending to the audit trail: every object is created once, and nothing is ever overwritten."""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from audit_logger.link import NO_PREDECESSOR, ORIGIN_KEY, Link, hour_of, is_link_key
from audit_logger.records import content, created, sequence_number, sequence_numbers
from payments.moments import from_rfc3339, now, to_rfc3339

# How far DynamoDB's clock, which tells the second, and a writer's may be apart.
SKEW = timedelta(seconds=10)
# How long the objects at the trail's end are remembered; a later redelivery reads them again.
MEMORY = timedelta(minutes=10)
# How far back a new sandbox looks for the trail's end before it lists the whole bucket.
LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=31))
# Objects of other writers that are read one by one.
CATCH_UP = 20

Record = Mapping[str, Any]

logger = Logger(child=True)


class AppendError(Exception):
    """There was no time left to append; the batch must come again."""


@dataclass(frozen=True)
class _Stored:
    """An object of the trail, and the sequence numbers of the records in it."""

    link: Link
    numbers: frozenset[str]

    @property
    def at(self) -> datetime:
        at = self.link.metadata.get("stored-at")
        return from_rfc3339(at) if at else datetime.min.replace(tzinfo=UTC)


class AuditTrail:
    """The trail in one bucket, through an S3 client; botocore's errors pass through.

    Any number of writers may append at the same time. A writer that dies leaves a complete object
    or none, since an object and its place in the chain are one write.
    """

    def __init__(
        self, client: Any, bucket: str, key_arn: str, clock: Callable[[], datetime] = now
    ) -> None:
        """Nothing is read yet.

        Args:
            key_arn: of the KMS key that every object is put under; the bucket refuses others.
        """
        self._client = client
        self._bucket = bucket
        self._key_arn = key_arn
        self._clock = clock
        self._end: deque[_Stored] = deque()  # consecutive objects, oldest first

    def append(self, records: Sequence[Record], has_time: Callable[[], bool]) -> Link | None:
        """Store those records that the trail does not have; None if it has them all.

        It does not matter in which batches they came before.

        Args:
            records: of one stream event, at least one, in the stream's order.
            has_time: asked before each request.

        Raises:
            AppendError: other writers, or S3, left no time.
        """
        since = created(records[0]) - SKEW
        if not self._end:
            self._find_end()
        while has_time():
            stored = self._numbers_since(since, has_time)
            new = [record for record in records if sequence_number(record) not in stored]
            if not new:
                return None
            hour = hour_of(self._clock())
            if not self._end or hour > self._end[-1].link.next_hour:
                self._put([], continued_in=hour)
            elif link := self._put(new):
                self._forget()
                return link
        raise AppendError

    def _put(self, records: Sequence[Record], continued_in: str = "") -> Link | None:
        """Create the next object; None if another writer was faster, whose objects are read."""
        body = content(records)
        last = self._end[-1].link if self._end else None
        metadata = {
            "content-sha256": hashlib.sha256(body).hexdigest(),
            "previous-key": last.key if last else "",
            "previous-sha256": last.digest if last else NO_PREDECESSOR,
            "stored-at": to_rfc3339(self._clock()),
            "record-count": str(len(records)),
        }
        if records:
            metadata["first-sequence-number"] = sequence_number(records[0])
            metadata["last-sequence-number"] = sequence_number(records[-1])
        if continued_in:
            metadata["continued-in"] = continued_in
        link = Link.sealed(last.successor if last else ORIGIN_KEY, metadata)
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=link.key,
                Body=body,
                ContentType="application/x-ndjson",
                ContentEncoding="gzip",
                ChecksumAlgorithm="SHA256",
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=self._key_arn,
                Metadata=dict(link.metadata),
                IfNoneMatch="*",
            )
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 412:
                self._catch_up()
            elif status != 409:  # 409: both at the same moment, and neither may have won
                raise
            return None
        self._end.append(_Stored(link, frozenset(map(sequence_number, records))))
        return link

    def _numbers_since(self, since: datetime, has_time: Callable[[], bool]) -> set[str]:
        """The records in all objects that were stored after a moment.

        No record is in an object that was stored before it was created.
        """
        while self._end and self._end[0].at >= since:
            previous = self._end[0].link.metadata.get("previous-key")
            if not previous:
                break
            if not has_time():
                # A record twice in the trail does less harm than one that never gets there.
                logger.warning("not all of the trail was searched for records stored before")
                break
            self._end.appendleft(self._read(previous))
        return {number for stored in self._end for number in stored.numbers}

    def _find_end(self) -> None:
        """Read the last object, if there is one."""
        for back in LOOK_BACK:
            if self._read_last(hour_of(self._clock() - back)):
                return
        self._read_last("")

    def _read_last(self, after: str) -> bool:
        last = deque(self._keys(after), maxlen=1)
        if last:
            self._end = deque([self._read(last[0])])
        return bool(last)

    def _catch_up(self) -> None:
        """Read what other writers have stored."""
        if not self._end:
            self._find_end()
            return
        keys = self._keys(self._end[-1].link.key)
        for key in islice(keys, CATCH_UP):
            if key == self._end[-1].link.successor:
                self._end.append(self._read(key))
        for last in deque(keys, maxlen=1):
            # There are many more: those in between are read when they are needed.
            self._end = deque([self._read(last)])

    def _keys(self, after: str) -> Iterator[str]:
        """The objects after a key, which is the trail's order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix="year=", StartAfter=after
        )
        listed = (entry["Key"] for page in pages for entry in page.get("Contents", []))
        return filter(is_link_key, listed)

    def _read(self, key: str) -> _Stored:
        found = self._client.get_object(Bucket=self._bucket, Key=key)
        link = Link(key, found["Metadata"])
        try:
            numbers = sequence_numbers(found["Body"].read())
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            # Whoever did this is the verifier's business; what comes after must still be recorded.
            logger.critical("an object of the audit trail is not ours", extra={"key": key})
            numbers = frozenset()
        return _Stored(link, numbers)

    def _forget(self) -> None:
        horizon = self._clock() - MEMORY
        while len(self._end) > 1 and self._end[0].at < horizon:
            self._end.popleft()
