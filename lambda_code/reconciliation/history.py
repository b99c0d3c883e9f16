"""Payments' history items, as operators need them: never with the payment method's token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.attributes import from_item
from payments.states import (
    ACCEPTANCE_TIMESTAMP,
    REQUEST_TIMESTAMP,
    SHOWN,
    attributes,
    is_posting,
    possible,
)
from reconciliation.stores import Deployed

_PROJECTION: Final[dict[str, Any]] = {
    "ProjectionExpression": ", ".join(f"#{name}" for name in SHOWN),
    "ExpressionAttributeNames": {f"#{name}": name for name in SHOWN},
}
LARGEST_BATCH: Final = 100
"""Keys: DynamoDB's most."""

Item = dict[str, Any]
"""Numbers are int; one that is not whole is text, so that it stays what it is and is JSON."""
Key = tuple[str, int]
"""Transaction and timestamp."""


@dataclass(frozen=True, kw_only=True)
class PaymentHistory:
    """Reads the table; botocore's errors pass through."""

    dynamodb: Any
    table: str

    @classmethod
    def of(cls, production: Deployed) -> PaymentHistory:
        return cls(
            dynamodb=production.client("dynamodb"),
            table=production.output("TransactionsTableName"),
        )

    def of_payment(self, transaction_id: str) -> list[Item]:
        """All items of one payment, oldest first."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="#transaction_id = :id",
            ExpressionAttributeValues={":id": {"S": transaction_id}},
            ConsistentRead=True,
            **_PROJECTION,
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def items(self, keys: Iterable[Key]) -> list[Item]:
        """Those of the items that there are, in no order; LARGEST_BATCH at most."""
        asked = [{"transaction_id": {"S": id_}, "timestamp": {"N": str(at)}} for id_, at in keys]
        found: list[Item] = []
        while asked:
            answer = self.dynamodb.batch_get_item(
                RequestItems={self.table: {"Keys": asked, "ConsistentRead": True, **_PROJECTION}}
            )
            found += map(from_item, answer["Responses"].get(self.table, []))
            asked = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
        return found

    def all_items(self) -> Iterator[Item]:
        """Every item: reads the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, **_PROJECTION)
        for page in pages:
            yield from map(from_item, page["Items"])

    def posted_between(self, begin: int, end: int) -> Iterator[Item]:
        """The postings' items of a period, in microseconds: reads the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="#timestamp >= :begin AND #timestamp < :end",
            ExpressionAttributeValues={":begin": {"N": str(begin)}, ":end": {"N": str(end)}},
            **_PROJECTION,
        )
        for page in pages:
            yield from filter(is_posting, map(from_item, page["Items"]))


def request_of(items: Iterable[Item]) -> Item:
    """By its place; empty if there is none."""
    return next((item for item in items if item["timestamp"] == REQUEST_TIMESTAMP), {})


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(item: Item) -> datetime | None:
    """When what a history item tells of happened; None if it does not tell."""
    at = item["timestamp"]
    if at == REQUEST_TIMESTAMP:
        return moment(item.get("decided_at"))
    if at == ACCEPTANCE_TIMESTAMP:
        return moment(item.get("accepted_at"))
    return _EPOCH + timedelta(microseconds=at) if _is_timestamp(at) else None


def faults(item: Item) -> dict[str, str]:
    """Attributes that are not what the functions write there, with what is wrong; in words.

    Args:
        item: of the table, or as the audit trail has it.
    """
    states = possible(item)
    rules: dict[str, _Rule] = {
        "timestamp": _RULES["timestamp"],
        "state": (states.__contains__, f"state of this item ({' or '.join(states)})"),
        **{name: _RULES[name] for name in attributes(item) if name in _RULES},
    }
    found = {}
    for name, (is_right, what) in rules.items():
        if name not in item:
            found[name] = f"{name} is missing"
        elif not is_right(item[name]):
            found[name] = f"{name} is {shortened(item[name])}, which is no {what}"
    return found


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = microseconds(datetime.max.replace(tzinfo=UTC))
_AMOUNTS: Final = range(1, 1_000_000_000_000)
"""The API's (payments/schemas/validate_request.json)."""


def moment(text: Any) -> datetime | None:
    """An attribute that tells a moment, in RFC 3339; None if it does not."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _is_timestamp(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LAST


def _is_moment(value: Any) -> bool:
    return moment(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_amount(value: Any) -> bool:
    return type(value) is int and value in _AMOUNTS


_Rule = tuple[Callable[[Any], bool], str]
_MOMENT: Final[_Rule] = (_is_moment, "moment")
_RULES: Final[Mapping[str, _Rule]] = {
    "timestamp": (_is_timestamp, "moment"),
    "amount": (_is_amount, f"whole number from {_AMOUNTS[0]} to {_AMOUNTS[-1]}"),
    "currency": (_is_text, "text"),
    "decided_at": _MOMENT,
    "expires_at": _MOMENT,
    "accepted_at": _MOMENT,
}
"""What readers rely on, in whichever item it belongs."""

_SHORT: Final = 40


def shortened(value: Any) -> str:
    """An attribute's value, for a line of text."""
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
