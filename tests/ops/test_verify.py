"""Verify judges what AWS tells and the embedded environment does not, or never differently.

The answers are in the form of AWS's API references.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from assurance.assembly import NESTED_STACK
from ops.console import terminal
from ops.console.checks import Verdict
from ops.inspection import data, events, network, observability, policies, roles, subjects, tags
from ops.inspection.findings import Finding
from ops.inspection.subjects import Subjects
from ops.inspection.survey import question
from ops.production.stack import Resource
from ops.verify import command, stack
from tests.ops.stubbed_aws import Aws, as_clients

IN_ORDER = "alarms that tell the alerts topic, and when they should"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
KEY = "26a1131e-4391-44d2-bd32-836b172d57d7"


NOT_FOUND = "DBInstanceNotFound"


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
        (rule("-1", cidr="0.0.0.0/1"), Verdict.PROBLEM),
        (rule("tcp", 443, 443), Verdict.HELD),
        (rule("-1", cidr="10.0.0.0/16"), Verdict.HELD),
        (rule("-1", cidr="fd00::/8"), Verdict.HELD),
    ],
    ids=["all", "all of IPv6", "every port", "half of all", "https", "inside", "inside, of IPv6"],
)
def test_a_group_that_allows_all_outbound_is_found(
    aws: Aws, outgoing: dict[str, Any], verdict: Verdict
) -> None:
    has_groups(aws, group("sg-1", outgoing=[outgoing]))
    found = by_subject(network.rules(as_clients(aws), Subjects(database="ledger")))
    assert found["groups that allow all outbound traffic"].verdict is verdict


def group(name: str, **rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "GroupId": name,
        "GroupName": name,
        "IpPermissions": rules.get("incoming", []),
        "IpPermissionsEgress": rules.get("outgoing", []),
    }


def has_groups(aws: Aws, *groups: dict[str, Any], attached: str = "sg-1") -> None:
    """A VPC with these, in which the database stands."""
    placed = {
        "DBSubnetGroup": {"VpcId": "vpc-1"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": attached, "Status": "active"}],
        "Endpoint": {"Address": "ledger.example", "Port": 5432},
    }
    for _ in range(2):
        aws.answers("rds", "describe_db_instances", {"DBInstances": [placed]})
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": False}]})
    aws.answers("ec2", "describe_security_groups", {"SecurityGroups": list(groups)})


def from_group(source: str, port: int, protocol: str = "tcp") -> dict[str, Any]:
    pairs = [{"GroupId": source}]
    return {"IpProtocol": protocol, "FromPort": port, "ToPort": port, "UserIdGroupPairs": pairs}


PREFIX_LIST = {
    "IpProtocol": "-1",
    "PrefixListIds": [{"PrefixListId": "pl-1"}],
}


@pytest.mark.parametrize(
    ("incoming", "from_addresses", "besides"),
    [
        (from_group("sg-2", 5432), "none", "none"),
        (from_group("sg-9", 5432), "none", "sg-1: tcp/5432 from sg-9"),
        (from_group("sg-2", 22), "none", "sg-1: tcp/22 from sg-2"),
        (from_group("sg-2", 5432, "udp"), "none", "sg-1: udp/5432 from sg-2"),
        *(
            (one, f"sg-1 (sg-1): {what}", f"sg-1: {what}")
            for one, what in (
                (rule("tcp", 5432, 5432, cidr="203.0.113.7/32"), "tcp/5432 from 203.0.113.7/32"),
                (rule("tcp", 5000, 6000, cidr="10.0.0.0/8"), "tcp/5000-6000 from 10.0.0.0/8"),
                (rule("tcp", 5432, 5432, cidr="2001:db8::/32"), "tcp/5432 from 2001:db8::/32"),
                (PREFIX_LIST, "everything from pl-1"),
            )
        ),
    ],
)
def test_the_database_takes_postgresql_from_groups_of_the_deployment_only(
    aws: Aws, incoming: dict[str, Any], from_addresses: str, besides: str
) -> None:
    has_groups(aws, group("sg-1", incoming=[incoming]), group("sg-2"), group("sg-9"))
    found = by_subject(network.rules(as_clients(aws), of_groups("sg-1", "sg-2")))
    assert found["groups that take ingress from addresses"].found == from_addresses
    of_database = found["ingress of ledger besides PostgreSQL from groups of the deployment"]
    assert of_database.found == besides
    assert (of_database.verdict is Verdict.HELD) == (besides == "none")


def of_groups(*names: str) -> Subjects:
    type_ = "AWS::EC2::SecurityGroup"
    return Subjects(
        database="ledger",
        stack=[Resource(stack="N", logical_id=each, type=type_, name=each) for each in names],
    )


def test_a_group_of_the_database_that_is_not_of_the_deployment_is_told(aws: Aws) -> None:
    has_groups(aws, group("sg-1"), group("sg-9"), attached="sg-9")
    found = by_subject(network.rules(as_clients(aws), of_groups("sg-1")))
    of_database = found["ingress of ledger besides PostgreSQL from groups of the deployment"]
    assert of_database.found == "sg-9: a group that is not of the deployment"


def test_without_a_stack_the_groups_of_the_vpc_are_the_deployments(aws: Aws) -> None:
    has_groups(aws, group("sg-1", incoming=[from_group("sg-9", 5432)]), group("sg-9"))
    found = network.rules(as_clients(aws), Subjects(database="ledger"))
    assert {each.verdict for each in found} == {Verdict.HELD}


# -- R2 ----------------------------------------------------------------------------------------

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def has_nats(aws: Aws, *nats: dict[str, Any]) -> dict[str, Finding]:
    """A VPC with a public subnet in each zone, and these gateways."""
    placed = {"DBSubnetGroup": {"VpcId": "vpc-1", "Subnets": []}}
    for _ in range(2):
        aws.answers("rds", "describe_db_instances", {"DBInstances": [placed]})
    route = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}
    subnets_ = [{"SubnetId": f"s-{zone}", "AvailabilityZone": zone} for zone in ZONES]
    table = {"Routes": [route], "Associations": [{"SubnetId": s["SubnetId"]} for s in subnets_]}
    aws.answers("ec2", "describe_route_tables", {"RouteTables": [table]})
    aws.answers("ec2", "describe_subnets", {"Subnets": subnets_})
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": list(nats)})
    return by_subject(network.subnets(as_clients(aws), Subjects(database="ledger")))


def test_a_regional_nat_gateway_stands_in_no_subnet_and_serves_its_zones(aws: Aws) -> None:
    addresses = [{"AllocationId": f"eipalloc-{z}", "AvailabilityZone": z} for z in ZONES]
    regional = {
        "NatGatewayId": "nat-1",
        "State": "available",
        "AvailabilityMode": "regional",
        "AutoProvisionZones": "enabled",
        "NatGatewayAddresses": addresses,
    }
    told = has_nats(aws, regional)
    astray = told["NAT gateways outside public subnets"]
    assert (astray.verdict, astray.found) == (
        Verdict.PROBLEM,
        "nat-1 (regional: in no subnet)",
    )
    assert told["zones with a NAT gateway that works"].found == ", ".join(ZONES)


def test_a_nat_gateway_in_a_state_that_is_new_is_looked_at(aws: Aws) -> None:
    nats = [
        {"NatGatewayId": f"nat-{each}", "State": state, "SubnetId": f"s-{each}"}
        for each, state in zip((*ZONES, "gone"), ("available", "available", "resting", "deleted"),
                               strict=True)
    ]  # fmt: skip
    told = has_nats(aws, *nats)
    assert told["NAT gateways outside public subnets"].verdict is Verdict.HELD
    assert told["zones with a NAT gateway that works"].found == "us-east-1a, us-east-1b"


# -- R4, R5, R9 and R11 ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "call", "what", "mend"),
    [
        (
            *("AWS::RDS::DBInstance", ("rds", "describe_db_instances", NOT_FOUND)),
            *("database gone", "docs/runbooks/restore.md#the-ledgers-database-is-gone"),
        ),
        (
            *(
                "AWS::DynamoDB::Table",
                ("dynamodb", "describe_table", "ResourceNotFoundException"),
            ),
            *("table gone", "docs/runbooks/table-lost.md"),
        ),
    ],
)
def test_a_store_that_is_gone_is_told_once_and_never_to_be_deployed(
    aws: Aws, type_: str, call: tuple[str, str, str], what: str, mend: str
) -> None:
    aws.refuses(*call)
    resources = [
        Resource(stack="Data", logical_id="L", type=each, name="gone")
        for each in (type_, "AWS::SQS::Queue")
    ]
    stores: Any = {"database": "gone"} if "RDS" in type_ else {"table": "gone"}
    found = command._without_what_is_gone(as_clients(aws), Subjects(**stores, stack=resources))
    (told,) = found.missing
    assert (told.what, told.verdict) == (what, Verdict.PROBLEM)
    assert told.mend.startswith(mend)
    assert found == Subjects(stack=resources[1:], missing=[told])
    drift, _ = of_drift(aws, {**drifted("L", "DELETED"), "ResourceType": type_})
    assert mend in drift.mend
    assert "deploy once" not in drift.mend


def test_a_database_that_is_there_is_asked(aws: Aws) -> None:
    aws.answers("rds", "describe_db_instances", {"DBInstances": [{}]})
    resource = Resource(stack="D", logical_id="L", type="AWS::RDS::DBInstance", name="ledger")
    subjects = Subjects(database="ledger", stack=[resource], missing=[])
    assert command._without_what_is_gone(as_clients(aws), subjects) == subjects


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("available", Verdict.HELD),
        ("backing-up", Verdict.HELD),
        ("storage-full", Verdict.PROBLEM),
        ("stopped", Verdict.PROBLEM),
    ],
)
def test_a_database_that_cannot_be_reached_is_told(aws: Aws, status: str, verdict: Verdict) -> None:
    described = {
        "DBInstanceStatus": status,
        "Engine": "postgres",
        "DBInstanceClass": "db.t3.medium",
        "MultiAZ": True,
        "BackupRetentionPeriod": 30,
        "PubliclyAccessible": False,
        "StorageEncrypted": False,
    }
    aws.answers("rds", "describe_db_instances", {"DBInstances": [described]})
    told = by_subject(data.database(as_clients(aws), Subjects(database="ledger")))
    assert told["status of ledger"].verdict is verdict
    assert ("start-db-instance" in told["status of ledger"].mend) == (status == "stopped")


STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/history/stream/2026-11-01T00:00:00.000"


def mapping(state: str, source: str = STREAM, function: str = "logger:live") -> dict[str, Any]:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    return {"UUID": KEY, "State": state, "EventSourceArn": source, "FunctionArn": arn}


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([mapping("Enabled")], f"Enabled ({KEY})"),
        ([mapping("Enabled", function="logger")], f"Enabled ({KEY})"),
        ([mapping("Disabled")], f"Disabled ({KEY})"),
        ([mapping("Enabled", function="logger-2")], "no mapping"),
        ([mapping("Enabled", STREAM.replace("history", "history-2"))], "no mapping"),
        ([mapping("Enabled", STREAM.replace("2026", "2025"))], "no mapping"),  # before a restore
        ([], "no mapping"),
    ],
)
def test_a_stream_that_is_not_read_is_told(
    aws: Aws, listed: list[dict[str, Any]], found: str
) -> None:
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": listed})
    aws.answers("dynamodb", "describe_table", {"Table": {"LatestStreamArn": STREAM}})
    subjects = Subjects(table="history", functions={"audit-logger": "logger"})
    (told,) = events.mappings(as_clients(aws), subjects)
    assert (told.requirement, told.found) == ("R5", found)
    assert (told.verdict is Verdict.HELD) == found.startswith("Enabled")
    restored = [each for each in listed if "/history/stream/2025" in each["EventSourceArn"]]
    assert ("table-lost.md" in told.mend) == bool(restored)


@pytest.mark.parametrize(
    ("state", "result", "found", "mend"),
    [
        ("Enabled", "OK", "Enabled", ""),
        ("Enabled", "No records processed", "Enabled", ""),
        (
            "Enabled",
            "PROBLEM: Function call failed",
            "Enabled, but PROBLEM: Function call failed",
            "it is stalled",
        ),
        (
            "Enabled",
            "PROBLEM: Lambda failed to assume your function execution role.",
            "Enabled, but PROBLEM: Lambda failed to assume your function execution role.",
            "the role of logger",
        ),
        ("Updating", "OK", "Updating", "wait a minute"),
        ("Hibernating", "OK", "Hibernating", "update-event-source-mapping --enabled"),
    ],
)
def test_a_stalled_mapping_is_told_though_it_is_enabled(
    aws: Aws, state: str, result: str, found: str, mend: str
) -> None:
    listed = {**mapping(state), "LastProcessingResult": result}
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": [listed]})
    aws.answers("dynamodb", "describe_table", {"Table": {"LatestStreamArn": STREAM}})
    subjects = Subjects(table="history", functions={"audit-logger": "logger"})
    (told,) = events.mappings(as_clients(aws), subjects)
    assert told.found == f"{found} ({KEY})"
    assert (told.verdict is Verdict.HELD) == (found == "Enabled")
    assert mend in told.mend


@pytest.mark.parametrize(("queue", "found"), [("q", f"Enabled ({KEY})"), ("q-2", "no mapping")])
def test_a_retry_queue_that_is_not_read_is_told(aws: Aws, queue: str, found: str) -> None:
    read = mapping("Enabled", f"arn:aws:sqs:us-east-1:123456789012:{queue}", "processor:live")
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": [read]})
    functions = {"audit-logger": "logger", "payment-processor": "processor"}
    subjects = Subjects(queue="https://sqs.example/123456789012/q", functions=functions)
    (told,) = events.mappings(as_clients(aws), subjects)
    assert (told.requirement, told.found) == ("R11", found)


def test_an_event_rule_that_was_deleted_is_told(aws: Aws) -> None:
    listed = {"Name": "sweep", "State": "ENABLED", "ScheduleExpression": "rate(1 minute)"}
    aws.answers("events", "list_rules", {"Rules": [listed]})
    stack = [
        Resource(stack="C", logical_id=each, type="AWS::Events::Rule", name=each)
        for each in ("sweep", "key-deleted")
    ]
    sweep, deleted = events.rules(as_clients(aws), Subjects(stack=stack))
    assert (sweep.requirement, sweep.verdict) == ("R5", Verdict.HELD)
    assert (deleted.requirement, deleted.found) == ("R13", "deleted")


def test_a_table_without_a_stream_is_told(aws: Aws) -> None:
    described = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    aws.answers("dynamodb", "describe_table", {"Table": described})
    status = {"ContinuousBackupsStatus": "ENABLED"}
    aws.answers("dynamodb", "describe_continuous_backups", {"ContinuousBackupsDescription": status})
    told = by_subject(data.table(as_clients(aws), Subjects(table="history")))
    stream = told["stream of history, which the audit trail is written from"]
    assert (stream.found, stream.verdict) == ("no", Verdict.PROBLEM)


def test_nobody_is_told_to_deploy_what_is_gone_anew() -> None:
    mend = question("R4", "database", lambda: []).unanswered.mend
    assert "no deployment by itself brings it back" in mend


# -- whom a policy lets in ---------------------------------------------------------------------


def statement(**more: Any) -> dict[str, Any]:
    return {"Sid": "S", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", **more}


def when(operator: str, key: str, value: Any = "123456789012") -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (statement(), ["anybody: S (s3:GetObject)"]),
        (statement(Principal={"AWS": "*"}), ["anybody: S (s3:GetObject)"]),
        (statement(Principal={"AWS": ["arn:aws:iam::1:root", "*"]}), ["anybody: S (s3:GetObject)"]),
        (statement(**when("Bool", "aws:SecureTransport", "true")), ["anybody: S (s3:GetObject)"]),
        (statement(**when("StringNotEquals", "aws:SourceAccount")), ["anybody: S (s3:GetObject)"]),
        (
            statement(**when("StringEqualsIfExists", "aws:SourceAccount")),
            ["anybody: S (s3:GetObject)"],
        ),
        (statement(**when("StringLike", "aws:PrincipalArn", "*")), ["anybody: S (s3:GetObject)"]),
        (
            statement(**when("IpAddress", "aws:SourceIp", "0.0.0.0/0")),
            ["anybody: S (s3:GetObject)"],
        ),
        (statement(Effect="Deny"), []),
        (statement(Principal={"AWS": "arn:aws:iam::123456789012:root"}), []),
        (statement(Principal={"Service": "events.amazonaws.com"}), []),
        # SNS's own default
        (statement(Principal={"AWS": "*"}, **when("StringEquals", "AWS:SourceOwner")), []),
        (statement(**when("ArnLike", "AWS:SourceArn", "arn:aws:sns:us-east-1:1:t")), []),
    ],
)
def test_a_policy_that_lets_anybody_in_is_found(policy: dict[str, Any], found: list[str]) -> None:
    assert policies.opened({"Statement": policy}) == found
    assert policies.opened(json.dumps({"Statement": [policy]})) == found


def test_all_but_somebody_is_anybody() -> None:
    allowed = statement(NotPrincipal={"AWS": "arn:aws:iam::1:root"}, NotAction="s3:Put*")
    del allowed["Principal"], allowed["Action"]
    assert policies.opened({"Statement": [allowed]}) == ["anybody: S (all but s3:Put*)"]


PLAIN = when("Bool", "aws:SecureTransport", "false")


@pytest.mark.parametrize(
    ("change", "denied"),
    [
        ({}, True),
        ({"Action": "*"}, True),
        ({"Action": "s3:GetObject"}, False),
        ({"Effect": "Allow"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        (when("Bool", "aws:SecureTransport", "true"), False),
        (when("NumericLessThan", "s3:TlsVersion", 1.2), False),
        ({"Condition": {**PLAIN["Condition"], "Null": {"aws:SourceVpc": "true"}}}, False),
    ],
)
def test_plain_http_is_denied_by_a_statement_of_all(change: dict[str, Any], denied: bool) -> None:
    denial = statement(Effect="Deny", Action="s3:*", **PLAIN)
    document = {"Statement": [{**denial, **change}]}
    assert policies.denies_plain_http(document, "s3") is denied


def test_the_policies_of_a_function_and_of_its_aliases_are_read(aws: Aws) -> None:
    alias = {"Name": "live", "FunctionVersion": "1"}
    aws.answers("lambda", "list_aliases", {"Aliases": [alias]})
    aws.refuses("lambda", "get_policy", "ResourceNotFoundException")
    opening = json.dumps({"Statement": [statement(Action="lambda:InvokeFunction")]})
    aws.answers(
        "lambda", "get_policy", {"Policy": opening}, {"FunctionName": "f", "Qualifier": "live"}
    )
    (told,) = policies.of_functions(as_clients(aws), Subjects(others=["f"]))
    assert told.verdict is Verdict.PROBLEM
    assert told.found == "anybody: S (lambda:InvokeFunction)"


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
    aws.refuses("s3", "get_bucket_policy", "NoSuchBucketPolicy")
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
    assert ("To have it mailed anew" in subscription.mend) == (found == "pending")
    if found == "pending":
        assert f"confirm-subscription --authenticate-on-unsubscribe true --topic-arn {TOPIC}" in (
            subscription.mend
        )


def subscribed(aws: Aws, *endpoints: str, arn: str = f"{TOPIC}:1", **attributes: str) -> None:
    """All in the same state."""
    aws.answers("sns", "get_topic_attributes", {"Attributes": {}})
    listed = [{"SubscriptionArn": arn, "Protocol": "email", "Endpoint": each} for each in endpoints]
    aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": listed})
    for _ in endpoints if arn.startswith("arn:") else ():
        told = {"PendingConfirmation": "false", **attributes}
        aws.answers("sns", "get_subscription_attributes", {"Attributes": told})


LINKS = "subscriptions that anybody can end, by the link in each mail"


@pytest.mark.parametrize(("signed", "found"), [("true", "none"), ("false", "ops@company.com")])
def test_a_subscription_that_ends_without_a_sign_in_is_told(
    aws: Aws, signed: str, found: str
) -> None:
    subscribed(aws, "ops@company.com", ConfirmationWasAuthenticated=signed)
    told = by_subject(observability.alerts(as_clients(aws), Subjects(topic=TOPIC)))[LINKS]
    assert (told.requirement, told.found) == ("R13", found)
    assert (told.verdict is Verdict.HELD) == (found == "none")
    if found != "none":
        assert f"aws sns unsubscribe --subscription-arn {TOPIC}:1; aws sns subscribe" in told.mend
        assert "confirm-subscription --authenticate-on-unsubscribe true" in told.mend


def test_one_mailbox_alone_is_told_and_is_no_problem(aws: Aws) -> None:
    subscribed(aws, "ops@company.com", ConfirmationWasAuthenticated="true")
    told = by_subject(observability.alerts(as_clients(aws), Subjects(topic=TOPIC)))
    alone = told["confirmed subscribers of the alerts"]
    assert (alone.verdict, alone.found) == (Verdict.UNSEEN, "ops@company.com alone")
    subscribed(aws, "ops@company.com", "pager@company.com", ConfirmationWasAuthenticated="true")
    told = by_subject(observability.alerts(as_clients(aws), Subjects(topic=TOPIC)))
    assert told["confirmed subscribers of the alerts"].verdict is Verdict.HELD


def test_a_subscription_that_has_ended_is_told_as_that_and_nobody_is_there(aws: Aws) -> None:
    subscribed(aws, "ops@company.com", "thief@example.com", arn="Deleted")
    told = by_subject(observability.alerts(as_clients(aws), Subjects(topic=TOPIC)))
    assert told["subscription of ops@company.com"].found == "ended"
    assert told["subscription of ops@company.com"].verdict is Verdict.PROBLEM
    assert told["subscribers besides ops@company.com"].found == "none"


def test_an_address_that_was_deployed_is_no_stranger(aws: Aws) -> None:
    listed = [
        {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": endpoint}
        for endpoint in ("payments@company.com", "thief@example.com")
    ]
    type_, properties = "AWS::SNS::Subscription", {"Protocol": "email"}
    properties["Endpoint"] = "payments@company.com"
    template = {"Resources": {"S": {"Type": type_, "Properties": properties}}}
    aws.answers("sns", "get_topic_attributes", {"Attributes": {}})
    aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": listed})
    aws.answers("cloudformation", "get_template", {"TemplateBody": json.dumps(template)})
    resource = Resource(stack="PaymentsProd", logical_id="S", type=type_, name="s")
    subjects = Subjects(topic=TOPIC, stack=[resource])
    told = by_subject(observability.alerts(as_clients(aws), subjects))
    assert told["subscribers besides ops@company.com"].found == "email thief@example.com"


def alarm(name: str, namespace: str, metric: str, *actions: str) -> dict[str, Any]:
    named = {"Namespace": namespace, "MetricName": metric}
    told = {"AlarmActions": list(actions), "OKActions": list(actions)}
    return {"AlarmName": name, **told, **named}


def test_what_an_expression_is_calculated_from_is_watched(aws: Aws) -> None:
    rate = {
        "AlarmName": "client-errors",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
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
    assert found[IN_ORDER].found == "2 of 2"
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
    assert findings[IN_ORDER].found == found


def test_an_alarm_is_as_its_stacks_template_has_it(aws: Aws) -> None:
    connections = alarm("connections", "AWS/RDS", "DatabaseConnections", TOPIC)
    live = {**connections, "Threshold": 199.0, "EvaluationPeriods": 5, "Statistic": "Average"}
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [live]})
    declared = {
        **connections,
        "Threshold": "160",
        "EvaluationPeriods": 5,
        "Statistic": {"Ref": "Statistic"},
    }
    type_ = "AWS::CloudWatch::Alarm"
    template = {"Resources": {"A": {"Type": type_, "Properties": declared}}}
    asked = {"StackName": "arn:of:observability"}
    aws.answers("cloudformation", "get_template", {"TemplateBody": json.dumps(template)}, asked)
    stack = {
        "StackName": "O",
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": "Statistic", "ParameterValue": "Maximum"}],
    }
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]}, asked)
    subjects = Subjects(
        topic=TOPIC,
        alarms=["connections"],
        stack=[
            Resource(
                stack="PaymentsProd", logical_id="O", type=NESTED_STACK, name=asked["StackName"]
            ),
            Resource(stack="O", logical_id="A", type=type_, name="connections"),
        ],
    )
    found = by_subject(observability.alarms(as_clients(aws), subjects))
    told = found["alarm connections"]
    assert told.found == "Statistic Average; Threshold 199"
    assert told.needed == "Statistic Maximum; Threshold 160"
    assert told.mend == ".venv/bin/python -m ops alerts restore connections --yes"
    assert found[IN_ORDER].found == "0 of 1"


def test_all_that_is_wrong_with_an_alarm_is_told(aws: Aws) -> None:
    silent = {**alarm("cpu", "AWS/RDS", "CPUUtilization", TOPIC), "OKActions": []}
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [silent | OFF]})
    subjects = Subjects(topic=TOPIC, alarms=["cpu"])
    told = by_subject(observability.alarms(as_clients(aws), subjects))["alarm cpu"]
    assert told.found == "tells the alerts topic nothing of its recovery; switched off"
    assert "--ok-actions" in told.mend
    assert "enable-alarm-actions" in told.mend


OFF = {"ActionsEnabled": False}


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


@pytest.mark.parametrize("name", ["192.0.2.1", "192.0.2.1|eipalloc-1"])
def test_an_address_is_known_by_itself_or_with_its_allocation(aws: Aws, name: str) -> None:
    address = Resource(stack="N", logical_id="E", type="AWS::EC2::EIP", name=name)
    addresses = [{"PublicIp": "192.0.2.1", "AllocationId": "eipalloc-1"}]
    aws.answers("ec2", "describe_addresses", {"Addresses": addresses})
    told = [
        {"ResourceId": "eipalloc-1", "ResourceType": "elastic-ip", "Key": key, "Value": "x"}
        for key in ("Environment", "Team", "CostCenter")
    ]
    wanted = {"Filters": [{"Name": "resource-id", "Values": ["eipalloc-1"]}]}
    aws.answers("ec2", "describe_tags", {"Tags": told}, wanted)
    (summary,) = tags.of_resources(as_clients(aws), "123456789012", "N", [address], {})
    assert (summary.verdict, summary.found) == (Verdict.HELD, "1 of 1 that can be tagged")


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


OWN = "arn:aws:iam::123456789012:policy/own"
ADDED = "arn:aws:iam::123456789012:policy/added"
ON_ALL = {"Effect": "Allow", "Resource": "*"}


@pytest.mark.parametrize(
    ("attached", "stack", "allowed", "named"),
    [
        (OWN, {OWN}, {**ON_ALL, "Action": "xray:PutTraceSegments"}, {}),
        (OWN, {OWN}, {**ON_ALL, "Action": "dynamodb:ListStreams"}, {}),
        (
            OWN, {OWN}, {**ON_ALL, "Action": ["dynamodb:DeleteItem"]},
            {"data actions of r on every resource": "dynamodb:DeleteItem"},
        ),
        (
            ADDED, {OWN}, {**ON_ALL, "Action": "dynamodb:DeleteItem"},
            {"policies of r besides its own": f"attached {ADDED}"},
        ),
        (ADDED, None, {**ON_ALL, "Action": "ec2:DescribeSubnets"}, {}),
        (
            ADDED, None, {**ON_ALL, "Action": "sqs:PurgeQueue"},
            {"data actions of r on every resource": "sqs:PurgeQueue"},
        ),
    ],
)  # fmt: skip
def test_a_role_has_its_own_policies_and_no_data_of_all(
    aws: Aws, attached: str, stack: set[str] | None, allowed: dict[str, Any], named: dict[str, str]
) -> None:
    boundary = {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}
    aws.answers("iam", "get_role", {"Role": {"PermissionsBoundary": boundary, **_role("r")}})
    version = {"Document": json.dumps({"Statement": [allowed]}), "VersionId": "v1"}
    aws.answers("iam", "list_role_policies", {"PolicyNames": []})
    attaches(aws, attached)
    aws.answers("iam", "get_policy", {"Policy": {"Arn": attached, "DefaultVersionId": "v1"}})
    aws.answers("iam", "get_policy_version", {"PolicyVersion": version})
    attaches(aws, attached)
    if stack is not None:
        aws.answers("iam", "list_role_policies", {"PolicyNames": []})
        attaches(aws, attached)
    told = roles.of_role(as_clients(aws), "r", stack)
    assert {each.what: each.found for each in told if each.verdict is Verdict.PROBLEM} == named


def attaches(aws: Aws, arn: str) -> None:
    attached = [{"PolicyArn": arn, "PolicyName": "p"}]
    aws.answers("iam", "list_attached_role_policies", {"AttachedPolicies": attached})


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
    statuses = ("MODIFIED", "DELETED", "IN_SYNC", "NOT_CHECKED", None)
    listed = [summary("AWS::SQS::Queue", each) for each in statuses]
    listed.append(summary(NESTED_STACK, "IN_SYNC"))
    aws.answers("cloudformation", "list_stack_resources", {"StackResourceSummaries": listed})
    one, two, all_of_it = stack.drift(as_clients(aws), "D", "s")
    assert one.found == "/VisibilityTimeout is 31 instead of 180"
    assert "by hand" in one.mend
    assert two.found == "deleted"
    assert "deploy once without it" in two.mend
    assert (all_of_it.verdict, all_of_it.found) == (
        Verdict.PROBLEM,
        "DRIFTED, 3 of 5 resources compared",
    )


def summary(type_: str, drift: str | None) -> dict[str, Any]:
    told = {
        "LogicalResourceId": "R",
        "ResourceType": type_,
        "LastUpdatedTimestamp": 0,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    if drift is None:
        return told
    return {**told, "DriftInformation": {"StackResourceDriftStatus": drift}}


CLIENTS, LEDGER = "sg-0c11e4750000000a1", "sg-0dba5e0000000000b2"
HTTPS = {
    "CidrIp": "0.0.0.0/0",
    "Description": "AWS services over TLS",
    "FromPort": 443,
    "IpProtocol": "tcp",
    "ToPort": 443,
}
TO_LEDGER = {
    "Description": "PostgreSQL to the ledger's database",
    "DestinationSecurityGroupId": LEDGER,
    "FromPort": 5432,
    "IpProtocol": "tcp",
    "ToPort": 5432,
}
EGRESS = "AWS::EC2::SecurityGroupEgress"
GROUP = "AWS::EC2::SecurityGroup"


def reference(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "GroupId"]}


NETWORK = Subjects(
    stack=[
        Resource(stack="PaymentsProd", logical_id="N", type=NESTED_STACK, name="arn:of:network"),
        Resource(stack="N", logical_id="Clients", type=GROUP, name=CLIENTS),
        Resource(stack="N", logical_id="Ledger", type=GROUP, name=LEDGER),
        Resource(stack="N", logical_id="ToLedger", type=EGRESS, name="sgr-0fce759b9256d2f5c"),
    ]
)
OWN_RULE = {
    "Type": EGRESS,
    "Properties": {
        **TO_LEDGER,
        "GroupId": reference("Clients"),
        "DestinationSecurityGroupId": reference("Ledger"),
    },
}


def of_type(type_: str, *differences: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """As CloudFormation tells it (DescribeStackResourceDrifts): properties are JSON in a text."""
    return {
        **drifted("R"),
        "ResourceType": type_,
        "PropertyDifferences": list(differences),
        **{key: json.dumps(value) for key, value in properties.items()},
    }


def difference(path: str, expected: str, actual: str, kind: str = "NOT_EQUAL") -> dict[str, Any]:
    return {
        "PropertyPath": path,
        "ExpectedValue": expected,
        "ActualValue": actual,
        "DifferenceType": kind,
    }


def group_drift(*rules: dict[str, Any], more: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Of the clients' group, which has one rule in its own lines of the template."""
    added = [
        difference(f"/SecurityGroupEgress/{number}", "null", json.dumps(rule), "ADD")
        for number, rule in enumerate(rules)
    ]
    return {
        **of_type(
            GROUP,
            *added,
            *more,
            ExpectedProperties={"SecurityGroupEgress": [HTTPS], "VpcId": "vpc-1"},
            ActualProperties={"SecurityGroupEgress": list(rules), "VpcId": "vpc-1"},
        ),
        "PhysicalResourceId": CLIENTS,
    }


