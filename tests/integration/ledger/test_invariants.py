"""What the database itself refuses, whoever asks: unbalanced entries (I4), and any change."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from ledger.posting import Entry, Ledger
from local.postgres import PostgresServer
from tests.integration.ledger.conftest import insert_entry, sqlstate

CHECK_VIOLATION = "23514"
INSUFFICIENT_PRIVILEGE = "42501"
TABLES = ["accounts", "entries", "postings", "outbox", "refusals"]


@pytest.fixture
def accounts(master: Connection) -> dict[str, str]:
    """One account in each of two currencies."""
    names = {currency: f"test/{uuid4()}/{currency}" for currency in ("EUR", "JPY")}
    for currency, name in names.items():
        master.run(
            "INSERT INTO ledger.accounts (account, kind, currency) VALUES (:a, 'asset', :c)",
            a=name,
            c=currency,
        )
    return names


@pytest.fixture
def posted(ledger: Ledger) -> str:
    """The entry_id of a posted payment."""
    return new_entry(ledger).entry_id


def new_entry(ledger: Ledger) -> Entry:
    entry = ledger.post(
        transaction_id=str(uuid4()),
        merchant_id="acme",
        amount=100,
        currency="EUR",
        not_after=None,
    )
    assert entry is not None
    return entry


def insert_posting(
    connection: Connection, entry: str, line: int, account: str, direction: str, amount: int
) -> None:
    connection.run(
        "INSERT INTO ledger.postings VALUES (:e, :l, :a, :d, :m, :c)",
        e=entry,
        l=line,
        a=account,
        d=direction,
        m=amount,
        c=account[-3:],
    )


def test_an_entry_whose_debits_and_credits_differ_is_refused(
    master: Connection, accounts: dict[str, str]
) -> None:
    master.run("BEGIN")
    entry = insert_entry(master)
    insert_posting(master, entry, 1, accounts["EUR"], "debit", 7)
    insert_posting(master, entry, 2, accounts["EUR"], "credit", 6)
    with pytest.raises(DatabaseError, match="differ") as error:
        master.run("COMMIT")
    assert sqlstate(error) == CHECK_VIOLATION


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["debit", "credit"]), st.integers(1, 3), st.sampled_from(["EUR", "JPY"])
        ),
        min_size=1,
        max_size=6,
    )
)
@example([("debit", 7, "EUR"), ("credit", 3, "EUR"), ("credit", 4, "EUR")])
@example([("debit", 7, "EUR"), ("credit", 7, "JPY")])
def test_an_entry_is_accepted_exactly_if_each_currency_balances(
    master: Connection, accounts: dict[str, str], postings: list[tuple[str, int, str]]
) -> None:
    totals = dict.fromkeys(accounts, 0)
    for direction, amount, currency in postings:
        totals[currency] += amount if direction == "debit" else -amount
    master.run("BEGIN")
    entry = insert_entry(master)
    for line, (direction, amount, currency) in enumerate(postings, 1):
        insert_posting(master, entry, line, accounts[currency], direction, amount)
    try:
        master.run("COMMIT")
        accepted = True
    except DatabaseError:
        accepted = False
    assert accepted == (not any(totals.values()))


def test_an_entry_without_postings_is_refused(master: Connection) -> None:
    with pytest.raises(DatabaseError, match="no postings"):
        insert_entry(master)


def test_postings_added_after_an_early_check_are_checked_too(
    master: Connection, accounts: dict[str, str]
) -> None:
    master.run("BEGIN")
    entry = insert_entry(master)
    insert_posting(master, entry, 1, accounts["EUR"], "debit", 7)
    insert_posting(master, entry, 2, accounts["EUR"], "credit", 7)
    master.run("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="differ"):
        insert_posting(master, entry, 3, accounts["EUR"], "credit", 1)
    master.run("ROLLBACK")


def test_a_posted_entry_takes_no_more_postings(
    master: Connection, accounts: dict[str, str], posted: str
) -> None:
    master.run("BEGIN")
    with pytest.raises(DatabaseError, match="is posted: correct it"):
        insert_posting(master, posted, 3, accounts["EUR"], "debit", 5)
    master.run("ROLLBACK")


def test_an_entry_cannot_be_dated_into_another_transaction(master: Connection) -> None:
    with pytest.raises(DatabaseError, match="its own transaction"):
        master.run(
            "INSERT INTO ledger.entries (transaction_id, posted_by) "
            "VALUES (:t, (pg_current_xact_id()::text::bigint + 1)::text::xid8)",
            t=str(uuid4()),
        )


@pytest.mark.parametrize(("direction", "amount"), [("debit", 0), ("debit", -5), ("deposit", 5)])
def test_a_posting_is_a_positive_debit_or_credit(
    master: Connection, accounts: dict[str, str], direction: str, amount: int
) -> None:
    master.run("BEGIN")
    entry = insert_entry(master)
    with pytest.raises(DatabaseError) as error:
        insert_posting(master, entry, 1, accounts["EUR"], direction, amount)
    assert sqlstate(error) == CHECK_VIOLATION
    master.run("ROLLBACK")


def test_a_posting_is_in_its_accounts_currency(
    master: Connection, accounts: dict[str, str]
) -> None:
    master.run("BEGIN")
    entry = insert_entry(master)
    with pytest.raises(DatabaseError, match="foreign key"):
        master.run(
            "INSERT INTO ledger.postings VALUES (:e, 1, :a, 'debit', 5, 'USD')",
            e=entry,
            a=accounts["EUR"],
        )
    master.run("ROLLBACK")


def test_a_transaction_has_one_entry(master: Connection, accounts: dict[str, str]) -> None:
    transaction = str(uuid4())
    insert = "INSERT INTO ledger.entries (transaction_id) VALUES (:t)"
    master.run("BEGIN")
    master.run(insert, t=transaction)
    with pytest.raises(DatabaseError, match="unique"):
        master.run(insert, t=transaction)
    master.run("ROLLBACK")


CHANGES = [
    "UPDATE ledger.accounts SET kind = 'liability'",
    "UPDATE ledger.entries SET posted_at = now()",
    "UPDATE ledger.postings SET amount = 1",
    "UPDATE ledger.outbox SET written_event = '{}'",
    "UPDATE ledger.outbox SET amount = 1",
    "UPDATE ledger.outbox SET delivered_at = NULL",
    "UPDATE ledger.refusals SET not_after = now()",
    *(f"DELETE FROM ledger.{table}" for table in TABLES),  # noqa: S608
    *(f"TRUNCATE ledger.{table} CASCADE" for table in TABLES),
]


def test_every_table_of_payments_is_append_only_and_no_session_escapes_a_trigger(
    master: Connection,
) -> None:
    """Whatever a later migration adds; schema_migrations is the migrator's own."""
    rows = master.run(
        "SELECT c.relname, t.tgname, t.tgenabled FROM pg_class c LEFT JOIN pg_trigger t "
        "ON t.tgrelid = c.oid AND NOT t.tgisinternal WHERE c.relkind = 'r' "
        "AND c.relnamespace = 'ledger'::regnamespace AND c.relname <> 'schema_migrations'"
    )
    assert (
        sorted(table for table, trigger, _ in rows if trigger == "append_only")
        == sorted({table for table, *_ in rows})
        == sorted(TABLES)
    )
    assert [row for row in rows if row[2] != "A"] == []


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("user", ["master", "processor"])
@pytest.mark.usefixtures("posted")
def test_history_in_the_ledger_is_never_changed(
    request: pytest.FixtureRequest, user: str, statement: str
) -> None:
    with pytest.raises(DatabaseError) as error:
        request.getfixturevalue(user).run(statement)
    assert sqlstate(error) == INSUFFICIENT_PRIVILEGE


