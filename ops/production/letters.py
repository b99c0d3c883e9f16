"""Payments' messages in the dead-letter queue, by case: which may be tried again, which never, and
why each of their tries failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from ops.production.queues import Message
from ops.production.stack import Production, every
from payments.identifiers import UUID_PATTERN
from payments.states import APPROVED, DECLINED, POSTED, QUEUED
from reconciliation.history import Item, PaymentHistory, moment, request_of

LOG: Final = "/aws/lambda/payment-processor"
_REASONS: Final = ("message", "exception_name", "code")
"""Of a line of it. None holds anything that the payment's client sent."""
_TRIED: Final = timedelta(hours=1)
"""All deliveries of the retry queue take less (payment_processor.retries)."""
_CLOCKS: Final = timedelta(minutes=1)
"""As far as they may differ."""


class Case(StrEnum):
    """What a message is about."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    DECLINED = "declined"
    EXPIRED = "expired"
    POSTED = "posted"
    PAYABLE = "payable"

    @property
    def is_final(self) -> bool:
        """Whether it fails again however often it is tried."""
        return self in (Case.UNREADABLE, Case.UNKNOWN, Case.DECLINED, Case.EXPIRED)


_TOLD: Final = {
    Case.UNREADABLE: "it names no payment, so that nothing can be posted; only payment-processor "
    "may send there: ask who did",
    Case.UNKNOWN: "the history has no such payment. If other payments are missing too, the table "
    "is wrong: mend that first (docs/runbooks/restore.md), and redrive then",
    Case.DECLINED: "it was declined, and is never posted: tell the client",
    Case.EXPIRED: "its approval ended before it was accepted, and it is never posted: tell the "
    "client",
    Case.POSTED: "it is posted already: the message is not needed any more",
    Case.PAYABLE: "it can be posted: mend what the tries failed of",
}


def judged(message: Message, history: PaymentHistory, now: datetime) -> Case:
    """botocore's errors pass through."""
    if re.fullmatch(UUID_PATTERN, message.transaction_id) is None:
        return Case.UNREADABLE
    return case_of(history.of_payment(message.transaction_id), now)


def case_of(items: Sequence[Item], now: datetime) -> Case:
    """By the payment's history."""
    request, states = request_of(items), {item.get("state") for item in items}
    if not request:
        return Case.UNKNOWN
    if POSTED in states:
        return Case.POSTED
    if request.get("state") == DECLINED:
        return Case.DECLINED
    expires = moment(request.get("expires_at"))
    if request.get("state") == APPROVED and QUEUED not in states and expires and expires <= now:
        return Case.EXPIRED
    return Case.PAYABLE


def what_to_do(case: Case, message_id: str) -> str:
    """With the command."""
    if case is Case.PAYABLE:
        return (
            f"{_TOLD[case]}, then .venv/bin/python -m ops dlq redrive retry --id {message_id} --yes"
        )
    return (
        f"{_TOLD[case]}. Then .venv/bin/python -m ops dlq quarantine retry --id {message_id} "
        f"--reason '{case}: WHO WAS TOLD' --yes"
    )


@dataclass(frozen=True, kw_only=True)
class Try:
    """One delivery of a message that failed.

    Attributes:
        number: as SQS counted it.
    """

    at: datetime
    number: int
    reason: str


def tries(production: Production, message: Message) -> Iterator[Try]:
    """What payment-processor logged of each, oldest first; botocore's errors pass through.

    Those of a message that was redriven are found by its payment.
    """
    end = min(message.first_sent + _TRIED, datetime.now(UTC) + _CLOCKS)
    found = [
        Try(
            at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
            number=int(line["receives"]),
            # Never an exception's text, which may hold anything.
            reason=", ".join(str(line[name]) for name in _REASONS if line.get(name)),
        )
        for event in every(
            production.client("logs"),
            "filter_log_events",
            logGroupName=LOG,
            filterPattern=f'"{message.transaction_id or message.id}"',
            startTime=int((message.first_sent - _CLOCKS).timestamp() * 1000),
            endTime=int(end.timestamp() * 1000),
        )
        if (line := _line(event["message"])).get("receives")
    ]
    yield from sorted(found, key=lambda each: each.at)


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
