"""The database user payment_processor may do what the function needs, and nothing else.

That it can do what it needs is shown by test_posting.py, which signs in as this user.
"""

from __future__ import annotations

import pytest
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from tests.integration.ledger.conftest import sqlstate

INSUFFICIENT_PRIVILEGE = "42501"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.accounts (account, kind, currency) VALUES ('x', 'asset', 'EUR')",
        "INSERT INTO ledger.entries (transaction_id) VALUES (gen_random_uuid())",
        "INSERT INTO ledger.postings SELECT * FROM ledger.postings",
        "INSERT INTO ledger.outbox (transaction_id, event_timestamp, written_event) "
        "VALUES (gen_random_uuid(), 1, '{}')",
        "UPDATE ledger.outbox SET event_timestamp = 2",
        "SELECT * FROM ledger.schema_migrations",
        "INSERT INTO ledger.schema_migrations VALUES (9, 'x', 'x')",
        "ALTER TABLE ledger.entries DISABLE TRIGGER ALL",
        "DROP TABLE ledger.postings",
        "DROP FUNCTION ledger.refuse_change CASCADE",
        "CREATE TABLE ledger.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "SET ROLE ledger_admin",
        "ALTER ROLE payment_processor CREATEROLE",
    ],
)
def test_it_may_not(processor: Connection, statement: str) -> None:
    with pytest.raises(DatabaseError) as error:
        processor.run(statement)
    assert sqlstate(error) == INSUFFICIENT_PRIVILEGE


def test_no_other_user_may_use_the_ledger(processor: Connection, master: Connection) -> None:
    rows = master.run(
        "SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, "
        "acldefault('f', p.proowner))) a "
        "WHERE p.pronamespace = 'ledger'::regnamespace AND a.grantee = 0"
    )
    assert rows == []


def test_the_posting_functions_look_names_up_in_the_catalog_only(master: Connection) -> None:
    """A security-definer function that follows the caller's search_path runs the caller's code."""
    rows = master.run(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace "
        "AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)"
    )
    assert rows == []
