"""What the ledger's rows become, on a session that answers what it is told.

With a real server: tests/integration/ledger.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from ledger.posting import Backlog, Ledger, OutboxEvent
from ledger.session import LedgerUnavailableError

EVENT = {"event_id": 7, "transaction_id": "t", "timestamp": 5, "event": {"state": "posted"}}
FOUND = {
    "entry_id": "e",
    "posted_at": "2026-01-01T00:00:00Z",
    "postings": [{"account": "a", "direction": "debit", "amount": 1, "currency": "EUR"}],
    "undelivered": [EVENT],
}


class Session:
    """Answers the next rows, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.asked: dict[str, Any] = {}

    def run(self, sql: str, **parameters: Any) -> list[list[Any]]:
        self.asked = parameters
        return self.rows


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def ledger(session: Session) -> Ledger:
    return Ledger(session)  # type: ignore[arg-type]


def test_a_posted_entry_is_told_with_its_postings_and_events(
    ledger: Ledger, session: Session
) -> None:
    session.rows = [[FOUND]]
    terms: dict[str, Any] = {"merchant_id": "acme", "amount": 1, "currency": "EUR"}
    posted = ledger.post(transaction_id="t", not_after="2026-01-01T00:15:00Z", **terms)
    assert session.asked == {
        "transaction_id": "t",
        "not_after": "2026-01-01T00:15:00Z",
        **terms,
    }
    assert posted is not None
    assert (posted.entry_id, posted.posted_at) == ("e", "2026-01-01T00:00:00Z")
    assert posted.postings == FOUND["postings"]
    assert posted.undelivered == [OutboxEvent(7, "t", 5, {"state": "posted"})]
    assert ledger.find("t") == posted
    restored = {**terms, "entry_id": "e", "posted_at": "2026-01-01T00:00:00Z"}
    assert ledger.restore(transaction_id="t", **restored) == posted
    assert session.asked == {"transaction_id": "t", **restored}


def test_what_is_not_posted_is_none(ledger: Ledger, session: Session) -> None:
    session.rows = [[None]]
    assert ledger.find("t") is None
    terms: dict[str, Any] = {"merchant_id": "acme", "amount": 1, "currency": "EUR"}
    assert ledger.post(transaction_id="t", not_after=None, **terms) is None
    was: dict[str, Any] = {"entry_id": "e", "posted_at": "2026-01-01T00:00:00Z"}
    assert ledger.restore(transaction_id="t", **terms, **was) is None


@pytest.mark.parametrize("can_post", [True, False])
def test_a_ledger_that_only_reads_is_not_up(
    ledger: Ledger, session: Session, can_post: bool
) -> None:
    session.rows = [[can_post]]
    if can_post:
        ledger.probe()
        return
    with pytest.raises(LedgerUnavailableError, match="cannot be posted"):
        ledger.probe()


def test_the_backlog_tells_how_many_wait_and_since_when(ledger: Ledger, session: Session) -> None:
    session.rows = [[3, 1_767_225_600_500_000]]
    assert ledger.backlog() == Backlog(3, 1_767_225_600.5)
    session.rows = [[0, None]]
    assert ledger.backlog() == Backlog(0, None)


def test_undelivered_events_are_read_in_pages(ledger: Ledger, session: Session) -> None:
    session.rows = [[7, "t", 5, {"state": "posted"}]]
    assert ledger.undelivered(after=6, limit=10) == [OutboxEvent(7, "t", 5, {"state": "posted"})]
    assert session.asked == {"after": 6, "limit": 10}
    ledger.mark_delivered(iter([7]))
    assert session.asked == {"event_ids": [7]}


def test_entries_of_a_time_are_found_by_their_ids(ledger: Ledger, session: Session) -> None:
    """The first 48 bits of an id of version 7 are its milliseconds since 1970 (RFC 9562)."""
    session.rows = [[2]]
    assert ledger.unbalanced(1_767_225_600.25) == 2
    assert UUID(session.asked["first"]).int == 1_767_225_600_250 << 80
