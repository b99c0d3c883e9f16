"""The payment's history in DynamoDB: items are added, never updated or deleted.

Table keys: transaction_id (S), timestamp (N). Item 0 is the request with its decision; every
later state is one item more, timestamp in microseconds since 1970; only the acceptance of a queued
payment has a fixed place too, 1. Attribute `state` tells which: approved, declined, queued, posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

REQUEST_TIMESTAMP, ACCEPTANCE_TIMESTAMP = 0, 1
APPROVED = "approved"
DECLINED = "declined"
QUEUED = "queued"


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """Item 0: what was asked for, and what was decided.

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
    payment_method_token: str
    reference: str
    idempotency_key: str
    fingerprint: str
    state: str
    reasons: list[str]
    decided_at: str
    expires_at: str


class History:
    """Access to the table with a DynamoDB client; botocore's errors pass through."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def record_request(self, request: PaymentRequest) -> PaymentRequest:
        """Store the request, unless the transaction has one; return the one that is stored."""
        if self._add(request.transaction_id, REQUEST_TIMESTAMP, asdict(request)):
            return request
        stored = self.find_request(request.transaction_id)
        if stored is None:
            raise LookupError("the item that was in the way is gone")
        return stored

    def find_request(self, transaction_id: str) -> PaymentRequest | None:
        """The transaction's request and decision."""
        answer = self._client.get_item(
            TableName=self._table,
            Key=_item({"transaction_id": transaction_id, "timestamp": REQUEST_TIMESTAMP}),
            ConsistentRead=True,
        )
        if "Item" not in answer:
            return None
        item = {name: _value(attribute) for name, attribute in answer["Item"].items()}
        del item["timestamp"]
        return PaymentRequest(**item)

    def record_event(self, transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        """Add a later state; delivered again, with the same timestamp, it adds nothing.

        Returns whether it was added.

        Args:
            timestamp: microseconds since 1970, the same in every delivery of the event.
            event: the item's other attributes, `state` among them.
        """
        return self._add(transaction_id, timestamp, event)

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None:
        """Record that the payment is on its way to the retry queue; once is enough.

        Args:
            accepted_at: RFC 3339, while the approval held.
        """
        acceptance = {"state": QUEUED, "accepted_at": accepted_at}
        self._add(transaction_id, ACCEPTANCE_TIMESTAMP, acceptance)

    def is_accepted(self, transaction_id: str) -> bool:
        """Whether the payment has ever been on its way to the retry queue."""
        answer = self._client.get_item(
            TableName=self._table,
            Key=_item({"transaction_id": transaction_id, "timestamp": ACCEPTANCE_TIMESTAMP}),
            ConsistentRead=True,
        )
        return "Item" in answer

    def probe(self) -> None:
        """Read a key that no payment has: it proves that the table can be reached and read."""
        self._client.get_item(
            TableName=self._table, Key=_item({"transaction_id": "status", "timestamp": 0})
        )

    def _add(self, transaction_id: str, timestamp: int, attributes: Mapping[str, Any]) -> bool:
        """Whether the item is new."""
        keys = {"transaction_id": transaction_id, "timestamp": timestamp}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_item({**attributes, **keys}),
                ConditionExpression="attribute_not_exists(transaction_id)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _item(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _attribute(value) for name, value in attributes.items()}


# The types that JSON and our items have; boto3's converters for all of DynamoDB's would bring the
# whole of boto3 along.


def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [_attribute(element) for element in value]}
        case Mapping():
            return {"M": _item(value)}
    raise TypeError(f"{type(value).__name__} is no type of an item")


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "L":
            return [_value(element) for element in value]
        case "M":
            return {name: _value(element) for name, element in value.items()}
        case "NULL":
            return None
    return value
