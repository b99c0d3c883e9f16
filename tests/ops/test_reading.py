"""How the operator's commands read ledger and audit trail."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciliation.audit_records import IN_GLACIER, AuditRecords
from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# -- the ledger --------------------------------------------------------------------------


class Function:
    """payments-ledger-reader, answering what it is told."""

    def __init__(self, *answers: dict[str, Any], failed: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers = list(answers)
        self._failed = failed

    def invoke(self, **call: Any) -> dict[str, Any]:
        self.asked.append(json.loads(call["Payload"]))
        body = io.BytesIO(json.dumps(self._answers.pop(0)).encode())
        return {"Payload": body, **({"FunctionError": "Unhandled"} if self._failed else {})}


def test_entries_are_read_page_by_page() -> None:
    function = Function(
        {"entries": [{"entry_id": "1"}, {"entry_id": "2"}], "next": "2"},
        {"entries": [{"entry_id": "3"}], "next": None},
    )
    entries = Ledger(function="f", client=function).entries(NOON, NOON + MINUTE)
    assert [entry["entry_id"] for entry in entries] == ["1", "2", "3"]
    assert [asked["after"] for asked in function.asked] == [None, "2"]
    assert {asked["from"] for asked in function.asked} == {"2026-03-01T12:00:00+00:00"}


def test_totals_of_a_long_period_are_asked_for_by_the_quarter_of_a_day() -> None:
    eur = {"currency": "EUR", "entries": 1, "debit": 5, "credit": 6}
    function = Function(
        {"totals": [eur], "without_postings": 0},
        {"totals": [], "without_postings": 1},
        {"totals": [{**eur, "currency": "CHF"}, eur], "without_postings": 0},
    )
    end = NOON + timedelta(hours=13)
    assert Ledger(function="f", client=function).totals(NOON, end) == [
        {"currency": "CHF", "entries": 1, "debit": 5, "credit": 6},
        {"currency": "EUR", "entries": 2, "debit": 10, "credit": 12},
    ]
    bounds = [(asked["from"], asked["to"]) for asked in function.asked]
    assert bounds[0][0] == NOON.isoformat()
    assert bounds[-1][1] == end.isoformat()
    assert [to for _, to in bounds[:-1]] == [begin for begin, _ in bounds[1:]]
    assert len(bounds) == 3


@pytest.mark.parametrize(
    ("answer", "failed", "told"),
    [
        ({"error": {"code": "ledger_unavailable", "detail": "D"}}, False, "D. the ledger did not"),
        ({"error": {"code": "ledger_refused", "detail": "D"}}, False, "D. see its log"),
        ({"errorMessage": "Task timed out"}, True, "f failed: Task timed out"),
    ],
)
def test_what_the_function_could_not_do_is_told(
    answer: dict[str, Any], failed: bool, told: str
) -> None:
    ledger = Ledger(function="f", client=Function(answer, failed=failed))
    with pytest.raises(UnreadableError, match=told):
        ledger.payment("a")


# -- the audit trail ---------------------------------------------------------------------


class Bucket:
    """An S3 client of one bucket, whose objects were stored at times of their own."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[datetime, bytes]] = {}
        self.listed_with: dict[str, dict[str, Any]] = {}
        self.read: list[str] = []

    def store(self, moment: datetime, content: bytes | None = None, **listed: Any) -> str:
        """An object of the trail; its content names its number.

        Args:
            listed: what S3 lists of it besides.
        """
        number = len(self.objects)
        key = f"year=2026/month=03/day=01/hour={moment:%H}/{number:012}.ndjson.gz"
        record = {"event_name": "INSERT", "created_at": "", "anomaly": False, "keys": {}}
        line = json.dumps({**record, "number": number}).encode()
        self.objects[key] = (moment, content or gzip.compress(line + b"\n"))
        self.listed_with[key] = {"StorageClass": "STANDARD", **listed}
        return key

    def get_paginator(self, _operation: str) -> Bucket:
        return self

    def paginate(
        self,
        *,
        StartAfter: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        OptionalObjectAttributes: Sequence[str] = (),  # noqa: N803
        **_: str,
    ) -> Iterator[Any]:
        keys = [key for key in sorted(self.objects) if key > StartAfter and key.startswith(Prefix)]
        for start in range(0, len(keys), 2):
            some = keys[start : start + 2]
            contents: list[dict[str, Any]] = [
                {"Key": k, "LastModified": self.objects[k][0], **self.listed_with.get(k, {})}
                for k in some
            ]
            for each in contents:
                if "RestoreStatus" not in OptionalObjectAttributes:
                    each.pop("RestoreStatus", None)
            yield {"Contents": contents}

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        self.read.append(Key)
        content = self.objects[Key][1]
        if content == b"archived":
            error: Any = {"Error": {"Code": "InvalidObjectState"}}
            raise ClientError(error, "GetObject")
        if content == b"denied":
            error = {"Error": {"Code": "AccessDenied"}}
            raise ClientError(error, "GetObject")
        return {"Body": io.BytesIO(content)}


