"""Walking the chain in the bucket, object by object, up to the first that is not as it was written.

What is detected, and what is not: docs/decisions/0004-one-numbered-audit-trail.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from audit_logger.link import NO_PREDECESSOR, ORIGIN_KEY, Link, is_link_key
from botocore.exceptions import ClientError

_OPERATIONS: Final = "operations/"
"""What operators did (ops/action_record.py) stands beside the trail, not in it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, and with which object.

    Attributes:
        fault: missing, deleted, overwritten, altered, forged, out_of_order, or truncated.
        key: the object, or where it should be.
    """

    fault: str
    key: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was seen, up to the first fault.

    Attributes:
        last_key, last_sha256: the last good object and its link-sha256, "" if there is none.
        archived: objects whose content is in Glacier: S3's own checksum stood in for it.
    """

    objects: int
    records: int
    archived: int
    last_key: str
    last_sha256: str
    finding: Finding | None


class _Broken(Exception):  # noqa: N818 - not an error of ours
    def __init__(self, fault: str, key: str, detail: str) -> None:
        super().__init__(fault)
        self.finding = Finding(fault=fault, key=key, detail=detail)


class Verifier:
    """Reads one bucket through an S3 client; botocore's errors pass through."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def verify(self, *, first: str = "", last: str = "", witness: str = "") -> Report:
        """Walk the trail.

        Args:
            first, last: hours (audit_logger.link.hour_of) where to begin and to end; the first
                object's own word is taken for what came before it.
            witness: the link-sha256 that an object in the range must have: one that an earlier
                verification or audit-logger's log tells. It uncovers a trail that was cut off at
                its end, or written anew.
        """
        objects = records = archived = 0
        previous: Link | None = None
        witnessed = not witness
        finding: Finding | None = None
        try:
            for key, versions in self._versions(first, last):
                link, in_archive = self._checked(key, versions, previous, from_origin=not first)
                previous = link
                witnessed = witnessed or link.digest == witness
                objects += 1
                records += int(link.metadata.get("record-count", "0"))
                archived += in_archive
            if not witnessed:
                where = previous.successor if previous else ORIGIN_KEY
                raise _Broken(
                    "truncated", where, "no object has the link-sha256 that was witnessed"
                )
        except _Broken as broken:
            finding = broken.finding
        return Report(
            objects=objects,
            records=records,
            archived=archived,
            last_key=previous.key if previous else "",
            last_sha256=previous.digest if previous else "",
            finding=finding,
        )

    def _versions(self, first: str, last: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Each key with all its versions and delete markers, in the trail's order."""
        start = {"KeyMarker": first} if first else {}
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, **start
        )
        for key, versions in groupby(_listed(pages), itemgetter("Key")):
            if key.startswith(_OPERATIONS):
                continue
            if last and key > f"{last}0":  # "0" comes after the "/" that ends the hour
                return
            yield key, list(versions)

    def _checked(
        self, key: str, versions: list[dict[str, Any]], previous: Link | None, *, from_origin: bool
    ) -> tuple[Link, bool]:
        """The object's link, and whether its content is archived."""
        expected = previous.successor if previous else ORIGIN_KEY if from_origin else key
        if not is_link_key(key):
            raise _Broken("forged", key, "the trail has no objects of such names")
        if key > expected:
            raise _Broken("missing", expected, f"the next object is {key}")
        if key < expected:
            raise _Broken("forged", key, f"the trail goes on with {expected}")
        if any("ETag" not in version for version in versions):
            raise _Broken("deleted", key, "a delete marker hides it")
        if len(versions) > 1:
            raise _Broken("overwritten", key, f"it has {len(versions)} versions")
        link, content, in_archive = self._read(key, versions[0])
        if not link.is_sealed:
            raise _Broken("altered", key, "its metadata are not those that it was stored with")
        if content != link.metadata.get("content-sha256"):
            raise _Broken("altered", key, "its content is not that which it was stored with")
        if previous or from_origin:
            before = (previous.key, previous.digest) if previous else ("", NO_PREDECESSOR)
            told = link.metadata.get("previous-key"), link.metadata.get("previous-sha256")
            if told != before:
                raise _Broken(
                    "out_of_order", key, f"it was stored after another object than {before[0]}"
                )
        return link, in_archive

    def _read(self, key: str, version: dict[str, Any]) -> tuple[Link, str, bool]:
        """The object's link, the SHA-256 (hex) of its content, and whether that is archived."""
        which = {"Bucket": self._bucket, "Key": key, "VersionId": version["VersionId"]}
        try:
            found = self._client.get_object(**which)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidObjectState":
                raise
            # S3 computed this from the content when it was stored, and keeps it.
            found = self._client.head_object(**which, ChecksumMode="ENABLED")
            digest = base64.b64decode(found.get("ChecksumSHA256", "")).hex()
            return Link(key, found["Metadata"]), digest, True
        digest = hashlib.sha256(found["Body"].read()).hexdigest()
        return Link(key, found["Metadata"]), digest, False


def _listed(pages: Any) -> Iterator[dict[str, Any]]:
    for page in pages:
        both = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        yield from sorted(both, key=itemgetter("Key"))
