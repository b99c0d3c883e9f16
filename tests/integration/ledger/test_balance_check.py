"""The sweep's look at what is in the ledger: independent of the triggers that refuse imbalance."""

from __future__ import annotations

from time import time
from uuid import uuid4

import pytest
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.posting import Ledger

AN_HOUR = 3600.0


@pytest.fixture
def without_triggers(master: Connection) -> Connection:
    """The ledger's owner, in a transaction of its own that is rolled back in the end.

    Only there are the tables without their triggers, as a hand at work would have them.
    """
    master.run("BEGIN")
    for table in ("entries", "postings"):
        master.run(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER")
    return master


def entry(owner: Connection, **amounts: int) -> None:
    """An entry with these postings, whether it balances or not."""
    owner.run(
        "INSERT INTO ledger.accounts (account, kind, currency) VALUES ('test', 'asset', 'EUR')"
        " ON CONFLICT DO NOTHING"
    )
    ((entry_id,),) = owner.run(
        "INSERT INTO ledger.entries (transaction_id) VALUES (:t) RETURNING entry_id", t=uuid4()
    )
    for line, (direction, amount) in enumerate(amounts.items(), start=1):
        owner.run(
            "INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency)"
            " VALUES (:e, :l, 'test', :d, :a, 'EUR')",
            e=entry_id,
            l=line,
            d=direction,
            a=amount,
        )


class _Session:
    """Ledger statements in the owner's transaction, which sees what is not committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **parameters: object) -> list[list[object]]:
        rows: list[list[object]] = self._connection.run(sql, **parameters)
        return rows


def test_what_does_not_balance_is_counted(without_triggers: Connection) -> None:
    ledger = Ledger(_Session(without_triggers))  # type: ignore[arg-type]
    before = ledger.unbalanced(time() - AN_HOUR)
    entry(without_triggers, debit=100, credit=100)
    assert ledger.unbalanced(time() - AN_HOUR) == before
    entry(without_triggers, debit=100, credit=99)
    entry(without_triggers, debit=100)
    entry(without_triggers)
    assert ledger.unbalanced(time() - AN_HOUR) == before + 3


def test_only_entries_since_then_are_looked_at(without_triggers: Connection) -> None:
    ledger = Ledger(_Session(without_triggers))  # type: ignore[arg-type]
    entry(without_triggers, debit=100)
    assert ledger.unbalanced(time() - AN_HOUR) > 0
    assert ledger.unbalanced(time() + AN_HOUR) == 0
