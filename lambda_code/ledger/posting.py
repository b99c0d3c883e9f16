"""Posting payments, and the outbox of what the payments' history is still to be told.

Every payment is one entry of two postings, in the payment's currency and its minor unit:

    debit   clearing-receivable/<currency>              the acquirer owes us
    credit  merchant-payable/<merchant_id>/<currency>   we owe the merchant
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ledger.session import LedgerSession, LedgerUnavailableError


@dataclass(frozen=True)
class OutboxEvent:
    """Something that happened in the ledger, for the payment's history.

    Attributes:
        timestamp: microseconds since 1970, decided when the entry was posted.
        event: the history item's other attributes.
    """

    event_id: int
    transaction_id: str
    timestamp: int
    event: dict[str, Any]


@dataclass(frozen=True)
class Backlog:
    """What is in the outbox and not marked delivered.

    Attributes:
        oldest: seconds since 1970, None if there is nothing.
    """

    events: int
    oldest: float | None


@dataclass(frozen=True)
class Entry:
    """A posted entry.

    Attributes:
        posted_at: RFC 3339.
        postings: {account, direction: debit|credit, amount (minor units), currency} each.
        undelivered: its events that the history may not have yet.
    """

    entry_id: str
    posted_at: str
    postings: list[dict[str, Any]]
    undelivered: list[OutboxEvent]


class Ledger:
    """The ledger; every method raises ledger.session.LedgerError."""

    def __init__(self, session: LedgerSession) -> None:
        self._session = session

    def post(
        self,
        *,
        transaction_id: str,
        merchant_id: str,
        amount: int,
        currency: str,
        not_after: str | None,
    ) -> Entry | None:
        """Post the payment, unless it is posted; either way return its one entry.

        None: it came too late, by the ledger's clock, or was too late before. Whatever comes of the
        call, a payment that was once refused so is never posted, by nobody.

        Args:
            not_after: RFC 3339; None posts it whenever it comes.

        Raises:
            LedgerRefusedError: it is posted with other terms.
        """
        rows = self._session.run(
            "SELECT ledger.post_payment(:transaction_id, :merchant_id, :amount, :currency, "
            "CAST(:not_after AS timestamptz))",
            transaction_id=transaction_id,
            merchant_id=merchant_id,
            amount=amount,
            currency=currency,
            not_after=not_after,
        )
        return _entry(rows[0][0]) if rows[0][0] else None

    def restore(
        self,
        *,
        transaction_id: str,
        merchant_id: str,
        amount: int,
        currency: str,
        entry_id: str,
        posted_at: str,
    ) -> Entry | None:
        """See to it that a payment that was posted has its entry: a ledger that was restored to a
        time before lacks it, and gets it back under its id and at its time.

        None: it is refused for good, which what was posted never is.

        Raises:
            LedgerRefusedError: it is posted with other terms, or was never posted so.
        """
        rows = self._session.run(
            "SELECT ledger.restore_payment(:transaction_id, :merchant_id, :amount, :currency, "
            "CAST(:entry_id AS uuid), CAST(:posted_at AS timestamptz))",
            transaction_id=transaction_id,
            merchant_id=merchant_id,
            amount=amount,
            currency=currency,
            entry_id=entry_id,
            posted_at=posted_at,
        )
        return _entry(rows[0][0]) if rows[0][0] else None

    def find(self, transaction_id: str) -> Entry | None:
        rows = self._session.run(
            "SELECT ledger.find_entry(:transaction_id)", transaction_id=transaction_id
        )
        return _entry(rows[0][0]) if rows[0][0] else None

    def backlog(self) -> Backlog:
        rows = self._session.run(
            "SELECT count(*), min(event_timestamp) FROM ledger.outbox WHERE delivered_at IS NULL"
        )
        events, oldest = rows[0]
        return Backlog(events, oldest / 1_000_000 if oldest else None)

    def undelivered(self, after: int, limit: int) -> list[OutboxEvent]:
        """The oldest events with an event_id above `after` that are not marked delivered."""
        rows = self._session.run(
            "SELECT event_id, transaction_id::text, event_timestamp, event FROM ledger.outbox "
            "WHERE delivered_at IS NULL AND event_id > :after ORDER BY event_id LIMIT :limit",
            after=after,
            limit=limit,
        )
        return [OutboxEvent(*row) for row in rows]

    def mark_delivered(self, event_ids: Iterable[int]) -> None:
        """Record that the history has these events; repeating it changes nothing."""
        self._session.run(
            "UPDATE ledger.outbox SET delivered_at = clock_timestamp() "
            "WHERE event_id = ANY(CAST(:event_ids AS bigint[])) AND delivered_at IS NULL",
            event_ids=list(event_ids),
        )

    def unbalanced(self, since: float) -> int:
        """How many entries since then have debits that differ from their credits, or no postings.

        The ledger's own triggers refuse such an entry; this looks at what is there, without them.

        Args:
            since: seconds since 1970. An entry's id begins with its time (UUID version 7, RFC
                9562), so that the primary keys find the entries.
        """
        first = str(UUID(int=int(since * 1000) << 80))
        rows = self._session.run(
            "SELECT count(*) FROM (SELECT FROM ledger.entries e LEFT JOIN ledger.postings p "
            "ON p.entry_id = e.entry_id AND p.entry_id >= CAST(:first AS uuid) "
            "WHERE e.entry_id >= CAST(:first AS uuid) GROUP BY e.entry_id, p.currency HAVING "
            "coalesce(sum(CASE p.direction WHEN 'debit' THEN p.amount ELSE -p.amount END), 1) <> 0"
            ") AS unbalanced",
            first=first,
        )
        count: int = rows[0][0]
        return count

    def probe(self) -> None:
        """Whether payments can be posted now, for all that can be told without posting one.

        A transaction id of its own makes the server write, which one that only reads refuses.

        Raises:
            LedgerError: they cannot.
        """
        rows = self._session.run(
            "SELECT pg_current_xact_id() IS NOT NULL "
            "AND current_setting('transaction_read_only') = 'off' AND has_function_privilege("
            "'ledger.post_payment(uuid, text, bigint, text, timestamptz)', 'EXECUTE')"
        )
        if not rows[0][0]:
            raise LedgerUnavailableError("the ledger can be read, but payments cannot be posted")


def told_entry(
    *, entry_id: str, posted_at: str, merchant_id: str, amount: int, currency: str
) -> Entry:
    """The entry of a payment, from what the history was told of it."""
    accounts = {
        "debit": f"clearing-receivable/{currency}",
        "credit": f"merchant-payable/{merchant_id}/{currency}",
    }
    postings = [
        {"account": account, "direction": direction, "amount": amount, "currency": currency}
        for direction, account in accounts.items()
    ]
    return Entry(entry_id, posted_at, postings, undelivered=[])


def _entry(found: dict[str, Any]) -> Entry:
    """What we know of it: the schema of a later release may tell more."""
    return Entry(
        entry_id=found["entry_id"],
        posted_at=found["posted_at"],
        postings=found["postings"],
        undelivered=[
            OutboxEvent(
                event["event_id"], event["transaction_id"], event["timestamp"], event["event"]
            )
            for event in found["undelivered"]
        ],
    )
