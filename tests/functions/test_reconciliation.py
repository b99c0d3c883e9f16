"""payments-reconciliation: what it tells of a night's findings, in its metrics and in its log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from audit_logger.trail import AuditTrail

from audit_trail.link import hour_of
from payments.identifiers import transaction_id
from reconciliation import handler
from reconciliation.audit_records import AuditRecords, Found
from reconciliation.comparison import Stores
from tests.functions.bucket_in_memory import KEY, BucketInMemory
from tests.functions.conftest import Logs, Metrics
from tests.functions.lambda_context import CONTEXT
from tests.functions.test_audit_logger import record

NOW = datetime(2026, 2, 1, 2, 30, tzinfo=UTC)
YESTERDAY = NOW - timedelta(hours=12)
AT = round(YESTERDAY.timestamp() * 1_000_000)
ID = transaction_id("acme", "key")
CARD_NUMBER = "4111111111111111"


def context(left_ms: int = 900_000) -> Any:
    return SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: left_ms})


@pytest.fixture(autouse=True)
def two_at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "now", lambda: NOW)


class Day:
    """The three stores; each entry, item and record is of one moment of yesterday."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime]] = []
        self.posted = [ID]
        self.told = [ID]
        self.audited = [ID]
        self.unread: dict[str, str] = {}

    def entries(self, begin: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        self.asked.append((begin, end))
        for id_ in self.posted:
            sums = [{"currency": "EUR", "debit": 5, "credit": 5}]
            yield {
                "transaction_id": id_,
                "posted_at": YESTERDAY.isoformat(),
                "sums": sums,
                "events": [],
            }

    def totals(self, _begin: datetime, _end: datetime) -> list[dict[str, Any]]:
        number = len(self.posted)
        total = {"currency": "EUR", "entries": number, "debit": 5 * number, "credit": 5 * number}
        return [total] if number else []

    def items(self, keys: set[tuple[str, int]]) -> list[dict[str, Any]]:
        return [item(id_, at) for id_, at in sorted(keys) if id_ in self.told]

    def stored_between(self, _begin: datetime, _end: datetime) -> Iterator[Found]:
        for id_ in self.audited:
            about = {
                "event_name": "INSERT",
                "created_at": YESTERDAY.isoformat(),
                "anomaly": False,
                "keys": {"transaction_id": id_, "timestamp": AT},
                "item": item(id_, AT),
            }
            yield Found("key", YESTERDAY, about)


def item(id_: str, at: int) -> dict[str, Any]:
    common = {"transaction_id": id_, "timestamp": at, "amount": 5, "currency": "EUR"}
    if at:
        return {**common, "state": "posted"}
    moment = YESTERDAY.isoformat()
    return {**common, "state": "approved", "decided_at": moment, "expires_at": moment}


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    stores = Day()
    audit = cast(AuditRecords, stores)
    found = Stores(ledger=cast(Any, stores), history=cast(Any, stores), audit=audit)
    monkeypatch.setattr(handler, "_stores", lambda: found)
    return stores


def critical(logs: Logs) -> list[dict[str, Any]]:
    return [line for line in logs() if line["level"] == "CRITICAL"]


# Ledger, history and audit trail


def test_a_night_that_finds_nothing_says_so(day: Day, logs: Logs, metrics: Metrics) -> None:
    assert handler.handle({"task": "compare"}, context()) == {"found": 0}
    assert metrics() == [("DifferencesFound", 0, None)]
    assert critical(logs) == []
    midnight = datetime(2026, 1, 31, tzinfo=UTC)
    assert day.asked == [(midnight, midnight + timedelta(days=1))]


def test_a_night_that_was_missed_can_be_made_up_for(day: Day) -> None:
    day.posted.clear()
    handler.handle({"task": "compare", "day": "2026-01-07"}, context())
    handler.handle({"task": "compare", "day": "2026-02-01"}, context())
    assert day.asked == [
        (datetime(2026, 1, 7, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)),
        (datetime(2026, 2, 1, tzinfo=UTC), NOW),  # it is not over
    ]


@pytest.mark.parametrize("store", ["posted", "told", "audited"])
def test_what_one_store_lacks_is_told(store: str, day: Day, logs: Logs, metrics: Metrics) -> None:
    getattr(day, store).clear()
    found = handler.handle({"task": "compare"}, context())["found"]
    assert found >= 1
    assert metrics() == [("DifferencesFound", found, None)]
    told = critical(logs)
    assert {(line["transaction_id"], line["day"]) for line in told} == {(ID, "2026-01-31")}
    kinds = {"posted": "no ledger entry", "told": "history item deleted"}
    assert kinds.get(store, "no audit record") in {line["kind"] for line in told}


def test_an_id_that_is_none_is_not_logged(day: Day, logs: Logs) -> None:
    day.audited = [CARD_NUMBER]
    assert handler.handle({"task": "compare"}, context())["found"] >= 2
    assert CARD_NUMBER not in str(logs())


def test_many_differences_are_counted_and_some_are_named(
    day: Day, logs: Logs, metrics: Metrics
) -> None:
    day.audited = [transaction_id("acme", str(number)) for number in range(200)]
    day.posted = day.told = []
    assert handler.handle({"task": "compare"}, context()) == {"found": 400}
    assert metrics() == [("DifferencesFound", 400, None)]
    assert len(critical(logs)) == handler.TOLD


def test_audit_objects_that_cannot_be_read_are_differences(day: Day, metrics: Metrics) -> None:
    day.unread = {"key": "it is no gzip of JSON"}
    assert handler.handle({"task": "compare"}, context()) == {"found": 1}


def test_a_day_that_is_too_long_is_not_reported_as_looked_at(day: Day, metrics: Metrics) -> None:
    with pytest.raises(handler.OutOfTimeError, match="reading the audit trail"):
        handler.handle({"task": "compare"}, context(left_ms=handler.LEFT_MS - 1))
    assert metrics() == []


# The trail


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> BucketInMemory:
    """A trail of four days, with an object in every other hour."""
    bucket = BucketInMemory()
    begin = datetime(2026, 1, 29, tzinfo=UTC)
    moments = deque(begin + timedelta(hours=2 * each) for each in range(48))
    bucket.clock = lambda: moments[0]
    for number in range(48):
        AuditTrail(bucket, "audit", KEY, lambda: moments[0]).append([record(number)], lambda: True)
        moments.rotate(-1)
    monkeypatch.setattr(handler, "_client", lambda _service: bucket)
    monkeypatch.setenv("AUDIT_BUCKET", "audit")
    return bucket


def object_of(bucket: BucketInMemory, hour: datetime) -> str:
    return next(key for key in bucket.keys if key.startswith(hour_of(hour)))


def test_a_trail_that_is_intact_is_walked_for_its_day(
    bucket: BucketInMemory, logs: Logs, metrics: Metrics
) -> None:
    bucket.reads.clear()
    assert handler.handle({"task": "walk"}, context()) == {"found": 0}
    assert metrics() == [("TrailFaultsFound", 0, None)]
    assert critical(logs) == []
    # And the first object after it, which vouches for its last.
    first, *others = reversed(bucket.reads)
    assert first.startswith(hour_of(NOW.replace(hour=0)))
    assert {key[:24] for key in others} == {hour_of(YESTERDAY)[:24]}


@pytest.mark.parametrize("hours", [0, 12, 22], ids=["first", "between", "last"])
def test_an_object_of_the_day_that_is_gone_is_told(
    hours: int, bucket: BucketInMemory, logs: Logs, metrics: Metrics
) -> None:
    gone = object_of(bucket, datetime(2026, 1, 31, hours, tzinfo=UTC))
    bucket.erase(gone)
    assert handler.handle({"task": "walk"}, context()) == {"found": 1}
    assert metrics() == [("TrailFaultsFound", 1, None)]
    (line,) = critical(logs)
    assert (line["kind"], line["key"]) == ("missing", gone)


def test_a_forged_objects_name_is_not_logged(bucket: BucketInMemory, logs: Logs) -> None:
    key = f"{hour_of(YESTERDAY)}/{CARD_NUMBER}"
    bucket.put_object(Key=key, Body=b"", Metadata={})
    assert handler.handle({"task": "walk"}, context()) == {"found": 1}
    (line,) = critical(logs)
    assert line["kind"] == "forged"
    assert CARD_NUMBER not in str(logs())


def test_an_object_whose_content_cannot_be_verified_is_told(
    bucket: BucketInMemory, logs: Logs
) -> None:
    bucket.alter(object_of(bucket, YESTERDAY.replace(minute=0)), Archived=True, Unchecked=True)
    assert handler.handle({"task": "walk"}, context()) == {"found": 1}
    assert critical(logs)[0]["kind"] == "not to be verified"


def test_what_was_found_is_told_when_time_is_up(
    bucket: BucketInMemory, monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    bucket.erase(object_of(bucket, datetime(2026, 1, 31, 2, tzinfo=UTC)))
    left = iter([handler.LEFT_MS] * 8)
    late = SimpleNamespace(
        **vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: next(left, 0)}
    )
    with pytest.raises(handler.OutOfTimeError, match=r"until year=2026/month=01/day=31/hour=0\d/"):
        handler.handle({"task": "walk"}, late)
    assert metrics() == [("TrailFaultsFound", 1, None)]
    with pytest.raises(handler.OutOfTimeError):
        handler.handle({"task": "walk"}, context(left_ms=0))
    assert metrics() == []
