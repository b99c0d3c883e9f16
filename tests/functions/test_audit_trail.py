"""The audit trail: one chain, each record in it once, whatever happens to its writers."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import audit_logger.trail
import boto3
import pytest
from audit_logger.records import content, sequence_numbers
from audit_logger.trail import LINKS, AppendError, AuditTrail
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from audit_trail.link import ORIGIN_KEY, Link, hour_of, is_link_key, successor
from ops.audit_trail.command import app
from reconciliation import verification
from reconciliation.verification import Finding, Report, Verifier
from tests.functions.bucket_in_memory import KEY, BucketInMemory, client_error
from tests.functions.conftest import Clock, Logs, Metrics
from tests.functions.test_audit_logger import record

# After the creation of every record that the tests make.
START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def always() -> bool:
    return True


def append(writer: AuditTrail, *numbers: int) -> None:
    """Records of these numbers, each in an object of its own."""
    for number in numbers:
        writer.append([record(number)], always)


class Trail(BucketInMemory):
    """The trail's bucket, with one who writes it.

    Attributes:
        time: the writers' clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.time = Clock(START)
        self.writer = self.sandbox()

    def sandbox(self) -> AuditTrail:
        """Another writer, who knows nothing yet."""
        return AuditTrail(self, "audit", KEY, self.time)


@pytest.fixture
def bucket() -> Trail:
    return Trail()


NextWriter = Callable[[], AuditTrail]
Hours = dict[int, list[str]]
"""The trail's keys, by hour."""


@pytest.fixture(params=["a new sandbox", "the same sandbox"])
def next_writer(request: pytest.FixtureRequest, bucket: Trail) -> NextWriter:
    """Who goes on with the trail."""
    cold = request.param == "a new sandbox"
    return lambda: bucket.sandbox() if cold else bucket.writer


def stored(bucket: Trail) -> list[int]:
    """The numbers of all records, in the trail's order."""
    found: list[int] = []
    for key in bucket.keys:
        content = bucket.get_object(Key=key)["Body"].read()
        found += sorted(map(int, sequence_numbers(content)))
    return found


def finding(bucket: Trail, **options: Any) -> Finding | None:
    return Verifier(bucket, "audit").verify(**options).finding


def found(bucket: Trail, **options: str) -> tuple[str, str]:
    """Fault and key of what the verifier found."""
    what = finding(bucket, **options)
    assert what is not None
    return what.fault, what.key


# Writing


def test_keys_are_hours_and_consecutive_numbers(bucket: Trail) -> None:
    append(bucket.writer, 1, 2)
    assert bucket.keys == [
        ORIGIN_KEY,
        "year=2026/month=01/day=31/hour=08/000000000001.ndjson.gz",
        "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz",
    ]


def test_an_hour_ends_with_an_object_that_names_the_next(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)
    bucket.time.now += timedelta(hours=3)
    bucket.writer.append([record(2)], always)
    assert bucket.keys[-2:] == [
        "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz",
        "year=2026/month=01/day=31/hour=11/000000000003.ndjson.gz",
    ]
    assert finding(bucket) is None


def test_a_writer_whose_clock_is_behind_stays_in_the_hour_that_was_begun(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)
    bucket.time.now -= timedelta(hours=1)
    bucket.writer.append([record(2)], always)
    assert "/hour=08/" in bucket.keys[-1]
    assert finding(bucket) is None


def test_a_new_sandbox_goes_on_where_the_last_one_ended(bucket: Trail) -> None:
    for number, age in enumerate((0, 1, 30, 24 * 40), 1):
        bucket.time.now = START + timedelta(hours=age)
        bucket.sandbox().append([record(number)], always)
    assert stored(bucket) == [1, 2, 3, 4]
    assert finding(bucket) is None


@pytest.mark.parametrize("again", [[1, 2, 3], [2], [2, 3, 4], [3, 4, 5]])
def test_a_redelivery_adds_only_what_is_new(
    bucket: Trail, next_writer: NextWriter, again: list[int]
) -> None:
    for numbers in ([1, 2], [3]):
        bucket.writer.append([record(number) for number in numbers], always)
    next_writer().append([record(number) for number in again], always)
    assert stored(bucket) == sorted({1, 2, 3, *again})


def record_of(moment: datetime) -> dict[str, Any]:
    """A change that was made then."""
    change = record(100)
    change["dynamodb"]["ApproximateCreationDateTime"] = moment.timestamp()
    return change


def append_each_minute(bucket: Trail, records: int) -> list[dict[str, Any]]:
    """Records 1, 2 ..., each made and appended a minute after the one before."""
    changes = []
    for number in range(1, records + 1):
        bucket.time.now += timedelta(minutes=1)
        change = record(number)
        change["dynamodb"]["ApproximateCreationDateTime"] = bucket.time.now.timestamp()
        bucket.writer.append([change], always)
        changes.append(change)
    return changes


def test_a_late_redelivery_is_found_far_back(bucket: Trail) -> None:
    _, second, *_, last = append_each_minute(bucket, 59)
    for again in ([second], [second, last]):
        assert bucket.writer.append(again, always) is None
        assert bucket.sandbox().append(again, always) is None


def test_a_writer_that_runs_for_long_remembers_the_trails_end_only(bucket: Trail) -> None:
    _, second, *_ = append_each_minute(bucket, 59)
    assert bucket.heads == []
    bucket.writer.append([second], always)
    assert len(bucket.heads) > 40


def test_only_objects_that_can_hold_a_record_are_searched_for_it(bucket: Trail) -> None:
    change = append_each_minute(bucket, 19)[-1]
    bucket.reads.clear()
    change["dynamodb"]["SequenceNumber"] = f"{20:021}"
    bucket.sandbox().append([change], always)
    assert len(bucket.reads) == 1


def test_an_answer_of_s3_that_got_lost_makes_no_second_object(bucket: Trail) -> None:
    """botocore sends the request again, and the second one meets the first one's object. It is this
    writer's, whose records count as audited now."""
    bucket.writer.append([record(1)], always)
    put = bucket.put_object

    def twice(**request: Any) -> dict[str, Any]:
        put(**request)
        return put(**request)

    bucket.put_object = twice  # type: ignore[method-assign]
    link = bucket.writer.append([record(2)], always)
    assert link
    assert link.key == bucket.keys[-1]
    assert link.metadata["record-count"] == "1"
    assert bucket.writer.append([record(2)], always) is None
    assert stored(bucket) == [1, 2]


def test_a_writer_that_dies_before_it_stored_leaves_no_trace(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)

    def die() -> None:
        raise SystemExit

    bucket.before_put = die
    with pytest.raises(SystemExit):
        bucket.writer.append([record(2)], always)
    bucket.before_put = lambda: None
    bucket.sandbox().append([record(2), record(3)], always)
    assert stored(bucket) == [1, 2, 3]
    assert finding(bucket) is None


