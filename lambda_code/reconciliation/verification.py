"""Walking the chain in the bucket, object by object, past all that is not as it was written.

What is detected, and what is not: docs/decisions/0004-one-numbered-audit-trail.md.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count, groupby, islice, takewhile
from operator import attrgetter, itemgetter
from typing import Any, Final

from botocore.exceptions import ClientError

from audit_trail.link import (
    ORIGIN_KEY,
    Link,
    hour_of,
    is_link_key,
    next_place,
    place_of,
    successor,
)

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

_AHEAD: Final = 100
"""Places after a gap that are looked at for the object with which the trail goes on."""

_NAMED: Final = 1000
"""Objects of one gap that are named one by one: who forges a number may choose a high one."""

_BACK: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=31))
"""How far before a range its predecessor is looked for before the whole bucket is listed."""

_CHUNK: Final = 1024 * 1024

_REMEMBERED: Final = 1000
"""Links that are not asked for again."""

_HIDDEN: Final = "a delete marker hides it"
_RESEALED: Final = "its metadata are not those that it was stored with"
_CONTENT: Final = "its content is not that which it was stored with"
_NO_NAME: Final = "the trail has no objects of such names"
_NOT_SOUND: Final = "no writer of the trail has stored it so"

_OFFICER: Final = "security officer"

_Versions = Sequence[Mapping[str, Any]]
_Found = Mapping[str, _Versions]
_Place = tuple[str, _Found]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, and with which object.

    Attributes:
        fault: missing, deleted, overwritten, altered, forged, out_of_order, or truncated.
        key: the object, or where it should be.
        intact: the version that is as it was written, by its id; "" if the bucket has none.
        tell: who must know.
    """

    fault: str
    key: str
    detail: str
    intact: str = ""
    tell: str = _OFFICER


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was seen.

    Attributes:
        objects, records: those that are as they were written.
        last_key, last_sha256: the last such object and its link-sha256, "" if there is none.
        archived: objects whose content is in Glacier: S3's own checksum stood in for it.
        to_restore: those of them that S3 keeps no checksum of: their content is not verified until
            they are restored.
        followed_by: the object after the range, which vouches for the range's end; "" if there is
            none: then only a witness tells whether something is gone from the end.
        forged: objects that are no part of the chain. It goes on beside them: nothing is lost.
        faults: all that is wrong with the chain itself, in its order.
        finding: the first fault; if the chain has none, the first forged object.
        stopped_after: the last object that was walked, if there was no time for the others.
    """

    objects: int
    records: int
    archived: int
    to_restore: list[str]
    last_key: str
    last_sha256: str
    followed_by: str
    forged: list[Finding]
    faults: list[Finding]
    finding: Finding | None
    stopped_after: str = ""


@dataclass(frozen=True)
class _Version:
    """A version of an object, as it was got.

    Attributes:
        stored: by S3's clock, which tells the second.
        in_archive: its content cannot be read, or was not asked for.
    """

    link: Link
    id: str
    stored: datetime
    in_archive: bool
    got: Mapping[str, Any]

    @cached_property
    def is_sound(self) -> bool:
        return self.link.is_sound(self.stored)

    def names(self, key: str) -> bool:
        """Whether that is its predecessor, as it says."""
        return self.link.metadata.get("previous-key") == key

    @cached_property
    def content_sha256(self) -> str:
        """Of its content (hex), "" if that cannot be read now."""
        if self.in_archive:
            # S3 computed this from the content when it was stored, and keeps it.
            return base64.b64decode(self.got.get("ChecksumSHA256", "")).hex()
        digest = hashlib.sha256()
        while chunk := self.got["Body"].read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    @property
    def has_its_content(self) -> bool:
        return self.content_sha256 == self.link.metadata.get("content-sha256")


@dataclass
class _Seen:
    """Of the range, so far.

    Attributes:
        end: where the trail goes on from: the last object that follows, or the one before the
            range; after a gap, what the next object says of its predecessor.
        stored: when that was stored, as far as known.
        told: numbers behind the end of which it was told already what is wrong.
        foreign: the keys of all forged objects, also of those after the range.
    """

    witness: str
    end: Link | None = None
    stored: datetime | None = None
    told: set[int] = field(default_factory=set)
    last: Link | None = None
    objects: int = 0
    records: int = 0
    archived: int = 0
    to_restore: list[str] = field(default_factory=list)
    witnessed: bool = False
    followed_by: str = ""
    faults: list[Finding] = field(default_factory=list)
    forged: list[Finding] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    stopped_after: str = ""

    def go_on_from(self, version: _Version | None) -> None:
        if version:
            self.end, self.stored = version.link, version.stored

    def found(self, fault: str, key: str, detail: str, intact: str = "") -> None:
        # Without an intact version, what the object recorded may be lost.
        tell = _OFFICER if intact else f"{_OFFICER}, payments lead"
        self.faults.append(Finding(fault=fault, key=key, detail=detail, intact=intact, tell=tell))
        if not intact and is_link_key(key):
            self.told.add(Link(key, {}).position)

    def found_forged(self, key: str, detail: str, *, after: bool = False) -> None:
        self.foreign.add(key)
        if not after:
            self.forged.append(Finding(fault="forged", key=key, detail=detail))


class _Places:
    """The objects, with all their versions and delete markers, by place, in the trail's order; an
    object with another name stands alone. Those to come can be looked at beforehand."""

    def __init__(self, listed: Iterable[tuple[str, _Versions]]) -> None:
        groups = groupby(listed, lambda each: _place(each[0]))
        self._coming = ((place, dict(found)) for place, found in groups)
        self._ahead: deque[_Place] = deque()

    def __iter__(self) -> Iterator[_Place]:
        while self._ahead or self._fetch():
            yield self._ahead.popleft()

    def ahead(self) -> Iterator[_Place]:
        for index in count():
            if index == len(self._ahead) and not self._fetch():
                return
            yield self._ahead[index]

    def _fetch(self) -> bool:
        before = len(self._ahead)
        self._ahead.extend(islice(self._coming, 1))
        return len(self._ahead) > before


class Verifier:
    """Reads one bucket through an S3 client; botocore's errors pass through."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._links: dict[tuple[str, str], _Version] = {}

    def verify(
        self,
        *,
        first: str = "",
        last: str = "",
        witness: str = "",
        is_enough: Callable[[], bool] = bool,
    ) -> Report:
        """Walk the trail.

        Args:
            first, last: hours (audit_trail.link.hour_of) where to begin and to end. The range's
                first object must name the last one before it, and the first one after the range
                must name its last; more is not asked of those two.
            witness: the link-sha256 that an object in the range must have: one that an earlier
                verification or audit-logger's log tells. It uncovers a trail that was cut off at
                its end, or written anew.
            is_enough: asked before each object, whether to stop there.
        """
        seen = _Seen(witness, witnessed=not witness)
        self._walk(seen, first, last, is_enough)
        if not seen.witnessed:
            gone = any(each.fault == "missing" for each in seen.faults)
            seen.found(
                "truncated",
                successor(seen.end),
                "no object has the link-sha256 that was witnessed"
                + (", unless it is one that is missing" if gone else ""),
            )
        return Report(
            objects=seen.objects,
            records=seen.records,
            archived=seen.archived,
            to_restore=seen.to_restore,
            last_key=seen.last.key if seen.last else "",
            last_sha256=seen.last.digest if seen.last else "",
            followed_by=seen.followed_by,
            forged=seen.forged,
            faults=seen.faults,
            finding=next(iter([*seen.faults, *seen.forged]), None),
            stopped_after=seen.stopped_after,
        )

    def _walk(self, seen: _Seen, first: str, last: str, is_enough: Callable[[], bool]) -> None:
        places = _Places(self._versions(first))
        if first:
            places = self._from_anchor(places, seen, first, last)
        for place, found in places:
            if is_enough():
                seen.stopped_after = seen.end.key if seen.end else ORIGIN_KEY
                return
            after, faults = _is_after(place, last), len(seen.faults)
            if place > next_place(seen.end):
                self._bridge((place, found), places, seen)
            if place == next_place(seen.end):
                key, known = self._next(found, places, seen, after=after)
                if key and not after:
                    self._take(found[key], known, seen)
                elif len(seen.faults) == faults:
                    seen.followed_by = key
            else:
                self._pass((place, found), places, seen, after=after)
            if seen.followed_by or (after and len(seen.faults) > faults):
                return

    def _versions(self, after: str) -> Iterator[tuple[str, _Versions]]:
        start = {"KeyMarker": after} if after else {}
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, **start
        )
        for key, versions in groupby(_listed(pages), itemgetter("Key")):
            if not key.startswith(_OPERATIONS):
                yield key, list(versions)

    # The beginning of a range

    def _from_anchor(self, places: _Places, seen: _Seen, first: str, last: str) -> _Places:
        """Go on from the object before the range that one in the range names as its predecessor;
        for want of that, from the last one before it: what is between is gone, or is wrong."""
        earlier: set[str] = set()
        anchors: list[_Version | None] = []
        orphans: list[int] = []
        beyond = 0
        for place, found in places.ahead():
            earlier.update(found)
            for version in self._sound(found):
                name = version.link.metadata["previous-key"]
                if name in earlier:
                    continue
                known = self._known_at(name) if "" < name < first else []
                matching = [one for one in known if one.is_sound and version.link.follows(one.link)]
                if not matching and not version.link.follows(None):
                    orphans.append(version.link.position)
                    continue
                anchors.append(min(matching, key=attrgetter("stored"), default=None))
                if self._leads_back(anchors[-1]):
                    self._go_on_from(anchors[-1], seen, is_named=True)
                    return places
            beyond += _is_after(place, last)
            if beyond >= _UNANCHORED and (anchors or orphans):
                break
        if anchors:
            # What an object is forged from may itself be forged; what was erased cannot be asked.
            self._go_on_from(anchors[0], seen, is_named=True)
        elif orphans:
            before = self._last_before(first, orphans[0])
            self._go_on_from(before, seen, is_named=False)
            return _Places(self._versions(before.link.key if before else ""))
        return places

    def _go_on_from(self, anchor: _Version | None, seen: _Seen, *, is_named: bool) -> None:
        seen.go_on_from(anchor)
        if anchor and _is_hidden(self._listed_at(anchor.link.key)):
            is_intact = is_named and self._read_version(anchor.link.key, anchor.id).has_its_content
            seen.found("deleted", anchor.link.key, _HIDDEN, anchor.id if is_intact else "")

    def _last_before(self, first: str, position: int) -> _Version | None:
        """The last object before an hour that has a lower number, and leads back if one does."""
        if first < ORIGIN_KEY:
            return None
        begin = datetime.strptime(first, "year=%Y/month=%m/day=%d/hour=%H")
        for after in (*(hour_of(begin - back) for back in _BACK), ""):
            earlier = takewhile(lambda each: each[0] < first, _Places(self._versions(after)))
            known = [
                version
                for _, found in deque(earlier, _AHEAD)
                for version in self._sound(found)
                if version.link.position < position
            ]
            if known:
                return next(filter(self._leads_back, reversed(known)), known[-1])
        return None

    def _leads_back(self, version: _Version | None) -> bool:
        """Whether the chain is whole for some objects before one; None: before the first."""
        for _ in range(_ROOT):
            name = version.link.metadata["previous-key"] if version else ""
            if not version or not name:
                break
            previous = self._known_at(name)
            link = version.link
            version = next((v for v in previous if v.is_sound and link.follows(v.link)), None)
            if not version:
                return False
        return True

    # Where an object does not stand at the trail's next place

    def _bridge(self, here: _Place, places: _Places, seen: _Seen) -> None:
        """Tell what is missing, if the trail does not go on before an object that may be of it;
        then go on from what the next one of it says."""
        reached = list(self._astray(here, seen))
        if not reached:
            return
        for place in islice(places.ahead(), _AHEAD):
            reached += self._astray(place, seen)
        link, length = _earliest_of_longest([version.link for version in reached])
        gone = link.position - (seen.end.position if seen.end else -1) - 1 - len(seen.told)
        if length == 1 and gone > 1 and all(one.stored == seen.stored for one in reached):
            # At the trail's end, and in one second, either they are forged or more than one object
            # is gone before them. Somebody may put objects whom the lock keeps from erasing any.
            return
        before = _predecessor(link)
        self._tell_missing(link, before, seen)
        seen.end, seen.told = before, set()
        seen.witnessed = seen.witnessed or before.digest == seen.witness

    def _astray(self, place: _Place, seen: _Seen) -> Iterator[_Version]:
        """The objects at a place of which nothing says that they are forged."""
        for key, versions in place[1].items():
            if not self._why_astray(key, versions, seen):
                sound = (version for version in self._heads(key, versions) if version.is_sound)
                yield from (one for one in sound if one.link.follows(_predecessor(one.link)))

    def _why_astray(self, key: str, versions: _Versions, seen: _Seen) -> str:
        """Why an object that stands after the trail's next place is forged; "" if it may be that
        what stood there is gone."""
        if not is_link_key(key):
            return _NO_NAME
        known = self._heads(key, versions)
        sound = [version for version in known if version.is_sound]
        if not sound:
            return _NOT_SOUND if known else ""
        end = seen.end
        if end and seen.stored and all(version.stored < seen.stored for version in sound):
            return f"it was stored before {end.key}"
        names = {version.link.metadata["previous-key"] for version in sound}
        if all(
            name in seen.foreign
            or not name
            or place_of(name) < next_place(end)
            or (end is not None and Link(name, {}).position <= end.position)
            for name in names
        ):
            return f"the trail goes on with {successor(end)}"
        return ""

    def _tell_missing(self, link: Link, before: Link, seen: _Seen) -> None:
        first = seen.end.position + 1 if seen.end else 0
        earliest, latest = _hour(next_place(seen.end)), _hour(before.key)
        highest = min(before.position, first + _NAMED)
        for number in range(first, highest + 1):
            what, key = f"the next object is {link.key}", f"{earliest}/{number:012}.ndjson.gz"
            if number == before.position and (number > first or earliest == latest):
                key = before.key
            elif number > first and earliest != latest:
                # The hour that it was stored in went with the objects before it.
                what += f"; it may also have been of a later hour, up to {latest}"
            if number == highest < before.position:
                what += f"; all up to number {before.position} are missing too"
            if number not in seen.told:
                seen.found("missing", key, what)

    def _pass(self, here: _Place, places: _Places, seen: _Seen, *, after: bool) -> None:
        """Tell of objects with which the trail does not go on."""
        (place, found), expected = here, next_place(seen.end)
        for key, versions in found.items():
            if not is_link_key(key):
                seen.found_forged(key, _NO_NAME, after=after)
            elif place <= expected:
                seen.found_forged(key, f"the trail goes on with {successor(seen.end)}", after=after)
            elif _stored(versions):
                why = self._why_astray(key, versions, seen)
                why = why or "nothing that the trail has leads to it, or on from it"
                self._tell_stranger(self._heads(key, versions), why, places, seen, after=after)
            elif not after:
                seen.found("deleted", key, f"{_HIDDEN}, and there is no version of it")

    def _tell_stranger(
        self, known: Sequence[_Version], why: str, places: _Places, seen: _Seen, *, after: bool
    ) -> None:
        """Tell of an object that does not follow: it is forged, unless the trail went on after it
        (if it is where the trail was to go on) or names it, and it does not itself follow a forged
        one."""
        key = known[0].link.key
        is_due = place_of(key) == next_place(seen.end)
        names = {version.link.metadata.get("previous-key") for version in known}
        for place, found in islice(places.ahead(), 0 if names & seen.foreign else _AHEAD):
            naming = {
                other: versions
                for other, versions in found.items()
                if is_link_key(other)
                and (is_due or any(one.names(key) for one in self._heads(other, versions)))
            }
            for version in self._astray((place, naming), seen):
                what = f"{_RESEALED}: the trail went on, with {version.link.key}"
                seen.found("altered", key, what)
                return
        seen.found_forged(key, why, after=after)

    # Where it does

    def _next(
        self, found: _Found, places: _Places, seen: _Seen, *, after: bool
    ) -> tuple[str, Sequence[_Version]]:
        """Of one place's objects, the one with which the trail goes on: its key, and its versions;
        none if it does not. The others are forged, or may be the one, but not as it was written."""
        known: dict[str, list[_Version]] = {}
        chosen = ""
        for detour in count():
            key = successor(seen.end, detour)
            if key not in found:
                break
            known[key] = self._read(key, found[key])
            if _following(known[key], seen.end):
                chosen = key
                break
        chosen = chosen or self._beside_what_is_gone(found, known, seen)
        chosen = chosen or self._after_another(known, seen)
        for other in sorted(found.keys() - {chosen}):
            if chosen:
                seen.found_forged(other, f"the trail goes on with {chosen}", after=after)
            elif other not in known:
                seen.found_forged(other, _NO_NAME, after=after)
            elif why := _judge(other, found[other], known[other], seen):
                self._tell_stranger(known[other], why, places, seen, after=after)
        return chosen, known.get(chosen, ())

    def _beside_what_is_gone(
        self, found: _Found, known: dict[str, list[_Version]], seen: _Seen
    ) -> str:
        """The object that goes on beside others, of which one is not there any more."""
        for key in sorted(filter(is_link_key, found.keys() - known.keys())):
            versions = self._read(key, found[key])
            for version in _following(versions, seen.end)[:1]:
                last = min(version.link.detour, len(known) + _NAMED)
                due = (successor(seen.end, detour) for detour in range(len(known), last))
                for gone in due:
                    if gone not in found:
                        what = f"the trail goes on beside it, with {key}"
                        seen.found("missing", gone, what)
                known[key] = versions
                return key
        return ""

    def _after_another(self, known: Mapping[str, Sequence[_Version]], seen: _Seen) -> str:
        """The object that names the trail's end as its predecessor, but not as it is now."""
        if not known or not seen.end:
            return ""
        key, versions = next(iter(known.items()))
        for version in versions:
            before = _predecessor(version.link) if version.is_sound else None
            if before and before.key == seen.end.key and version.link.follows(before):
                what = f"it was stored after another object than {seen.end.key}"
                seen.found("out_of_order", key, f"{what}, which is not as it was")
                seen.end = before
                return key
        return ""

    def _take(self, versions: _Versions, known: Sequence[_Version], seen: _Seen) -> None:
        """Take the object that stands at the trail's next place, and of its versions the one that
        was there first, if that is the one that the next object names."""
        following = _following(known, seen.end)
        is_one = len({version.link.digest for version in following}) == 1
        version = min(
            following,
            key=lambda one: (not (is_one or self._is_followed(one.link)), not one.has_its_content),
        )
        link, key = version.link, version.link.key
        intact = version.id if version.has_its_content else ""
        faults = len(seen.faults)
        if _is_hidden(versions):
            seen.found("deleted", key, _HIDDEN, intact)
        if len(known) > 1:
            seen.found("overwritten", key, f"it has {len(known)} versions", intact)
        if not version.content_sha256:
            seen.to_restore.append(key)
        elif not intact:
            seen.found("altered", key, _CONTENT)
        seen.go_on_from(version)
        seen.told.clear()
        seen.witnessed = seen.witnessed or link.digest == seen.witness
        if len(seen.faults) == faults:
            seen.last = link
            seen.objects += 1
            seen.records += int(link.metadata["record-count"])
            seen.archived += version.in_archive

    def _is_followed(self, link: Link) -> bool:
        """Whether an object says that this one was there before it."""
        name = successor(link)
        return any(one.is_sound and one.link.follows(link) for one in self._known_at(name))

    # Reading

    def _sound(self, found: _Found) -> Iterator[_Version]:
        for key in filter(is_link_key, found):
            yield from (version for version in self._heads(key, found[key]) if version.is_sound)

    def _known_at(self, key: str) -> list[_Version]:
        return self._heads(key, self._listed_at(key))

    def _listed_at(self, key: str) -> _Versions:
        listed = (found for found in self._versions(key[:-1]) if found[0] >= key)
        found, versions = next(listed, ("", []))
        return versions if found == key else []

    def _heads(self, key: str, versions: _Versions) -> list[_Version]:
        """The versions, to be asked for their links only."""
        if len(self._links) > _REMEMBERED:
            self._links.clear()
        return [self._head(key, version["VersionId"]) for version in _stored(versions)]

    def _head(self, key: str, version: str) -> _Version:
        if (key, version) not in self._links:
            which = {"Bucket": self._bucket, "Key": key, "VersionId": version}
            got = self._client.head_object(**which, ChecksumMode="ENABLED")
            link = Link(key, got["Metadata"])
            self._links[key, version] = _Version(link, version, got["LastModified"], True, got)
        return self._links[key, version]

    def _read(self, key: str, versions: _Versions) -> list[_Version]:
        """The versions, with their content if it can be had."""
        return [self._read_version(key, version["VersionId"]) for version in _stored(versions)]

    def _read_version(self, key: str, version: str) -> _Version:
        try:
            got = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidObjectState":
                raise
            return self._head(key, version)
        return _Version(Link(key, got["Metadata"]), version, got["LastModified"], False, got)


