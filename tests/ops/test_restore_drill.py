"""What was restored, beside what is live; and what the drill may delete."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from ops.console.checks import Verdict
from ops.console.failure import OpsError
from ops.restore import command as restore_drill
from ops.restore.comparison import Record, compare, of_history, of_ledger
from ops.restore.scratch import Copy, Database, Table, is_scratch, scratch_name
from tests.ops.stubbed_aws import Aws

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


_MONEY = {"amount": 5, "currency": "EUR"}


def _record(name: str, at: datetime = MOMENT - HOUR, **content: object) -> Record:
    return Record(name=name, at=at, content=content)


def test_what_is_the_same_is_the_same() -> None:
    records = [_record("a", amount=1), _record("b", amount=2)]
    found = compare(records, list(reversed(records)), MOMENT)
    assert (found.same, str(found)) == (True, "2 records, all as they are live")


def test_a_record_from_before_the_moment_must_have_been_restored() -> None:
    found = compare([_record("a")], [_record("a"), _record("lost")], MOMENT)
    assert not found.same
    assert str(found) == "1 records; 1 missing: lost"


def test_a_record_from_about_the_moment_or_later_need_not_have_been() -> None:
    seconds = timedelta(seconds=1)
    later = [_record("at", MOMENT - 59 * seconds), _record("after", MOMENT + HOUR)]
    assert compare([_record("a")], [_record("a"), *later], MOMENT).same
    assert not compare([], [_record("before", MOMENT - 61 * seconds)], MOMENT).same


def test_a_record_that_is_another_is_told() -> None:
    found = compare([_record("a", amount=1)], [_record("a", amount=2)], MOMENT)
    assert str(found) == "1 records; 1 changed: a"


def test_a_record_that_is_not_live_is_told() -> None:
    found = compare([_record("a"), _record("ghost", MOMENT)], [_record("a")], MOMENT)
    assert str(found) == "2 records; 1 unknown: ghost"


def test_a_table_that_is_gone_cannot_be_compared_with_its_backup() -> None:
    aws = Aws()
    aws.refuses("dynamodb", "describe_continuous_backups", "TableNotFoundException")
    with pytest.raises(OpsError, match=r"history is gone: .*\. docs/runbooks/table-lost\.md"):
        Table(dynamodb=aws("dynamodb"), live="history").window()


def test_nothing_restored_of_nothing_is_the_same() -> None:
    assert compare([], [], MOMENT).same


def test_a_delivery_that_the_history_was_told_of_later_is_no_difference() -> None:
    def entry(delivered: str | None) -> dict[str, object]:
        return {
            "entry_id": "e",
            "posted_at": "2026-05-01T11:00:00.000000Z",
            "sums": [{"currency": "USD", "debit": 1, "credit": 1}],
            "events": [{"timestamp": 1, "state": "posted", "delivered_at": delivered}],
        }

    told, untold = of_ledger([entry("2026-05-01T11:00:01.000000Z")]), of_ledger([entry(None)])
    assert compare(untold, told, MOMENT).same


def test_history_items_have_the_moment_at_which_they_were_written() -> None:
    rows = of_history(
        [
            {"transaction_id": "a", "timestamp": 0, "decided_at": "2026-05-01T11:00:00Z"},
            {"transaction_id": "a", "timestamp": 1, "accepted_at": "2026-05-01T11:00:01Z"},
            {"transaction_id": "a", "timestamp": 1_777_633_202_000_000},
        ]
    )
    second = timedelta(seconds=1)
    first = MOMENT - HOUR
    assert [(row.name, row.at) for row in rows] == [
        ("a/0", first),
        ("a/1", first + second),
        ("a/1777633202000000", first + 2 * second),
    ]


def test_a_malformed_history_item_is_named_and_the_rest_compared() -> None:
    sound = {
        "transaction_id": "a",
        "timestamp": 1_777_633_202_000_000,
        "state": "posted",
        **_MONEY,
    }
    broken = {"transaction_id": "b", "timestamp": 0, "state": "approved", **_MONEY}
    items = [sound, {**sound, "transaction_id": "c", "amount": "abc"}, broken]
    found = compare(of_history(items), of_history(items), MOMENT + HOUR)
    assert not found.same
    assert str(found) == (
        "3 records; 2 malformed: b/0 (decided_at is missing; expires_at is missing), "
        "c/1777633202000000 (amount is 'abc', which is no whole number from 1 to 999999999999)"
    )
    # Nobody knows when the broken one was written: it may be from after the restored moment.
    assert compare(of_history(items[:2]), of_history(items), MOMENT + HOUR).wrong["missing"] == []


@dataclass
class FakeStore:
    """Answers as AWS's services do, in turn."""

    states: list[str | None]
    refusal: str = ""
    what: str = "store"
    live: str = "ledger"
    deleted: list[str] = field(default_factory=list)

    def restore(self, name: str, at: datetime | None) -> None:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "Restore")

    def state(self, name: str) -> str | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "Delete")


NAME = "ledger-restore-drill-20260501-120000"


def _store(*states: str | None, refusal: str = "") -> Any:
    return FakeStore(list(states), refusal)


def _found(*states: str | None, refusal: str = "") -> tuple[Any, Copy]:
    """A copy that is not of this run."""
    store = _store(*states, refusal=refusal)
    return store, Copy(store=store, name=NAME)


