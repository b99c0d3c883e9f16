"""Comparing ledger, history and audit trail for a period."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from payments.states import REQUEST_TIMESTAMP, is_posting
from reconciliation.audit_records import AuditRecords, Found
from reconciliation.books import Books, Difference, Kind
from reconciliation.history import LARGEST_BATCH, PaymentHistory, microseconds
from reconciliation.ledger import Ledger
from reconciliation.stores import Deployed, UnreadableError

GRACE: Final = timedelta(minutes=5)
"""What was posted so recently may lack its traces."""

_LATE: Final = timedelta(minutes=15)
"""After an event, its audit record is looked for so long at first."""
_LATEST: Final = timedelta(days=1)
"""And then so long: the table's stream forgets it after that."""

Tell = Callable[[str], None]
"""Is told how far it is, again and again."""


@dataclass(frozen=True, kw_only=True)
class Period:
    begin: datetime
    end: datetime

    def has(self, at: int) -> bool:
        """Whether a moment, in microseconds since 1970, belongs to it."""
        return microseconds(self.begin) <= at < microseconds(self.end)


@dataclass(frozen=True, kw_only=True)
class Stores:
    ledger: Ledger
    history: PaymentHistory
    audit: AuditRecords

    @classmethod
    def of(cls, production: Deployed) -> Stores:
        return cls(
            ledger=Ledger.of(production),
            history=PaymentHistory.of(production),
            audit=AuditRecords.of(production),
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of it.

    Attributes:
        settled: what happened since then may be under way (microseconds since 1970).
        unread: objects of the audit trail, with the reason. While there are any, nobody knows which
            payments have no audit record, and none is told.
    """

    books: Books
    settled: int
    unread: dict[str, str]

    def differences(self) -> Iterator[Difference]:
        """They may be as many as the payments."""
        for each in self.books.differences(self.settled):
            if not (self.unread and each.kind is Kind.NO_AUDIT):
                yield each


def compare(
    stores: Stores, period: Period, tell: Tell, *, grace: timedelta = GRACE, scan: bool = False
) -> Comparison:
    """
    Args:
        scan: read all of the history too, for items that neither ledger nor audit trail know.

    Raises:
        UnreadableError, botocore's errors: something could not be read.
    """
    books, now = Books(), datetime.now(UTC)
    ledger, history, audit = stores.ledger, stores.history, stores.audit
    for number, entry in enumerate(ledger.entries(period.begin, period.end), 1):
        books.add_entry(entry, microseconds(datetime.fromisoformat(entry["posted_at"])))
        if number % 1000 == 0:
            tell(f"reading the ledger: {number:,} entries")
    check_totals(books, ledger, period.begin, min(period.end, now - grace))
    tell("reading the audit trail")
    _read_audit(books, audit, period, now, tell)
    if scan:
        tell("reading the whole history")
        for item in history.posted_between(microseconds(period.begin), microseconds(period.end)):
            books.add_posted(item)
    tell("reading the history")
    _read_history(books, history, tell)
    return Comparison(books=books, settled=microseconds(now - grace), unread=audit.unread)


def check_totals(books: Books, ledger: Ledger, begin: datetime, end: datetime) -> None:
    """See to it that the entries that were read are all that the ledger has.

    Raises:
        UnreadableError: they are not.
    """
    if books.ledger_totals(microseconds(end)) != ledger.totals(begin, end):
        raise UnreadableError(
            "the entries that the ledger showed do not add up to its own totals of the same "
            "period: run it again; if it stays so, somebody changes the ledger"
        )


def _read_audit(
    books: Books, audit: AuditRecords, period: Period, now: datetime, tell: Tell
) -> None:
    last = datetime.fromisoformat(books.last_delivery() or period.end.isoformat())
    until = min(max(last, period.end) + _LATE, now)
    add_audited(books, audit.stored_between(period.begin, until), period, tell)
    # With objects unread, that records are lacking says nothing about when they were stored.
    if until < now and not audit.unread and books.lack_audit():
        late = min(until + _LATEST, now)
        add_audited(books, audit.stored_between(until, late), period, tell)


def add_audited(books: Books, found: Iterator[Found], period: Period, tell: Tell) -> None:
    """Take what of the trail's records is of a period."""
    for number, each in enumerate(found, 1):
        record = each.record
        item, at = record.get("item", {}), record["keys"]["timestamp"]
        created = microseconds(datetime.fromisoformat(record["created_at"]))
        # DynamoDB tells the second.
        begin, end = microseconds(period.begin.replace(microsecond=0)), microseconds(period.end)
        if record["anomaly"]:
            if begin <= created < end:
                told = f"of item {at} at {record['created_at']}"
                id_ = record["keys"]["transaction_id"]
                books.add_change(id_, created, record["event_name"], told)
        elif isinstance(at, int) and period.has(at) and is_posting(item):
            books.add_audited(item)
        elif begin <= created < end:
            books.add_faults("audit trail", item)
        if number % 1000 == 0:
            tell(f"reading the audit trail: {number:,} records")


def _read_history(books: Books, history: PaymentHistory, tell: Tell) -> None:
    known, read = books.known(), 0
    # Two items a payment: its request and its posting.
    while some := list(islice(known, LARGEST_BATCH // 2)):
        keys = {key for id_, at in some for key in ((id_, REQUEST_TIMESTAMP), (id_, at))}
        for item in history.items(keys):
            if item["timestamp"] == REQUEST_TIMESTAMP:
                books.add_approval(item)
            else:
                books.add_posted(item)
        read += len(some)
        if read % 1000 == 0:
            tell(f"reading the history: {read:,} payments")
