"""The audit trail's hash chain: how its objects are named, and how each vouches for the one before.

Objects are numbered without gaps. An object names its successor's key beforehand (its own hour, or
the hour in which it says that the trail goes on), so there is one key at which the trail can be
continued, and S3's conditional write lets one writer have it. In a listing, keys stand in the
trail's order.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_KEY: Final = re.compile(
    r"(?P<hour>year=\d{4}/month=\d\d/day=\d\d/hour=\d\d)/(?P<position>\d{12})\.ndjson\.gz"
)
_DIGEST: Final = "link-sha256"


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
        return f"{self.next_hour}/{self.position + 1:012}.ndjson.gz"


# The trail begins with this empty object, whatever the hour: two writers of a first record cannot
# begin two trails.
ORIGIN_KEY: Final = "year=1970/month=01/day=01/hour=00/000000000000.ndjson.gz"
NO_PREDECESSOR: Final = "0" * 64


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
