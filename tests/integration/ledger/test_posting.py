"""Posting: at most once (I1), and told to the outbox in the same transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.posting import Entry, Ledger
from ledger.session import LedgerRefusedError, LedgerSession
from tests.integration.ledger.conftest import Connect


def post(ledger: Ledger, transaction_id: str, amount: int = 1050) -> Entry:
    return ledger.post(
        transaction_id=transaction_id, merchant_id="acme", amount=amount, currency="EUR"
    )


def test_a_payment_debits_the_clearing_account_and_credits_the_merchant(ledger: Ledger) -> None:
    assert post(ledger, str(uuid4())).postings == [
        {
            "account": "clearing-receivable/EUR",
            "direction": "debit",
            "amount": 1050,
            "currency": "EUR",
        },
        {
            "account": "merchant-payable/acme/EUR",
            "direction": "credit",
            "amount": 1050,
            "currency": "EUR",
        },
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
        ledger.post(
            transaction_id=transaction, merchant_id=merchant, amount=amount, currency=currency
        )


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
        return ledger.post(
            transaction_id=str(uuid4()), merchant_id=merchant, amount=1, currency="EUR"
        )

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
    assert (event.transaction_id, event.event) == (
        transaction,
        {
            "state": "posted",
            "entry_id": entry.entry_id,
            "merchant_id": "acme",
            "amount": 1050,
            "currency": "EUR",
        },
    )
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
