"""`python -m ops audit-trail verify` on a bucket of the emulator: it names what was altered.

Each fault by itself, at each place: tests/functions/test_audit_trail.py.
"""

from __future__ import annotations

import re
import shlex
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from audit_logger.trail import AuditTrail

from tests.command_line import operators_tool
from tests.environment import Environment
from tests.functions.bucket_in_memory import KEY
from tests.functions.test_audit_logger import record

START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


@pytest.fixture
def client(environment: Environment) -> Any:
    return environment.client("s3")


@pytest.fixture
def bucket(client: Any) -> str:
    """A versioned bucket with records in two hours: six objects."""
    name = f"audit-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(1, 5):
        moment = START + timedelta(hours=number // 3)
        AuditTrail(client, name, KEY, lambda moment=moment: moment).append(  # type: ignore[misc]
            [record(number)], lambda: True
        )
    return name


def keys(client: Any, bucket: str) -> list[str]:
    return [found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]]


def verify(environment: Environment, bucket: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and what it printed."""
    done = operators_tool(
        environment, "audit-trail", "verify", "--bucket", bucket, "--json", *options
    )
    assert done.errors == ""
    return done.code, done.document


def finding(environment: Environment, bucket: str, *options: str) -> tuple[str, str]:
    code, report = verify(environment, bucket, *options)
    assert (code, report["result"]) == (1, "broken")
    return report["finding"]["fault"], report["finding"]["key"]


def test_a_good_trail_is_intact(environment: Environment, client: Any, bucket: str) -> None:
    code, report = verify(environment, bucket)
    assert (code, report["result"]) == (0, "intact")
    assert (report["objects"], report["records"]) == (6, 4)
    assert report["last_key"] == keys(client, bucket)[-1]


def test_all_faults_are_told_each_with_its_intact_version(
    environment: Environment, client: Any, bucket: str
) -> None:
    stored = keys(client, bucket)
    first = {key: client.head_object(Bucket=bucket, Key=key)["VersionId"] for key in stored}
    written = client.get_object(Bucket=bucket, Key=stored[1])["Body"].read()
    client.delete_object(Bucket=bucket, Key=stored[1])
    client.delete_object(Bucket=bucket, Key=stored[2], VersionId=first[stored[2]])
    client.put_object(Bucket=bucket, Key=stored[4], Body=b"other")
    code, report = verify(environment, bucket)
    assert (code, report["objects"], report["last_key"]) == (1, 3, stored[5])
    assert [(one["fault"], one["key"], one["intact"]) for one in report["faults"]] == [
        ("deleted", stored[1], first[stored[1]]),
        ("missing", stored[2], ""),
        ("overwritten", stored[4], first[stored[4]]),
    ]
    told = shown(environment, bucket)
    (command,) = re.findall(rf"aws (s3api get-object .*{stored[1]}.*) intact", told)
    options = dict(pairwise(shlex.split(command)))
    got = client.get_object(
        Bucket=options["--bucket"], Key=options["--key"], VersionId=options["--version-id"]
    )
    assert got["Body"].read() == written


def test_what_operators_did_stands_beside_the_trail(
    environment: Environment, client: Any, bucket: str
) -> None:
    _, before = verify(environment, bucket)
    for _ in range(2):  # two versions, which no object of the trail may have
        client.put_object(Bucket=bucket, Key="operations/year=2026/begun.json", Body=b"{}")
    assert verify(environment, bucket) == (0, before)


def test_a_cut_off_end_is_found_with_a_witness(
    environment: Environment, client: Any, bucket: str
) -> None:
    _, before = verify(environment, bucket)
    key, version = before["last_key"], None
    version = client.head_object(Bucket=bucket, Key=key)["VersionId"]
    client.delete_object(Bucket=bucket, Key=key, VersionId=version)
    assert verify(environment, bucket)[0] == 0
    witness = ("--witness", before["last_sha256"])
    assert finding(environment, bucket, *witness) == ("truncated", key)


def test_what_cannot_be_read_cannot_be_told(environment: Environment, bucket: str) -> None:
    code, report = verify(environment, "no-such-bucket")
    assert (code, report["result"]) == (2, "unknown")
    assert "NoSuchBucket" in report["error"]
    assert verify(environment, bucket, "--from", "2030-01-01")[0] == 2


def erase(client: Any, bucket: str, key: str) -> None:
    version = client.head_object(Bucket=bucket, Key=key)["VersionId"]
    client.delete_object(Bucket=bucket, Key=key, VersionId=version)


@pytest.mark.parametrize("position", [1, 3])
def test_what_is_gone_from_the_edges_of_a_part_is_missed(
    environment: Environment, client: Any, bucket: str, position: int
) -> None:
    hour = ("--from", "2026-01-31T08", "--to", "2026-01-31T08")
    code, report = verify(environment, bucket, *hour)
    assert (code, report["objects"]) == (0, 3)
    assert report["followed_by"] == keys(client, bucket)[4]
    gone = keys(client, bucket)[position]
    erase(client, bucket, gone)
    assert finding(environment, bucket, *hour) == ("missing", gone)


def test_a_part_without_objects_is_intact_between_two_that_name_each_other(
    environment: Environment, client: Any, bucket: str
) -> None:
    before = ("--from", "2026-01-31T00", "--to", "2026-01-31T07")
    code, report = verify(environment, bucket, *before)
    assert (code, report["objects"], report["followed_by"]) == (0, 0, keys(client, bucket)[1])
    assert verify(environment, bucket, "--from", "2026-01-31T10")[0] == 2


@pytest.mark.parametrize("cold", [True, False])
def test_a_forged_object_is_passed_by_and_named(
    environment: Environment, client: Any, bucket: str, cold: bool
) -> None:
    """Of the writer too, which a new sandbox finds in its way, and one that knows the trail."""
    now = START + timedelta(hours=1)
    writer = AuditTrail(client, bucket, KEY, lambda: now)
    writer.append([record(5)], lambda: True)
    end = client.head_object(Bucket=bucket, Key=keys(client, bucket)[-1])["Metadata"]
    hour = "year=2026/month=01/day=31/hour=09"
    forged = {
        f"{hour}/{7:012}.ndjson.gz": end,
        f"{hour}/{8:012}.ndjson.gz": {},
        "year=9999/month=12/day=31/hour=23/999999999999.ndjson.gz": end,
    }
    for key, metadata in forged.items():
        client.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata=metadata, IfNoneMatch="*")
    if cold:
        writer = AuditTrail(client, bucket, KEY, lambda: now)
    for number in (6, 7):
        assert writer.append([record(number)], lambda: True)
        assert writer.append([record(number)], lambda: True) is None
    code, report = verify(environment, bucket)
    assert (code, report["result"], report["records"]) == (1, "broken", 7)
    assert {one["key"]: one["fault"] for one in report["forged"]} == dict.fromkeys(forged, "forged")
    told = shown(environment, bucket)
    assert "Intact except 3 forged: 9 objects, 7 records" in told
    assert all(key in told for key in forged)


def shown(environment: Environment, bucket: str) -> str:
    """What people are told."""
    done = operators_tool(environment, "audit-trail", "verify", "--bucket", bucket)
    assert done.errors == ""
    return done.output


def test_people_are_told_that_an_end_cannot_be_proven(
    environment: Environment, bucket: str
) -> None:
    assert "Nothing follows it" in shown(environment, bucket)
