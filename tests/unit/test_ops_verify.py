"""Verify judges what AWS tells and the embedded environment does not, or never differently.

The answers are in the form of AWS's API references.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from ops.checks import Verdict
from ops.production import Resource
from ops.verify import data, network, observability, roles, stack, subjects, tags
from ops.verify.command import _question
from ops.verify.findings import Finding
from ops.verify.subjects import Subjects
from tests.unit.test_ops_preflight import Aws, as_clients

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
KEY = "26a1131e-4391-44d2-bd32-836b172d57d7"


@pytest.fixture
def aws() -> Aws:
    return Aws()


def by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {each.what: each for each in findings}


def describes_key(aws: Aws, manager: str = "CUSTOMER") -> None:
    aws.answers(
        "kms",
        "describe_key",
        {"KeyMetadata": {"KeyId": KEY, "KeyManager": manager, "Description": "audit bucket"}},
    )


# -- R3 ----------------------------------------------------------------------------------------


def rule(protocol: str, *ports: int, cidr: str = "0.0.0.0/0") -> dict[str, Any]:
    found: dict[str, Any] = {"IpProtocol": protocol}
    if ports:
        found |= {"FromPort": ports[0], "ToPort": ports[1]}
    if ":" in cidr:
        return {**found, "Ipv6Ranges": [{"CidrIpv6": cidr}]}
    return {**found, "IpRanges": [{"CidrIp": cidr}]}


@pytest.mark.parametrize(
    ("outgoing", "verdict"),
    [
        (rule("-1"), Verdict.PROBLEM),
        (rule("-1", cidr="::/0"), Verdict.PROBLEM),
        (rule("tcp", 0, 65535), Verdict.PROBLEM),
        (rule("tcp", 443, 443), Verdict.HELD),
        (rule("-1", cidr="10.0.0.0/16"), Verdict.HELD),
    ],
    ids=["all", "all of IPv6", "every port", "https", "all inside"],
)
def test_a_group_that_allows_all_outbound_is_found(
    aws: Aws, outgoing: dict[str, Any], verdict: Verdict
) -> None:
    placed = {"DBSubnetGroup": {"VpcId": "vpc-1"}}
    aws.answers("rds", "describe_db_instances", {"DBInstances": [placed]})
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": False}]})
    group = {
        "GroupId": "sg-1",
        "GroupName": "functions",
        "IpPermissions": [],
        "IpPermissionsEgress": [outgoing],
    }
    aws.answers("ec2", "describe_security_groups", {"SecurityGroups": [group]})
    found = by_subject(network.rules(as_clients(aws), Subjects(database="ledger")))
    assert found["groups that allow all outbound traffic"].verdict is verdict


# -- R10 ---------------------------------------------------------------------------------------


def transition(
    days: int = 90, storage: str = "GLACIER", status: str = "Enabled", **filter_: Any
) -> dict[str, Any]:
    moved = [{"Days": days, "StorageClass": storage}]
    return {"ID": "1", "Status": status, "Filter": filter_, "Transitions": moved}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([transition()], "after 90 days"),
        ([transition(Prefix="")], "after 90 days"),
        ([transition(91)], "after 91 days"),
        ([transition(storage="GLACIER_IR")], "never"),
        ([transition(status="Disabled")], "never"),
        ([transition(Prefix="2025/")], "never"),
        ([transition(Tag={"Key": "old", "Value": "yes"})], "never"),
        ([transition(30), transition()], "after 30 days, after 90 days"),
    ],
)
def test_only_a_rule_of_all_objects_moves_them_to_glacier(
    aws: Aws, rules: list[dict[str, Any]], found: str
) -> None:
    aws.answers("s3", "get_bucket_lifecycle_configuration", {"Rules": rules})
    aws.refuses("s3", "get_public_access_block", "NoSuchPublicAccessBlockConfiguration")
    aws.answers("s3", "get_bucket_versioning", {})
    aws.refuses("s3", "get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
    aws.refuses("s3", "get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError")
    told = by_subject(data.bucket(as_clients(aws), Subjects(bucket="b")))
    glacier = told["b: objects move to Glacier"]
    assert glacier.found == found
    assert (glacier.verdict is Verdict.HELD) == (found == "after 90 days")
    assert told["b: public access"].found.startswith("not blocked: BlockPublicAcls, ")
    assert told["b: versioning"].found == "never switched on"
    assert told["encryption: objects of b"].found == "without a key of ours"


def test_awss_own_key_is_not_ours(aws: Aws) -> None:
    describes_key(aws, "AWS")
    found = data.encrypted(as_clients(aws), "R4", "storage", "alias/aws/rds", "copy it")
    assert (found.verdict, found.found) == (Verdict.PROBLEM, f"under AWS's own key {KEY}")


def test_a_key_of_ours_is_told_with_what_it_is_for(aws: Aws) -> None:
    describes_key(aws)
    found = data.encrypted(as_clients(aws), "R10", "objects", KEY, "")
    assert (found.verdict, found.found) == (Verdict.HELD, f"under {KEY} (audit bucket)")


# -- R12 to R14 --------------------------------------------------------------------------------


def test_a_dot_in_a_widget_stands_for_what_is_above_it(aws: Aws) -> None:
    metrics: list[list[Any]] = [
        ["AWS/Lambda", "Invocations", "FunctionName", "payment-validator"],
        ["AWS/RDS", "ReadLatency", "DBInstanceIdentifier", "one"],
        ["...", "another"],
        [".", "CPUUtilization"],
        [{"expression": "m1 / m2"}],
        ["Payments", "Latency"],
        ["AWS/ApiGateway", "."],
    ]
    body = {"widgets": [{"type": "text"}, {"type": "metric", "properties": {"metrics": metrics}}]}
    aws.answers("cloudwatch", "get_dashboard", {"DashboardBody": json.dumps(body)})
    found = observability.dashboard(as_clients(aws), Subjects(dashboard="d"))
    assert {each.what: each.found for each in found} == {
        "d shows API Gateway latency": "yes",
        "d shows Lambda error rates": "no",
        "d shows RDS CPU utilization": "yes",
    }


@pytest.mark.parametrize(
    ("arn", "attributes", "found"),
    [
        ("PendingConfirmation", {}, "pending"),
        (f"{TOPIC}:1", {"PendingConfirmation": "true"}, "pending"),
        (f"{TOPIC}:1", {"PendingConfirmation": "false"}, "confirmed"),
    ],
)
def test_a_subscription_must_be_confirmed(
    aws: Aws, arn: str, attributes: Mapping[str, str], found: str
) -> None:
    mail = {"SubscriptionArn": arn, "Protocol": "email", "Endpoint": "ops@company.com"}
    aws.answers("sns", "get_topic_attributes", {"Attributes": {}})
    aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": [mail]})
    if attributes:
        aws.answers("sns", "get_subscription_attributes", {"Attributes": attributes})
    told = by_subject(observability.alerts(as_clients(aws), Subjects(topic=TOPIC)))
    subscription = told["subscription of ops@company.com"]
    assert subscription.found == found
    assert (subscription.verdict is Verdict.HELD) == (found == "confirmed")
    assert ("follow the link" in subscription.mend) == (found == "pending")


def alarm(name: str, namespace: str, metric: str, *actions: str) -> dict[str, Any]:
    named = {"Namespace": namespace, "MetricName": metric}
    return {"AlarmName": name, "AlarmActions": list(actions), **named}


def test_what_an_expression_is_calculated_from_is_watched(aws: Aws) -> None:
    rate = {
        "AlarmName": "client-errors",
        "AlarmActions": [TOPIC],
        "Metrics": [
            {"Id": "rate", "Expression": "errors / calls"},
            {
                "Id": "errors",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/ApiGateway", "MetricName": "4XXError"},
                    "Period": 60,
                    "Stat": "Sum",
                },
            },
        ],
    }
    plain = alarm("cpu", "AWS/RDS", "CPUUtilization", TOPIC)
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [rate, plain]})
    subjects = Subjects(topic=TOPIC, alarms=["client-errors", "cpu"])
    found = by_subject(observability.alarms(as_clients(aws), subjects))
    assert found["alarms that tell the alerts topic"].found == "2 of 2"
    unwatched = found["critical metrics without an alarm"].found
    assert "AWS/ApiGateway 5XXError" in unwatched
    assert "4XXError" not in unwatched
    assert "CPUUtilization" not in unwatched


@pytest.mark.parametrize(("topic", "found"), [(TOPIC, "0 of 1"), ("", "1 of 1")])
def test_without_an_alerts_topic_any_action_will_do(aws: Aws, topic: str, found: str) -> None:
    told = alarm("cpu", "AWS/RDS", "CPUUtilization", "arn:aws:sns:us-east-1:123456789012:other")
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [told]})
    subjects = Subjects(topic=topic, alarms=["cpu"])
    findings = by_subject(observability.alarms(as_clients(aws), subjects))
    assert findings["alarms that tell the alerts topic"].found == found


# -- R16 and R17 -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "verdict", "told"),
    [
        ({"Environment": "production", "Team": "t", "CostCenter": "c"}, Verdict.HELD, ""),
        ({"Team": "t"}, Verdict.PROBLEM, "without CostCenter, Environment"),
        (
            {"Environment": "dev", "Team": "t", "CostCenter": "c"},
            Verdict.PROBLEM,
            "Environment is dev instead of production",
        ),
    ],
    ids=["as the stack", "some", "of another"],
)
def test_tags_are_the_stacks(aws: Aws, found: dict[str, str], verdict: Verdict, told: str) -> None:
    queue = Resource(stack="D", logical_id="Q", type="AWS::SQS::Queue", name="https://q")
    untaggable = Resource(stack="D", logical_id="P", type="AWS::SQS::QueuePolicy", name="p")
    aws.answers("sqs", "list_queue_tags", {"Tags": found})
    expected = {"Environment": "production", "Team": "t", "CostCenter": "c"}
    *faults, summary = tags.of_resources(
        as_clients(aws), "123456789012", "D", [queue, untaggable], expected
    )
    assert summary.verdict is verdict
    assert summary.found == f"{1 - len(faults)} of 1 that can be tagged"
    assert [(each.what, each.found) for each in faults] == (
        [("tags of Q (AWS::SQS::Queue)", told)] if told else []
    )


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"Effect": "Allow", "Action": ["s3:GetObject", "s3:Put*"]}, "s3:Put*"),
        ({"Effect": "Allow", "NotAction": "iam:*"}, "NotAction iam:*"),
        ({"Effect": "Deny", "Action": "*"}, ""),
        ({"Effect": "Allow", "Action": "s3:GetObject"}, ""),
    ],
)
def test_wildcards_are_found_in_what_a_role_may_do(
    aws: Aws, statement: dict[str, Any], found: str
) -> None:
    boundary = {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}
    role = {"PermissionsBoundary": boundary, **_role("r")}
    aws.answers("iam", "get_role", {"Role": role})
    aws.answers("iam", "list_role_policies", {"PolicyNames": ["own"]})
    aws.answers(
        "iam",
        "get_role_policy",
        # boto3 takes the text that AWS sends apart.
        {
            "RoleName": "r",
            "PolicyName": "own",
            "PolicyDocument": json.dumps({"Statement": statement}),
        },
    )
    for _ in range(2):
        aws.answers("iam", "list_attached_role_policies", {"AttachedPolicies": []})
    told = by_subject(roles.of_role(as_clients(aws), "r"))
    assert told.get("wildcard actions of r", _nothing()).found == found


def _role(name: str) -> dict[str, Any]:
    arn = f"arn:aws:iam::123456789012:role/{name}"
    return {"RoleName": name, "Path": "/", "RoleId": "A" * 20, "Arn": arn, "CreateDate": 0}


def _nothing() -> Finding:
    return Finding(requirement="R17", what="", found="", verdict=Verdict.HELD)


# -- drift -------------------------------------------------------------------------------------


def drifted(name: str, status: str = "MODIFIED") -> dict[str, Any]:
    difference = {
        "PropertyPath": "/VisibilityTimeout",
        "ExpectedValue": "180",
        "ActualValue": "31",
        "DifferenceType": "NOT_EQUAL",
    }
    return {
        "StackId": "s",
        "LogicalResourceId": name,
        "PhysicalResourceId": f"physical-{name}",
        "ResourceType": "AWS::SQS::Queue",
        "StackResourceDriftStatus": status,
        "PropertyDifferences": [difference] if status == "MODIFIED" else [],
        "Timestamp": 0,
    }


def detects(aws: Aws, status: str, drift: str = "DRIFTED") -> None:
    aws.answers("cloudformation", "detect_stack_drift", {"StackDriftDetectionId": "1"})
    told = {
        "StackId": "s",
        "StackDriftDetectionId": "1",
        "DetectionStatus": status,
        "Timestamp": 0,
        "StackDriftStatus": drift,
    }
    if status == "DETECTION_FAILED":
        told["DetectionStatusReason"] = "Failed to detect drift on resource [Queue]"
    aws.answers("cloudformation", "describe_stack_drift_detection_status", told)


def test_drift_of_every_page_is_told(aws: Aws) -> None:
    detects(aws, "DETECTION_COMPLETE")
    pages: list[dict[str, Any]] = [
        {"StackResourceDrifts": [drifted("One")], "NextToken": "more"},
        {"StackResourceDrifts": [drifted("Two", "DELETED")]},
    ]
    for page in pages:
        aws.answers("cloudformation", "describe_stack_resource_drifts", page)
    one, two, all_of_it = stack.drift(as_clients(aws), "D", "s")
    assert one.found == "/VisibilityTimeout is 31 instead of 180"
    assert "by hand" in one.mend
    assert two.found == "deleted"
    assert "import" in two.mend
    assert (all_of_it.verdict, all_of_it.found) == (Verdict.PROBLEM, "DRIFTED")


def test_drift_that_could_not_be_detected_does_not_pass(aws: Aws) -> None:
    detects(aws, "DETECTION_FAILED", "IN_SYNC")
    aws.answers("cloudformation", "describe_stack_resource_drifts", {"StackResourceDrifts": []})
    (found,) = stack.drift(as_clients(aws), "D", "s")
    assert found.verdict is Verdict.PROBLEM
    assert "Failed to detect drift on resource [Queue]" in found.found


def test_a_detection_that_is_under_way_is_waited_for_by_the_user(aws: Aws) -> None:
    aws.refuses("cloudformation", "detect_stack_drift", "OperationInProgressException")
    (found,) = stack.drift(as_clients(aws), "D", "s")
    assert found.verdict is Verdict.PROBLEM
    assert "verify again" in found.mend


def test_a_detection_is_not_waited_for_once_the_user_stopped(aws: Aws) -> None:
    detects(aws, "DETECTION_IN_PROGRESS")
    aws.stopped.set()
    assert list(stack.drift(as_clients(aws), "D", "s")) == []


# -- what could not be asked -------------------------------------------------------------------


def test_a_policy_that_may_read_all_of_it_is_named() -> None:
    unanswered = _question("R1", "stack", list).unanswered
    for told in (unanswered, subjects._unlisted("R14", "alarms")):
        assert "ReadOnlyAccess" in told.mend
        assert "cloudformation:DetectStackDrift" in told.mend
        assert "verify again" in told.mend
