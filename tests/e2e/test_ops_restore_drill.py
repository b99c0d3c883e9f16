"""`python -m ops restore-drill` against a deployed PaymentsProd."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from config import ProductionConfig
from local import aws
from local.deployed import eventually, post
from ops.restore.scratch import Database, Table
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, records, user
from tests.environment import PROJECT


@pytest.fixture(scope="module")
def table(production: Production) -> Table:
    return Table(
        dynamodb=production.client("dynamodb"),
        live=production.outputs["TransactionsTableName"],
    )


@pytest.fixture(scope="module")
def database(production: Production) -> Database:
    return Database(rds=production.client("rds"), live="payments-ledger")


@pytest.fixture(scope="module", autouse=True)
def payment(production: Production) -> str:
    """There is something to be restored."""
    return post(production.deployment)


@pytest.fixture(autouse=True)
def _nothing_is_left(table: Table, database: Database) -> Iterator[None]:
    """Whatever the test did, before the next one."""
    yield
    for store in (table, database):
        for name in list(store.scratch()):
            eventually(lambda name=name, store=store: _gone(store, name), bool)  # type: ignore[misc]


def _gone(store: Table | Database, name: str) -> bool:
    if store.state(name):
        with contextlib.suppress(ClientError):  # it is still being made
            store.delete(name)
    return store.state(name) is None


def _scratch(table: Table, database: Database) -> list[str]:
    return [*table.scratch(), *database.scratch()]


def _drill(production: Production, *arguments: str) -> Answer:
    return ops(production, "restore-drill", *arguments)


def test_without_yes_it_tells_what_it_would_do_and_what_that_costs(
    production: Production, table: Table, database: Database
) -> None:
    told = _drill(production)
    assert told.code == 0, told.errors
    assert "Nothing was done: give --yes to do it." in told.output
    assert "USD for the first hour" in told.output
    planned = _drill(production, "--json").document
    assert not planned["done"]
    assert [each["from"] for each in planned["restores"]] == [table.live, database.live]
    hour = 0.072 + ProductionConfig().database_storage_gib * 0.115 / 730
    assert planned["restores"][1]["usd_of_an_hour"] == pytest.approx(hour, abs=0.0001)
    assert _scratch(table, database) == []


def test_both_stores_are_restored_compared_and_deleted(
    production: Production, table: Table, database: Database
) -> None:
    seen: set[str] = set()
    with _meanwhile(lambda: seen.update(_scratch(table, database))):
        done = _drill(production, "--yes", "--json", "--days", "36500")
    assert done.code == 0, done.output + done.errors
    assert done.document["held"]
    assert seen == set(done.document["names"])
    for what in ("history items", "ledger entries"):
        check = done.check(what)
        assert check["verdict"] == "held"
        assert check["found"].endswith("records, all as they are live")
        assert int(check["found"].partition(" ")[0].replace(",", "")) > 0
    assert done.check("time to recover")["verdict"] == "not seen"  # of AWS, nothing is known here
    assert done.check("key of the database")["verdict"] == "held"
    assert done.check("deleted again")["found"] == "nothing is left"
    assert _scratch(table, database) == []


def test_it_is_recorded_in_the_audit_bucket(production: Production) -> None:
    done = _drill(production, "--yes", "--json")
    bodies = records(production)
    (begun,) = (key for key, body in bodies.items() if body.get("names") == done.document["names"])
    ended = bodies[begun.replace("-begun", "-ended")]
    assert ended["end"] == "done"
    assert any(told.startswith("time to recover: ") for told in ended["checks"])


def test_an_item_that_is_restored_otherwise_is_told(production: Production, table: Table) -> None:
    """Somebody writes into the copy, as a faulty restore would."""
    ghost = {
        "transaction_id": {"S": "ghost"},
        "timestamp": {"N": "1777633202000000"},
        "state": {"S": "posted"},
        "amount": {"N": "5"},
        "currency": {"S": "EUR"},
    }

    def forge() -> None:
        for name in table.scratch():
            table.dynamodb.put_item(TableName=name, Item=ghost)

    with _meanwhile(forge):
        done = _drill(production, "--yes", "--json")
    assert done.code == 1, done.output + done.errors
    assert "1 unknown: ghost/1777633202000000" in done.check("history items")["found"]
    assert done.check("ledger entries")["verdict"] == "held"
    assert done.check("deleted again")["verdict"] == "held"


def test_a_table_without_point_in_time_recovery_is_refused_with_what_to_do(
    production: Production, table: Table
) -> None:
    def switch(on: bool) -> None:
        table.dynamodb.update_continuous_backups(
            TableName=table.live,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on},
        )

    switch(False)
    try:
        refused = _drill(production, "--yes")
    finally:
        switch(True)
    refused.refuses("its point-in-time recovery is off", "update-continuous-backups")


@pytest.mark.parametrize("days", [1, -40])
def test_a_moment_that_no_backup_holds_is_refused_before_anything_is_made(
    production: Production, days: int
) -> None:
    moment = datetime.now(UTC) + timedelta(days=days)
    refused = _drill(production, "--at", f"{moment:%Y-%m-%dT%H:%M:%SZ}", "--yes")
    refused.refuses("can be restored to a moment from")
    assert "it ends here" not in refused.errors


def test_a_database_that_is_not_restored_ends_it(
    production: Production, table: Table, database: Database
) -> None:
    with user(production, "rds:RestoreDBInstanceToPointInTime") as bounded:
        refused = ops(production, "restore-drill", "--yes", **bounded)
    assert (refused.code, "these credentials may not do it" in refused.errors) == (2, True)
    assert _scratch(table, database) == []


def test_what_was_asked_for_before_another_refusal_is_deleted(
    production: Production, table: Table, database: Database
) -> None:
    seen: set[str] = set()
    with (
        user(production, "dynamodb:RestoreTableToPointInTime") as bounded,
        _meanwhile(lambda: seen.update(_scratch(table, database))),
    ):
        refused = ops(production, "restore-drill", "--yes", **bounded)
    assert (refused.code, "these credentials may not do it" in refused.errors) == (2, True)
    assert len(seen) == 1
    assert _scratch(table, database) == []


def test_who_may_not_delete_is_told_what_is_left(
    production: Production, table: Table, database: Database
) -> None:
    with user(production, "rds:DeleteDBInstance") as bounded:
        left = ops(production, "restore-drill", "--yes", "--json", **bounded)
    assert left.code == 1, left.output + left.errors
    (name,) = database.scratch()
    assert "--clean-up" in left.errors
    assert left.check("deleted again")["found"] == name
    cleaned = _drill(production, "--clean-up")
    assert cleaned.code == 0
    assert cleaned.output == f"deleted: {name}\n"
    assert _drill(production, "--clean-up").output == "nothing to delete\n"
    assert database.state(database.live) == "available"
    assert table.state(table.live) == "ACTIVE"


def test_ctrl_c_deletes_what_it_can(
    production: Production, table: Table, database: Database
) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    drill = subprocess.Popen(
        [sys.executable, "-m", "ops", "restore-drill", "--yes"],
        cwd=PROJECT,
        env={**own, **aws.environment(production.environment.endpoint)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: list(database.scratch()), bool)
        drill.send_signal(signal.SIGINT)
        _, errors = drill.communicate(timeout=60)
    finally:
        drill.kill()
    assert drill.returncode == 130
    assert "Interrupted." in errors
    assert "Traceback" not in errors
    for name in _scratch(table, database):  # none, or told
        assert name in errors


@contextlib.contextmanager
def _meanwhile(work: Callable[[], Any]) -> Iterator[None]:
    """Do something again and again in a thread, until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(Exception):  # what was there is gone
                work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
