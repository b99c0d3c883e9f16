"""What both of the functions' database users have in common: nothing that they do not need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import ledger_reader.handler
import pytest
from ledger_schema import migrator
from ledger_schema.migrator import MigrationError, migrate, read
from payment_processor import budget
from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from config import DATABASE_MAX_CONNECTIONS, ProductionConfig
from local.postgres import PostgresServer
from tests.integration.ledger.conftest import MASTER, sqlstate

USERS = {
    "payment_processor": budget.LEDGER_SESSION,
    "ledger_reader": ledger_reader.handler.SESSION,
}
INSUFFICIENT_PRIVILEGE = "42501"


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest, server: PostgresServer, database: str) -> Iterator[str]:
    assert database  # whose migrations have made the user
    yield request.param
    with contextlib.closing(server.connect()) as superuser:
        # As the migrations have it, whatever `user` has done to itself.
        limit = USERS[request.param]["statement_timeout"]
        superuser.run(f"ALTER ROLE {request.param} SET statement_timeout = '{limit}'")


def settings(connection: Connection, names: Mapping[str, str]) -> dict[str, str]:
    rows = connection.run(
        "SELECT name, current_setting(name) FROM unnest(CAST(:names AS text[])) AS name",
        names=list(names),
    )
    return dict(rows)


def test_what_a_user_sets_for_good_does_not_reach_the_functions_sessions(
    server: PostgresServer, database: str, user: str
) -> None:
    own = USERS[user]
    with contextlib.closing(server.connect(user, database)) as poisoned:
        poisoned.run("SET default_transaction_read_only = off")
        poisoned.run(f"ALTER ROLE {user} SET statement_timeout = 0")
    with contextlib.closing(server.connect(user, database)) as later:
        assert settings(later, own)["statement_timeout"] == "0"  # PostgreSQL has no way
    with contextlib.closing(server.connect(user, database, **own)) as session:
        assert settings(session, own) == own


def test_the_session_settings_are_those_of_the_migrations(
    server: PostgresServer, database: str, user: str
) -> None:
    with contextlib.closing(server.connect()) as superuser:
        rows = superuser.run(
            "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = CAST(:u AS regrole)",
            u=user,
        )
    assert {row[0] for row in rows} == {f"{name}={value}" for name, value in USERS[user].items()}


def test_it_signs_in_with_iam_tokens_only(server: PostgresServer, user: str) -> None:
    with contextlib.closing(server.connect()) as superuser:
        rows = superuser.run(
            "SELECT pg_has_role(rolname, 'rds_iam', 'member'), rolpassword, rolsuper, "
            "rolcreaterole FROM pg_authid WHERE rolname = :user",
            user=user,
        )
    assert rows == [[True, None, False, False]]


@pytest.mark.parametrize("elsewhere", ["postgres", "template1"])
def test_it_makes_no_temporary_table_in_any_database(
    server: PostgresServer, database: str, user: str, elsewhere: str
) -> None:
    for name in (elsewhere, database):
        with contextlib.closing(server.connect(user, name)) as connection:
            if user == "ledger_reader":
                connection.run("SET default_transaction_read_only = off")
            with pytest.raises(DatabaseError) as error:
                connection.run("CREATE TEMPORARY TABLE mine (id int)")
        assert sqlstate(error) == INSUFFICIENT_PRIVILEGE


def test_it_cannot_take_all_connections(server: PostgresServer, user: str) -> None:
    with contextlib.closing(server.connect()) as superuser:
        ((limit,),) = superuser.run(
            "SELECT rolconnlimit FROM pg_roles WHERE rolname = :user", user=user
        )
    assert 0 < limit <= DATABASE_MAX_CONNECTIONS - 20
    if user == "payment_processor":
        assert limit >= ProductionConfig().processor_concurrency


def test_a_migrator_whose_lock_is_held_says_by_whom(
    server: PostgresServer, database: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrator, "MIGRATOR_PATIENCE", 0.2)
    with (
        contextlib.closing(server.connect(user, database)) as holder,
        contextlib.closing(server.connect(MASTER, database)) as master,
    ):
        holder.run(f"SELECT pg_advisory_lock({migrator.LOCK})")
        with pytest.raises(MigrationError, match=rf"pid \d+ of {user}.*pg_terminate_backend"):
            migrate(master, read())
