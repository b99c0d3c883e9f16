"""Walking the chain in the bucket, object by object, up to the first that is not as it was written.

What is detected, and what is not: docs/decisions/0004-one-numbered-audit-trail.md.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count, groupby
from operator import itemgetter
from typing import Any, Final

from audit_logger.link import Link, is_link_key, next_place, place_of, successor
from botocore.exceptions import ClientError

_OPERATIONS: Final = "operations/"
"""What operators did (ops/action_record.py) stands beside the trail, not in it."""

_PLACE: Final = re.compile(
    r"year=[0-9]{4}/month=[0-9]{2}/day=[0-9]{2}/hour=[0-9]{2}/[0-9]{12}(?![0-9])"
)
"""What keys have in common of which the trail can have one; they stand together in a listing."""

_UNANCHORED: Final = 100
"""Places after a range that are looked at for an object whose predecessor stands before it."""

_ROOT: Final = 20
"""Objects before a range that are asked for their predecessor, so that it is not found to begin
with a piece of a forged chain."""

_CHUNK: Final = 1024 * 1024

_HIDDEN: Final = "a delete marker hides it"
_RESEALED: Final = "its metadata are not those that it was stored with"
_NO_NAME: Final = "the trail has no objects of such names"
_NOT_SOUND: Final = "no writer of the trail has stored it so"

_Versions = Sequence[Mapping[str, Any]]
_Places = Iterator[tuple[str, Mapping[str, _Versions]]]


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
    """What was seen, up to the first fault of the chain.

    Attributes:
        last_key, last_sha256: the last good object and its link-sha256, "" if there is none.
        archived: objects whose content is in Glacier: S3's own checksum stood in for it.
        to_restore: those of them that S3 keeps no checksum of: their content is not verified until
            they are restored.
        followed_by: the object after the range, which vouches for the range's end; "" if there is
            none: then only a witness tells whether something is gone from the end.
        forged: objects that are no part of the chain. It goes on beside them: nothing is lost.
        finding: where the chain is broken; if it is not, the first forged object.
    """

    objects: int
    records: int
    archived: int
    to_restore: list[str]
    last_key: str
    last_sha256: str
    followed_by: str
    forged: list[Finding]
    finding: Finding | None


class _Broken(Exception):  # noqa: N818 - not an error of ours
    def __init__(self, fault: str, key: str, detail: str) -> None:
        super().__init__(fault)
        self.finding = Finding(fault=fault, key=key, detail=detail)


@dataclass(frozen=True)
class _Version:
    """A version of an object, as it was got.

    Attributes:
        stored: by S3's clock.
    """

    link: Link
    stored: datetime
    in_archive: bool
    got: Mapping[str, Any]

    @cached_property
    def is_sound(self) -> bool:
        return self.link.is_sound(self.stored)

    def content_sha256(self) -> str:
        """Of its content (hex), "" if that cannot be read now; can be asked once."""
        if self.in_archive:
            # S3 computed this from the content when it was stored, and keeps it.
            return base64.b64decode(self.got.get("ChecksumSHA256", "")).hex()
        digest = hashlib.sha256()
        while chunk := self.got["Body"].read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


@dataclass
class _Seen:
    """Of the range, so far.

    Attributes:
        end: where the trail goes on from: the last good object, or the one before the range.
        foreign: the keys of all forged objects, also of those after the range.
    """

    end: _Version | None = None
    last: Link | None = None
    objects: int = 0
    records: int = 0
    archived: int = 0
    to_restore: list[str] = field(default_factory=list)
    witnessed: bool = False
    followed_by: str = ""
    forged: list[Finding] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)

    @property
    def end_link(self) -> Link | None:
        return self.end.link if self.end else None

    def found_forged(self, key: str, detail: str, *, after: bool = False) -> None:
        self.foreign.add(key)
        if not after:
            self.forged.append(Finding(fault="forged", key=key, detail=detail))


class Verifier:
    """Reads one bucket through an S3 client; botocore's errors pass through."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def verify(self, *, first: str = "", last: str = "", witness: str = "") -> Report:
        """Walk the trail.

        Args:
            first, last: hours (audit_logger.link.hour_of) where to begin and to end. The range's
                first object must name the last one before it, and the first one after the range
                must name its last; more is not asked of those two.
            witness: the link-sha256 that an object in the range must have: one that an earlier
                verification or audit-logger's log tells. It uncovers a trail that was cut off at
                its end, or written anew.
        """
        seen = _Seen(witnessed=not witness)
        finding: Finding | None = None
        try:
            self._walk(seen, first, last, witness)
            if not seen.witnessed:
                where = successor(seen.end_link)
                raise _Broken(
                    "truncated", where, "no object has the link-sha256 that was witnessed"
                )
        except _Broken as broken:
            finding = broken.finding
        return Report(
            objects=seen.objects,
            records=seen.records,
            archived=seen.archived,
            to_restore=seen.to_restore,
            last_key=seen.last.key if seen.last else "",
            last_sha256=seen.last.digest if seen.last else "",
            followed_by=seen.followed_by,
            forged=seen.forged,
            finding=finding or next(iter(seen.forged), None),
        )

    def _walk(self, seen: _Seen, first: str, last: str, witness: str) -> None:
        places = self._places(first)
        if first:
            places = self._from_anchor(places, seen, first, last)
        for place, found in places:
            after, expected = _is_after(place, last), next_place(seen.end_link)
            if place == expected:
                if after:
                    seen.followed_by, _ = self._next(found, seen, after=True)
                else:
                    self._go_on(found, seen, witness)
            else:
                for key, versions in found.items():
                    why = (
                        self._why_astray(key, versions, seen)
                        if place > expected
                        else f"the trail goes on with {successor(seen.end_link)}"
                    )
                    if not why:
                        what = f"the next object is {key}"
                        raise _Broken("missing", successor(seen.end_link), what)
                    seen.found_forged(key, why if is_link_key(key) else _NO_NAME, after=after)
            if seen.followed_by:
                return

    def _places(self, first: str) -> _Places:
        """The objects, with all their versions and delete markers, by place, in the trail's order;
        an object with another name stands alone."""
        for place, found in groupby(self._versions(first), lambda listed: _place(listed[0])):
            yield place, dict(found)

    def _versions(self, after: str) -> Iterator[tuple[str, _Versions]]:
        start = {"KeyMarker": after} if after else {}
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, **start
        )
        for key, versions in groupby(_listed(pages), itemgetter("Key")):
            if not key.startswith(_OPERATIONS):
                yield key, list(versions)

    def _from_anchor(self, places: _Places, seen: _Seen, first: str, last: str) -> _Places:
        """All places, when an object is found whose predecessor stands before the range: there the
        trail comes from.

        Raises:
            _Broken: there is none, and so the range's first objects are gone.
        """
        before: list[tuple[str, Mapping[str, _Versions]]] = []
        earlier: set[str] = set()
        anchors: list[_Version | None] = []
        fault: _Broken | None = None
        beyond = 0
        for place, found in places:
            before.append((place, found))
            earlier.update(found)
            for version in self._sound(found):
                if version.link.metadata["previous-key"] in earlier:
                    continue
                try:
                    anchor = self._before(version.link, first)
                except _Broken as broken:
                    fault = fault or broken
                    continue
                anchors.append(anchor)
                if anchor is None or self._leads_back(anchor):
                    seen.end = anchor
                    yield from before
                    yield from places
                    return
            beyond += _is_after(place, last)
            if beyond >= _UNANCHORED and (anchors or fault):
                break
        if fault and not anchors:
            raise fault
        # What an object is forged from may itself be forged; what was erased cannot be asked.
        seen.end = next(iter(anchors), None)
        yield from before
        yield from places

    def _leads_back(self, version: _Version) -> bool:
        """Whether the chain is whole for some objects before one."""
        for _ in range(_ROOT):
            name = version.link.metadata["previous-key"]
            if not name:
                break
            previous = self._read(name, self._listed_at(name))
            followed = [one for one in previous if one.is_sound and version.link.follows(one.link)]
            if not followed:
                return False
            version = followed[0]
        return True

    def _sound(self, found: Mapping[str, _Versions]) -> Iterator[_Version]:
        for key in filter(is_link_key, found):
            yield from (version for version in self._read(key, found[key]) if version.is_sound)

    def _listed_at(self, key: str) -> _Versions:
        listed = (found for found in self._versions(key[:-1]) if found[0] >= key)
        found, versions = next(listed, ("", []))
        return versions if found == key else []

    def _before(self, link: Link, first: str) -> _Version | None:
        """The predecessor of a range's first object; None if the trail begins with that.

        Raises:
            _Broken: it is not there, or not the one that was.
        """
        name = link.metadata["previous-key"]
        if not name:
            if link.follows(None):
                return None
            raise _Broken("out_of_order", link.key, "the trail does not begin with it")
        versions = self._listed_at(name) if name < first else []
        if not versions:
            raise _Broken("missing", name, f"{link.key} names it as its predecessor")
        if _is_hidden(versions):
            raise _Broken("deleted", name, _HIDDEN)
        known = self._read(name, versions)
        for version in known:
            if version.is_sound and link.follows(version.link):
                return version
        if not any(version.link.is_sealed for version in known):
            raise _Broken("altered", name, _RESEALED)
        raise _Broken("out_of_order", link.key, f"it was stored after another object than {name}")

    def _go_on(self, found: Mapping[str, _Versions], seen: _Seen, witness: str) -> None:
        """Take the object that stands at the trail's next place."""
        key, known = self._next(found, seen)
        if not known:
            return
        if _is_hidden(found[key]):
            raise _Broken("deleted", key, _HIDDEN)
        if len(known) > 1:
            raise _Broken("overwritten", key, f"it has {len(known)} versions")
        (version,) = known
        link = version.link
        content = version.content_sha256()
        if not content:
            seen.to_restore.append(key)
        elif content != link.metadata.get("content-sha256"):
            raise _Broken("altered", key, "its content is not that which it was stored with")
        seen.end, seen.last = version, link
        seen.witnessed = seen.witnessed or link.digest == witness
        seen.objects += 1
        seen.records += int(link.metadata["record-count"])
        seen.archived += version.in_archive

    def _next(
        self, found: Mapping[str, _Versions], seen: _Seen, *, after: bool = False
    ) -> tuple[str, list[_Version]]:
        """Of one place's objects, the one with which the trail goes on: its key, and its versions;
        none if it does not. The others are forged."""
        end = seen.end_link
        known: dict[str, list[_Version]] = {}
        for detour in count():
            key = successor(end, detour)
            if key not in found:
                break
            known[key] = self._read(key, found[key])
            if _follows(known[key], end):
                for other in sorted(found.keys() - {key}):
                    seen.found_forged(other, f"the trail goes on with {key}", after=after)
                return key, known[key]
        for other in filter(is_link_key, found.keys() - known.keys()):
            if _follows(self._read(other, found[other]), end):
                raise _Broken("missing", key, f"the trail goes on beside it, with {other}")
        for other in sorted(found):
            why = _judged(other, found[other], known[other], end) if other in known else _NO_NAME
            seen.found_forged(other, why, after=after)
        return "", []

    def _why_astray(self, key: str, versions: _Versions, seen: _Seen) -> str:
        """Why an object that stands after the trail's next place is forged; "" if it may be that
        what stood there is gone."""
        if not is_link_key(key):
            return _NO_NAME
        known = self._read(key, versions)
        sound = [version for version in known if version.is_sound]
        if known and not sound:
            return _NOT_SOUND
        if seen.end and sound and all(version.stored < seen.end.stored for version in sound):
            return f"it was stored before {seen.end.link.key}"
        names = {version.link.metadata["previous-key"] for version in sound}
        if sound and all(
            name in seen.foreign or not name or place_of(name) < next_place(seen.end_link)
            for name in names
        ):
            return f"the trail goes on with {successor(seen.end_link)}"
        return ""

    def _read(self, key: str, versions: _Versions) -> list[_Version]:
        return [
            self._read_version(key, version["VersionId"])
            for version in versions
            if "ETag" in version
        ]

    def _read_version(self, key: str, version: str) -> _Version:
        which = {"Bucket": self._bucket, "Key": key, "VersionId": version}
        in_archive = False
        try:
            got = self._client.get_object(**which)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidObjectState":
                raise
            got, in_archive = self._client.head_object(**which, ChecksumMode="ENABLED"), True
        return _Version(Link(key, got["Metadata"]), got["LastModified"], in_archive, got)


