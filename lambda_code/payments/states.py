"""The items of a payment's history: which there are, where, and what each of them says.

Item 0 is the request with its decision, item 1 the acceptance of a queued payment. Every later
state is an event: one item more, with its time for a timestamp, in microseconds since 1970, as the
ledger's outbox tells it. Attribute `state` tells which.

Functions trust what an item says, and pass over states that only a later release knows. Operators
do not: what an item says may have been altered, so that they judge it by its place first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

REQUEST_TIMESTAMP, ACCEPTANCE_TIMESTAMP = 0, 1
APPROVED = "approved"
DECLINED = "declined"
QUEUED = "queued"
POSTED = "posted"


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """Item 0: what was asked for, and what was decided.

    What has a default is not needed to process the payment: another release's item may lack it.

    Attributes:
        amount: minor units.
        fingerprint: of the request as it was sent (identifiers.fingerprint).
        state: APPROVED or DECLINED.
        decided_at, expires_at: RFC 3339.
    """

    transaction_id: str
    merchant_id: str
    amount: int
    currency: str
    payment_method_token: str = ""
    reference: str = ""
    idempotency_key: str = ""
    fingerprint: str
    state: str
    reasons: list[str] = field(default_factory=list)
    decided_at: str = ""
    expires_at: str


@dataclass(frozen=True, kw_only=True)
class Posting:
    """What the history was told of the payment's entry in the ledger.

    Attributes:
        timestamp: microseconds since 1970.
        amount: minor units.
    """

    timestamp: int
    entry_id: str
    merchant_id: str
    amount: int
    currency: str


KEYS: Final = ("transaction_id", "timestamp", "state")
"""What every item has, and each its own."""

_REQUEST: Final = tuple(PaymentRequest.__dataclass_fields__)

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    APPROVED: _REQUEST,
    DECLINED: _REQUEST,
    QUEUED: ("accepted_at",),
    POSTED: tuple(Posting.__dataclass_fields__),
}
"""Of each state's items, beside KEYS and, of an event, `delivery` (History.record_event). A
name means the same in every item: what differs from the request's amount is no `amount`."""

FIXED: Final[Mapping[Any, tuple[str, ...]]] = {
    REQUEST_TIMESTAMP: (APPROVED, DECLINED),
    ACCEPTANCE_TIMESTAMP: (QUEUED,),
}
"""By timestamp, the states of the items that have a fixed place."""

EVENTS: Final = (POSTED,)
"""The states of all others."""

NEVER_SHOWN: Final = frozenset({"payment_method_token", "fingerprint"})
"""What never leaves the table but for the audit trail: neither clients nor operators see it."""

SHOWN: Final = tuple(
    dict.fromkeys(
        name for names in (KEYS, *ATTRIBUTES.values()) for name in names if name not in NEVER_SHOWN
    )
)
"""What operators see of items."""


def possible(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The states that an item may have where it is."""
    return FIXED.get(item["timestamp"], EVENTS)


def is_posting(item: Mapping[str, Any]) -> bool:
    """Whether an item, or an event of the outbox, stands for an entry in the ledger: any event
    that does not say that it is another one."""
    state = item.get("state")
    return item["timestamp"] not in FIXED and (state == POSTED or state not in EVENTS)


def attributes(item: Mapping[str, Any]) -> tuple[str, ...]:
    """What an item ought to have, whatever it says."""
    states, state = possible(item), item.get("state")
    return ATTRIBUTES[state if state in states else states[0]]
