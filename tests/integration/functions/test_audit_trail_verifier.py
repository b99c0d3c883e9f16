"""`python -m ops audit-trail verify` on a bucket of the emulator: it names what was altered.

Each fault by itself, at each place: tests/functions/test_audit_trail.py.
"""

from __future__ import annotations

import re
import shlex
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from audit_logger.trail import AuditTrail

from tests.command_line import Answer, operators_tool
from tests.environment import Environment
from tests.functions.bucket_in_memory import KEY
from tests.functions.test_audit_logger import record

START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Stored:
    """A trail in a bucket, and what the operator's tool tells of it."""

    environment: Environment
    client: Any
    name: str

    @property
    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name)["Contents"]
        return [each["Key"] for each in found]

    def _told(self, *options: str) -> Answer:
        bucket = ("--bucket", self.name)
        done = operators_tool(self.environment, "audit-trail", "verify", *bucket, *options)
        assert done.errors == ""
        return done

    def verify(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and what it printed."""
        done = self._told("--json", *options)
        return done.code, done.document

    def finding(self, *options: str) -> tuple[str, str]:
        code, report = self.verify(*options)
        assert (code, report["result"]) == (1, "broken")
        return report["finding"]["fault"], report["finding"]["key"]

    def shown(self) -> str:
        """What people are told."""
        return self._told().output

    def erase(self, key: str) -> None:
        version = self.client.head_object(Bucket=self.name, Key=key)["VersionId"]
        self.client.delete_object(Bucket=self.name, Key=key, VersionId=version)


@pytest.fixture
def trail(environment: Environment) -> Stored:
    """In a versioned bucket, with records in two hours: six objects."""
    client, name = environment.client("s3"), f"audit-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(1, 5):
        moment = START + timedelta(hours=number // 3)
        AuditTrail(client, name, KEY, lambda moment=moment: moment).append(  # type: ignore[misc]
            [record(number)], lambda: True
        )
    return Stored(environment, client, name)


def test_a_good_trail_is_intact(trail: Stored) -> None:
    code, report = trail.verify()
    assert (code, report["result"]) == (0, "intact")
    assert (report["objects"], report["records"]) == (6, 4)
    assert report["last_key"] == trail.keys[-1]


def test_all_faults_are_told_each_with_its_intact_version(trail: Stored) -> None:
    stored = trail.keys
    first = {
        key: trail.client.head_object(Bucket=trail.name, Key=key)["VersionId"] for key in stored
    }
    written = trail.client.get_object(Bucket=trail.name, Key=stored[1])["Body"].read()
    trail.client.delete_object(Bucket=trail.name, Key=stored[1])
    trail.client.delete_object(Bucket=trail.name, Key=stored[2], VersionId=first[stored[2]])
    trail.client.put_object(Bucket=trail.name, Key=stored[4], Body=b"other")
    code, report = trail.verify()
    assert (code, report["objects"], report["last_key"]) == (1, 3, stored[5])
    assert [(one["fault"], one["key"], one["intact"]) for one in report["faults"]] == [
        ("deleted", stored[1], first[stored[1]]),
        ("missing", stored[2], ""),
        ("overwritten", stored[4], first[stored[4]]),
    ]
    told = trail.shown()
    (command,) = re.findall(rf"aws (s3api get-object .*{stored[1]}.*) intact", told)
    options = dict(pairwise(shlex.split(command)))
    got = trail.client.get_object(
        Bucket=options["--bucket"], Key=options["--key"], VersionId=options["--version-id"]
    )
    assert got["Body"].read() == written


def test_what_operators_did_stands_beside_the_trail(trail: Stored) -> None:
    _, before = trail.verify()
    for _ in range(2):  # two versions, which no object of the trail may have
        trail.client.put_object(
            Bucket=trail.name, Key="operations/year=2026/begun.json", Body=b"{}"
        )
    assert trail.verify() == (0, before)


def test_a_cut_off_end_is_found_with_a_witness(trail: Stored) -> None:
    _, before = trail.verify()
    key = before["last_key"]
    trail.erase(key)
    assert trail.verify()[0] == 0
    witness = ("--witness", before["last_sha256"])
    assert trail.finding(*witness) == ("truncated", key)


def test_what_cannot_be_read_cannot_be_told(trail: Stored) -> None:
    code, report = replace(trail, name="no-such-bucket").verify()
    assert (code, report["result"]) == (2, "unknown")
    assert "NoSuchBucket" in report["error"]
    assert trail.verify("--from", "2030-01-01")[0] == 2


@pytest.mark.parametrize("position", [1, 3])
def test_what_is_gone_from_the_edges_of_a_part_is_missed(trail: Stored, position: int) -> None:
    hour = ("--from", "2026-01-31T08", "--to", "2026-01-31T08")
    code, report = trail.verify(*hour)
    assert (code, report["objects"]) == (0, 3)
    assert report["followed_by"] == trail.keys[4]
    gone = trail.keys[position]
    trail.erase(gone)
    assert trail.finding(*hour) == ("missing", gone)


def test_a_part_without_objects_is_intact_between_two_that_name_each_other(trail: Stored) -> None:
    before = ("--from", "2026-01-31T00", "--to", "2026-01-31T07")
    code, report = trail.verify(*before)
    assert (code, report["objects"], report["followed_by"]) == (0, 0, trail.keys[1])
    assert trail.verify("--from", "2026-01-31T10")[0] == 2


@pytest.mark.parametrize("cold", [True, False])
def test_a_forged_object_is_passed_by_and_named(trail: Stored, cold: bool) -> None:
    """Of the writer too, which a new sandbox finds in its way, and one that knows the trail."""
    now = START + timedelta(hours=1)
    writer = AuditTrail(trail.client, trail.name, KEY, lambda: now)
    writer.append([record(5)], lambda: True)
    end = trail.client.head_object(Bucket=trail.name, Key=trail.keys[-1])["Metadata"]
    hour = "year=2026/month=01/day=31/hour=09"
    forged = {
        f"{hour}/{7:012}.ndjson.gz": end,
        f"{hour}/{8:012}.ndjson.gz": {},
        "year=9999/month=12/day=31/hour=23/999999999999.ndjson.gz": end,
    }
    for key, metadata in forged.items():
        trail.client.put_object(
            Bucket=trail.name, Key=key, Body=b"x", Metadata=metadata, IfNoneMatch="*"
        )
    if cold:
        writer = AuditTrail(trail.client, trail.name, KEY, lambda: now)
    for number in (6, 7):
        assert writer.append([record(number)], lambda: True)
        assert writer.append([record(number)], lambda: True) is None
    code, report = trail.verify()
    assert (code, report["result"], report["records"]) == (1, "broken", 7)
    assert {one["key"]: one["fault"] for one in report["forged"]} == dict.fromkeys(forged, "forged")
    told = trail.shown()
    assert "Intact except 3 forged: 9 objects, 7 records" in told
    assert all(key in told for key in forged)


def test_people_are_told_that_an_end_cannot_be_proven(trail: Stored) -> None:
    assert "Nothing follows it" in trail.shown()