def _follows(versions: Sequence[_Version], end: Link | None) -> bool:
    return any(version.is_sound and version.link.follows(end) for version in versions)


def _judged(key: str, versions: _Versions, known: Sequence[_Version], end: Link | None) -> str:
    """Why an object at the trail's next place, with which it does not go on, is forged.

    Raises:
        _Broken: it may be the one that belongs there, but is not as it was written.
    """
    if _is_hidden(versions):
        raise _Broken("deleted", key, _HIDDEN)
    if len(known) > 1:
        raise _Broken("overwritten", key, f"it has {len(known)} versions")
    (version,) = known
    if not version.link.digest:
        return _NOT_SOUND
    if not version.link.is_sealed:
        raise _Broken("altered", key, _RESEALED)
    if not version.is_sound:
        return _NOT_SOUND
    name, before = version.link.metadata["previous-key"], end.key if end else ""
    if name != before:
        return f"it names {name} as its predecessor, and that is {before}"
    raise _Broken("out_of_order", key, f"it was stored after another object than {before}")


def _is_hidden(versions: _Versions) -> bool:
    return any("ETag" not in version for version in versions)


def _is_after(place: str, last: str) -> bool:
    return bool(last) and place > f"{last}0"  # "0" comes after the "/" that ends the hour


def _place(key: str) -> str:
    match = _PLACE.match(key)
    return match[0] if match else key


def _listed(pages: Any) -> Iterator[dict[str, Any]]:
    for page in pages:
        both = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        yield from sorted(both, key=itemgetter("Key"))
