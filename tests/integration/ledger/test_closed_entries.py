"""An entry is written by one transaction, at a time that the database tells, and is closed then.

In another cluster too, where transaction ids start anew, and though each rule is checked once.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from ledger_schema.migrator import migrate, read
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from ledger.posting import Entry, Ledger
from ledger.session import LedgerRefusedError, LedgerSession
from local.postgres import BIN, PostgresServer, new_password
from tests.integration.ledger.conftest import MASTER, PROCESSOR, Connect, insert_entry, sqlstate

CHECK_VIOLATION = "23514"
FOREIGN_KEY_VIOLATION = "23503"
TERMS: dict[str, Any] = {"merchant_id": "acme", "amount": 5, "currency": "EUR"}
EUROS = "clearing-receivable/EUR"
INSERT_POSTING = (
    "INSERT INTO ledger.postings VALUES (:entry, :line, :account, :direction, 5, 'EUR')"
)


@pytest.fixture
def posted(ledger: Ledger) -> Entry:
    return post(ledger)


def post(ledger: Ledger, transaction_id: str = "") -> Entry:
    entry = ledger.post(transaction_id=transaction_id or str(uuid4()), **TERMS, not_after=None)
    assert entry is not None
    return entry


def insert_pair(connection: Connection, entry: str, first_line: int) -> None:
    for line, direction in enumerate(("debit", "credit"), first_line):
        connection.run(INSERT_POSTING, entry=entry, line=line, account=EUROS, direction=direction)


# -- another cluster -------------------------------------------------------------------------


def pass_transactions(connection: Connection, until: int) -> None:
    """Use up transaction ids, so that the next one is `until`."""
    connection.run(
        "DO $$ BEGIN LOOP "
        f"EXIT WHEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint >= {until}; "
        "PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )


@pytest.fixture
def restored(
    server: PostgresServer, database: str, tmp_path: Path
) -> Iterator[tuple[Connection, str, int]]:
    """The owner of a ledger that was restored into a fresh server; an entry that was in the dump;
    and the transaction that it names, whose id is the next one there."""
    with contextlib.closing(server.connect(MASTER, database)) as source:
        # Ahead of a fresh server, as one that has been in use is.
        ((now,),) = source.run("SELECT pg_current_xact_id()::text::bigint")
        pass_transactions(source, now + 20_000)
        with contextlib.closing(server.connect(PROCESSOR, database)) as processor:
            entry = post(Ledger(LedgerSession(lambda: processor))).entry_id
        ((posted_by,),) = source.run(
            "SELECT posted_by::text::bigint FROM ledger.entries WHERE entry_id = :entry",
            entry=entry,
        )
    dump = tmp_path / "dump.sql"
    run("pg_dump", server, database, f"--file={dump}")
    with PostgresServer(tmp_path / "fresh") as fresh:
        fresh.create_ledger_database(master_password=new_password())
        with contextlib.closing(fresh.connect()) as superuser:
            superuser.run("CREATE ROLE payment_processor; CREATE ROLE ledger_reader")
        run("psql", fresh, "payments", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}")
        with contextlib.closing(fresh.connect(MASTER, "payments")) as owner:
            pass_transactions(owner, posted_by)
            yield owner, entry, posted_by


def run(program: str, server: PostgresServer, database: str, *arguments: str) -> None:
    subprocess.run(
        [
            *[str(BIN / program), f"--host={server.socket_path.parent}", f"--port={server.port}"],
            *["--username=postgres", *arguments, database],
        ],
        capture_output=True,
        check=True,
    )


def test_an_entry_stays_closed_in_a_cluster_that_was_restored_from_a_dump(
    restored: tuple[Connection, str, int],
) -> None:
    """A transaction comes there that has the id which an old entry names."""
    owner, entry, posted_by = restored
    owner.run("BEGIN")
    with pytest.raises(DatabaseError, match="is posted: correct it") as error:
        insert_pair(owner, entry, 3)
    assert sqlstate(error) == CHECK_VIOLATION
    owner.run("ROLLBACK")
    ((next_transaction,),) = owner.run("SELECT pg_current_xact_id()::text::bigint")
    assert next_transaction == posted_by + 1


def test_an_entry_that_an_earlier_release_posted_is_closed(
    server: PostgresServer, new_database: Callable[[], str]
) -> None:
    """And the migration leaves a ledger with entries in it as it found it."""
    name = new_database()
    with contextlib.closing(server.connect(MASTER, name)) as master:
        migrate(master, [migration for migration in read() if migration.version < 10])
        with contextlib.closing(server.connect(PROCESSOR, name)) as processor:
            ledger = Ledger(LedgerSession(lambda: processor))
            entry = post(ledger)
            migrate(master, read())
            assert ledger.unbalanced(0) == 0
            assert post(ledger).postings == entry.postings
        master.run("BEGIN")
        with pytest.raises(DatabaseError, match="is posted: correct it"):
            insert_pair(master, entry.entry_id, 3)
        master.run("ROLLBACK")


# -- whose id and time an entry has ----------------------------------------------------------


def test_nobody_chooses_the_id_or_the_time_of_an_entry(master: Connection, posted: Entry) -> None:
    assert posted
    chosen, then = uuid4(), datetime(2020, 1, 1, tzinfo=UTC)
    master.run("BEGIN")
    ((entry, at, begun),) = master.run(
        "INSERT INTO ledger.entries (entry_id, transaction_id, posted_at) "
        "VALUES (:entry, :t, :at) RETURNING entry_id, posted_at, now()",
        entry=chosen,
        t=uuid4(),
        at=then,
    )
    insert_pair(master, entry, 1)
    master.run("COMMIT")
    assert entry != chosen
    assert UUID(str(entry)).version == 7
    assert begun <= at < begun + timedelta(minutes=1)


# -- entries that a restored ledger lacks ----------------------------------------------------


def restore(ledger: Ledger, **changed: Any) -> Entry | None:
    return ledger.restore(**{"transaction_id": str(uuid4()), **TERMS, **LOST, **changed})


LOST = {
    "entry_id": "019bccaf-5000-7abc-8def-0123456789ab",  # of this very moment
    "posted_at": "2026-01-17T16:00:00.123456Z",
}


def test_a_lost_entry_comes_back_under_its_id_and_at_its_time(
    ledger: Ledger, master: Connection
) -> None:
    transaction_id = str(uuid4())
    restored = restore(ledger, transaction_id=transaction_id)
    assert restored is not None
    assert {"entry_id": restored.entry_id, "posted_at": restored.posted_at} == LOST
    (event,) = restored.undelivered
    assert event.timestamp == 1_768_665_600_123_456
    assert restore(ledger, transaction_id=transaction_id) == restored
    assert post(ledger, transaction_id) == restored
    ((marked,),) = master.run(
        "SELECT restored_at > posted_at FROM ledger.entries WHERE entry_id = :e",
        e=restored.entry_id,
    )
    assert marked
    with pytest.raises(DatabaseError, match="is posted: correct it"):
        insert_pair(master, restored.entry_id, 3)


def test_what_is_posted_stays_as_it_is(ledger: Ledger) -> None:
    transaction_id = str(uuid4())
    posted = post(ledger, transaction_id)
    assert restore(ledger, transaction_id=transaction_id) == posted
    with pytest.raises(LedgerRefusedError, match="other terms"):
        restore(ledger, transaction_id=transaction_id, amount=6)


def test_what_was_refused_for_good_is_not_restored(ledger: Ledger) -> None:
    transaction_id = str(uuid4())
    late = ledger.post(transaction_id=transaction_id, **TERMS, not_after="2026-01-01T00:00:00Z")
    assert late is None
    assert restore(ledger, transaction_id=transaction_id) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"posted_at": "2999-01-17T16:00:00Z", "entry_id": "1d88d870-5c00-7abc-8def-0123456789ab"},
        {"posted_at": "2026-01-17T17:00:00Z"},
        {"entry_id": str(uuid4())},
        {"amount": 0},
        {"merchant_id": "a/b"},
    ],
    ids=["to come", "of another time", "id without a time", "no amount", "no merchant"],
)
def test_nothing_is_restored_that_was_never_posted_so(
    ledger: Ledger, wrong: dict[str, Any]
) -> None:
    with pytest.raises(LedgerRefusedError, match=r"was not posted at|was posted so"):
        restore(ledger, **wrong)


# -- each rule, checked once -----------------------------------------------------------------


def test_a_payments_balance_is_checked_once(server: PostgresServer, database: str) -> None:
    with contextlib.closing(server.connect(database=database, track_functions="all")) as superuser:
        superuser.run("BEGIN")
        superuser.run(
            "SELECT ledger.post_payment(gen_random_uuid(), 'acme', 5, 'EUR', NULL); "
            "SET CONSTRAINTS ALL IMMEDIATE"
        )
        calls = superuser.run(
            "SELECT funcname, calls FROM pg_stat_xact_user_functions WHERE funcname LIKE 'check_%'"
        )
        superuser.run("ROLLBACK")
    assert dict(calls) == {"check_entry_balances": 1, "check_entry_is_open": 2}


def test_an_early_check_that_is_rolled_back_does_not_count(
    master: Connection, posted: Entry
) -> None:
    assert posted
    master.run("BEGIN")
    entry = insert_entry(master)
    master.run("SAVEPOINT before")
    insert_pair(master, entry, 1)
    master.run("SET CONSTRAINTS ALL IMMEDIATE")
    master.run("ROLLBACK TO before")
    with pytest.raises(DatabaseError, match="no postings"):
        master.run("COMMIT")


@pytest.mark.parametrize("first_line", [2, 3])
def test_an_entry_has_lines_1_and_2(master: Connection, posted: Entry, first_line: int) -> None:
    """So a posting that comes after its check is another line, and checked by itself."""
    assert posted
    master.run("BEGIN")
    insert_pair(master, insert_entry(master), first_line)
    with pytest.raises(DatabaseError, match="lacks line 1 or line 2") as error:
        master.run("COMMIT")
    assert sqlstate(error) == CHECK_VIOLATION


def test_an_entry_may_come_with_its_postings_in_one_statement(
    master: Connection, posted: Entry
) -> None:
    assert posted
    master.run(
        "WITH entry AS ("
        " INSERT INTO ledger.entries (transaction_id) VALUES (gen_random_uuid()) RETURNING entry_id"
        ") INSERT INTO ledger.postings SELECT entry_id, line, :account, direction, 5, 'EUR' "
        "FROM entry, (VALUES (1, 'debit'), (2, 'credit')) AS pair (line, direction)",
        account=EUROS,
    )


def test_a_posting_belongs_to_an_entry(master: Connection, posted: Entry) -> None:
    assert posted
    with pytest.raises(DatabaseError, match="foreign key to entries") as error:
        master.run(INSERT_POSTING, entry=uuid4(), line=1, account=EUROS, direction="debit")
    assert sqlstate(error) == FOREIGN_KEY_VIOLATION


def test_a_posting_belongs_to_an_account(master: Connection, posted: Entry) -> None:
    assert posted
    master.run("BEGIN")
    entry = insert_entry(master)
    with pytest.raises(DatabaseError, match="foreign key to accounts") as error:
        master.run(INSERT_POSTING, entry=entry, line=1, account="nobody's", direction="debit")
    assert sqlstate(error) == FOREIGN_KEY_VIOLATION
    master.run("ROLLBACK")


@pytest.mark.parametrize(
    ("line", "direction", "amount"),
    [(0, "debit", 5), (-1, "debit", 5), (None, "debit", 5), (3, None, 5), (3, "debit", None)],
)
def test_a_posting_has_terms(
    master: Connection, posted: Entry, line: int | None, direction: str | None, amount: int | None
) -> None:
    """Amounts and directions that are none: tests/integration/ledger/test_invariants.py."""
    assert posted
    master.run("BEGIN")
    entry = insert_entry(master)
    with pytest.raises(DatabaseError, match="a posting has a positive line") as error:
        master.run(
            "INSERT INTO ledger.postings "
            "VALUES (:entry, :line, :account, :direction, :amount, 'EUR')",
            **{"entry": entry, "line": line, "account": EUROS},
            **{"direction": direction, "amount": amount},
        )
    assert sqlstate(error) == CHECK_VIOLATION
    master.run("ROLLBACK")


def test_payments_do_not_wait_for_each_other_at_an_account(
    connect: Connect, ledger: Ledger, posted: Entry
) -> None:
    """The clearing account is in every payment of its currency."""
    assert posted
    holder = connect(MASTER)
    holder.run("BEGIN")
    holder.run("SELECT FROM ledger.accounts FOR UPDATE")
    assert post(ledger).postings == posted.postings
    holder.run("ROLLBACK")


# -- what the history is told ----------------------------------------------------------------


def test_an_event_that_an_earlier_release_wrote_reads_as_it_did(
    server: PostgresServer, new_database: Callable[[], str]
) -> None:
    name = new_database()
    with (
        contextlib.closing(server.connect(MASTER, name)) as master,
        contextlib.closing(server.connect(PROCESSOR, name)) as processor,
    ):
        migrate(master, [migration for migration in read() if migration.version < 12])
        ledger = Ledger(LedgerSession(lambda: processor))
        (before,) = post(ledger).undelivered
        migrate(master, read())
        (after,) = post(ledger).undelivered
        assert ledger.undelivered(0, 9) == [before, after]
        assert before.event | {"entry_id": ""} == after.event | {"entry_id": ""}
        stored = "SELECT event_id, written_event IS NOT NULL FROM ledger.outbox ORDER BY event_id"
        assert master.run(stored) == [[before.event_id, True], [after.event_id, False]]
        ledger.mark_delivered([before.event_id, after.event_id])
        assert ledger.undelivered(0, 9) == []


@pytest.mark.parametrize(
    "change",
    [
        "transaction_id = gen_random_uuid()",
        "event_timestamp = 1",
        "written_event = '{}'",
        "entry_id = gen_random_uuid()",
        "amount = 1",
        "merchant_id = 'other'",
        "currency = 'USD'",
    ],
)
def test_an_event_stays_what_it_is_when_it_is_marked_delivered(
    master: Connection, posted: Entry, change: str
) -> None:
    (event,) = posted.undelivered
    with pytest.raises(DatabaseError, match="can only be marked delivered"):
        master.run(
            f"UPDATE ledger.outbox SET delivered_at = now(), {change} "  # noqa: S608
            "WHERE event_id = :event",
            event=event.event_id,
        )


def test_an_event_follows_from_what_is_stored(master: Connection) -> None:
    """Its owner cannot say otherwise."""
    with pytest.raises(DatabaseError, match="can only be updated to DEFAULT"):
        master.run("UPDATE ledger.outbox SET event = '{}'")
