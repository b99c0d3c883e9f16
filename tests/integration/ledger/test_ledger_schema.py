"""Custom::LedgerSchema against a real database, and CloudFormation's answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import ledger_schema.handler
import pytest
from ledger_schema import migrator

from local.postgres import PostgresServer
from tests.functions.cloudformation import Send, sender
from tests.integration.ledger.conftest import MASTER


@pytest.fixture
def database(
    server: PostgresServer, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty database, which the function reaches without RDS's door."""
    name = new_database()
    monkeypatch.setattr(
        ledger_schema.handler, "_connect", lambda _limit: server.connect(MASTER, name)
    )
    return name


@pytest.fixture
def request_(monkeypatch: pytest.MonkeyPatch) -> Send:
    """Sends a request of that type to the function, with its migrations and, for an Update, those
    before; its answer to CloudFormation."""
    ask = sender(monkeypatch, ledger_schema.handler.handle)

    def send(
        request_type: str, migrations: Sequence[str] = (), before: Sequence[str] = ()
    ) -> dict[str, Any]:
        old = {"OldResourceProperties": {"Migrations": before}}
        more = old if request_type == "Update" else {}
        return ask(request_type, ResourceProperties={"Migrations": migrations}, **more)

    return send


def run(server: PostgresServer, database: str, sql: str) -> Any:
    """The one value that it gives, if it gives one."""
    with contextlib.closing(server.connect(MASTER, database)) as connection:
        return next(chain.from_iterable(connection.run(sql) or []), None)


def tables(server: PostgresServer, database: str) -> int:
    return int(run(server, database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'ledger'"))


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_create_and_update_bring_the_schema_up(
    request_: Send, server: PostgresServer, database: str, request_type: str
) -> None:
    answer = request_(request_type)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "ledger-schema")
    assert tables(server, database) == 6
    assert request_("Update")["Status"] == "SUCCESS"


def test_delete_touches_nothing(request_: Send, server: PostgresServer, database: str) -> None:
    request_("Create")
    assert request_("Delete")["Status"] == "SUCCESS"
    assert tables(server, database) == 6


@pytest.mark.parametrize(
    ("migrations", "before", "status"),
    [
        (["1.sql:a"], ["1.sql:a", "2.sql:b"], "SUCCESS"),
        (["1.sql:a"], ["1.sql:edited", "2.sql:b"], "SUCCESS"),
        (["1.sql:a", "2.sql:b"], ["1.sql:a"], "FAILED"),
        (["1.sql:edited"], ["1.sql:a"], "FAILED"),
        (["1.sql:a", "3.sql:c"], ["1.sql:a", "2.sql:b"], "FAILED"),
    ],
    ids=["back", "back from an edit", "another", "an edit", "exchanged"],
)
def test_a_rollback_does_not_depend_on_the_ledger(
    request_: Send,
    monkeypatch: pytest.MonkeyPatch,
    migrations: list[str],
    before: list[str],
    status: str,
) -> None:
    def refuse(_time_left: object) -> None:
        raise OSError("the ledger is out of reach")

    monkeypatch.setattr(ledger_schema.handler, "_connect", refuse)
    answer = request_("Update", migrations, before)
    assert answer["Status"] == status
    assert ("out of reach" in answer["Reason"]) == (status == "FAILED")


def test_a_failing_migration_fails_the_deployment_with_its_reason(
    request_: Send, server: PostgresServer, database: str
) -> None:
    run(server, database, "CREATE SCHEMA ledger; CREATE TABLE ledger.accounts (id int)")
    answer = request_("Create")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(
        'MigrationError: 0001_double_entry_ledger.sql: relation "accounts" already exists'
    )
    assert "It was rolled back; what follows it was not tried. Mend the file" in answer["Reason"]


def test_an_edited_migration_fails_the_deployment_with_what_to_do(
    request_: Send, server: PostgresServer, database: str
) -> None:
    request_("Create")
    edit = "UPDATE ledger.schema_migrations SET checksum = 'another' WHERE version = 2"
    run(server, database, edit)
    answer = request_("Update")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(
        "MigrationError: edited after it was applied: 0002_payment_processor_role.sql. Nothing was "
        "applied. Restore the file"
    )


def test_another_migrator_fails_the_deployment_with_who_it_is(
    request_: Send, server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrator, "MIGRATOR_PATIENCE", 0.2)
    connection = server.connect(MASTER, database)
    connection.run(f"SELECT pg_advisory_lock({migrator.LOCK})")
    answer = request_("Create")
    connection.close()
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("MigrationError: another migrator was at work for 0 s: pid ")
    assert tables(server, database) == 0


def test_no_connection_fails_the_deployment_with_its_reason(
    request_: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_limit: float) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(ledger_schema.handler, "_connect", refuse)
    answer = request_("Create")
    assert (answer["Status"], "no route to host" in answer["Reason"]) == ("FAILED", True)
