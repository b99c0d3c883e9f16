"""The payment's history in DynamoDB: items are added, never updated or deleted.

Table keys: transaction_id (S), timestamp (N). Which items there are is told in states.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from payments.attributes import from_attribute, to_attribute, to_item
from payments.states import (
    ACCEPTANCE_TIMESTAMP,
    POSTED,
    QUEUED,
    REQUEST_TIMESTAMP,
    PaymentRequest,
    Posting,
)


@dataclass(frozen=True)
class Payment:
    """All that the history has of a payment.

    Attributes:
        accepted: it has been on its way to the retry queue, while its approval held.
        posting: None as long as the history does not know of it.
    """

    request: PaymentRequest
    accepted: bool
    posting: Posting | None


class History:
    """Access to the table with a DynamoDB client; botocore's errors pass through."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def record_request(self, request: PaymentRequest) -> PaymentRequest:
        """Store the request, unless the transaction has one; return the one that is stored: this
        very object, if it is new."""
        if self._add(request.transaction_id, REQUEST_TIMESTAMP, asdict(request)):
            return request
        stored = self.find_request(request.transaction_id)
        if stored is None:
            raise LookupError("the item that was in the way is gone")
        return stored

    def find_request(self, transaction_id: str) -> PaymentRequest | None:
        """The transaction's request and decision.

        Raises:
            LookupError: its item lacks what a payment needs.
        """
        answer = self._client.get_item(
            TableName=self._table,
            Key=to_item({"transaction_id": transaction_id, "timestamp": REQUEST_TIMESTAMP}),
            ConsistentRead=True,
        )
        return _read(PaymentRequest, answer["Item"]) if "Item" in answer else None

    def find(self, transaction_id: str) -> Payment | None:
        """All of a payment's history, as it is now.

        Raises:
            LookupError: one of its items lacks what it needs.
        """
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="transaction_id = :transaction_id",
            ExpressionAttributeValues=to_item({":transaction_id": transaction_id}),
            ConsistentRead=True,
        )
        items = {from_attribute(item["timestamp"]): item for item in answer["Items"]}
        if REQUEST_TIMESTAMP not in items:
            return None
        request = items[REQUEST_TIMESTAMP]
        posted = (item for item in items.values() if item.get("state") == to_attribute(POSTED))
        posting = next(posted, None)
        return Payment(
            _read(PaymentRequest, request),
            accepted=ACCEPTANCE_TIMESTAMP in items,
            # It is posted on the request's terms, should it not name them itself.
            posting=_read(Posting, {**request, **posting}) if posting else None,
        )

    def record_event(self, transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        """Add a later state; delivered again, with the same timestamp, it adds nothing.

        Returns whether it was added, by this delivery: that is told by its attribute `delivery`.

        Args:
            timestamp: microseconds since 1970, the same in every delivery of the event.
            event: the item's other attributes, `state` among them.
        """
        return self._add(transaction_id, timestamp, {**event, "delivery": os.urandom(8).hex()})

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None:
        """Record that the payment is on its way to the retry queue; once is enough.

        Args:
            accepted_at: RFC 3339, while the approval held.
        """
        acceptance = {"state": QUEUED, "accepted_at": accepted_at}
        self._add(transaction_id, ACCEPTANCE_TIMESTAMP, acceptance)

    def probe(self) -> None:
        """Try to write an item on a condition that cannot hold: the table takes writes, and from
        us, if it says that it did not hold. Nothing is written, and no stream tells of it."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=to_item({"transaction_id": "status", "timestamp": 0}),
                ConditionExpression="attribute_exists(transaction_id) "
                "AND attribute_not_exists(transaction_id)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise

    def _add(self, transaction_id: str, timestamp: int, attributes: Mapping[str, Any]) -> bool:
        """Whether the item is new.

        Where the first try's answer was lost, the second one meets the first one's item.
        """
        keys = {"transaction_id": transaction_id, "timestamp": timestamp}
        item = to_item({**attributes, **keys})
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(transaction_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return error.response.get("Item") == item
        return True


_CONDITION_FAILED = "ConditionalCheckFailedException"


_Kind = TypeVar("_Kind", PaymentRequest, Posting)


def _read(kind: type[_Kind], item: Mapping[str, Any]) -> _Kind:
    """What we know of an item: another release may write more, or less."""
    known = {each.name: each for each in fields(kind)}
    lacking = {
        name
        for name, each in known.items()
        if name not in item and each.default is MISSING and each.default_factory is MISSING
    }
    if lacking:
        raise LookupError(f"an item lacks {', '.join(sorted(lacking))}")
    return kind(**{name: from_attribute(item[name]) for name in known.keys() & item.keys()})
