"""What payments-ledger-reader shows of the ledger, and that its database user can only look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from ledger_reader import handler
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from ledger.posting import Ledger
from ledger.session import LedgerSession
from payments.moments import to_rfc3339
from tests.functions.lambda_context import CONTEXT
from tests.integration.ledger.conftest import Connect, sqlstate
from tests.integration.triggers import without_triggers

READER = "ledger_reader"
INSUFFICIENT_PRIVILEGE, READ_ONLY_TRANSACTION = "42501", "25006"

Ask = Callable[..., dict[str, Any]]


def answering(
    monkeypatch: pytest.MonkeyPatch, session: LedgerSession
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function, with a connection to the ledger that is open already."""
    for name, value in (("HOST", "localhost"), ("PORT", "5432"), ("DATABASE", "ledger")):
        monkeypatch.setenv(f"LEDGER_{name}", value)
    monkeypatch.setattr(handler, "_session", lambda _database: session)
    return lambda request: handler.handle(request, CONTEXT)


@pytest.fixture
def ask(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The function, signed in as its user."""
    handle = answering(monkeypatch, LedgerSession(lambda: connect(READER)))
    return lambda **request: handle(request)


def posted(ledger: Ledger, amount: int = 1050, currency: str = "EUR") -> str:
    """A new payment's transaction."""
    transaction = str(uuid4())
    ledger.post(
        transaction_id=transaction,
        merchant_id="acme",
        amount=amount,
        currency=currency,
        not_after=None,
    )
    return transaction


def moment() -> str:
    return to_rfc3339(datetime.now(UTC))


# -- what it shows ---------------------------------------------------------------------------


def test_a_payment_is_shown_with_its_postings_and_events(ledger: Ledger, ask: Ask) -> None:
    transaction = posted(ledger, 777)
    entry = ask(action="payment", transaction_id=transaction)["entry"]
    told = ledger.find(transaction)
    assert told is not None
    assert entry["entry_id"] == told.entry_id
    assert entry["posted_at"] == told.posted_at
    assert entry["postings"] == told.postings
    (event,) = told.undelivered
    assert entry["events"] == [
        {"timestamp": event.timestamp, "state": "posted", "delivered_at": None}
    ]
    ledger.mark_delivered([event.event_id])
    (delivered,) = ask(action="payment", transaction_id=transaction)["entry"]["events"]
    assert datetime.fromisoformat(delivered["delivered_at"]) > datetime.fromisoformat(
        entry["posted_at"]
    )


def test_a_payment_that_is_not_posted_is_shown_as_none(ask: Ask) -> None:
    assert ask(action="payment", transaction_id=str(uuid4())) == {"entry": None}


def test_a_periods_entries_come_in_pages_each_once(ledger: Ledger, ask: Ask) -> None:
    posted(ledger)
    begin = moment()
    transactions = [posted(ledger, amount) for amount in (1, 2, 3, 4, 5)]
    end = moment()
    posted(ledger)
    period = {"from": begin, "to": end, "limit": 2}
    pages, after = [], None
    while True:
        page = ask(action="entries", **period, after=after)
        pages.append(page["entries"])
        after = page["next"]
        if after is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    entries = [entry for page in pages for entry in page]
    assert [entry["transaction_id"] for entry in entries] == transactions
    assert [entry["sums"] for entry in entries] == [
        [{"currency": "EUR", "debit": amount, "credit": amount}] for amount in (1, 2, 3, 4, 5)
    ]
    assert {entry["events"][0]["state"] for entry in entries} == {"posted"}


def test_an_entry_belongs_to_the_period_that_it_was_posted_in(ledger: Ledger, ask: Ask) -> None:
    entry = ledger.find(posted(ledger))
    assert entry is not None
    at = entry.posted_at
    after = to_rfc3339(datetime.fromisoformat(at) + timedelta(microseconds=1))
    before = to_rfc3339(datetime.fromisoformat(at) - timedelta(microseconds=1))
    page = {"after": None, "limit": 10}

    def shown(begin: str, end: str) -> list[str]:
        found = ask(action="entries", **{"from": begin, "to": end}, **page)
        return [each["entry_id"] for each in found["entries"]]

    assert shown(at, after) == [entry.entry_id]
    assert shown(before, at) == []
    assert entry.entry_id not in shown(after, moment())


def test_totals_are_told_by_currency(ledger: Ledger, master: Connection, ask: Ask) -> None:
    begin = moment()
    for amount, currency in ((100, "EUR"), (250, "EUR"), (1, "JPY")):
        posted(ledger, amount, currency)
    large = 9_007_199_254_740_993  # which no floating-point number is
    master.run("BEGIN")
    ((entry,),) = master.run(
        "INSERT INTO ledger.entries (transaction_id) VALUES (gen_random_uuid()) RETURNING entry_id"
    )
    master.run(
        "INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) "
        "SELECT CAST(:entry AS uuid), line, account, direction, :amount, 'JPY' FROM (VALUES "
        "(1, 'clearing-receivable/JPY', 'debit'), (2, 'merchant-payable/acme/JPY', 'credit')"
        ") AS pair (line, account, direction)",
        entry=entry,
        amount=large - 1,
    )
    master.run("COMMIT")
    told = ask(action="totals", **{"from": begin, "to": moment()})
    assert told == {
        "totals": [
            {"currency": "EUR", "entries": 2, "debit": 350, "credit": 350},
            {"currency": "JPY", "entries": 2, "debit": large, "credit": large},
        ],
        "without_postings": 0,
    }


def test_what_the_triggers_would_refuse_is_shown_as_it_is(
    server: Any, database: str, ask: Ask
) -> None:
    """The reader looks at the rows, and takes nothing for granted."""
    superuser = server.connect(database=database)
    begin = moment()
    lone, lopsided = str(uuid4()), str(uuid4())
    with without_triggers(superuser):
        for transaction in (lone, lopsided):
            superuser.run(
                "INSERT INTO ledger.entries (transaction_id) VALUES (CAST(:id AS uuid))",
                id=transaction,
            )
        superuser.run(
            "INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) "
            "SELECT entry_id, 1, 'x', 'debit', 5, 'EUR' FROM ledger.entries "
            "WHERE transaction_id = CAST(:id AS uuid)",
            id=lopsided,
        )
    superuser.close()
    period = {"from": begin, "to": moment()}
    assert ask(action="totals", **period) == {
        "totals": [{"currency": "EUR", "entries": 1, "debit": 5, "credit": 0}],
        "without_postings": 1,
    }
    shown = ask(action="entries", **period, after=None, limit=10)["entries"]
    assert {each["transaction_id"]: each["sums"] for each in shown} == {
        lone: [],
        lopsided: [{"currency": "EUR", "debit": 5, "credit": 0}],
    }


@pytest.mark.parametrize(
    ("elsewhere", "code", "detail"),
    [
        ("postgres", "ledger_refused", 'SQLSTATE 42P01: relation "ledger.'),
        ("no_such_database", "ledger_unavailable", "no connection: SQLSTATE 3D000: database "),
    ],
)
def test_what_the_ledger_does_not_do_is_an_answer_too(
    elsewhere: str,
    code: str,
    detail: str,
    server: Any,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert database  # its migrations have made the reader's role, of the whole server
    session = LedgerSession(lambda: server.connect(READER, elsewhere))
    handle = answering(monkeypatch, session)
    answer = handle({"action": "payment", "transaction_id": str(uuid4())})
    session.close()
    assert answer["error"]["code"] == code
    assert answer["error"]["detail"].startswith(detail)
    assert "{" not in answer["error"]["detail"]


# -- what its user may not do ----------------------------------------------------------------

CHANGES = [
    "INSERT INTO ledger.entries (transaction_id) VALUES (gen_random_uuid())",
    "INSERT INTO ledger.postings SELECT * FROM ledger.postings",
    "UPDATE ledger.outbox SET delivered_at = now()",
    "DELETE FROM ledger.outbox",
    "TRUNCATE ledger.postings",
    "CREATE TABLE ledger.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "ALTER ROLE ledger_reader CREATEROLE",
]


@pytest.fixture
def reader(connect: Connect) -> Connection:
    return connect(READER)


def test_its_transactions_are_read_only(reader: Connection) -> None:
    with pytest.raises(DatabaseError) as error:
        reader.run(CHANGES[0])
    assert sqlstate(error) == READ_ONLY_TRANSACTION


@pytest.mark.parametrize("statement", CHANGES)
def test_nor_may_it_change_anything_in_transactions_that_it_opens_for_writing(
    reader: Connection, statement: str
) -> None:
    reader.run("SET default_transaction_read_only = off")
    # The tables' triggers, which refuse everybody, say otherwise.
    with pytest.raises(DatabaseError, match="permission denied") as error:
        reader.run(statement)
    assert sqlstate(error) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ledger.post_payment(gen_random_uuid(), 'acme', 1, 'EUR')",
        "SELECT ledger.find_entry(gen_random_uuid())",
        "SELECT * FROM ledger.accounts",
        "SELECT * FROM ledger.schema_migrations",
        "SET ROLE payment_processor",
        "SET ROLE ledger_admin",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_it_may_not_do_what_it_does_not_need(reader: Connection, statement: str) -> None:
    with pytest.raises(DatabaseError) as error:
        reader.run(statement)
    assert sqlstate(error) == INSUFFICIENT_PRIVILEGE
