"""Delivering the ledger's outbox to the payments' history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from time import time
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger

from ledger.posting import Backlog, OutboxEvent
from ledger.session import LedgerError
from payments import metrics
from payments.states import POSTED

PAGE = 100
# Looked at by each sweep, one a minute: an entry is looked at ten times, and the look takes a
# fraction of a second with a hundred entries a second.
CHECKED_SECONDS = 600

logger = Logger(child=True)


class Outbox(Protocol):
    """What is needed of ledger.posting.Ledger."""

    def backlog(self) -> Backlog: ...
    def undelivered(self, after: int, limit: int) -> list[OutboxEvent]: ...
    def mark_delivered(self, event_ids: Iterable[int]) -> None: ...


class Balance(Protocol):
    """What is needed of ledger.posting.Ledger."""

    def unbalanced(self, since: float) -> int: ...


class EventStore(Protocol):
    """What is needed of payments.history.History."""

    def record_event(
        self, transaction_id: str, timestamp: int, event: Mapping[str, Any]
    ) -> bool: ...


def deliver(events: Iterable[OutboxEvent], outbox: Outbox, store: EventStore) -> int:
    """Put events into the history, then mark them delivered; return how many were put.

    It never raises: what cannot be delivered holds up nothing behind it, what is not marked is
    swept later, and a second delivery adds nothing.
    """
    delivered = []
    for event in events:
        try:
            if store.record_event(event.transaction_id, event.timestamp, event.event):
                _count(event.event)
            delivered.append(event.event_id)
        except Exception:
            logger.exception("event not delivered", extra={"transaction_id": event.transaction_id})
    if delivered:
        try:
            outbox.mark_delivered(delivered)
        except LedgerError:
            logger.exception("events delivered, but not marked so")
    return len(delivered)


def _count(event: Mapping[str, Any]) -> None:
    """The history takes each event once, whoever delivers it: there it is counted."""
    if event.get("state") == POSTED:
        metrics.count("PaymentsProcessed")
        metrics.amount("AmountProcessed", event["amount"], event["currency"])


def measure(outbox: Outbox) -> None:
    """Report how much the history is behind (raises LedgerError)."""
    backlog = outbox.backlog()
    metrics.count("OutboxBacklog", backlog.events)
    metrics.seconds("OutboxAge", max(0.0, time() - backlog.oldest) if backlog.oldest else 0.0)


def check_balance(ledger: Balance) -> None:
    """Report how many of the latest entries do not balance: none, ever (raises LedgerError)."""
    unbalanced = ledger.unbalanced(time() - CHECKED_SECONDS)
    if unbalanced:
        logger.critical("entries of the ledger do not balance", extra={"entries": unbalanced})
    metrics.count("LedgerImbalance", unbalanced)


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