def test_each_object_is_put_under_the_trails_key(bucket: Trail) -> None:
    """The bucket's policy refuses those that do not ask for it."""
    append(bucket.writer, 1, 2)
    objects = [version for versions in bucket.versions.values() for version in versions if version]
    assert len(objects) >= 2
    assert {version["Key"] for version in objects} == {("aws:kms", KEY)}


def test_a_conflict_is_tried_again(bucket: Trail) -> None:
    def conflict_once() -> None:
        bucket.before_put = lambda: None
        raise client_error(409, "ConditionalRequestConflict")

    bucket.before_put = conflict_once
    bucket.writer.append([record(1)], always)
    assert stored(bucket) == [1]


def test_any_other_error_passes_through(bucket: Trail) -> None:
    def refuse() -> None:
        raise client_error(403, "AccessDenied")

    bucket.before_put = refuse
    with pytest.raises(Exception, match="AccessDenied"):
        bucket.writer.append([record(1)], always)


def test_without_time_a_batch_must_come_again(bucket: Trail) -> None:
    with pytest.raises(AppendError):
        bucket.writer.append([record(1)], lambda: False)
    assert bucket.keys == []


@pytest.mark.parametrize("others", [1, 3, 40])
def test_a_writer_that_others_overtook_goes_on_after_them(bucket: Trail, others: int) -> None:
    bucket.writer.append([record(1)], always)
    for number in range(2, 2 + others):
        append(bucket.sandbox(), number)
    bucket.writer.append([record(2), record(100)], always)
    assert stored(bucket) == [*range(1, 2 + others), 100]
    assert finding(bucket) is None


def test_a_writer_far_behind_needs_no_more_than_two_tries(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)
    other = bucket.sandbox()
    append(other, *range(2, 100))
    bucket.time.now += timedelta(minutes=1)
    change = record(100)
    change["dynamodb"]["ApproximateCreationDateTime"] = bucket.time.now.timestamp()
    tries = iter([True, True])
    bucket.heads.clear()
    assert bucket.writer.append([change], lambda: next(tries, False))
    assert stored(bucket) == list(range(1, 101))
    assert len(bucket.heads) < 100  # what it knows is not followed back


def test_an_object_of_somebody_else_does_not_stop_the_audit(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)
    forged = "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz"
    bucket.put_object(Key=forged, Metadata={}, Body=b"x")
    bucket.writer.append([record(2)], always)
    assert len(bucket.keys) == 4
    assert found(bucket) == ("forged", forged)