def _judge(key: str, versions: _Versions, known: Sequence[_Version], seen: _Seen) -> str:
    """Why an object at the trail's next place, with which it does not go on, is forged; "" if
    it may be the one that belongs there, but is not as it was written, which is told."""
    name = seen.end.key if seen.end else ""
    if _is_hidden(versions):
        seen.found("deleted", key, f"{_HIDDEN}, and no version of it follows the one before")
        return ""
    if len(known) > 1:
        what = f"it has {len(known)} versions, of which none follows the one before"
        seen.found("overwritten", key, what)
        return ""
    (version,) = known
    if version.link.digest and not version.link.is_sealed:
        seen.found("altered", key, _RESEALED)
        return ""
    if not version.is_sound:
        return _NOT_SOUND
    if (named := version.link.metadata["previous-key"]) != name:
        return f"it names {named} as its predecessor, and that is {name}"
    if name:
        return f"it is not the one that was stored after {name}"
    seen.found("out_of_order", key, "it was not stored as the trail's first object")
    return ""


def _following(versions: Iterable[_Version], end: Link | None) -> list[_Version]:
    """Those that follow, the oldest first."""
    following = (one for one in versions if one.is_sound and one.link.follows(end))
    return sorted(following, key=attrgetter("stored"))


def _predecessor(link: Link) -> Link:
    """An object as the one after it tells of it."""
    told = {
        "link-sha256": link.metadata.get("previous-sha256", ""),
        "continued-in": _hour(link.key),
    }
    return Link(link.metadata["previous-key"], told)


