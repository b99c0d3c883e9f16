"""Processing approved payments: once, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from aws_lambda_powertools.logging import Logger

from ledger.posting import Entry
from ledger.session import LedgerError
from payment_processor.outbox import EventStore, Outbox, deliver
from payments.history import APPROVED, PaymentRequest
from payments.moments import from_rfc3339, to_rfc3339
from payments.problems import Problem

logger = Logger(child=True)


class PaymentLedger(Outbox, Protocol):
    """What is needed of ledger.posting.Ledger."""

    def post(
        self, *, transaction_id: str, merchant_id: str, amount: int, currency: str
    ) -> Entry: ...
    def find(self, transaction_id: str) -> Entry | None: ...


class PaymentHistory(EventStore, Protocol):
    """What is needed of payments.history.History."""

    def find_request(self, transaction_id: str) -> PaymentRequest | None: ...


class Acceptances(Protocol):
    """What is needed of payments.history.History, with a client that does not wait long."""

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None: ...
    def is_accepted(self, transaction_id: str) -> bool: ...


def _always() -> bool:
    return True


class Processor:
    """Posts payments that were approved."""

    def __init__(
        self, history: PaymentHistory, ledger: PaymentLedger, acceptances: Acceptances
    ) -> None:
        self._history = history
        self._ledger = ledger
        self._acceptances = acceptances

    def process(
        self,
        transaction_id: str,
        now: datetime,
        enqueue: Callable[[str], None],
        may_deliver: Callable[[], bool] = _always,
    ) -> Entry | None:
        """Post on a client's demand; return the entry, or None if the payment was queued.

        An expired approval is refused, unless the payment was posted or queued while it held:
        a client who is told "expired" may start over, so the queue must not hold the payment.

        Args:
            enqueue: puts a transaction on the retry queue; what it raises passes through.
            may_deliver: asked after posting: is there time to tell the history?

        Raises:
            Problem: 404 unknown, 409 declined or expired, 503 expired and the ledger cannot tell
                whether it was posted.
        """
        payment = self._approved(transaction_id)
        in_time = now < from_rfc3339(payment.expires_at)
        may_post = in_time or self._acceptances.is_accepted(transaction_id)
        try:
            entry = self._post(payment) if may_post else self._ledger.find(transaction_id)
        except LedgerError as error:
            logger.exception("the ledger did not post")
            if may_post:
                if in_time:
                    self._acceptances.record_acceptance(transaction_id, to_rfc3339(now))
                enqueue(transaction_id)
                return None
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "service_unavailable",
                "The approval has expired, and whether it was posted cannot be seen now.",
            ) from error
        if entry is None:
            raise Problem(
                HTTPStatus.CONFLICT,
                "approval_expired",
                "The approval has expired, and the payment is not in the ledger.",
            )
        return self._told(entry, may_deliver)

    def process_queued(
        self, transaction_id: str, may_deliver: Callable[[], bool] = _always
    ) -> Entry:
        """Post a payment from the retry queue.

        It was accepted (202) while its approval held, so its expiry no longer counts.

        Raises:
            Problem: unknown or declined: it will never be posted.
            LedgerError: not now.
        """
        return self._told(self._post(self._approved(transaction_id)), may_deliver)

    def _approved(self, transaction_id: str) -> PaymentRequest:
        payment = self._history.find_request(transaction_id)
        if payment is None:
            raise Problem(
                HTTPStatus.NOT_FOUND, "payment_not_found", "There is no payment with this id."
            )
        if payment.state != APPROVED:
            raise Problem(
                HTTPStatus.CONFLICT, "payment_declined", "The payment was declined by /validate."
            )
        return payment

    def _post(self, payment: PaymentRequest) -> Entry:
        return self._ledger.post(
            transaction_id=payment.transaction_id,
            merchant_id=payment.merchant_id,
            amount=payment.amount,
            currency=payment.currency,
        )

    def _told(self, entry: Entry, may_deliver: Callable[[], bool]) -> Entry:
        """The entry is committed: its event follows now, or with the next sweep."""
        if entry.undelivered and not may_deliver():
            logger.warning("the history is told by the next sweep")
        else:
            deliver(entry.undelivered, self._ledger, self._history)
        return entry
