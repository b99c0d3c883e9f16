"""Payments' history items, as operators need them: never with the payment method's token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from ops.production import Production

# All but payment_method_token and fingerprint: these never leave the table.
_SHOWN: Final = (
    "transaction_id",
    "timestamp",
    "state",
    "merchant_id",
    "amount",
    "currency",
    "reference",
    "reasons",
    "idempotency_key",
    "decided_at",
    "expires_at",
    "accepted_at",
    "entry_id",
)
_PROJECTION: Final[dict[str, Any]] = {
    "ProjectionExpression": ", ".join(f"#{name}" for name in _SHOWN),
    "ExpressionAttributeNames": {f"#{name}": name for name in _SHOWN},
}
REQUEST, ACCEPTANCE = 0, 1
"""Fixed values of `timestamp`; all others are microseconds since 1970."""

LARGEST_BATCH: Final = 100
"""Keys: DynamoDB's most."""

Item = dict[str, Any]
Key = tuple[str, int]
"""Transaction and timestamp."""


@dataclass(frozen=True, kw_only=True)
class PaymentHistory:
    """Reads the table; botocore's errors pass through."""

    dynamodb: Any
    table: str

    @classmethod
    def of(cls, production: Production) -> PaymentHistory:
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
        return [_plain(item) for page in pages for item in page["Items"]]

    def items(self, keys: Iterable[Key]) -> list[Item]:
        """Those of the items that there are, in no order; LARGEST_BATCH at most."""
        asked = [{"transaction_id": {"S": id_}, "timestamp": {"N": str(at)}} for id_, at in keys]
        found: list[Item] = []
        while asked:
            answer = self.dynamodb.batch_get_item(
                RequestItems={self.table: {"Keys": asked, "ConsistentRead": True, **_PROJECTION}}
            )
            found += map(_plain, answer["Responses"].get(self.table, []))
            asked = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
        return found

    def all_items(self) -> Iterator[Item]:
        """Every item: reads the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, **_PROJECTION)
        for page in pages:
            yield from map(_plain, page["Items"])

    def posted_between(self, begin: int, end: int) -> Iterator[Item]:
        """The posted items of a period, in microseconds: reads the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="#timestamp >= :begin AND #timestamp < :end AND #state = :posted",
            ExpressionAttributeValues={
                ":begin": {"N": str(begin)},
                ":end": {"N": str(end)},
                ":posted": {"S": "posted"},
            },
            **_PROJECTION,
        )
        for page in pages:
            yield from map(_plain, page["Items"])


def moment_of(item: Item) -> datetime:
    """When what a history item tells of happened."""
    if item["timestamp"] == REQUEST:
        return datetime.fromisoformat(item["decided_at"])
    if item["timestamp"] == ACCEPTANCE:
        return datetime.fromisoformat(item["accepted_at"])
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=item["timestamp"])


def _plain(item: Item) -> Item:
    deserialize = TypeDeserializer().deserialize
    values = {name: deserialize(value) for name, value in item.items()}
    for name in {"timestamp", "amount"} & values.keys():
        values[name] = int(values[name])
    return values