def of_drift(aws: Aws, *drifts: dict[str, Any], subjects: Subjects = NETWORK) -> list[Finding]:
    """All that is told of it, the summary last."""
    detects(aws, "DETECTION_COMPLETE")
    aws.answers(
        "cloudformation", "describe_stack_resource_drifts", {"StackResourceDrifts": list(drifts)}
    )
    if any(each["ResourceType"] == GROUP for each in drifts):
        body = json.dumps({"Resources": {"ToLedger": OWN_RULE}})
        aws.answers("cloudformation", "get_template", {"TemplateBody": body})
    aws.answers("cloudformation", "list_stack_resources", {"StackResourceSummaries": []})
    return list(stack.drift(as_clients(aws), "N", "s", subjects))


def test_a_rule_that_is_a_resource_of_its_own_is_no_drift_of_its_group(aws: Aws) -> None:
    own, summary_ = of_drift(aws, group_drift(TO_LEDGER, HTTPS))
    assert own.verdict is Verdict.HELD
    assert "it is a resource of its own in the template" in own.found
    assert own.mend == ""
    assert (summary_.verdict, summary_.found) == (
        Verdict.HELD,
        "DRIFTED by what is no drift only, 0 of 0 resources compared",
    )


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ((TO_LEDGER, HTTPS, {**HTTPS, "FromPort": 22, "ToPort": 22}), "has tcp/22 0.0.0.0/0"),
        (({**TO_LEDGER, "FromPort": 0}, HTTPS), f"has tcp/0-5432 {LEDGER}"),
        (({**TO_LEDGER, "DestinationSecurityGroupId": "sg-9"}, HTTPS), "has tcp/5432 sg-9"),
        ((TO_LEDGER, TO_LEDGER, HTTPS), f"has tcp/5432 {LEDGER}"),
        ((TO_LEDGER,), "lacks tcp/443 0.0.0.0/0"),
        ((TO_LEDGER, {**HTTPS, "Description": "temporary"}), "has tcp/443 0.0.0.0/0"),
    ],
    ids=["added", "wider", "to another", "twice", "removed", "another description"],
)
def test_a_real_difference_beside_it_is_told_and_never_how_to_cut_the_functions_off(
    aws: Aws, rules: tuple[dict[str, Any], ...], told: str
) -> None:
    *findings, summary_ = of_drift(aws, group_drift(*rules))
    (real,) = [each for each in findings if each.verdict is Verdict.PROBLEM]
    assert f"SecurityGroupEgress {told}" in real.found
    assert "change only the rule that is named here" in real.mend
    assert "without them the functions do not reach the database" in real.mend
    assert summary_.verdict is Verdict.PROBLEM
    for each in findings:
        assert "put it back" not in each.mend
        assert "revoke" not in each.mend


