"""What a failed first deployment has left: found, proven empty of business, and taken away.

The answers are in the form of the services' API references. The whole of it, against the embedded
environment: `local/drills/leftovers.py`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from pg8000.exceptions import DatabaseError, InterfaceError  # type: ignore[import-untyped]

from ops.console.failure import OpsError
from ops.leftovers import proof, search
from ops.leftovers.proof import proven
from ops.leftovers.removal import Journal, Removal, refuse_where_deployed
from ops.leftovers.search import Leftover
from ops.production import names
from ops.production.existing import Existing
from tests.ops import stubbed_aws
from tests.ops.stubbed_aws import as_clients

ROOT = "arn:aws:cloudformation:us-east-1:1:stack/PaymentsProd/1"
NESTED = "arn:aws:cloudformation:us-east-1:1:stack/PaymentsProd-Data/2"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Aws(stubbed_aws.Aws):
    def remembers(self, *states: str, nested: str = NESTED) -> None:
        """A root stack that went through some states."""
        summary = {"StackName": "PaymentsProd", "StackId": ROOT, "CreationTime": NOW}
        self.answers(
            "cloudformation",
            "list_stacks",
            {"StackSummaries": [{**summary, "StackStatus": states[-1]}]},
        )
        events = [event(ROOT, state) for state in states]
        self.answers(
            "cloudformation",
            "describe_stack_events",
            {"StackEvents": [*events, event(nested, "CREATE_COMPLETE")]},
        )


def event(physical_id: str, status: str) -> dict[str, Any]:
    return {
        "StackId": ROOT,
        "EventId": "1",
        "StackName": "PaymentsProd",
        "Timestamp": NOW,
        "ResourceType": "AWS::CloudFormation::Stack",
        "PhysicalResourceId": physical_id,
        "ResourceStatus": status,
    }


@pytest.fixture
def aws() -> Aws:
    return Aws()


def of(kind: str, name: str = "it", **more: Any) -> Leftover:
    return Leftover(kind=kind, name=name, found="tag", **{"owner": NESTED, **more})


def judged(aws: Aws, *leftovers: Leftover) -> list[Leftover]:
    return proven(as_clients(aws), leftovers)


# -- was it ever production? ---------------------------------------------------------------------


def test_what_a_stack_left_that_was_never_complete_may_be_empty(aws: Aws) -> None:
    aws.remembers("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED")
    (found,) = judged(aws, of("subnet group"))
    assert found.proven


@pytest.mark.parametrize("owner", [NESTED, ROOT, ""])
def test_what_production_left_is_never_proven(aws: Aws, owner: str) -> None:
    aws.remembers("CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED")
    (found,) = judged(aws, of("log group", owner=owner))
    assert not found.proven
    assert "was production" in found.evidence


def test_what_a_forgotten_stack_left_is_never_proven(aws: Aws) -> None:
    aws.remembers("ROLLBACK_FAILED", nested="another")
    (found,) = judged(aws, of("key"))
    assert not found.proven
    assert "no longer known" in found.evidence


def test_what_has_no_owner_is_not_proven_where_no_stack_is_known(aws: Aws) -> None:
    aws.answers("cloudformation", "list_stacks", {"StackSummaries": []})
    (found,) = judged(aws, of("table", owner=""))
    assert not found.proven


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "CREATE_IN_PROGRESS"]
)
def test_nothing_is_left_over_while_it_is_deployed(status: str) -> None:
    with pytest.raises(OpsError, match="it is deployed or being so"):
        refuse_where_deployed(status)


# -- is it empty? --------------------------------------------------------------------------------

ITEM = {"transaction_id": {"S": "1"}}


@pytest.mark.parametrize(
    ("answer", "empty"),
    [
        ({"Items": []}, True),
        ({"Items": [ITEM]}, False),
        ({"Items": [], "LastEvaluatedKey": ITEM}, False),
    ],
)
def test_a_table_is_empty_without_an_item(aws: Aws, answer: dict[str, Any], empty: bool) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("dynamodb", "scan", answer, {"TableName": "it", "Limit": 1, "ConsistentRead": True})
    (found,) = judged(aws, of("table"))
    assert found.proven is empty


@pytest.mark.parametrize("where", ["", "NotVisible", "Delayed"])
def test_a_queue_with_a_message_of_any_kind_is_not_empty(aws: Aws, where: str) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("sqs", "get_queue_url", {"QueueUrl": "https://queue"})
    kinds = ("", "NotVisible", "Delayed")
    counts = {f"ApproximateNumberOfMessages{kind}": str(int(kind == where)) for kind in kinds}
    aws.answers("sqs", "get_queue_attributes", {"Attributes": counts})
    (found,) = judged(aws, of("queue"))
    assert (found.proven, found.evidence) == (False, "1 messages")


@pytest.mark.parametrize("kind", ["Versions", "DeleteMarkers"])
def test_a_bucket_with_any_version_is_not_empty(aws: Aws, kind: str) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("s3", "list_object_versions", {kind: [{"Key": "a", "VersionId": "1"}]})
    (found,) = judged(aws, of("bucket", logical_id="AuditBucket78609D59"))
    assert not found.proven


def test_access_logs_are_no_business(aws: Aws) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("s3", "list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
    (found,) = judged(aws, of("bucket", logical_id="AuditBucketAccessLogs595C045C"))
    assert found.proven


def _raises(error: Exception) -> Any:
    def entries(*_: Any) -> int:
        raise error

    return entries


@pytest.mark.parametrize(("entries", "empty"), [(0, True), (2, False)])
def test_a_database_is_empty_without_an_entry(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, entries: int, empty: bool
) -> None:
    aws.remembers("ROLLBACK_FAILED")
    monkeypatch.setattr(proof, "_entries", lambda *_: entries)
    (found,) = judged(aws, of("database"))
    assert found.proven is empty


@pytest.mark.parametrize(("items", "empty"), [([], True), ([ITEM], False)])
def test_a_database_out_of_reach_is_as_empty_as_the_history(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, items: list[Any], empty: bool
) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("dynamodb", "scan", {"Items": items})
    monkeypatch.setattr(proof, "_entries", _raises(InterfaceError("timed out")))
    found = judged(aws, of("database"), of("table"))
    assert found[0].proven is empty


def test_a_database_that_cannot_be_counted_is_not_proven(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.remembers("ROLLBACK_FAILED")
    monkeypatch.setattr(proof, "_entries", _raises(DatabaseError("permission denied")))
    (found,) = judged(aws, of("database"))
    assert not found.proven


def test_a_logging_role_that_other_apis_use_stays(aws: Aws) -> None:
    aws.remembers("ROLLBACK_FAILED")
    aws.answers("apigateway", "get_account", {"cloudwatchRoleArn": "arn:aws:iam::1:role/it"})
    aws.answers("apigateway", "get_rest_apis", {"items": [{"id": "another"}]})
    (found,) = judged(aws, of("role"))
    assert not found.proven


# -- whose is it? --------------------------------------------------------------------------------


def test_stacks_that_wait_for_a_review_are_found_and_the_empty_record_is_not(aws: Aws) -> None:
    summaries = [
        {"StackName": name, "StackId": name, "CreationTime": NOW, "StackStatus": status}
        for name, status in (
            ("PaymentsProd", "ROLLBACK_COMPLETE"),
            ("PaymentsProd-DataNestedStack-1", "REVIEW_IN_PROGRESS"),
            ("PaymentsProd-DataNestedStack-0", "DELETE_COMPLETE"),
            ("PaymentsProdOfAnother", "REVIEW_IN_PROGRESS"),
        )
    ]
    aws.answers("cloudformation", "list_stacks", {"StackSummaries": summaries})
    found = list(search._stacks(as_clients(aws)))
    assert [each.name for each in found] == ["PaymentsProd-DataNestedStack-1"]


def test_only_interfaces_that_nobody_uses_in_its_network_are_found(aws: Aws) -> None:
    tag = {"Key": "aws:cloudformation:stack-name", "Value": "PaymentsProd-Network"}
    aws.answers(
        "ec2",
        "describe_vpcs",
        {"Vpcs": [{"VpcId": "vpc-ours", "Tags": [tag]}, {"VpcId": "vpc-other"}]},
    )
    interfaces = [
        {"NetworkInterfaceId": f"eni-{number}", "VpcId": vpc, "Status": status}
        for number, (vpc, status) in enumerate(
            [("vpc-ours", "available"), ("vpc-ours", "in-use"), ("vpc-other", "available")]
        )
    ]
    aws.answers("ec2", "describe_network_interfaces", {"NetworkInterfaces": interfaces})
    assert [each.name for each in search._interfaces(as_clients(aws))] == ["eni-0"]


def test_what_another_stack_made_is_its_own_whatever_its_name() -> None:
    others = {"aws:cloudformation:stack-name": "Other"}
    assert not list(search._from_tags("table", "payment-transactions", others, by_name=True))
    assert list(search._from_tags("table", "payment-transactions", {}, by_name=True))


# -- the removal ---------------------------------------------------------------------------------


def removal(aws: Aws, tmp_path: Path, told: list[str] | None = None) -> Removal:
    tell = [] if told is None else told
    journal = Journal(tmp_path / "record.jsonl", "arn:aws:iam::1:user/op", tell.append)
    return Removal(clients=as_clients(aws), journal=journal, wait=lambda _: None)


def test_a_database_is_unprotected_and_leaves_a_final_snapshot(aws: Aws, tmp_path: Path) -> None:
    instance = {"DBInstanceStatus": "available", "DeletionProtection": True}
    aws.answers("rds", "describe_db_instances", {"DBInstances": [instance]})
    aws.answers("rds", "modify_db_instance")
    aws.answers("rds", "delete_db_instance")
    aws.refuses("rds", "describe_db_instances", "DBInstanceNotFound")
    told: list[str] = []
    removal(aws, tmp_path, told).remove(
        [of("database", "payments-ledger", proven=True)], ["database"]
    )
    assert aws.asked == [
        "DescribeDBInstances", "ModifyDBInstance", "DeleteDBInstance", "DescribeDBInstances",
    ]  # fmt: skip
    assert "with the final snapshot payments-ledger-last-" in told[1]


def test_a_key_is_only_scheduled(aws: Aws, tmp_path: Path) -> None:
    aws.answers("kms", "schedule_key_deletion", {}, {"KeyId": "it", "PendingWindowInDays": 30})
    removal(aws, tmp_path).remove([of("key", proven=True)], ["key"])
    assert aws.asked == ["ScheduleKeyDeletion"]


def test_a_protected_stack_is_unprotected_and_deleted(aws: Aws, tmp_path: Path) -> None:
    stack = {
        "StackName": "PaymentsProd",
        "StackId": ROOT,
        "CreationTime": NOW,
        "StackStatus": "ROLLBACK_FAILED",
        "EnableTerminationProtection": True,
    }
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]})
    aws.answers("cloudformation", "update_termination_protection")
    aws.answers("cloudformation", "delete_stack", {}, {"StackName": ROOT})
    gone = {**stack, "StackStatus": "DELETE_COMPLETE"}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [gone]})
    removal(aws, tmp_path).remove([of("stack", ROOT, proven=True)], ["stack"])
    assert aws.asked[1:3] == ["UpdateTerminationProtection", "DeleteStack"]


def test_nothing_is_touched_that_is_not_proven_empty(aws: Aws, tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="it stays"):
        removal(aws, tmp_path).remove([of("key", evidence="?")], ["key"])
    assert aws.asked == []


def test_each_action_is_recorded_before_and_after(aws: Aws, tmp_path: Path) -> None:
    aws.answers("logs", "delete_log_group")
    aws.refuses("logs", "delete_log_group", "AccessDeniedException")
    groups = [of("log group", name, proven=True) for name in ("a", "bb")]
    with pytest.raises(ClientError):
        removal(aws, tmp_path).remove(groups, ["log group"])
    lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    states = [(line["action"], line["state"].partition(":")[0]) for line in lines]
    assert states == [
        ("delete log group a", "begun"), ("delete log group a", "done"),
        ("delete log group bb", "begun"), ("delete log group bb", "failed"),
    ]  # fmt: skip
    assert {line["operator"] for line in lines} == {"arn:aws:iam::1:user/op"}


def test_what_cannot_be_recorded_is_not_done(aws: Aws, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        removal(aws, tmp_path / "missing").remove([of("log group", proven=True)], ["log group"])
    assert aws.asked == []


# -- preflight leads there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "leads"), [("", True), ("ROLLBACK_FAILED", True), ("UPDATE_COMPLETE", False)]
)
def test_preflight_leads_there_where_a_name_is_taken(
    monkeypatch: pytest.MonkeyPatch, aws: Aws, status: str, leads: bool
) -> None:
    what, _, mend = names.TAKEN["AWS::Logs::LogGroup"]
    there = (what, lambda _, asked: asked, mend)
    monkeypatch.setattr(names, "TAKEN", {"AWS::Logs::LogGroup": there})
    needs = cast(Any, type("Needs", (), {"names": {"AWS::Logs::LogGroup": ["/a"]}}))
    (found,) = names.taken(as_clients(aws), "AWS::Logs::LogGroup", needs, Existing(status=status))
    assert ("python -m ops leftovers" in found.mend) is leads