def _asked(*states: str | None) -> Copy:
    copy = Copy(store=_store(*states), name=NAME)
    copy.restore(None)
    return copy


def test_a_scratch_name_is_known_again() -> None:
    store = _store("available")
    assert scratch_name(store, MOMENT) == NAME
    assert is_scratch(store, NAME)


@pytest.mark.parametrize(
    "name",
    ["ledger", "ledger-restore-drill-", f"{NAME}-1", f"x{NAME}", "ledger2-restore-drill-20260501"],
)
def test_nothing_else_is_deleted(name: str) -> None:
    store = _store("available")
    with pytest.raises(OpsError, match="was not restored by a drill"):
        Copy(store=store, name=name).try_to_delete()
    assert not store.deleted


def test_what_is_there_is_deleted_and_gone_when_it_is_gone() -> None:
    store, copy = _found("available", "deleting", None)
    assert not copy.try_to_delete()
    assert store.deleted == [NAME]
    assert copy.try_to_delete()
    assert _found("ACTIVE", None)[1].try_to_delete()


def test_what_is_being_deleted_is_not_deleted_once_more() -> None:
    store, copy = _found("DELETING")
    assert not copy.try_to_delete()
    assert not store.deleted


@pytest.mark.parametrize("refusal", ["ResourceInUseException", "InvalidDBInstanceState"])
def test_what_is_still_being_made_is_tried_again_later(refusal: str) -> None:
    assert not _found("creating", refusal=refusal)[1].try_to_delete()


@pytest.mark.parametrize("refusal", ["ResourceNotFoundException", "DBInstanceNotFound"])
def test_what_somebody_else_deleted_is_gone(refusal: str) -> None:
    assert _found("available", refusal=refusal)[1].try_to_delete()


def test_another_refusal_is_told() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        _found("available", refusal="AccessDenied")[1].try_to_delete()


def test_what_was_just_asked_for_is_not_gone_because_it_is_not_seen() -> None:
    copy = _asked(None, None, "creating", None)
    assert not copy.try_to_delete()
    assert not copy.is_restored()
    assert not copy.is_restored()
    assert copy.try_to_delete()


def test_what_is_not_seen_for_long_is_gone() -> None:
    copy = _asked(None)
    assert copy.asked is not None
    copy.asked -= 121
    assert copy.try_to_delete()
    with pytest.raises(OpsError, match="is gone"):
        copy.is_restored()


def test_what_was_refused_is_not_waited_for() -> None:
    _, copy = _found(None, refusal="InsufficientDBInstanceCapacity")
    with pytest.raises(ClientError):
        copy.restore(None)
    assert copy.try_to_delete()


@pytest.mark.parametrize("state", ["ACTIVE", "available"])
def test_what_is_there_is_restored(state: str) -> None:
    assert _asked(state).is_restored()


@pytest.mark.parametrize("state", ["incompatible-restore", "storage-full", "ARCHIVED"])
def test_what_failed_for_good_is_not_waited_for(state: str) -> None:
    with pytest.raises(OpsError, match=f"is {state}"):
        _asked(state).is_restored()


def test_moments_are_told_in_utc_whatever_the_machine_thinks() -> None:
    berlin = timezone(2 * HOUR)
    dynamodb, rds = Mock(), Mock()
    dynamodb.describe_continuous_backups.return_value = {
        "ContinuousBackupsDescription": {
            "PointInTimeRecoveryDescription": {
                "PointInTimeRecoveryStatus": "ENABLED",
                "EarliestRestorableDateTime": (MOMENT - HOUR).astimezone(berlin),
                "LatestRestorableDateTime": MOMENT.astimezone(berlin),
            }
        }
    }
    live = {
        "BackupRetentionPeriod": 30,
        "LatestRestorableTime": MOMENT.astimezone(berlin),
        "InstanceCreateTime": (MOMENT - 100 * 24 * HOUR).astimezone(berlin),
    }
    rds.describe_db_instances.return_value = {"DBInstances": [live]}
    windows = [Table(dynamodb=dynamodb, live="t").window(), Database(rds=rds, live="d").window()]
    assert [f"{moment:%m-%d %H:%M}" for window in windows for moment in window] == [
        "05-01 11:00",
        "05-01 12:00",
        "04-01 12:00",
        "05-01 12:00",
    ]
    live["InstanceCreateTime"] = MOMENT - HOUR
    assert Database(rds=rds, live="d").window()[0] == MOMENT - HOUR


def test_nothing_compared_is_no_proof() -> None:
    assert restore_drill._compared("items", compare([], [], MOMENT)).verdict is Verdict.UNSEEN
    one = [_record("a")]
    assert restore_drill._compared("items", compare(one, one, MOMENT)).verdict is Verdict.HELD
    assert restore_drill._compared("items", compare([], one, MOMENT)).verdict is Verdict.PROBLEM


def test_a_database_that_is_gone_cannot_be_compared_with_its_backup() -> None:
    aws = Aws()
    aws.refuses("rds", "describe_db_instances", "DBInstanceNotFound")
    with pytest.raises(OpsError, match=r"payments-ledger is gone: .*\. docs/runbooks/restore\.md"):
        Database(rds=aws("rds"), live="payments-ledger").window()
