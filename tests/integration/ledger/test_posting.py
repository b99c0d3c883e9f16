"""Posting: at most once (I1), and told to the outbox in the same transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from ledger.posting import Entry, Ledger, told_entry
from ledger.session import LedgerRefusedError, LedgerSession, LedgerUnavailableError
from payments.moments import to_rfc3339
from reconciliation.history import faults
from tests.environment import wait_for
from tests.integration.ledger.conftest import Connect

TERMS: dict[str, Any] = {"merchant_id": "acme", "amount": 1050, "currency": "EUR"}


def post(ledger: Ledger, transaction_id: str, merchant_id: str = "acme") -> Entry:
    entry = attempt(ledger, transaction_id, merchant_id=merchant_id)
    assert entry is not None
    return entry


def attempt(ledger: Ledger, transaction_id: str, **changes: Any) -> Entry | None:
    return ledger.post(transaction_id=transaction_id, **{**TERMS, "not_after": None, **changes})


def test_a_payment_debits_the_clearing_account_and_credits_the_merchant(ledger: Ledger) -> None:
    sides = {"clearing-receivable/EUR": "debit", "merchant-payable/acme/EUR": "credit"}
    assert post(ledger, str(uuid4())).postings == [
        {"account": account, "direction": direction, "amount": 1050, "currency": "EUR"}
        for account, direction in sides.items()
    ]


def test_posting_again_returns_the_first_entry(ledger: Ledger) -> None:
    transaction = str(uuid4())
    assert post(ledger, transaction) == post(ledger, transaction)


@pytest.mark.parametrize(
    ("merchant", "amount", "currency"),
    [("other", 1050, "EUR"), ("acme", 1051, "EUR"), ("acme", 1050, "USD")],
)
def test_posting_again_with_other_terms_is_refused(
    ledger: Ledger, merchant: str, amount: int, currency: str
) -> None:
    transaction = str(uuid4())
    post(ledger, transaction)
    with pytest.raises(LedgerRefusedError, match="other terms"):
        attempt(ledger, transaction, merchant_id=merchant, amount=amount, currency=currency)


def test_twenty_connections_posting_one_transaction_make_one_entry(
    connect: Connect, master: Connection
) -> None:
    transaction = str(uuid4())
    ledgers = [Ledger(LedgerSession(connect)) for _ in range(20)]
    for ledger in ledgers:
        ledger.probe()
    together = Barrier(len(ledgers))

    def work(ledger: Ledger) -> Entry:
        together.wait(10)
        return post(ledger, transaction)

    with ThreadPoolExecutor(len(ledgers)) as pool:
        entries = list(pool.map(work, ledgers))
    assert len({entry.entry_id for entry in entries}) == 1
    assert all(len(entry.postings) == 2 for entry in entries)
    assert master.run(
        "SELECT count(*) FROM ledger.postings JOIN ledger.entries USING (entry_id) "
        "WHERE transaction_id = :t",
        t=transaction,
    ) == [[2]]


def test_twenty_connections_opening_a_merchants_account_all_post(
    connect: Connect, master: Connection
) -> None:
    ledgers = [Ledger(LedgerSession(connect)) for _ in range(20)]
    merchant = f"m{uuid4().hex}"

    def work(ledger: Ledger) -> Entry:
        return post(ledger, str(uuid4()), merchant)

    with ThreadPoolExecutor(len(ledgers)) as pool:
        assert len({entry.entry_id for entry in pool.map(work, ledgers)}) == 20
    assert master.run(
        "SELECT count(*) FROM ledger.accounts WHERE account LIKE :a", a=f"%/{merchant}/%"
    ) == [[1]]


def test_an_unknown_transaction_has_no_entry(ledger: Ledger) -> None:
    assert ledger.find(str(uuid4())) is None


def test_a_posted_transaction_is_found_with_the_same_entry(ledger: Ledger) -> None:
    transaction = str(uuid4())
    assert ledger.find(transaction) is None
    assert post(ledger, transaction) == ledger.find(transaction)


def test_the_event_for_the_history_is_written_with_the_entry(ledger: Ledger) -> None:
    transaction = str(uuid4())
    entry = post(ledger, transaction)
    (event,) = entry.undelivered
    told = {"state": "posted", "entry_id": entry.entry_id, **TERMS}
    assert (event.transaction_id, event.event) == (transaction, told)
    assert faults({"timestamp": event.timestamp, **event.event}) == {}
    assert event in ledger.undelivered(event.event_id - 1, 1)


def test_the_events_time_is_the_entrys_in_microseconds(ledger: Ledger) -> None:
    entry = post(ledger, str(uuid4()))
    (event,) = entry.undelivered
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert datetime.fromisoformat(entry.posted_at) == epoch + timedelta(
        microseconds=event.timestamp
    )


def test_a_delivered_event_is_not_handed_out_again(ledger: Ledger) -> None:
    transaction = str(uuid4())
    (event,) = post(ledger, transaction).undelivered
    ledger.mark_delivered([event.event_id])
    ledger.mark_delivered([event.event_id])
    assert post(ledger, transaction).undelivered == []
    assert event not in ledger.undelivered(event.event_id - 1, 1)


# -- not after a moment ----------------------------------------------------------------------


def soon(seconds: float) -> str:
    return to_rfc3339(datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_payment_that_comes_in_time_is_posted(ledger: Ledger) -> None:
    assert attempt(ledger, str(uuid4()), not_after=soon(60)) is not None


def test_a_payment_that_comes_too_late_is_refused_for_good(ledger: Ledger) -> None:
    transaction = str(uuid4())
    assert attempt(ledger, transaction, not_after=soon(-0.001)) is None
    assert ledger.find(transaction) is None
    for later in (soon(60), None):
        assert attempt(ledger, transaction, not_after=later) is None
    assert ledger.find(transaction) is None


def test_a_refusal_holds_for_the_release_before_too(ledger: Ledger, processor: Connection) -> None:
    transaction = str(uuid4())
    attempt(ledger, transaction, not_after=soon(-1))
    with pytest.raises(DatabaseError, match="refused for good"):
        processor.run(
            "SELECT ledger.post_payment(CAST(:t AS uuid), 'acme', 1050, 'EUR')", t=transaction
        )


def test_what_is_posted_is_told_whenever_it_is_asked_for(ledger: Ledger) -> None:
    transaction = str(uuid4())
    entry = post(ledger, transaction)
    assert attempt(ledger, transaction, not_after=soon(-60)) == entry


def test_a_posting_that_is_held_up_is_seen_by_whoever_comes_after_the_moment(
    connect: Connect, master: Connection
) -> None:
    """It was in time, and is committed after the moment: nobody is told meanwhile that it is not
    posted."""
    transaction, moment = str(uuid4()), soon(0.5)
    master.run("BEGIN")
    master.run("LOCK TABLE ledger.postings IN SHARE ROW EXCLUSIVE MODE")  # may be read
    with ThreadPoolExecutor(2) as pool:
        first, second = (Ledger(LedgerSession(connect)) for _ in range(2))
        held_up = pool.submit(attempt, first, transaction, not_after=moment)
        wait_for(lambda: datetime.now(UTC) > datetime.fromisoformat(moment))
        late = pool.submit(attempt, second, transaction, not_after=moment)
        wait_for(
            lambda: master.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [[2]],
        )
        master.run("ROLLBACK")
        posted = held_up.result()
        assert posted is not None
        assert late.result() == posted


def test_a_posting_that_arrives_late_is_refused_though_it_was_sent_in_time(
    connect: Connect, master: Connection
) -> None:
    transaction, moment = str(uuid4()), soon(0.5)
    master.run("BEGIN")
    master.run("LOCK TABLE ledger.entries IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(attempt, Ledger(LedgerSession(connect)), transaction, not_after=moment)
        wait_for(lambda: datetime.now(UTC) > datetime.fromisoformat(moment))
        master.run("ROLLBACK")
        assert sent.result() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_id": ""},
        {"merchant_id": "a/b"},
        {"merchant_id": "-a"},
        {"merchant_id": "a" * 65},
        {"merchant_id": None},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 1_000_000_000_000},
        {"amount": None},
    ],
    ids=str,
)
def test_terms_that_no_payment_has_are_refused(ledger: Ledger, changes: dict[str, Any]) -> None:
    transaction = str(uuid4())
    with pytest.raises(LedgerRefusedError, match="23514: no payment has such terms"):
        attempt(ledger, transaction, **changes)
    assert ledger.find(transaction) is None


def test_the_largest_payment_is_posted(ledger: Ledger) -> None:
    assert attempt(ledger, str(uuid4()), amount=999_999_999_999) is not None


# -- can it post? ----------------------------------------------------------------------------


def test_a_ledger_that_takes_payments_is_up(ledger: Ledger, master: Connection) -> None:
    """It had to write for that: it gave a transaction id away."""

    def next_transaction() -> int:
        rows = master.run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return int(rows[0][0])

    before = next_transaction()
    ledger.probe()
    assert next_transaction() > before


def test_a_ledger_that_only_reads_is_not(connect: Connect) -> None:
    def read_only() -> Connection:
        connection = connect()
        connection.run("SET default_transaction_read_only = on")
        return connection

    with pytest.raises(LedgerUnavailableError):
        Ledger(LedgerSession(read_only)).probe()


def test_a_ledger_that_lets_us_post_nothing_is_not(connect: Connect) -> None:
    def reader() -> Connection:
        connection = connect("ledger_reader")
        connection.run("SET default_transaction_read_only = off")
        return connection

    with pytest.raises(LedgerUnavailableError, match="cannot be posted"):
        Ledger(LedgerSession(reader)).probe()


def test_what_the_history_tells_of_an_entry_is_the_entry(ledger: Ledger) -> None:
    entry = post(ledger, str(uuid4()))
    told = told_entry(entry_id=entry.entry_id, posted_at=entry.posted_at, **TERMS)
    assert told == replace(entry, undelivered=[])
