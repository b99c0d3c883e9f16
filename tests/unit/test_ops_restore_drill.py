"""What was restored, beside what is live; and what the drill may delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from ops.failure import OpsError
from ops.restore_comparison import Record, compare, of_history, of_ledger
from ops.restores import is_restored, is_scratch, scratch_name, try_to_delete

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


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


@dataclass
class FakeStore:
    """Answers as AWS's services do, in turn."""

    states: list[str | None]
    refusal: str = ""
    what: str = "store"
    live: str = "ledger"
    deleted: list[str] = field(default_factory=list)

    def latest(self) -> datetime:
        return MOMENT

    def restore(self, name: str, at: datetime | None) -> None:
        raise NotImplementedError

    def state(self, name: str) -> str | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def scratch(self) -> Iterator[str]:
        yield from ()

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "Delete")


NAME = "ledger-restore-drill-20260501-120000"


def test_a_scratch_name_is_known_again() -> None:
    store = FakeStore(["available"])
    assert scratch_name(store, MOMENT) == NAME
    assert is_scratch(store, NAME)


@pytest.mark.parametrize(
    "name",
    ["ledger", "ledger-restore-drill-", f"{NAME}-1", f"x{NAME}", "ledger2-restore-drill-20260501"],
)
def test_nothing_else_is_deleted(name: str) -> None:
    store = FakeStore(["available"])
    with pytest.raises(OpsError, match="was not restored by a drill"):
        try_to_delete(store, name)
    assert not store.deleted


def test_what_is_there_is_deleted_and_gone_when_it_is_gone() -> None:
    store = FakeStore(["available", "deleting"])
    assert not try_to_delete(store, NAME)
    assert store.deleted == [NAME]
    store = FakeStore(["ACTIVE", None])
    assert try_to_delete(store, NAME)


def test_what_is_being_deleted_is_not_deleted_once_more() -> None:
    store = FakeStore(["DELETING"])
    assert not try_to_delete(store, NAME)
    assert not store.deleted


@pytest.mark.parametrize("refusal", ["ResourceInUseException", "InvalidDBInstanceState"])
def test_what_is_still_being_made_is_tried_again_later(refusal: str) -> None:
    assert not try_to_delete(FakeStore(["creating"], refusal), NAME)


def test_another_refusal_is_told() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        try_to_delete(FakeStore(["available"], "AccessDenied"), NAME)


def test_what_is_not_seen_at_once_is_waited_for_and_then_missed() -> None:
    assert not is_restored(FakeStore([None]), NAME, timedelta(0))
    with pytest.raises(OpsError, match="is gone"):
        is_restored(FakeStore([None]), NAME, HOUR)
    with pytest.raises(OpsError, match="incompatible-restore"):
        is_restored(FakeStore(["incompatible-restore"]), NAME, timedelta(0))
    assert is_restored(FakeStore(["available"]), NAME, HOUR)
    assert is_restored(FakeStore(["ACTIVE"]), NAME, HOUR)
