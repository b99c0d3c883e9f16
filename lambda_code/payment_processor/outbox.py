"""Delivering the ledger's outbox to the payments' history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from ledger.posting import OutboxEvent
from ledger.session import LedgerError

PAGE = 100

logger = Logger(child=True)


class Outbox(Protocol):
    """What is needed of ledger.posting.Ledger."""

    def undelivered(self, after: int, limit: int) -> list[OutboxEvent]: ...
    def mark_delivered(self, event_ids: Iterable[int]) -> None: ...


class EventStore(Protocol):
    """What is needed of payments.history.History."""

    def record_event(
        self, transaction_id: str, timestamp: int, event: Mapping[str, Any]
    ) -> None: ...


def deliver(events: Iterable[OutboxEvent], outbox: Outbox, store: EventStore) -> int:
    """Put events into the history, then mark them delivered; return how many were put.

    It never raises for want of the table or the ledger: what is not marked is swept later, and a
    second delivery adds nothing.
    """
    delivered = []
    for event in events:
        try:
            store.record_event(event.transaction_id, event.timestamp, event.event)
        except (BotoCoreError, ClientError):
            logger.exception("event not delivered", extra={"transaction_id": event.transaction_id})
        else:
            delivered.append(event.event_id)
    if delivered:
        try:
            outbox.mark_delivered(delivered)
        except LedgerError:
            logger.exception("events delivered, but not marked so")
    return len(delivered)


def sweep(outbox: Outbox, store: EventStore, may_go_on: Callable[[], bool]) -> int:
    """Deliver what is left over, oldest first; return how many events were delivered.

    Args:
        may_go_on: asked before each event: is there time for it?

    Raises:
        LedgerError: the outbox cannot be read.
    """
    swept, after = 0, 0
    while may_go_on():
        events = outbox.undelivered(after, PAGE)
        if not events:
            break
        swept += deliver(takewhile(lambda _: may_go_on(), events), outbox, store)
        after = events[-1].event_id
    return swept