def test_another_property_of_the_same_group_is_told_too(aws: Aws) -> None:
    text = difference("/GroupDescription", "Functions", "mine")
    own, real, _ = of_drift(aws, group_drift(TO_LEDGER, HTTPS, more=(text,)))
    assert own.verdict is Verdict.HELD
    assert (real.verdict, real.found) == (
        Verdict.PROBLEM,
        "/GroupDescription is mine instead of Functions",
    )


def test_rules_in_a_shape_that_is_not_known_are_told_as_they_came_and_with_care(aws: Aws) -> None:
    drift = group_drift(TO_LEDGER, HTTPS)
    del drift["ActualProperties"], drift["ExpectedProperties"]
    told, summary_ = of_drift(aws, drift)
    assert told.verdict is summary_.verdict is Verdict.PROBLEM
    assert told.found.startswith("/SecurityGroupEgress/0 is ")
    assert "without them the functions do not reach the database" in told.mend


def test_a_key_that_was_revoked_is_never_to_be_put_back(aws: Aws) -> None:
    type_ = "AWS::ApiGateway::ApiKey"
    told, summary_ = of_drift(aws, of_type(type_, difference("/Enabled", "true", "false")))
    assert told.verdict is summary_.verdict is Verdict.HELD
    assert "never enable it again" in told.found
    other = difference("/Description", "the first", "mine")
    *_, real, summary_ = of_drift(aws, of_type(type_, other))
    assert real.verdict is summary_.verdict is Verdict.PROBLEM


