"""The audit trail: one chain, each record in it once, whatever happens to its writers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from audit_logger.link import ORIGIN_KEY
from audit_logger.records import sequence_numbers
from audit_logger.trail import AppendError, AuditTrail
from hypothesis import given
from hypothesis import strategies as st

from audit_trail.verification import Finding, Verifier
from tests.functions.bucket_in_memory import KEY, BucketInMemory, client_error
from tests.functions.test_audit_logger import record

# After the creation of every record that the tests make.
START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def always() -> bool:
    return True


class Clock:
    """Stands still, until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def bucket() -> BucketInMemory:
    return BucketInMemory()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(bucket: BucketInMemory, clock: Clock) -> AuditTrail:
    return AuditTrail(bucket, "audit", KEY, clock)


def stored(bucket: BucketInMemory) -> list[int]:
    """The numbers of all records, in the trail's order."""
    found: list[int] = []
    for key in bucket.keys:
        content = bucket.get_object(Key=key)["Body"].read()
        found += sorted(map(int, sequence_numbers(content)))
    return found


def finding(bucket: BucketInMemory, **options: str) -> Finding | None:
    return Verifier(bucket, "audit").verify(**options).finding


def found(bucket: BucketInMemory, **options: str) -> tuple[str, str]:
    """Fault and key of what the verifier found."""
    what = finding(bucket, **options)
    assert what is not None
    return what.fault, what.key


# Writing


def test_keys_are_hours_and_consecutive_numbers(bucket: BucketInMemory, trail: AuditTrail) -> None:
    trail.append([record(1)], always)
    trail.append([record(2)], always)
    assert bucket.keys == [
        ORIGIN_KEY,
        "year=2026/month=01/day=31/hour=08/000000000001.ndjson.gz",
        "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz",
    ]


