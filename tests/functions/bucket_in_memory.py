"""A versioned S3 bucket in memory: what the audit trail's writer and verifier ask of S3."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

KEY = "arn:aws:kms:us-east-1:123456789012:key/audit"


def client_error(status: int, code: str, operation: str = "PutObject") -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class BucketInMemory:
    """An S3 client of one bucket; versions of a key stand newest last, None is a delete marker.

    before_put: called before each conditional write, to let another writer in between.
    clock: S3's own, which tells when an object was stored.
    reads: the objects whose content was asked for, with repetitions; heads: their metadata alone.
    listed: how many keys of current objects were told.
    """

    def __init__(self) -> None:
        self.versions: dict[str, list[dict[str, Any] | None]] = {}
        self.before_put: Callable[[], None] = lambda: None
        # However coarse this machine's clock is, no two objects are of one time.
        ticks = count()
        self.clock: Callable[[], datetime] = lambda: (
            datetime.now(UTC) + timedelta(microseconds=next(ticks))
        )
        self.reads: list[str] = []
        self.heads: list[str] = []
        self.listed = 0
        self._lock = threading.Lock()

    @property
    def keys(self) -> list[str]:
        with self._lock:
            return sorted(key for key, versions in self.versions.items() if versions[-1])

    def put_object(self, **request: Any) -> dict[str, Any]:
        self.before_put()
        with self._lock:
            versions = self.versions.setdefault(request["Key"], [])
            if request.get("IfNoneMatch") == "*" and versions and versions[-1]:
                raise client_error(412, "PreconditionFailed")
            key = (request.get("ServerSideEncryption"), request.get("SSEKMSKeyId"))
            versions.append(
                {
                    "Metadata": request["Metadata"],
                    "Content": request["Body"],
                    "Key": key,
                    "LastModified": self.clock(),
                    "Archived": request.get("StorageClass") == "GLACIER",
                }
            )
        return {}

    def delete(self, key: str) -> None:
        """With a delete marker, as a DeleteObject without a version does."""
        self.versions[key].append(None)

    def erase(self, key: str) -> None:
        """With all versions, as somebody may who can lift the lock."""
        del self.versions[key]

    def alter(self, key: str, **changes: Any) -> None:
        """As if storage itself had been changed: no new version tells of it."""
        version = self.versions[key][-1]
        assert version is not None
        version.update(changes)

    def get_object(self, Key: str, VersionId: str = "-1", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.reads.append(Key)
        version = self._version(Key, VersionId, "GetObject")
        if version["Archived"]:
            raise client_error(403, "InvalidObjectState")
        content = version["Content"]
        return {**_described(version), "Body": io.BytesIO(content), "ContentLength": len(content)}

    def head_object(self, Key: str, VersionId: str = "-1", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.heads.append(Key)
        version = self._version(Key, VersionId, "HeadObject")
        digest = hashlib.sha256(version["Content"]).digest()
        if version.get("Unchecked"):
            return _described(version)
        return {**_described(version), "ChecksumSHA256": base64.b64encode(digest).decode()}

    def _version(self, key: str, version: str, operation: str) -> dict[str, Any]:
        with self._lock:
            found = self.versions.get(key, [None])[int(version)]
        if found is None:
            raise client_error(404, "404" if operation == "HeadObject" else "NoSuchKey", operation)
        return found

    def get_paginator(self, operation: str) -> Any:
        return {
            "list_objects_v2": _Pages(self._objects),
            "list_object_versions": _Pages(self._versions),
        }[operation]

    def _objects(self, StartAfter: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        after = [key for key in self.keys if key > StartAfter]
        for start in range(0, len(after), 3):
            page = after[start : start + 3]
            self.listed += len(page)
            yield {"Contents": [{"Key": key} for key in page]}

    def _versions(self, KeyMarker: str = "", **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        for key in sorted(key for key in self.versions if key > KeyMarker):
            page: dict[str, Any] = {"Versions": [], "DeleteMarkers": []}
            for number, version in enumerate(self.versions[key]):
                entry = {"Key": key, "VersionId": str(number)}
                if version is None:
                    page["DeleteMarkers"].append(entry)
                else:
                    stored = {"LastModified": version["LastModified"]}
                    page["Versions"].append({**entry, "ETag": "e", **stored})
            yield page


def _described(version: dict[str, Any]) -> dict[str, Any]:
    return {"Metadata": version["Metadata"], "LastModified": version["LastModified"]}


class _Pages:
    def __init__(self, pages: Callable[..., Iterator[dict[str, Any]]]) -> None:
        self.paginate = pages