def numbers(audit: AuditRecords, begin: datetime, end: datetime) -> list[int]:
    return [found.record["number"] for found in audit.stored_between(begin, end)]


def test_records_come_in_the_trails_order_from_all_pages_and_hours() -> None:
    bucket = Bucket()
    for minute in range(50, 250):
        bucket.store(NOON + minute * MINUTE)
    audit = AuditRecords(s3=bucket, bucket="b")
    assert numbers(audit, NOON, NOON + 300 * MINUTE) == list(range(200))


def test_objects_of_other_times_are_not_read() -> None:
    bucket = Bucket()
    for minute in range(0, 180, 10):
        bucket.store(NOON + minute * MINUTE)
    bucket.objects["year=2026/month=03/day=01/hour=13/0.txt"] = (NOON + 65 * MINUTE, b"x")
    audit = AuditRecords(s3=bucket, bucket="b")
    assert numbers(audit, NOON + 60 * MINUTE, NOON + 80 * MINUTE) == [6, 7, 8]
    assert len(bucket.read) == 3


def test_an_object_that_was_put_among_older_ones_hides_nothing() -> None:
    bucket = Bucket()
    bucket.store(NOON)
    forged = "year=2026/month=03/day=01/hour=12/000000000000-0123456789abcdef.ndjson.gz"
    bucket.objects[forged] = (NOON + 90 * MINUTE, b"x")
    bucket.store(NOON + MINUTE)
    assert numbers(AuditRecords(s3=bucket, bucket="b"), NOON, NOON + 2 * MINUTE) == [0, 2]


def test_what_cannot_be_read_is_told_and_passed_over() -> None:
    bucket = Bucket()
    bucket.store(NOON)
    archived, *forged = (
        bucket.store(NOON, content)
        for content in (
            b"archived",
            b"no gzip",
            gzip.compress(b"no JSON\n"),
            gzip.compress(b"\xff\n"),
            gzip.compress(b"[]\n"),
            gzip.compress(b'{"number": 7}\n'),
        )
    )
    bucket.store(NOON)
    audit = AuditRecords(s3=bucket, bucket="b")
    assert numbers(audit, NOON, NOON + MINUTE) == [0, 7]
    assert set(audit.unread) == {archived, *forged}
    assert "Glacier" in audit.unread[archived]


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_is_in_glacier_is_not_asked_for_until_it_is_restored(storage: str) -> None:
    bucket = Bucket()
    archived = bucket.store(NOON, b"archived", StorageClass=storage)
    under_way = {"IsRestoreInProgress": True}
    restoring = bucket.store(NOON, b"archived", StorageClass=storage, RestoreStatus=under_way)
    done = {"IsRestoreInProgress": False, "RestoreExpiryDate": NOON}
    restored = bucket.store(NOON, StorageClass=storage, RestoreStatus=done)
    instant = bucket.store(NOON, StorageClass="GLACIER_IR")
    audit = AuditRecords(s3=bucket, bucket="b")
    assert numbers(audit, NOON, NOON + MINUTE) == [2, 3]
    assert sorted(bucket.read) == [restored, instant]
    assert set(audit.unread) == {archived, restoring}
    assert audit.unread[archived] == IN_GLACIER
    assert "being restored" in audit.unread[restoring]


def test_what_may_not_be_read_at_all_ends_it() -> None:
    bucket = Bucket()
    bucket.store(NOON, b"denied")
    with pytest.raises(ClientError, match="AccessDenied"):
        numbers(AuditRecords(s3=bucket, bucket="b"), NOON, NOON + MINUTE)
