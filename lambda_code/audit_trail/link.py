"""The audit trail's hash chain: how its objects are named, and how each vouches for the one before.

Objects are numbered without gaps. An object names its successor's key beforehand (its own hour, or
the hour in which it says that the trail goes on), so there is one key at which the trail can be
continued, and S3's conditional write lets one writer have it. In a listing, keys stand in the
trail's order.

Somebody else may have put an object there. The trail then goes on beside it: at a key that only
those can name beforehand who can read the trail's end, and if that is taken too, at the next such.
Which object follows is the same for everybody who looks: the first of these keys' objects that
follows by its own metadata.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payments.moments import from_rfc3339

_HOUR: Final = re.compile(r"year=[0-9]{4}/month=[0-9]{2}/day=[0-9]{2}/hour=[0-9]{2}")
_KEY: Final = re.compile(
    rf"(?P<place>(?P<hour>{_HOUR.pattern})/(?P<position>[0-9]{{12}}))(-[0-9a-f]{{16}})?\.ndjson\.gz"
)
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_DIGEST: Final = "link-sha256"

# How far ahead of S3's clock a writer's may be. An object that is of a later hour was not written
# by the clock: it would take the trail there, and leave all others behind.
AHEAD: Final = timedelta(hours=1)


def hour_of(moment: datetime) -> str:
    """The part of a key that tells the hour (UTC) of an aware datetime."""
    return moment.strftime("year=%Y/month=%m/day=%d/hour=%H")


@dataclass(frozen=True)
class Link:
    """One object's place in the chain: its key and its S3 user metadata.

    Metadata:
        content-sha256: of the object's content (hex).
        previous-key, previous-sha256: the predecessor, and its link-sha256.
        stored-at: RFC 3339, by the writer's clock.
        record-count, and unless it is 0: first-sequence-number, last-sequence-number.
        continued-in: only on an hour's last object, which is empty: the hour that follows.
        detour: only where objects of somebody else stood in the way: how many.
        link-sha256: over the key and all of the above, and so over everything before.
    """

    key: str
    metadata: Mapping[str, str]

    @classmethod
    def sealed(cls, key: str, metadata: Mapping[str, str]) -> Link:
        """A link that vouches for itself."""
        return cls(key, {**metadata, _DIGEST: _digest(key, metadata)})

    @property
    def digest(self) -> str:
        """The link-sha256; ``""`` where somebody else wrote the object without one."""
        return self.metadata.get(_DIGEST, "")

    @property
    def is_sealed(self) -> bool:
        """Whether key and metadata are as they were written."""
        unsealed = {name: value for name, value in self.metadata.items() if name != _DIGEST}
        return self.digest == _digest(self.key, unsealed)

    @property
    def position(self) -> int:
        return int(_parts(self.key)["position"])

    @property
    def next_hour(self) -> str:
        """The hour that the next object is in."""
        return self.metadata.get("continued-in", _parts(self.key)["hour"])

    @property
    def successor(self) -> str:
        """The one key that the next object has."""
        return successor(self)

    @property
    def detour(self) -> int:
        """Beside how many objects of somebody else it stands."""
        return int(self.metadata.get("detour", "0"))

    def is_sound(self, stored: datetime) -> bool:
        """Whether a writer can have written this, whatever came before.

        Args:
            stored: when S3 got it, which nobody can choose.
        """
        return (
            self.is_sealed
            and self._is_well_formed
            and max(self.next_hour, _parts(self.key)["hour"]) <= hour_of(stored + AHEAD)
        )

    def follows(self, previous: Link | None) -> bool:
        """Whether a sound link says that this was the trail's end (None: that there was none), and
        stands at one of the keys at which the trail can go on from there."""
        told = self.metadata.get("previous-key"), self.metadata.get("previous-sha256")
        before = (previous.key, previous.digest) if previous else ("", NO_PREDECESSOR)
        return told == before and self.key == successor(previous, self.detour)

    @property
    def _is_well_formed(self) -> bool:
        hour, metadata = _parts(self.key)["hour"], self.metadata
        following = metadata.get("continued-in")
        try:
            counts = metadata["record-count"], metadata.get("detour", "0")
            return (
                from_rfc3339(metadata["stored-at"]).tzinfo is not None
                and all(map(_COUNT.fullmatch, counts))
                and self._comes_after(metadata["previous-key"])
                and (following is None or (bool(_HOUR.fullmatch(following)) and following > hour))
            )
        except (KeyError, ValueError):
            return False

    def _comes_after(self, previous: str) -> bool:
        if not previous:
            return place_of(self.key) == place_of(ORIGIN_KEY)
        return previous < self.key and self.position == Link(previous, {}).position + 1


# The trail begins with this empty object, whatever the hour: two writers of a first record cannot
# begin two trails.
ORIGIN_KEY: Final = "year=1970/month=01/day=01/hour=00/000000000000.ndjson.gz"
NO_PREDECESSOR: Final = "0" * 64


def successor(last: Link | None, detour: int = 0) -> str:
    """The key at which the trail goes on.

    Args:
        last: None: the trail begins.
        detour: how many such keys before it are taken by somebody else.
    """
    if not detour:
        return f"{next_place(last)}.ndjson.gz"
    # Of the link's hash: it cannot be guessed, so these keys cannot be taken in advance.
    name = hashlib.sha256(f"{last.digest if last else NO_PREDECESSOR}:{detour}".encode())
    return f"{next_place(last)}-{name.hexdigest()[:16]}.ndjson.gz"


def next_place(last: Link | None) -> str:
    """What all keys at which the trail can go on begin with; no other key does."""
    return f"{last.next_hour}/{last.position + 1:012}" if last else place_of(ORIGIN_KEY)


def place_of(key: str) -> str:
    """Hour and number in a key."""
    return _parts(key)["place"]


def is_link_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


def _parts(key: str) -> re.Match[str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key} is no key of the audit trail")
    return match


def _digest(key: str, metadata: Mapping[str, str]) -> str:
    canonical = json.dumps({**metadata, "key": key}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
