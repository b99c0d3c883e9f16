"""What the audit trail and the ledger have of the payments' history and a restored table lacks.

The audit trail has every item as it was added, the token too. Only of entries that it was never
told of, the ledger tells the item: what is in neither is lost. Items are added, never changed, and
only where none is: whoever was interrupted begins again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from rich.status import Status

from ops.console.failure import or_none
from ops.production.stack import Production
from payments.attributes import to_item
from payments.states import POSTED, REQUEST_TIMESTAMP, SHOWN, is_posting
from reconciliation.audit_records import AuditRecords, Found
from reconciliation.history import LARGEST_BATCH, Item, Key, PaymentHistory, faults
from reconciliation.ledger import Ledger, terms

_AT_ONCE: Final = 10
"""Items: as many connections as a client of botocore keeps."""
_CLOCKS: Final = timedelta(minutes=5)
"""How much before the restored moment it begins to read."""


@dataclass(kw_only=True)
class Replayed:
    """
    Attributes:
        read: items that the audit trail has of the period.
        lacking: items that the table lacks and that can be put, by state.
        refused: items that are not put, with the reason; by payment and timestamp.
        untold: entries whose items payment-processor delivers by itself, with its next sweep.
        without_request: posted payments of which no request is known.
        unread: objects of the audit trail, with the reason.
    """

    read: int = 0
    lacking: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    untold: int = 0
    without_request: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not (self.refused or self.without_request or self.unread)

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "lacking": {**self.lacking}, "complete": self.complete}


@dataclass(kw_only=True)
class Replay:
    """One run.

    Attributes:
        put: what adds an item to the table; it may be there meanwhile.
        entries: of the period, by payment.
    """

    history: PaymentHistory
    audit: AuditRecords
    ledger: Ledger
    begin: datetime
    put: Callable[[Item], None]
    status: Status
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: Replayed = field(default_factory=Replayed)
    _added: set[Key] = field(default_factory=set)

    @classmethod
    def of(cls, production: Production, begin: datetime, *, yes: bool, status: Status) -> Replay:
        history = PaymentHistory.of(production)
        return cls(
            history=history,
            audit=AuditRecords.of(production),
            ledger=Ledger.of(production),
            begin=begin - _CLOCKS,
            put=(lambda item: add(history, item)) if yes else (lambda _: None),
            status=status,
        )

    def run(self) -> Replayed:
        """
        Raises:
            OpsError, botocore's errors: something could not be read, or put.
        """
        now = datetime.now(UTC)
        self.status.update("reading the ledger")
        self.entries = {
            entry["transaction_id"]: entry for entry in self.ledger.entries(self.begin, now)
        }
        self.status.update("reading the audit trail")
        records = self.audit.stored_between(self.begin, now)
        for items in _batches(self._audited(records)):
            there = {_key(item): item for item in self.history.items(items)}
            self._add(item for key, item in items.items() if self._is_lacking(key, item, there))
            self.status.update(f"reading the audit trail: {self.found.read:,} items")
        self.status.update("comparing with the ledger")
        self._complete_from_ledger()
        self.found.unread = self.audit.unread
        return self.found

    def _audited(self, records: Iterable[Found]) -> Iterator[Item]:
        """What was added, and what was there before somebody changed or deleted it. Of several with
        one key, the first is what the functions wrote."""
        for record in (each.record for each in records):
            item = record.get("old_item" if record["anomaly"] else "item")
            if item and isinstance(record["keys"].get("timestamp"), int):
                self.found.read += 1
                yield item

    def _is_lacking(self, key: Key, item: Item, there: dict[Key, Item]) -> bool:
        if key in self._added:
            return False
        if reason := self._objection(key, item, there.get(key)):
            self.found.refused["/".join(map(str, key))] = reason
        return not reason and key not in there

    def _objection(self, key: Key, item: Item, present: Item | None) -> str:
        """Why an item of the audit trail is not what the table should have; empty, if it is."""
        if present:
            differing = [name for name in SHOWN if item.get(name) != present.get(name)]
            return f"the table has another {', '.join(differing)}" if differing else ""
        if wrong := faults(item):
            return "; ".join(wrong.values())
        if is_posting(item):
            entry = self.entries.get(key[0]) or self.ledger.payment(key[0]) or {}
            known = [event["timestamp"] for event in entry.get("events", [])]
            if item.get("entry_id") != entry.get("entry_id") or key[1] not in known:
                return "the ledger has no such entry"
        return ""

    def _add(self, items: Iterable[Item]) -> None:
        lacking = list(items)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self.put, lacking))
        self._added |= {_key(item) for item in lacking}
        self.found.lacking.update(item["state"] for item in lacking)

    def _complete_from_ledger(self) -> None:
        told = (
            {"transaction_id": id_, "timestamp": event["timestamp"], **event}
            for id_, entry in self.entries.items()
            for event in filter(is_posting, entry["events"])
        )
        for events in _batches(told, LARGEST_BATCH // 2):
            requests = {(id_, REQUEST_TIMESTAMP) for id_, _ in events}
            there = {_key(item) for item in self.history.items({*events, *requests})} | self._added
            self.found.without_request += sorted(id_ for id_, _ in requests - there)
            lacking = [event for key, event in events.items() if key not in there]
            self.found.untold += sum(event["delivered_at"] is None for event in lacking)
            self._add(_posting(self.ledger, event) for event in lacking if event["delivered_at"])


def add(history: PaymentHistory, item: Item) -> None:
    put = partial(
        history.dynamodb.put_item,
        TableName=history.table,
        Item=to_item(item),
        ConditionExpression="attribute_not_exists(transaction_id)",
    )
    or_none(put, "ConditionalCheckFailedException")


def _posting(ledger: Ledger, event: Item) -> Item:
    """The item that the outbox told of an entry (ledger.outbox, History.record_event)."""
    keys = {name: event[name] for name in ("transaction_id", "timestamp")}
    entry = ledger.payment(event["transaction_id"])
    assert entry is not None, "entries are never removed"
    return {**keys, "state": POSTED, **terms(entry), "delivery": os.urandom(8).hex()}


def _batches(items: Iterable[Item], most: int = LARGEST_BATCH) -> Iterator[dict[Key, Item]]:
    """By key; of several with one key, the first."""
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield {_key(item): item for item in reversed(some)}


def _key(item: Item) -> Key:
    return item["transaction_id"], item["timestamp"]