def _earliest_of_longest(links: Sequence[Link]) -> tuple[Link, int]:
    """Where the trail goes on, of links that may be of it: with the longest chain, or with one
    before that in both place and number; a forged one leads nowhere. And how long that chain is."""
    followers: dict[tuple[str, str], int] = {}
    lengths: list[int] = []
    for link in reversed(links):
        lengths.insert(0, 1 + followers.get((link.key, link.digest), 0))
        before = _predecessor(link)
        told = before.key, before.digest
        followers[told] = max(lengths[0], followers.get(told, 0))
    index = lengths.index(max(lengths))
    earlier = (link for link in links[:index] if link.position < links[index].position)
    return next(earlier, links[index]), lengths[index]


def _stored(versions: _Versions) -> _Versions:
    """Without the delete markers."""
    return [version for version in versions if "ETag" in version]


def _is_hidden(versions: _Versions) -> bool:
    return any("ETag" not in version for version in versions)


def _is_after(place: str, last: str) -> bool:
    return bool(last) and place > f"{last}0"  # "0" comes after the "/" that ends the hour


def _hour(key: str) -> str:
    return key.rpartition("/")[0]


def _place(key: str) -> str:
    match = _PLACE.match(key)
    return match[0] if match else key


def _listed(pages: Any) -> Iterator[dict[str, Any]]:
    for page in pages:
        both = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        yield from sorted(both, key=itemgetter("Key"))