def test_an_hour_ends_with_an_object_that_names_the_next(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    trail.append([record(1)], always)
    clock.now += timedelta(hours=3)
    trail.append([record(2)], always)
    assert bucket.keys[-2:] == [
        "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz",
        "year=2026/month=01/day=31/hour=11/000000000003.ndjson.gz",
    ]
    assert finding(bucket) is None


def test_a_writer_whose_clock_is_behind_stays_in_the_hour_that_was_begun(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    trail.append([record(1)], always)
    clock.now -= timedelta(hours=1)
    trail.append([record(2)], always)
    assert "/hour=08/" in bucket.keys[-1]
    assert finding(bucket) is None


def test_a_new_sandbox_goes_on_where_the_last_one_ended(bucket: BucketInMemory) -> None:
    for number, age in enumerate((0, 1, 30, 24 * 40), 1):
        clock = Clock()
        clock.now += timedelta(hours=age)
        AuditTrail(bucket, "audit", KEY, clock).append([record(number)], always)
    assert stored(bucket) == [1, 2, 3, 4]
    assert finding(bucket) is None


@pytest.mark.parametrize("again", [[1, 2, 3], [2], [2, 3, 4], [3, 4, 5]])
@pytest.mark.parametrize("same_sandbox", [True, False])
def test_a_redelivery_adds_only_what_is_new(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock, again: list[int], same_sandbox: bool
) -> None:
    for numbers in ([1, 2], [3]):
        trail.append([record(number) for number in numbers], always)
    writer = trail if same_sandbox else AuditTrail(bucket, "audit", KEY, clock)
    writer.append([record(number) for number in again], always)
    assert stored(bucket) == sorted({1, 2, 3, *again})


def append_each_minute(trail: AuditTrail, clock: Clock, records: int) -> list[dict[str, Any]]:
    """Records 1, 2 ..., each made and appended a minute after the one before."""
    changes = []
    for number in range(1, records + 1):
        clock.now += timedelta(minutes=1)
        change = record(number)
        change["dynamodb"]["ApproximateCreationDateTime"] = clock.now.timestamp()
        trail.append([change], always)
        changes.append(change)
    return changes


def test_a_late_redelivery_is_found_far_back(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    second = append_each_minute(trail, clock, 59)[1]
    assert trail.append([second], always) is None
    assert AuditTrail(bucket, "audit", KEY, clock).append([second], always) is None


def test_only_objects_that_can_hold_a_record_are_searched_for_it(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    change = append_each_minute(trail, clock, 19)[-1]
    bucket.reads.clear()
    change["dynamodb"]["SequenceNumber"] = f"{20:021}"
    AuditTrail(bucket, "audit", KEY, clock).append([change], always)
    assert len(bucket.reads) == 2


def test_an_answer_of_s3_that_got_lost_makes_no_second_object(
    bucket: BucketInMemory, trail: AuditTrail
) -> None:
    """boto3 sends the request again, and the second one meets the first one's object."""
    trail.append([record(1)], always)
    put = bucket.put_object

    def twice(**request: Any) -> dict[str, Any]:
        put(**request)
        return put(**request)

    bucket.put_object = twice  # type: ignore[method-assign]
    assert trail.append([record(2)], always) is None
    assert stored(bucket) == [1, 2]


def test_a_writer_that_dies_before_it_stored_leaves_no_trace(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    trail.append([record(1)], always)

    def die() -> None:
        raise SystemExit

    bucket.before_put = die
    with pytest.raises(SystemExit):
        trail.append([record(2)], always)
    bucket.before_put = lambda: None
    AuditTrail(bucket, "audit", KEY, clock).append([record(2), record(3)], always)
    assert stored(bucket) == [1, 2, 3]
    assert finding(bucket) is None


def test_each_object_is_put_under_the_trails_key(bucket: BucketInMemory, trail: AuditTrail) -> None:
    """The bucket's policy refuses those that do not ask for it."""
    trail.append([record(1)], always)
    trail.append([record(2)], always)
    objects = [version for versions in bucket.versions.values() for version in versions if version]
    assert len(objects) >= 2
    assert {version["Key"] for version in objects} == {("aws:kms", KEY)}


def test_a_conflict_is_tried_again(bucket: BucketInMemory, trail: AuditTrail) -> None:
    def conflict_once() -> None:
        bucket.before_put = lambda: None
        raise client_error(409, "ConditionalRequestConflict")

    bucket.before_put = conflict_once
    trail.append([record(1)], always)
    assert stored(bucket) == [1]


def test_any_other_error_passes_through(bucket: BucketInMemory, trail: AuditTrail) -> None:
    def refuse() -> None:
        raise client_error(403, "AccessDenied")

    bucket.before_put = refuse
    with pytest.raises(Exception, match="AccessDenied"):
        trail.append([record(1)], always)


def test_without_time_a_batch_must_come_again(bucket: BucketInMemory, trail: AuditTrail) -> None:
    with pytest.raises(AppendError):
        trail.append([record(1)], lambda: False)
    assert bucket.keys == []


@pytest.mark.parametrize("others", [1, 3, 40])
def test_a_writer_that_others_overtook_goes_on_after_them(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock, others: int
) -> None:
    trail.append([record(1)], always)
    for number in range(2, 2 + others):
        AuditTrail(bucket, "audit", KEY, clock).append([record(number)], always)
    trail.append([record(2), record(100)], always)
    assert stored(bucket) == [*range(1, 2 + others), 100]
    assert finding(bucket) is None


def test_a_writer_far_behind_needs_no_more_than_two_tries(
    bucket: BucketInMemory, trail: AuditTrail, clock: Clock
) -> None:
    trail.append([record(1)], always)
    other = AuditTrail(bucket, "audit", KEY, clock)
    for number in range(2, 100):
        other.append([record(number)], always)
    clock.now += timedelta(minutes=1)
    change = record(100)
    change["dynamodb"]["ApproximateCreationDateTime"] = clock.now.timestamp()
    tries = iter([True, True])
    assert trail.append([change], lambda: next(tries, False))
    assert stored(bucket) == list(range(1, 101))


def test_an_object_of_somebody_else_does_not_stop_the_audit(
    bucket: BucketInMemory, trail: AuditTrail
) -> None:
    trail.append([record(1)], always)
    forged = "year=2026/month=01/day=31/hour=08/000000000002.ndjson.gz"
    bucket.put_object(Key=forged, Metadata={}, Body=b"x")
    trail.append([record(2)], always)
    assert len(bucket.keys) == 4
    assert found(bucket) == ("altered", forged)


def test_parallel_writers_make_one_chain_with_every_record_once(
    bucket: BucketInMemory, clock: Clock
) -> None:
    """Each thread is a shard; its batches overlap, as redelivered ones do."""
    start = threading.Barrier(5)
    failures: list[BaseException] = []

    def shard(first: int) -> None:
        writer = AuditTrail(bucket, "audit", KEY, clock)
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
    bucket, clock = BucketInMemory(), Clock()
    sandboxes = [AuditTrail(bucket, "audit", KEY, clock) for _ in range(3)]
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
            sandboxes[sandbox] = AuditTrail(bucket, "audit", KEY, clock)
        clock.now += timedelta(minutes=minutes)
    assert sorted(stored(bucket)) == sorted(delivered)
    assert not bucket.keys or finding(bucket) is None


# Verifying


@pytest.fixture
def keys(bucket: BucketInMemory, trail: AuditTrail, clock: Clock) -> list[str]:
    """Of a good trail: the origin, 1, 2, 3 (closing hour 8), 4, 5 in hour 9."""
    for number in (1, 2, 3, 4):
        if number == 3:
            clock.now += timedelta(hours=1)
        trail.append([record(number)], always)
    assert finding(bucket) is None
    return bucket.keys


def sha256(bucket: BucketInMemory, key: str) -> str:
    digest: str = bucket.get_object(Key=key)["Metadata"]["link-sha256"]
    return digest


def test_a_good_trail_is_counted(bucket: BucketInMemory, keys: list[str]) -> None:
    report = Verifier(bucket, "audit").verify()
    assert (report.objects, report.records, report.last_key) == (6, 4, keys[5])
    assert report.last_sha256 == sha256(bucket, keys[5])


@pytest.mark.parametrize("position", range(6))
def test_a_deleted_object_is_named(bucket: BucketInMemory, keys: list[str], position: int) -> None:
    bucket.delete(keys[position])
    assert found(bucket) == ("deleted", keys[position])


@pytest.mark.parametrize("position", range(5))
def test_an_erased_object_is_named(bucket: BucketInMemory, keys: list[str], position: int) -> None:
    bucket.erase(keys[position])
    assert found(bucket) == ("missing", keys[position])


@pytest.mark.parametrize("position", range(6))
def test_an_altered_content_is_named(
    bucket: BucketInMemory, keys: list[str], position: int
) -> None:
    bucket.alter(keys[position], Content=b"other")
    assert found(bucket) == ("altered", keys[position])


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("name", ["content-sha256", "stored-at", "previous-sha256", "link-sha256"])
def test_altered_metadata_are_named(
    bucket: BucketInMemory, keys: list[str], position: int, name: str
) -> None:
    metadata = bucket.get_object(Key=keys[position])["Metadata"]
    bucket.alter(keys[position], Metadata={**metadata, name: "f" * 64})
    assert found(bucket) == ("altered", keys[position])


@pytest.mark.parametrize("position", range(6))
def test_an_object_overwritten_even_with_itself_is_named(
    bucket: BucketInMemory, keys: list[str], position: int
) -> None:
    now = bucket.versions[keys[position]][-1]
    assert now is not None
    bucket.put_object(Key=keys[position], Metadata=now["Metadata"], Body=now["Content"])
    assert found(bucket) == ("overwritten", keys[position])


def test_an_original_put_back_over_a_forgery_is_still_named(
    bucket: BucketInMemory, keys: list[str]
) -> None:
    bucket.versions[keys[2]].insert(0, {"Metadata": {}, "Content": b"forged"})
    assert found(bucket) == ("overwritten", keys[2])


def test_objects_that_changed_places_are_named(bucket: BucketInMemory, keys: list[str]) -> None:
    one, other = keys[1], keys[2]
    bucket.versions[one], bucket.versions[other] = bucket.versions[other], bucket.versions[one]
    assert found(bucket) == ("altered", one)


def test_an_object_rewritten_with_its_own_chain_breaks_the_next_one(
    bucket: BucketInMemory, keys: list[str], clock: Clock
) -> None:
    """Whoever knows how the trail is written still cannot change what was written after."""
    forgery = BucketInMemory()
    for key in keys[:2]:
        forgery.versions[key] = bucket.versions[key]
    AuditTrail(forgery, "audit", KEY, lambda: START).append([record(77)], always)
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
def test_an_inserted_object_is_named(bucket: BucketInMemory, keys: list[str], forged: str) -> None:
    bucket.put_object(Key=forged, Metadata={}, Body=b"x")
    fault, key = found(bucket)
    assert forged in (key, getattr(finding(bucket), "detail", "").rpartition(" ")[2])
    assert fault in ("forged", "missing")


def test_a_trail_cut_off_at_its_end_needs_a_witness(
    bucket: BucketInMemory, keys: list[str]
) -> None:
    witness = sha256(bucket, keys[5])
    assert finding(bucket, witness=witness) is None
    bucket.erase(keys[5])
    assert finding(bucket) is None
    assert found(bucket, witness=witness) == ("truncated", keys[5])


def test_a_trail_written_anew_needs_a_witness(bucket: BucketInMemory, keys: list[str]) -> None:
    witness = sha256(bucket, keys[5])
    forgery = BucketInMemory()
    AuditTrail(forgery, "audit", KEY, lambda: START).append([record(77)], always)
    assert finding(forgery) is None
    assert found(forgery, witness=witness)[0] == "truncated"


def test_a_part_of_the_trail_is_verified_by_itself(bucket: BucketInMemory, keys: list[str]) -> None:
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
    bucket: BucketInMemory, keys: list[str]
) -> None:
    bucket.alter(keys[1], Archived=True)
    report = Verifier(bucket, "audit").verify()
    assert (report.archived, report.finding) == (1, None)
    bucket.alter(keys[1], Content=b"other")
    assert found(bucket) == ("altered", keys[1])