@pytest.mark.operating_system
def test_parallel_writers_make_one_chain_with_every_record_once(bucket: Trail) -> None:
    """Each thread is a shard; its batches overlap, as redelivered ones do."""
    start = threading.Barrier(5)
    failures: list[BaseException] = []

    def shard(first: int) -> None:
        writer = bucket.sandbox()
        start.wait()
        try:
            for number in range(first, first + 20):
                writer.append(
                    [record(n) for n in range(max(first, number - 2), number + 1)], always
                )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=shard, args=(1 + 100 * n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(stored(bucket)) == [100 * n + k for n in range(5) for k in range(1, 21)]
    assert finding(bucket) is None


DELIVERIES = st.lists(
    st.tuples(
        st.integers(0, 2),  # the sandbox
        st.integers(1, 30),  # the batch's first record
        st.integers(1, 10),  # how many
        st.sampled_from(["stored", "lost before", "lost after", "new sandbox"]),
        st.integers(0, 90),  # minutes that pass
    ),
    max_size=25,
)


@given(DELIVERIES)
def test_any_deliveries_with_any_deaths_give_one_chain_with_every_record_once(
    deliveries: list[tuple[int, int, int, str, int]],
) -> None:
    bucket = Trail()
    sandboxes = [bucket.sandbox() for _ in range(3)]
    delivered: set[int] = set()
    for sandbox, first, length, fate, minutes in deliveries:
        numbers = range(first, first + length)

        def die() -> None:
            raise SystemExit

        bucket.before_put = die if fate == "lost before" else lambda: None
        try:
            sandboxes[sandbox].append([record(number) for number in numbers], always)
            delivered |= set(numbers)
        except SystemExit:
            pass
        if fate != "stored":
            sandboxes[sandbox] = bucket.sandbox()
        bucket.time.now += timedelta(minutes=minutes)
    assert sorted(stored(bucket)) == sorted(delivered)
    assert not bucket.keys or finding(bucket) is None


# Verifying


@pytest.fixture
def keys(bucket: Trail) -> list[str]:
    """Of a good trail: the origin, 1, 2, 3 (closing hour 8), 4, 5 in hour 9."""
    for number in (1, 2, 3, 4):
        if number == 3:
            bucket.time.now += timedelta(hours=1)
        bucket.writer.append([record(number)], always)
    assert finding(bucket) is None
    return bucket.keys


def sha256(bucket: Trail, key: str) -> str:
    digest: str = bucket.get_object(Key=key)["Metadata"]["link-sha256"]
    return digest


def test_a_good_trail_is_counted(bucket: Trail, keys: list[str]) -> None:
    report = Verifier(bucket, "audit").verify()
    assert (report.objects, report.records, report.last_key) == (6, 4, keys[5])
    assert report.last_sha256 == sha256(bucket, keys[5])


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("name", ["content-sha256", "stored-at", "previous-sha256", "link-sha256"])
def test_altered_metadata_are_named(
    bucket: Trail, keys: list[str], position: int, name: str
) -> None:
    metadata = bucket.get_object(Key=keys[position])["Metadata"]
    bucket.alter(keys[position], Metadata={**metadata, name: "f" * 64})
    assert found(bucket) == ("altered", keys[position])


def test_an_original_put_back_over_a_forgery_is_still_named(bucket: Trail, keys: list[str]) -> None:
    original = bucket.versions.pop(keys[2])
    bucket.put_object(Key=keys[2], Metadata={}, Body=b"forged")
    bucket.versions[keys[2]] += original
    assert found(bucket) == ("overwritten", keys[2])


def test_objects_that_changed_places_are_named(bucket: Trail, keys: list[str]) -> None:
    one, other = keys[1], keys[2]
    bucket.versions[one], bucket.versions[other] = bucket.versions[other], bucket.versions[one]
    assert found(bucket) == ("altered", one)


def test_an_object_rewritten_with_its_own_chain_breaks_the_next_one(
    bucket: Trail, keys: list[str]
) -> None:
    """Whoever knows how the trail is written still cannot change what was written after."""
    forgery = Trail()
    for key in keys[:2]:
        forgery.versions[key] = bucket.versions[key]
    forgery.writer.append([record(77)], always)
    bucket.versions[keys[2]] = forgery.versions[keys[2]]
    assert found(bucket) == ("out_of_order", keys[3])


@pytest.mark.parametrize(
    "forged",
    [
        "anything.txt",
        "year=2026/month=01/day=31/hour=08/000000000001-2.ndjson.gz",
        "year=2026/month=01/day=31/hour=08/x.ndjson.gz",
        "year=2026/month=01/day=30/hour=08/000000000001.ndjson.gz",
        "year=2026/month=01/day=31/hour=08/000000000004.ndjson.gz",
    ],
)
def test_an_inserted_object_is_named(bucket: Trail, keys: list[str], forged: str) -> None:
    bucket.put_object(Key=forged, Metadata={}, Body=b"x")
    fault, key = found(bucket)
    assert forged in (key, getattr(finding(bucket), "detail", "").rpartition(" ")[2])
    assert fault in ("forged", "missing")


def test_a_trail_cut_off_at_its_end_needs_a_witness(bucket: Trail, keys: list[str]) -> None:
    witness = sha256(bucket, keys[5])
    assert finding(bucket, witness=witness) is None
    bucket.erase(keys[5])
    assert finding(bucket) is None
    assert found(bucket, witness=witness) == ("truncated", keys[5])


def test_a_trail_written_anew_needs_a_witness(bucket: Trail, keys: list[str]) -> None:
    witness = sha256(bucket, keys[5])
    forgery = Trail()
    forgery.writer.append([record(77)], always)
    assert finding(forgery) is None
    assert found(forgery, witness=witness)[0] == "truncated"


def test_a_part_of_the_trail_is_verified_by_itself(bucket: Trail, keys: list[str]) -> None:
    hours = [key.rpartition("/")[0] for key in keys]
    report = Verifier(bucket, "audit").verify(first=hours[4], last=hours[5])
    assert (report.objects, report.finding) == (2, None)
    bucket.put_object(Key=f"{hours[4]}/!", Metadata={}, Body=b"")
    assert found(bucket, first=hours[4]) == ("forged", f"{hours[4]}/!")
    report = Verifier(bucket, "audit").verify(last=hours[1])
    assert (report.objects, report.last_key) == (4, keys[3])
    bucket.erase(keys[1])
    bucket.erase(f"{hours[4]}/!")
    assert finding(bucket, first=hours[4]) is None


def test_an_archived_object_is_judged_by_the_checksum_that_s3_keeps(
    bucket: Trail, keys: list[str]
) -> None:
    bucket.alter(keys[1], Archived=True)
    report = Verifier(bucket, "audit").verify()
    assert (report.archived, report.finding) == (1, None)
    bucket.alter(keys[1], Content=b"other")
    assert found(bucket) == ("altered", keys[1])


def test_an_archived_object_without_a_checksum_is_to_be_restored_first(
    bucket: Trail, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says that it was altered, and nothing that it was not."""
    bucket.alter(keys[1], Archived=True, Unchecked=True)
    report = Verifier(bucket, "audit").verify()
    assert (report.archived, report.to_restore, report.finding) == (1, [keys[1]], None)
    monkeypatch.setattr(boto3, "client", lambda _: bucket)
    asked = CliRunner().invoke(app, ["verify", "--bucket", "audit"])
    assert asked.exit_code == 2
    assert f"{keys[1]}" in asked.output
    assert "Restore them first" in asked.output
    bucket.alter(keys[1], Archived=False)  # it is restored
    assert CliRunner().invoke(app, ["verify", "--bucket", "audit"]).exit_code == 0


def faults(report: Report) -> set[tuple[str, str]]:
    return {(one.fault, one.key) for one in report.faults}


MEDDLING = {
    "erase": "missing",
    "delete": "deleted",
    "content": "altered",
    "metadata": "altered",
    "strip": "altered",
    "overwrite": "overwritten",
    "overwrite with itself": "overwritten",
}


def meddle(bucket: Trail, key: str, how: str) -> tuple[str, str]:
    """What must be told of it, and of which object."""
    now = bucket.versions[key][-1]
    assert now is not None
    if how == "erase":
        bucket.erase(key)
    elif how == "delete":
        bucket.delete(key)
    elif how == "content":
        bucket.alter(key, Content=b"other")
    elif how == "metadata":
        bucket.alter(key, Metadata={**now["Metadata"], "stored-at": "2026-01-31T08:59:59Z"})
    elif how == "strip":
        bucket.alter(key, Metadata={})
    elif how == "overwrite":
        bucket.put_object(Key=key, Metadata={}, Body=b"other")
    else:
        bucket.put_object(Key=key, Metadata=now["Metadata"], Body=now["Content"])
    return MEDDLING[how], key


@pytest.mark.parametrize("how", MEDDLING)
@pytest.mark.parametrize("position", range(6))
def test_a_fault_is_named_and_hides_nothing_behind_it(
    bucket: Trail, keys: list[str], position: int, how: str
) -> None:
    """An object without its metadata is not taken for a forged one either: the next one names
    it. Of the last one, nothing tells."""
    if position == 5 and how in ("erase", "strip"):
        return
    expected = meddle(bucket, keys[position], how)
    report = Verifier(bucket, "audit").verify()
    assert (faults(report), report.forged, report.objects) == ({expected}, [], 5)


@given(
    st.dictionaries(st.integers(0, 17), st.sampled_from(list(MEDDLING)), max_size=8), st.booleans()
)
def test_all_faults_are_told(meddled: dict[int, str], same_second: bool) -> None:
    """Only the hour is not known that an object was stored in if those before it are gone too."""
    bucket = Trail()
    if same_second:
        bucket.clock = bucket.time
    writer = bucket.sandbox()
    for number in range(1, 17):
        if number % 5 == 0:
            bucket.time.now += timedelta(minutes=61)
        writer.append([record(number)], always)
    keys = bucket.keys
    assert len(keys) == 20
    for position in [one for one, how in meddled.items() if how in ("metadata", "strip")]:
        meddled.pop(position + 1, None)  # what names it
    expected = {meddle(bucket, keys[position], how) for position, how in meddled.items()}
    report = Verifier(bucket, "audit").verify()
    numbered = {(fault, Link(key, {}).position) for fault, key in expected}
    assert {(one.fault, Link(one.key, {}).position) for one in report.faults} == numbered
    assert {key for _, key in expected ^ faults(report)} <= {
        key
        for one in report.faults
        for key in (one.key, keys[Link(one.key, {}).position])
        if "later hour" in one.detail
    }
    assert len(report.faults) == len(meddled)
    assert report.forged == []
    assert report.objects == 20 - len(meddled)


@pytest.mark.parametrize("how", ["delete", "overwrite"])
@pytest.mark.parametrize("position", range(6))
def test_the_intact_version_is_told(
    bucket: Trail, keys: list[str], how: str, position: int
) -> None:
    meddle(bucket, keys[position], how)
    (one,) = Verifier(bucket, "audit").verify().faults
    assert (one.intact, one.tell) == ("0", "security officer")


def test_an_intact_version_is_told_wherever_it_stands(bucket: Trail, keys: list[str]) -> None:
    """S3 lists the newest version first; what was there first may be the forgery."""
    (original,) = bucket.versions.pop(keys[2])
    assert original is not None
    bucket.put_object(Key=keys[2], Metadata={}, Body=b"forged")
    bucket.versions[keys[2]].append(original)
    (one,) = Verifier(bucket, "audit").verify().faults
    assert (one.fault, one.intact) == ("overwritten", "1")


@pytest.mark.parametrize("how", ["erase", "content", "metadata"])
def test_where_no_version_is_intact_the_payments_lead_is_told_too(
    bucket: Trail, keys: list[str], how: str
) -> None:
    meddle(bucket, keys[2], how)
    (one,) = Verifier(bucket, "audit").verify().faults
    assert (one.intact, one.tell) == ("", "security officer, payments lead")


def test_of_two_sealed_versions_the_one_is_intact_that_the_next_object_names(
    bucket: Trail, keys: list[str]
) -> None:
    """Whoever knows how the trail is written may have put theirs there first."""
    forgery = Trail()
    for key in keys[:2]:
        forgery.versions[key] = bucket.versions[key]
    forgery.clock = lambda: START
    forgery.writer.append([record(77)], always)
    bucket.versions[keys[2]] = forgery.versions[keys[2]] + bucket.versions[keys[2]]
    report = Verifier(bucket, "audit").verify()
    assert faults(report) == {("overwritten", keys[2])}
    assert report.faults[0].intact == "1"


def test_forged_objects_are_told_behind_a_fault_too(bucket: Trail, keys: list[str]) -> None:
    forged = [forge(bucket, f"{HOUR[:-2]}09/{6:012}.ndjson.gz"), forge(bucket, "x")]
    bucket.writer.append([record(5)], always)
    bucket.erase(keys[2])
    report = Verifier(bucket, "audit").verify()
    assert faults(report) == {("missing", keys[2])}
    assert sorted(one.key for one in report.forged) == sorted(forged)


def test_a_forged_link_in_a_gap_does_not_divert_the_verifier(
    bucket: Trail, keys: list[str]
) -> None:
    """The trail goes on where most of it follows."""
    gone = keys[3]  # it closes hour 8; what comes next stands in hour 9
    bucket.erase(gone)
    forged = forge_link(
        bucket,
        f"{HOUR}/{9:012}.ndjson.gz",
        previous_key=f"{HOUR}/{8:012}.ndjson.gz",
        previous_sha256="f" * 64,
    )
    report = Verifier(bucket, "audit").verify()
    assert faults(report) == {("missing", gone)}
    assert [one.key for one in report.forged] == [forged]
    assert report.last_key == keys[5]


def test_a_forged_link_of_the_same_second_is_not_taken_for_the_trail(bucket: Trail) -> None:
    """S3 tells the second: nothing says that it was stored before the trail's last object."""
    bucket.clock = lambda: START
    bucket.writer.append([record(1)], always)
    forged = forge_link(
        bucket, f"{HOUR}/{9:012}.ndjson.gz", previous_key=f"{HOUR}/{8:012}.ndjson.gz"
    )
    append(bucket.writer, 2, 3)
    assert honest(bucket, [forged]) == [1, 2, 3]


def test_a_gap_as_wide_as_can_be_is_told_in_no_time(bucket: Trail, keys: list[str]) -> None:
    highest = f"{HOUR[:-2]}09/{10**12 - 1:012}.ndjson.gz"
    before = f"{HOUR[:-2]}09/{10**12 - 2:012}.ndjson.gz"
    forge_link(bucket, highest, previous_key=before)
    report = Verifier(bucket, "audit").verify()
    assert report.faults[0].key == f"{HOUR[:-2]}09/{6:012}.ndjson.gz"
    assert f"all up to number {10**12 - 2} are missing too" in report.faults[-1].detail
    assert len(report.faults) < 2000


def test_people_are_told_what_to_read_and_whom_to_tell(
    bucket: Trail, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "client", lambda _: bucket)
    meddle(bucket, keys[1], "delete")
    meddle(bucket, keys[2], "content")
    asked = CliRunner().invoke(app, ["verify", "--bucket", "audit"])
    assert asked.exit_code == 1
    assert "Broken: 1 deleted, 1 altered. Good: 4 objects" in asked.output
    assert f"get-object --bucket audit --key {keys[1]} --version-id 0" in asked.output
    assert "intact: none in the bucket" in asked.output
    assert "tell: security officer, payments lead" in asked.output
    assert "docs/runbooks/audit-trail.md" in asked.output
    asked = CliRunner().invoke(app, ["verify", "--bucket", "audit", "--json"])
    told = json.loads(asked.output)["faults"]
    assert [(one["fault"], one["intact"]) for one in told] == [("deleted", "0"), ("altered", "")]


# Forged objects: somebody may put new objects into the bucket, but neither delete nor overwrite.

HOUR = "year=2026/month=01/day=31/hour=08"


def forge(bucket: Trail, key: str, body: bytes = b"x", **metadata: str) -> str:
    """As somebody with the right to put does, who overwrites nothing."""
    bucket.put_object(Key=key, Metadata=metadata, Body=body, IfNoneMatch="*")
    return key


def forge_link(
    bucket: Trail, key: str, body: bytes = b"", *, last: str = "", **changes: str
) -> str:
    """With metadata of the trail's last object, but for the changes, sealed anew."""
    last = last or max(filter(is_link_key, bucket.keys))
    metadata = bucket.get_object(Key=last)["Metadata"]
    told = {name: value for name, value in metadata.items() if name != "link-sha256"}
    told |= {"content-sha256": hashlib.sha256(body).hexdigest()}
    link = Link.sealed(key, told | {name.replace("_", "-"): text for name, text in changes.items()})
    return forge(bucket, key, body, **link.metadata)


def forge_trail(bucket: Trail, length: int) -> list[str]:
    """Lay another trail over this one: what is taken already stays."""
    other = Trail()
    writer = AuditTrail(other, "audit", KEY, bucket.time)
    for number in range(length):
        writer.append([record(1000 + number)], always)
    laid = [key for key in other.keys if key not in bucket.versions]
    for key in laid:
        bucket.versions[key] = other.versions[key]
    return laid


def honest(bucket: Trail, forged: list[str]) -> list[int]:
    """The numbers of all records that the verifier does not call forged."""
    report = Verifier(bucket, "audit").verify()
    assert sorted(finding.key for finding in report.forged) == sorted(forged)
    assert {finding.fault for finding in report.forged} <= {"forged"}
    assert (report.finding is None) == (not forged)
    numbers: list[int] = []
    for key in bucket.keys:
        if key not in forged:
            body = bucket.get_object(Key=key)["Body"].read()
            numbers += map(int, sequence_numbers(body))
    assert report.records == len(numbers)
    return sorted(numbers)


FAR = "year=9999/month=12/day=31/hour=23/999999999999.ndjson.gz"
NEXT = f"{HOUR}/000000000003.ndjson.gz"

Attack = Callable[[Trail], list[str]]


def at(*places: str) -> Attack:
    """Garbage in this hour."""
    return lambda bucket: [forge(bucket, f"{HOUR}/{place}") for place in places]


def numbered(*numbers: int) -> Attack:
    return at(*(f"{number:012}.ndjson.gz" for number in numbers))


def link(key: str, body: bytes = b"", **changes: str) -> Attack:
    """As it might follow whatever the trail's last object follows."""
    return lambda bucket: [forge_link(bucket, key, body, **changes)]


def follower(way: int = 0, /, **changes: str) -> Attack:
    """A link that names the trail's last object as the one before it."""
    return lambda bucket: [
        forge_link(bucket, beside(bucket, way) if way else NEXT, b"", **end_of(bucket) | changes)
    ]


def all_of(*attacks: Attack) -> Attack:
    return lambda bucket: [key for attack in attacks for key in attack(bucket)]


def rootless(place: int, before: int) -> Attack:
    """A sealed link without the hash of the one before it."""
    told = {
        "previous-key": f"{HOUR}/{before:012}.ndjson.gz",
        "stored-at": "2026-01-31T08:30:00.000000Z",
        "record-count": "1",
    }
    sealed = Link.sealed(f"{HOUR}/{place:012}.ndjson.gz", told)
    return lambda bucket: [forge(bucket, sealed.key, b"x", **sealed.metadata)]


NEXT_HOURS = [f"{HOUR[:-2]}{hour:02}/000000000003.ndjson.gz" for hour in range(9, 20)]
YEARS = [
    f"year={year}/month=01/day=01/hour=00/000000000003.ndjson.gz" for year in range(2027, 3027)
]
BEYOND = f"{HOUR}/000000000009.ndjson.gz"

ATTACKS: dict[str, Attack] = {
    "at the end of all time": lambda b: [forge(b, FAR)],
    "a link at the end of all time": link(FAR),
    "in a month that is none": lambda b: [
        forge(b, "year=2026/month=99/day=99/hour=99/000000000003.ndjson.gz")
    ],
    "of the next hours": lambda b: [forge(b, key) for key in NEXT_HOURS],
    "links of the next hours": all_of(*map(link, NEXT_HOURS)),
    "higher in this hour": numbered(9),
    "a link higher in this hour": link(BEYOND),
    "a link higher in this hour, with a predecessor that is none": link(
        BEYOND, previous_key=f"{HOUR}/000000000008.ndjson.gz"
    ),
    "as high as can be": numbered(10**12 - 1),
    "at the next key": numbered(3),
    "at the next key, with the next record": lambda b: [forge(b, NEXT, content([record(3)]))],
    "a link at the next key, with a wrong predecessor": link(
        NEXT, content([record(3)]), previous_sha256="f" * 64
    ),
    "a link at the next key, with a predecessor that is none": link(NEXT, previous_key=FAR),
    "a link at the next key, with a key that is none": link(NEXT, previous_key="../.."),
    "a link at the next key, which is its own predecessor": link(NEXT, previous_key=NEXT),
    "a link at the next key, not sealed": lambda b: [
        forge(b, NEXT, b"x", **b.get_object(Key=b.keys[-1])["Metadata"])
    ],
    "a link that leads to the end of all time": follower(continued_in=FAR[: len(HOUR)]),
    "a link that leads out of all hours": follower(continued_in="../../x"),
    "a link that leads back": follower(continued_in=f"{HOUR[:-2]}07"),
    "a link that was stored at no time": follower(stored_at="yesterday"),
    "a link that was stored in no zone": follower(stored_at="2026-01-31T08:30:00"),
    "a link with no number of records": follower(record_count="many"),
    "a link on a way round nothing": follower(1, detour="1"),
    "a link on a way round endlessly many": follower(999_999_999, detour="999999999"),
    "a link on a way round that its key does not tell": follower(detour="1"),
    "links without a predecessor's hash": all_of(
        follower(previous_sha256=""), rootless(4, 3), rootless(8, 7), rootless(9, 8)
    ),
    "another trail": lambda b: forge_trail(b, 10),
    "another trail, longer than is followed at least": lambda b: forge_trail(b, 40),
    "another trail, of a thousand objects": lambda b: forge_trail(b, 1000),
    "in a thousand years": lambda b: [forge(b, key) for key in YEARS],
    "a thousand": numbered(*range(3, 1003)),
    "a thousand links": lambda b: [
        forge_link(b, f"{HOUR}/{number:012}.ndjson.gz", last=f"{HOUR}/{2:012}.ndjson.gz")
        for number in range(3, 1003)
    ],
    "at the next key and the way round it": lambda b: [
        forge(b, key) for key in (NEXT, *(beside(b, detour) for detour in range(1, 50)))
    ],
    "with names that are none": at("x", f"{3:012}", f"{3:012}-x.ndjson.gz", "9" * 13),
}


def end_of(bucket: Trail, last: Link | None = None) -> dict[str, str]:
    """The metadata that name the trail's last object."""
    key = last.key if last else bucket.keys[-1]
    return {"previous_key": key, "previous_sha256": sha256(bucket, key)}


def beside(bucket: Trail, detour: int) -> str:
    """A key at which the trail goes on if others are taken."""
    last = f"{HOUR}/{2:012}.ndjson.gz"
    return successor(Link(last, bucket.get_object(Key=last)["Metadata"]), detour)


@pytest.mark.parametrize(
    ("later", "attack"),
    [
        (later, name)
        for later in (timedelta(0), timedelta(hours=1), timedelta(hours=30))
        for name in ATTACKS
        # They take the time of all others.
        if "thousand" not in name or later != timedelta(hours=1)
    ],
    ids=str,
)
def test_a_forged_object_neither_stops_nor_diverts_the_trail(
    bucket: Trail, attack: str, next_writer: NextWriter, later: timedelta
) -> None:
    append(bucket.writer, 1, 2)
    forged = ATTACKS[attack](bucket)
    bucket.time.now += later
    for number in (3, 4, 5):
        writer = next_writer()
        assert writer.append([record(number)], always)
        assert writer.append([record(number)], always) is None
    assert honest(bucket, forged) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.parametrize("same_second", [True, False])
def test_what_is_forged_is_told_before_the_trail_goes_on(
    bucket: Trail, attack: Attack, same_second: bool
) -> None:
    """Then it may be all that is left of the trail: nothing says that there was nothing between."""
    if same_second:
        bucket.clock = lambda: START
    append(bucket.writer, 1, 2)
    forged = attack(bucket)
    report = Verifier(bucket, "audit").verify()
    assert report.finding
    assert report.objects >= 3
    told = {one.key for one in [*report.faults, *report.forged]}
    details = " ".join(one.detail for one in report.faults)
    walked = report.last_key if report.objects > 3 else ""
    assert all(key in told or key in details or key <= walked for key in forged)


def test_before_the_first_record_too(bucket: Trail) -> None:
    forged = [forge(bucket, ORIGIN_KEY), forge(bucket, FAR), forge(bucket, NEXT)]
    for number in (1, 2, 3):
        bucket.sandbox().append([record(number)], always)
    assert honest(bucket, forged) == [1, 2, 3]


@pytest.mark.parametrize("body", [b"x", gzip.compress(bytes(2**20)), b""])
def test_what_is_in_a_forged_object_does_not_matter(
    bucket: Trail, next_writer: NextWriter, body: bytes
) -> None:
    """Whoever can read the trail can go on with it. But nothing gets lost by it."""
    append(bucket.writer, 1, 2)
    forge_link(bucket, NEXT, body, **end_of(bucket))
    writer = next_writer()
    assert writer.append([record(3)], always)
    assert finding(bucket) is None


def test_an_object_that_claims_to_hold_a_record_does_not_keep_it_out(
    bucket: Trail, next_writer: NextWriter
) -> None:
    append(bucket.writer, 1, 2)
    other = record(3)
    other["dynamodb"]["NewImage"]["amount"]["N"] = "1"
    forge_link(bucket, NEXT, content([other]), **end_of(bucket), record_count="1")
    writer = next_writer()
    assert writer.append([record(3)], always)
    assert content([record(3)]) == bucket.get_object(Key=bucket.keys[-1])["Body"].read()


def test_what_is_too_long_is_not_read(
    bucket: Trail, next_writer: NextWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 takes 5 GB at once; a function has 512 MB."""
    append(bucket.writer, 1, 2)
    forge_link(bucket, NEXT, content([record(3)]), **end_of(bucket))
    monkeypatch.setattr(audit_logger.trail, "LARGEST", 10)
    writer = next_writer()
    assert writer.append([record(3)], always)


@pytest.mark.parametrize("linked", [True, False])
def test_an_object_that_was_put_into_glacier_does_not_stop_the_audit(
    bucket: Trail, next_writer: NextWriter, linked: bool
) -> None:
    append(bucket.writer, 1, 2)
    before = end_of(bucket)
    (forge_link(bucket, NEXT, content([]), **before) if linked else forge(bucket, NEXT))
    bucket.alter(NEXT, Archived=True)
    writer = next_writer()
    assert writer.append([record(3)], always)
    assert finding(bucket) is None if linked else found(bucket) == ("forged", NEXT)


@pytest.mark.parametrize("forged", [0, 1, 30])
def test_the_trail_goes_on_after_it_was_archived(
    bucket: Trail, next_writer: NextWriter, forged: int
) -> None:
    """No content is asked for: S3 would refuse it, and the metadata tell all that is needed."""
    bucket.clock = bucket.time
    bucket.writer.append([record(1)], always)
    for number in range(2, 2 + forged):
        forge(bucket, f"{HOUR}/{number:012}.ndjson.gz")
    for key in bucket.keys:
        bucket.alter(key, Archived=True)
    bucket.time.now += timedelta(days=100)
    bucket.reads.clear()
    writer = next_writer()
    assert writer.append([record_of(bucket.time.now)], always)
    assert bucket.reads == []
    report = Verifier(bucket, "audit").verify()
    assert len(report.forged) == forged


def test_the_trail_of_earlier_releases_goes_on_after_it_was_archived(bucket: Trail) -> None:
    bucket.clock = bucket.time
    store_earlier_trail(bucket, StorageClass="GLACIER")
    bucket.time.now += timedelta(days=100)
    assert bucket.sandbox().append([record_of(bucket.time.now)], always)
    assert bucket.reads == []
    assert finding(bucket) is None


def test_a_forged_object_is_told_once(bucket: Trail, logs: Logs, metrics: Metrics) -> None:
    append(bucket.writer, 1, 2)
    forged = [forge(bucket, NEXT), forge(bucket, beside(bucket, 1))]
    append(bucket.writer, 3, 4, 5)
    told = [line for line in logs() if line["level"] == "CRITICAL"]
    assert [line["key"] for line in told] == forged
    assert metrics() == [("ForeignAuditObjects", 1, None)] * 2


def test_a_forged_object_of_later_is_told_by_a_new_sandbox(bucket: Trail, logs: Logs) -> None:
    bucket.writer.append([record(1)], always)
    forge(bucket, FAR)
    bucket.time.now += timedelta(days=40)
    bucket.sandbox().append([record(2)], always)
    assert [line["key"] for line in logs() if line["level"] == "CRITICAL"] == [FAR]


def test_with_little_time_each_try_goes_on_where_the_last_one_ended(
    bucket: Trail, next_writer: NextWriter
) -> None:
    append(bucket.writer, 1, 2)
    forged = [forge(bucket, NEXT), *(forge(bucket, beside(bucket, n)) for n in range(1, 200))]
    writer = next_writer()
    for _ in range(30):
        tries = iter([True])
        try:
            assert writer.append([record(3)], lambda tries=tries: next(tries, False))  # type: ignore[misc]
        except AppendError:
            continue
        break
    assert honest(bucket, forged) == [1, 2, 3]


@pytest.mark.parametrize("attack", ["a thousand", "a thousand links", "in a thousand years"])
def test_many_forged_objects_cost_a_new_sandbox_little(bucket: Trail, attack: str) -> None:
    append(bucket.writer, 1, 2)
    ATTACKS[attack](bucket)
    bucket.reads.clear()
    bucket.heads.clear()
    bucket.listed = 0
    bucket.sandbox().append([record(3)], always)
    assert len(bucket.reads + bucket.heads) < 30
    if "years" in attack:
        assert bucket.listed < 10


def test_where_the_trail_goes_on_beside_a_forged_object_cannot_be_guessed(bucket: Trail) -> None:
    keys = set()
    for number in (1, 2):
        link = Trail().writer.append([record(number)], always)
        assert link
        keys |= {successor(link, detour) for detour in range(3)}
    assert len(keys) == 1 + 2 * 2


def test_a_writer_whose_clock_is_far_behind_follows_the_others(bucket: Trail) -> None:
    bucket.writer.append([record(1)], always)
    ahead = Clock(START + timedelta(hours=3))
    AuditTrail(bucket, "audit", KEY, ahead).append([record(2)], always)
    tries = iter([True] * 9)
    assert bucket.writer.append([record(3)], lambda: next(tries, False))
    assert honest(bucket, []) == [1, 2, 3]


def test_another_trail_behind_the_end_is_forged_from_its_first_object_on(bucket: Trail) -> None:
    append(bucket.writer, 1, 2)
    forged = [forge(bucket, NEXT)]
    bucket.writer.append([record(3)], always)
    forged += forge_trail(bucket, 10)
    assert honest(bucket, forged) == [1, 2, 3]


def test_a_forged_object_that_was_erased_is_missed(bucket: Trail) -> None:
    """The trail says that it stood there."""
    append(bucket.writer, 1, 2)
    for key in (forge(bucket, NEXT), forge(bucket, beside(bucket, 1))):
        bucket.writer.append([record(3)], always)
        bucket.erase(key)
        assert found(bucket) == ("missing", key)
        forge(bucket, key)


def test_a_sandbox_without_forged_objects_asks_for_no_more_than_it_follows_back(
    bucket: Trail,
) -> None:
    bucket.clock = bucket.time
    append_each_minute(bucket, 50)
    bucket.time.now += timedelta(days=2)
    bucket.heads.clear()
    bucket.sandbox().append([record_of(bucket.time.now)], always)
    assert len(bucket.heads) == LINKS + 1


def test_a_trail_of_which_something_was_erased_goes_on(bucket: Trail) -> None:
    """The account's owner may have to."""
    bucket.clock = bucket.time
    append_each_minute(bucket, 50)
    erased = bucket.keys[20]
    bucket.erase(erased)
    bucket.time.now += timedelta(days=2)
    bucket.sandbox().append([record(100)], always)
    assert stored(bucket)[-1] == 100
    assert found(bucket) == ("missing", erased)


@pytest.mark.operating_system
def test_parallel_writers_make_one_chain_beside_what_is_forged(bucket: Trail) -> None:
    """Somebody who reads the trail puts an object at every key at which it is to go on."""
    bucket.sandbox().append([record(0)], always)
    put, forged = bucket.put_object, []

    def with_forgeries(**request: Any) -> dict[str, Any]:
        answer = put(**request)
        link = Link(request["Key"], request["Metadata"])
        if link.position % 3:
            for detour in range(link.position % 4):
                key = successor(link, detour)
                with contextlib.suppress(ClientError):
                    put(Key=key, Metadata={}, Body=b"x", IfNoneMatch="*")
                    forged.append(key)
        return answer

    bucket.put_object = with_forgeries  # type: ignore[method-assign]
    failures: list[BaseException] = []

    def shard(first: int) -> None:
        try:
            for number in range(first, first + 10):
                if number % 3 == 0:
                    writer = bucket.sandbox()
                writer.append([record(number - 1), record(number)], always)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=shard, args=(3 + 99 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = [0, *(99 * n + k for n in range(4) for k in range(2, 13))]
    assert honest(bucket, forged) == expected


FORGERIES = st.lists(
    st.tuples(
        st.sampled_from(["garbage", "link", "link after the end", "guessed hour"]),
        st.integers(0, 3),  # how far after the end
        st.integers(0, 3),  # which detour
        st.booleans(),  # a new sandbox writes next
        st.integers(0, 90),  # minutes that pass
    ),
    max_size=12,
)


@given(FORGERIES)
def test_whatever_is_forged_each_record_is_in_the_chain_once(
    forgeries: list[tuple[str, int, int, bool, int]],
) -> None:
    bucket = Trail()
    writer = bucket.sandbox()
    last = writer.append([record(1)], always)
    forged: list[str] = []
    for number, (what, further, detour, cold, minutes) in enumerate(forgeries, 2):
        assert last
        key = successor(last, detour)
        if further:
            key = f"{last.next_hour}/{last.position + 1 + further:012}.ndjson.gz"
        if what == "guessed hour":
            key = f"{hour_of(bucket.time.now + timedelta(hours=further))}/{number:012}.ndjson.gz"
        with contextlib.suppress(ClientError):
            if what.startswith("link"):
                before = end_of(bucket, last) if "end" in what else {}
                # At its very next key this would be no forgery.
                wrong = {"continued_in": "x"} if key == last.successor else {}
                forge_link(bucket, key, b"", **before | wrong)
            else:
                forge(bucket, key)
            forged.append(key)
        bucket.time.now += timedelta(minutes=minutes)
        if cold:
            writer = bucket.sandbox()
        last = writer.append([record(number)], always)
    assert honest(bucket, forged) == list(range(1, len(forgeries) + 2))


def store_earlier_trail(bucket: Trail, **options: str) -> None:
    """As earlier releases wrote it, to the letter."""
    written = Path(__file__).with_name("earlier_trail.json").read_text(encoding="utf-8")
    for each in json.loads(written):
        body = base64.b64decode(each["body"])
        bucket.put_object(Key=each["key"], Body=body, Metadata=each["metadata"], **options)


def test_a_trail_of_earlier_releases_is_intact_and_goes_on(bucket: Trail) -> None:
    store_earlier_trail(bucket)
    assert finding(bucket) is None
    bucket.sandbox().append([record(1), record(2)], always)
    assert honest(bucket, []) == [1, 2]


# A part of it


@pytest.fixture
def hours(bucket: Trail) -> Hours:
    """The objects of a good trail by hour: 8 (and the origin), 9, 11 and 12, of which the last two
    stand in one that an hour's first records opened."""
    for number, hour in enumerate((8, 8, 9, 9, 9, 11, 12, 12), 1):
        bucket.time.now = START.replace(hour=hour)
        bucket.writer.append([record(number)], always)
    return {
        hour: [key for key in bucket.keys if f"/hour={hour:02}/" in key] for hour in (8, 9, 11, 12)
    }


def part(bucket: Trail, first: int, last: int = 0) -> Report:
    return Verifier(bucket, "audit").verify(
        first=f"{HOUR[:-2]}{first:02}", last=f"{HOUR[:-2]}{last or first:02}"
    )


def fault(report: Report) -> tuple[str, str]:
    assert report.finding
    return report.finding.fault, report.finding.key


@pytest.mark.parametrize(("first", "last"), [(8, 9), (9, 9), (9, 11), (10, 11), (9, 10), (0, 11)])
def test_a_part_is_vouched_for_by_what_follows_it(
    bucket: Trail, hours: Hours, first: int, last: int
) -> None:
    report = part(bucket, first, last)
    within = [key for hour, keys in hours.items() if first <= hour <= last for key in keys]
    after = next(key for hour, keys in hours.items() if hour > last for key in keys)
    assert report.finding is None
    assert (report.objects, report.last_key) == (len(within), within[-1])
    assert report.followed_by == after


@pytest.mark.parametrize("erased", [slice(0, 1), slice(0, 2), slice(0, 3), slice(-1, None)])
@pytest.mark.parametrize("gone", ["erase", "delete"])
def test_objects_that_are_gone_from_a_parts_beginning_or_end_are_missed(
    bucket: Trail, hours: Hours, erased: slice, gone: str
) -> None:
    for key in hours[9][erased]:
        getattr(bucket, gone)(key)
    what, where = fault(part(bucket, 9))
    assert (what, where in hours[9][erased]) == ("missing" if gone == "erase" else "deleted", True)


@pytest.mark.parametrize(("first", "last"), [(9, 9), (9, 11), (9, 10), (8, 9), (9, 12)])
def test_a_whole_hour_that_is_gone_is_missed(
    bucket: Trail, hours: Hours, first: int, last: int
) -> None:
    for key in hours[9]:
        bucket.erase(key)
    what, where = fault(part(bucket, first, last))
    assert (what, where in hours[9]) == ("missing", True)


def test_an_hour_in_which_nothing_was_stored_is_vouched_for_by_its_neighbours(
    bucket: Trail, hours: Hours
) -> None:
    report = part(bucket, 10)
    assert (report.objects, report.finding) == (0, None)
    assert report.followed_by == hours[11][0]
    bucket.erase(hours[9][-1])
    assert fault(part(bucket, 10)) == ("missing", hours[9][-1])


def test_before_the_trail_began_there_is_nothing(bucket: Trail, hours: Hours) -> None:
    long_ago = "year=1960/month=01/day=01/hour=00"
    for last, objects in ((long_ago, 0), (HOUR, 1 + len(hours[8]))):
        report = Verifier(bucket, "audit").verify(first=long_ago, last=last)
        assert (report.objects, report.finding) == (objects, None)
        assert report.followed_by
    bucket.erase(ORIGIN_KEY)
    assert found(bucket, first=long_ago) == ("missing", ORIGIN_KEY)


def test_a_part_at_the_trails_end_is_followed_by_nothing(bucket: Trail, hours: Hours) -> None:
    report = part(bucket, 12, 20)
    assert (report.objects, report.followed_by) == (len(hours[12]), "")
    report = part(bucket, 13, 20)
    assert (report.objects, report.followed_by, report.finding) == (0, "", None)
    bucket.erase(hours[12][-1])
    witness = sha256(bucket, hours[12][0])
    assert part(bucket, 12).finding is None
    assert found(bucket, first=f"{HOUR[:-2]}12", witness=witness[::-1])[0] == "truncated"


def test_all_that_is_gone_from_a_parts_edges_is_told(bucket: Trail, hours: Hours) -> None:
    gone = [*hours[9][:2], hours[9][-1]]
    for key in gone:
        bucket.erase(key)
    assert {one.key for one in part(bucket, 9).faults} == set(gone)
    meddle(bucket, hours[8][-1], "metadata")
    told = part(bucket, 9).faults
    numbers = {Link(key, {}).position for key in (hours[8][-1], *gone)}
    assert {Link(one.key, {}).position for one in told} == numbers
    assert (told[0].fault, told[0].key) == ("altered", hours[8][-1])
    assert {one.fault for one in told[1:]} == {"missing"}


@pytest.mark.parametrize("how", MEDDLING)
def test_a_part_is_walked_whole_behind_a_neighbour_that_is_wrong(
    bucket: Trail, hours: Hours, how: str
) -> None:
    """Of which no more is asked than that it is there, and is the one."""
    wrong = meddle(bucket, hours[8][-1], how)
    other = meddle(bucket, hours[9][1], "content")
    report = part(bucket, 9)
    assert faults(report) == (
        {other} if how.startswith(("content", "overwrite")) else {wrong, other}
    )
    assert report.followed_by == hours[11][0]


@pytest.mark.parametrize("what", ["before", "after"])
def test_the_neighbours_of_a_part_may_be_archived(bucket: Trail, hours: Hours, what: str) -> None:
    bucket.alter(hours[8][-1] if what == "before" else hours[11][0], Archived=True)
    report = part(bucket, 9)
    assert (report.finding, report.archived) == (None, 0)


def test_the_neighbour_before_a_part_must_be_what_the_part_says(
    bucket: Trail, hours: Hours
) -> None:
    before = hours[8][-1]
    metadata = bucket.get_object(Key=before)["Metadata"]
    told = {name: text for name, text in metadata.items() if name != "link-sha256"}
    bucket.alter(before, Metadata=told | {"stored-at": "2026-01-31T08:59:59.000000Z"})
    assert fault(part(bucket, 9)) == ("altered", before)
    resealed = Link.sealed(before, told | {"stored-at": "2026-01-31T08:59:59.000000Z"})
    bucket.alter(before, Metadata=dict(resealed.metadata))
    assert fault(part(bucket, 9)) == ("out_of_order", hours[9][0])
    bucket.delete(before)
    assert fault(part(bucket, 9)) == ("deleted", before)
    bucket.erase(before)
    assert fault(part(bucket, 9)) == ("missing", before)


def test_the_neighbour_after_a_part_must_name_its_last_object(bucket: Trail, hours: Hours) -> None:
    last = hours[9][-1]
    metadata = bucket.get_object(Key=last)["Metadata"]
    told = {name: text for name, text in metadata.items() if name != "link-sha256"}
    resealed = Link.sealed(last, told | {"stored-at": "2026-01-31T09:59:59.000000Z"})
    bucket.alter(last, Metadata=dict(resealed.metadata))
    assert fault(part(bucket, 9)) == ("out_of_order", hours[11][0])


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("hour=08/000000000009.ndjson.gz", False),
        ("hour=09/000000000000.ndjson.gz", True),
        ("hour=09/000000000009.ndjson.gz", True),
        ("hour=09/x", True),
        ("hour=10/000000000008.ndjson.gz", False),
        ("hour=11/000000000000.ndjson.gz", False),
    ],
)
def test_a_forged_object_at_a_parts_edge_hides_nothing(
    bucket: Trail, hours: Hours, name: str, named: bool, linked: bool
) -> None:
    forged = f"{HOUR[:-7]}{name}"
    if linked and is_link_key(forged):
        forge_link(bucket, forged)
    else:
        forge(bucket, forged)
    report = part(bucket, 9)
    assert [one.key for one in report.forged] == [forged] * named
    assert (report.objects, report.followed_by) == (len(hours[9]), hours[11][0])
    for key in (hours[9][0], hours[9][-1]):
        kept = bucket.versions.pop(key)
        assert fault(part(bucket, 9)) == ("missing", key)
        bucket.versions[key] = kept


def test_a_part_does_not_begin_with_a_forged_piece(bucket: Trail, hours: Hours) -> None:
    """Which begins before it, and goes on in it."""
    forged = [f"{HOUR}/{2:012}-{'0' * 16}.ndjson.gz", f"{HOUR[:-2]}09/{3:012}.ndjson.gz"]
    forge_link(bucket, forged[0], previous_key=hours[8][0], continued_in=f"{HOUR[:-2]}09")
    forge_link(bucket, forged[1], previous_key=forged[0], previous_sha256=sha256(bucket, forged[0]))
    report = part(bucket, 9)
    assert [one.key for one in report.forged] == forged[1:]
    assert (report.objects, report.followed_by) == (len(hours[9]), hours[11][0])


def test_what_comes_after_a_part_is_not_searched_to_its_end(
    bucket: Trail, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(bucket.writer, *range(20, 60))
    bucket.erase(hours[9][0])
    monkeypatch.setattr(verification, "_UNANCHORED", 5)
    bucket.reads.clear()
    assert fault(part(bucket, 9)) == ("missing", hours[9][0])
    assert len(bucket.reads) < 20


def test_a_part_that_ends_before_it_begins_is_refused() -> None:
    """It would be intact, without an object."""
    arguments = ["verify", "--bucket", "b", "--from", "2026-02-01", "--to", "2026-01-01"]
    asked = CliRunner().invoke(app, arguments)
    assert (asked.exit_code, "--to" in asked.output) == (2, True)
