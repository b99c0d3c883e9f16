"""Processing approved payments: once, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger

from ledger.posting import Entry, told_entry
from ledger.session import LedgerUnavailableError
from payment_processor.outbox import EventStore, Outbox, deliver
from payments.history import Payment
from payments.moments import from_rfc3339, now, to_rfc3339
from payments.problems import Problem
from payments.states import APPROVED, Posting

logger = Logger(child=True)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PaymentLedger(Outbox, Protocol):
    """What is needed of ledger.posting.Ledger."""

    def post(
        self,
        *,
        transaction_id: str,
        merchant_id: str,
        amount: int,
        currency: str,
        not_after: str | None,
    ) -> Entry | None: ...
    def restore(
        self,
        *,
        transaction_id: str,
        merchant_id: str,
        amount: int,
        currency: str,
        entry_id: str,
        posted_at: str,
    ) -> Entry | None: ...


class PaymentHistory(EventStore, Protocol):
    """What is needed of payments.history.History."""

    def find(self, transaction_id: str) -> Payment | None: ...
    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None: ...


def _always() -> bool:
    return True


class Processor:
    """Posts payments that were approved."""

    def __init__(
        self,
        history: PaymentHistory,
        ledger: PaymentLedger,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._history = history
        self._ledger = ledger
        self._clock = clock

    def process(
        self,
        transaction_id: str,
        enqueue: Callable[[str], None],
        may_deliver: Callable[[], bool] = _always,
        may_post: Callable[[], bool] = _always,
    ) -> Entry | None:
        """Post on a client's demand; return the entry, or None if the payment was queued.

        A client who is told "expired" may start over: so it is the ledger that says so, which then
        never posts the payment. What was queued while the approval held is not called expired.

        Args:
            enqueue: puts a transaction on the retry queue; what it raises passes through.
            may_deliver: asked after posting: is there time to tell the history?
            may_post: asked before: is there time to ask the ledger, and to queue the payment if
                that fails? If not, it is queued unasked.

        Raises:
            Problem: 404 unknown, 409 declined or expired, 503 expired and the ledger cannot tell
                whether it was posted.
            LedgerRefusedError: the ledger does not take it, and would not later.
        """
        payment = self._approved(transaction_id)
        if payment.posting:
            return _posted(payment.posting)
        try:
            if not may_post():
                raise LedgerUnavailableError("there is no time left to ask it")
            entry = self._post(payment)
        except LedgerUnavailableError as error:
            logger.exception("the ledger did not post")
            if not payment.accepted:
                moment = self._clock()
                if moment >= from_rfc3339(payment.request.expires_at):
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        "service_unavailable",
                        "The approval has expired, and whether it was posted cannot be seen now.",
                    ) from error
                self._history.record_acceptance(transaction_id, to_rfc3339(moment))
            enqueue(transaction_id)
            return None
        return self._told(entry, may_deliver)

    def process_queued(
        self, transaction_id: str, may_deliver: Callable[[], bool] = _always
    ) -> Entry:
        """Post a payment from the retry queue.

        If it was accepted (202) while its approval held, its expiry no longer counts. If the
        history knows it as posted, the ledger is asked all the same: one that was restored to a
        time before lacks the entry, and gets back the very same (`ops reconcile --replay` queues
        what it lacks).

        Raises:
            Problem: unknown, declined, or expired and never accepted: it will never be posted.
            LedgerError: not now.
        """
        return self._told(self._post(self._approved(transaction_id)), may_deliver)

    def _approved(self, transaction_id: str) -> Payment:
        payment = self._history.find(transaction_id)
        if payment is None:
            raise Problem(
                HTTPStatus.NOT_FOUND, "payment_not_found", "There is no payment with this id."
            )
        if payment.request.state != APPROVED:
            raise Problem(
                HTTPStatus.CONFLICT, "payment_declined", "The payment was declined by /validate."
            )
        return payment

    def _post(self, payment: Payment) -> Entry:
        request, posting = payment.request, payment.posting
        terms: dict[str, Any] = {
            "transaction_id": request.transaction_id,
            "merchant_id": request.merchant_id,
            "amount": request.amount,
            "currency": request.currency,
        }
        if posting:
            entry = self._ledger.restore(
                **terms, entry_id=posting.entry_id, posted_at=_moment(posting)
            )
        else:
            not_after = None if payment.accepted else request.expires_at
            entry = self._ledger.post(**terms, not_after=not_after)
        if entry is None:
            raise Problem(
                HTTPStatus.CONFLICT,
                "approval_expired",
                "The approval has expired, and the payment is not in the ledger.",
            )
        return entry

    def _told(self, entry: Entry, may_deliver: Callable[[], bool]) -> Entry:
        """The entry is committed: its event follows now, or with the next sweep."""
        if entry.undelivered and not may_deliver():
            logger.warning("the history is told by the next sweep")
        else:
            deliver(entry.undelivered, self._ledger, self._history)
        return entry


def _posted(posting: Posting) -> Entry:
    """What the history knows is posted is posted: a client need not wait for the ledger, which must
    not post it anew where it was restored to a time before."""
    return told_entry(
        entry_id=posting.entry_id,
        posted_at=_moment(posting),
        merchant_id=posting.merchant_id,
        amount=posting.amount,
        currency=posting.currency,
    )


def _moment(posting: Posting) -> str:
    return to_rfc3339(_EPOCH + timedelta(microseconds=posting.timestamp))