@pytest.fixture
def replica(server: PostgresServer, database: str) -> Iterator[Connection]:
    """A session in which triggers rest, as one that applies another server's changes."""
    connection = server.connect(database=database)
    connection.run("SET session_replication_role = replica")
    yield connection
    connection.close()


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.usefixtures("posted")
def test_nor_is_it_in_a_replicas_session(replica: Connection, statement: str) -> None:
    with pytest.raises(DatabaseError) as error:
        replica.run(statement)
    assert sqlstate(error) == INSUFFICIENT_PRIVILEGE


def test_an_entry_balances_in_a_replicas_session_too(replica: Connection) -> None:
    with pytest.raises(DatabaseError, match="no postings"):
        insert_entry(replica)


def test_a_posted_entry_is_complete_in_a_replicas_session_too(
    replica: Connection, accounts: dict[str, str], posted: str
) -> None:
    with pytest.raises(DatabaseError, match="is posted: correct it"):
        insert_posting(replica, posted, 3, accounts["EUR"], "debit", 5)


def test_an_event_is_marked_delivered_only_once(master: Connection, ledger: Ledger) -> None:
    (event,) = new_entry(ledger).undelivered
    ledger.mark_delivered([event.event_id])
    with pytest.raises(DatabaseError, match="once"):
        master.run(
            "UPDATE ledger.outbox SET delivered_at = now() WHERE event_id = :e", e=event.event_id
        )
