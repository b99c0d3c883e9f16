"""Appending to the audit trail: every object is created once, and nothing is ever overwritten.

Anybody who may put an object into the bucket can put a wrong one there. A writer goes on only from
what follows the chain that it knows; a new sandbox, which knows none, follows what looks like the
end back, and takes it for the end if that leads somewhere. What does not is told, and passed by.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from audit_logger.records import content, created, identities, identity, sequence_number
from audit_trail.link import (
    AHEAD,
    NO_PREDECESSOR,
    Link,
    hour_of,
    is_link_key,
    next_place,
    successor,
)
from payments import metrics
from payments.moments import from_rfc3339, now, to_rfc3339

# How far DynamoDB's clock, which tells the second, and a writer's may be apart.
SKEW = timedelta(seconds=10)
# How long the objects at the trail's end are remembered; a later redelivery reads them again.
MEMORY = timedelta(minutes=10)
# How far back a new sandbox looks for the trail's end before it lists the whole bucket.
LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=31))
# Objects of other writers that are read one by one.
CATCH_UP = 20
# Of a listing that may be of any length, what is looked at at once: S3's page.
PAGE = 1000
# How far a new sandbox follows the chain back from what looks like its end. So many links, however
# long it takes ...
LINKS = 20
# ... and more as long as they are of the last day, and there is time. A longer piece of a chain,
# forged while nobody wrote, is found by the verifier only. What has stood for a day is not asked
# for what came before it: the account's owner may have had to erase that.
MATURE = timedelta(days=1)
CHECK_SECONDS = 3.0
# Nothing that a writer has stored is longer: an invocation's event has at most 6 MB.
LARGEST = 16 * 1024 * 1024
# A record twice in the trail does less harm than one that never gets there.
_NOT_SEARCHED = "not all of the trail was searched for records stored before"

Record = Mapping[str, Any]

logger = Logger(child=True)


class AppendError(Exception):
    """There was no time left to append; the batch must come again."""


@dataclass(frozen=True)
class _Stored:
    """An object of the trail.

    Attributes:
        stored: when S3 got it.
        records: the identities of the records in it; None as long as its content was not read.
    """

    link: Link
    stored: datetime
    records: frozenset[bytes] | None = None

    @property
    def is_sound(self) -> bool:
        return self.link.is_sound(self.stored)

    @property
    def at(self) -> datetime:
        """When it was stored, by its writer's clock, of a sound link."""
        return min(from_rfc3339(self.link.metadata["stored-at"]), self.stored)


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
        self._detour = 0  # how many of the keys at which it goes on are taken by somebody else
        self._foreign: set[str] = set()  # objects that are none of the trail's, and are told

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
            self._find_end(has_time)
        while has_time():
            stored = self._stored_since(since, has_time)
            new = [record for record in records if identity(record) not in stored]
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
        if self._detour:
            metadata["detour"] = str(self._detour)
        link = Link.sealed(successor(last, self._detour), metadata)
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
            status = _status(error)
            if status == 412:
                self._catch_up(link.key)
                # If the first try's answer was lost, the second one meets the first one's object.
                return link if any(stored.link == link for stored in self._end) else None
            if status != 409:  # 409: both at the same moment, and neither may have won
                raise
            return None
        self._go_on(_Stored(link, self._clock(), frozenset(map(identity, records))))
        return link

    def _stored_since(self, since: datetime, has_time: Callable[[], bool]) -> set[bytes]:
        """The records in all objects that were stored after a moment.

        No record is in an object that was stored before it was created. So only the content of
        young objects is asked for: that of old ones is in Glacier, and their metadata are enough.
        """
        while self._end and self._end[0].at >= since:
            previous = self._end[0].link.metadata["previous-key"]
            if not previous:
                break
            if not has_time():
                logger.warning(_NOT_SEARCHED)
                break
            found = self._head(previous)
            if found is None or not (found.is_sound and self._end[0].link.follows(found.link)):
                self._tell(previous, "it is not what the object after it says")
                break
            self._end.appendleft(found)
        for index, stored in enumerate(self._end):
            if stored.records is None and stored.at >= since:
                if not has_time():
                    logger.warning(_NOT_SEARCHED)
                    break
                self._end[index] = self._with_records(stored)
        return {record for stored in self._end for record in stored.records or ()}

    def _find_end(self, has_time: Callable[[], bool]) -> None:
        """Read the last object, if there is one."""
        for back in LOOK_BACK:
            if self._jump(hour_of(self._clock() - back)):
                return
            if not has_time():
                raise AppendError
        # If none in the whole bucket leads back, the trail is followed from its first object on.
        self._jump("")

    def _jump(self, after: str) -> bool:
        """Go to the last object after a key that can be the trail's end; False if there is none."""
        keys, deadline = [], time.monotonic() + CHECK_SECONDS
        for key in self._keys(after):
            keys.append(key)
            if time.monotonic() > deadline:
                break  # what comes later is met when the trail is followed
        deadline = time.monotonic() + CHECK_SECONDS
        for key in self._candidates(keys):
            if found := self._leading_back(key, deadline):
                self._end, self._detour = deque([found]), 0
                return True
            if time.monotonic() > deadline:
                break
        return False

    def _candidates(self, keys: Sequence[str]) -> Iterator[str]:
        """Backwards in ever longer steps to the first, since there may be many wrong ones, and what
        is left out is met when the trail is followed; then all others."""
        index, step = len(keys) - 1, 1
        while index >= 0:
            if keys[index] in self._foreign:
                index -= 1
            else:
                yield keys[index]
                index, step = index - step, 2 * step
        yield from keys[:1]
        yield from (key for key in reversed(keys) if key not in self._foreign)

    def _leading_back(self, key: str, deadline: float) -> _Stored | None:
        """The object, if the chain leads from it back to what is known or, for want of that, as far
        as it is followed. If it does not, all of that piece is foreign."""
        walked: list[str] = []
        first = found = self._head(key)
        while found:
            link = found.link
            if self._end and link == self._end[-1].link:
                return first
            walked.append(link.key)
            if link.key in self._foreign or not found.is_sound:
                break
            if len(walked) > LINKS and (
                found.stored < self._clock() - MATURE or time.monotonic() > deadline
            ):
                return first
            name = link.metadata["previous-key"]
            if not name and self._is_next(link, None):
                return first
            # A predecessor's key is less than its successor's: this ends.
            found = self._head(name) if name < link.key else None
            if found and not self._is_next(link, found.link):
                break
        for one in walked:
            self._tell(one, "it does not lead back into the trail")
        return None

    def _is_next(self, link: Link, previous: Link | None) -> bool:
        """Whether a sound link is the one with which the trail goes on, and no earlier one is."""
        if not link.follows(previous):
            return False
        for detour in range(link.detour):
            other = self._head(successor(previous, detour))
            if other is None or (other.is_sound and other.link.follows(previous)):
                return False
        return True

    def _catch_up(self, key: str) -> None:
        """Read what others have stored, from the next object on, which is there."""
        self._step(key)
        if not self._end:
            return
        listed = frozenset(islice(self._keys(next_place(self._end[-1].link)), PAGE))
        for _ in range(CATCH_UP):
            last = self._end[-1].link
            key = successor(last, self._detour)
            if key not in listed:
                return
            self._step(key)
        # There are many more: those in between are read when they are needed.
        if not self._detour:
            self._jump(self._end[-1].link.key)

    def _step(self, key: str) -> None:
        """Go on to the next object, if that is what stands where it belongs, or past it."""
        found = self._head(key)
        if not found:
            return
        if found.is_sound and found.link.follows(self._end[-1].link if self._end else None):
            self._go_on(found)
        else:
            self._tell(key, "the trail goes on beside it")
            self._detour += 1

    def _go_on(self, stored: _Stored) -> None:
        self._end.append(stored)
        self._detour = 0

    def _tell(self, key: str, why: str) -> None:
        """Once: the verifier names them all."""
        if key not in self._foreign:
            self._foreign.add(key)
            logger.critical(
                "an object of the audit trail is not ours", extra={"key": key, "why": why}
            )
            metrics.count("ForeignAuditObjects")

    def _keys(self, after: str) -> Iterator[str]:
        """The objects after a key, which is the trail's order, up to what can be of today."""
        horizon = f"{hour_of(self._clock() + AHEAD)}0"  # "0" comes after the "/" that ends the hour
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix="year=", StartAfter=after
        )
        for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
            if key > horizon:
                self._tell(key, "its hour has not come")
                return
            if is_link_key(key):
                yield key

    def _head(self, key: str) -> _Stored | None:
        """An object without its records; None if there is none."""
        if not is_link_key(key):
            return None
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise
        return self._found(key, found)

    def _with_records(self, stored: _Stored) -> _Stored:
        """The object with the records in it, of which it has none where they cannot be read."""
        key, none = stored.link.key, replace(stored, records=frozenset())
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            # Somebody has put it into Glacier at once: the bucket's own rule takes 90 days.
            if error.response["Error"]["Code"] == "InvalidObjectState" or _status(error) == 404:
                return none
            raise
        if found.get("ContentLength", 0) <= LARGEST:
            body = found["Body"].read()
            if hashlib.sha256(body).hexdigest() == stored.link.metadata.get("content-sha256"):
                with suppress(ValueError, zlib.error):
                    return replace(stored, records=identities(body))
            # Whoever did this is the verifier's business; what comes after must still be recorded.
            self._tell(key, "its content is not that of an audit record")
        return none

    def _found(self, key: str, found: Mapping[str, Any]) -> _Stored:
        return _Stored(Link(key, found["Metadata"]), found.get("LastModified") or self._clock())

    def _forget(self) -> None:
        horizon = self._clock() - MEMORY
        while len(self._end) > 1 and self._end[0].at < horizon:
            self._end.popleft()


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