def test_the_tags_of_a_stage_are_asked_of_api_gateway(aws: Aws) -> None:
    tag = difference("/Tags/0/Value", "payments", "null", "REMOVE")
    told, summary_ = of_drift(aws, of_type("AWS::ApiGateway::Stage", tag))
    assert told.verdict is Verdict.UNSEEN
    assert "R16 asks API Gateway" in told.found
    assert summary_.verdict is Verdict.HELD
    other = difference("/TracingEnabled", "true", "false")
    _, real, summary_ = of_drift(aws, of_type("AWS::ApiGateway::Stage", tag, other))
    assert real.found == "/TracingEnabled is false instead of true"
    assert real.verdict is summary_.verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("now", "most", "verdict"),
    [
        ("110", 1000, Verdict.HELD),
        ("1000", 1000, Verdict.HELD),
        ("1001", 1000, Verdict.PROBLEM),
        ("90", 1000, Verdict.PROBLEM),
        ("110", None, Verdict.PROBLEM),
    ],
)
def test_storage_that_rds_let_grow_is_no_drift(
    aws: Aws, now: str, most: int | None, verdict: Verdict
) -> None:
    grown = difference("/AllocatedStorage", "100", now)
    expected = {"AllocatedStorage": "100"} | ({"MaxAllocatedStorage": most} if most else {})
    drift = of_type("AWS::RDS::DBInstance", grown, ExpectedProperties=expected)
    told, summary_ = of_drift(aws, drift)
    assert told.verdict is summary_.verdict is verdict
    assert told.found.startswith(f"/AllocatedStorage is {now} instead of 100")
    assert ("it cannot shrink" in told.found) == (verdict is Verdict.HELD)


def test_a_status_of_drift_that_is_new_is_told_as_it_is(aws: Aws) -> None:
    unknown = {**drifted("R", "UNSURE"), "PhysicalResourceId": "p"}
    told, _ = of_drift(aws, unknown)
    assert (told.verdict, told.found) == (Verdict.PROBLEM, "unsure")


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
    unanswered = question("R1", "stack", list).unanswered
    for told in (unanswered, subjects._unlisted("R14", "alarms")):
        assert "ReadOnlyAccess" in told.mend
        assert "cloudformation:DetectStackDrift" in told.mend
        assert "cloudformation:BatchDescribeTypeConfigurations" in told.mend
        assert "verify again" in told.mend


@pytest.mark.parametrize(("every", "shown"), [(True, ["holds", "does not"]), (False, ["does not"])])
def test_what_holds_can_be_left_out_and_counts(
    every: bool, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Finding(requirement="R4", what=what, found="", verdict=verdict)
        for what, verdict in (("holds", Verdict.HELD), ("does not", Verdict.PROBLEM))
    ]
    command._show(terminal.out(), found, every=every)
    told = capsys.readouterr().out
    assert [what for what in ("holds", "does not") if what in told] == shown
    assert "1 held, 1 problem, 0 cannot be seen here" in told
