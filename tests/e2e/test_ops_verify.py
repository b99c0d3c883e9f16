"""`python -m ops verify` against a deployed PaymentsProd: as it is, and with faults in it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local import aws
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import Seeded, ops, user
from tests.e2e.test_ops_preflight import nothing_in
from tests.environment import serving
from tests.probe import allow, document

Client = Callable[[str], Any]
Fault = Callable[[Client, Production], contextlib.AbstractContextManager[str]]
"""Makes a fault until the end of the block; yields how the finding that names it begins."""


def verify(production: Production, *arguments: str, **variables: str) -> Answer:
    return ops(production, "verify", "--no-drift", "--json", *arguments, **variables)


def resource(production: Production, type_: str, logical_id: str = "") -> str:
    """The physical id of a resource of the stack or of those nested in it."""
    cloudformation = production.client("cloudformation")
    stacks = ["PaymentsProd"]
    while stacks:
        for each in cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=stacks.pop()
        ):
            for found in each["StackResourceSummaries"]:
                if found["ResourceType"] == "AWS::CloudFormation::Stack":
                    stacks.append(found["PhysicalResourceId"])
                if found["ResourceType"] == type_ and logical_id in found["LogicalResourceId"]:
                    return str(found["PhysicalResourceId"])
    raise AssertionError(f"no {type_} {logical_id}")


# -- the faults ------------------------------------------------------------------------------

Subject = Callable[[Production], str]
Change = Callable[[Any, str, Any], Any]
"""By a client of the service, to the subject; what was there before is the last argument."""


def fault(
    what: str,
    service: str,
    subject: Subject,
    wrong: Change,
    right: Change,
    read: Callable[[Any, str], Any] = lambda api, name: None,
) -> Fault:
    """
    Args:
        what: how the finding that names it begins; {} is the subject's name.
        read: what was there before, for `right` to put back.
    """

    @contextlib.contextmanager
    def made(client: Client, production: Production) -> Iterator[str]:
        api, name = client(service), subject(production)
        before = read(api, name)
        wrong(api, name, before)
        try:
            yield what.format(name)
        finally:
            right(api, name, before)

    return made


def call(method: str, subject: str, **arguments: Any) -> Change:
    return lambda api, name, before: getattr(api, method)(**{subject: name}, **arguments)


def setting(
    what: str, service: str, of: Subject, method: str, subject: str, **values: tuple[Any, Any]
) -> Fault:
    """One call makes it wrong, and makes it right again: with the first values, and the second."""
    wrong, right = ({key: pair[n] for key, pair in values.items()} for n in (0, 1))
    return fault(what, service, of, call(method, subject, **wrong), call(method, subject, **right))


def named(name: str) -> Subject:
    return lambda production: name


def output(name: str) -> Subject:
    return lambda production: str(production.outputs[name])


def the(type_: str, logical_id: str = "") -> Subject:
    return lambda production: resource(production, f"AWS::{type_}", logical_id)


API, BUCKET, TOPIC = the("ApiGateway::RestApi"), output("AuditBucketName"), output("AlertsTopicArn")
ANYBODY = {"Sid": "QuickFix", "Effect": "Allow", "Principal": "*"}


def opened(policy: str, **statement: Any) -> str:
    """A policy with one more statement, which lets anybody in."""
    document = json.loads(policy)
    return json.dumps({**document, "Statement": [*document["Statement"], ANYBODY | statement]})


def group_rule(what: str, of: Subject, way: str, addresses: str, *ports: int) -> Fault:
    rule: dict[str, Any] = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": addresses}]}
    if ports:
        rule |= {"IpProtocol": "tcp", "FromPort": ports[0], "ToPort": ports[0]}
    wrong, right = (
        call(f"{verb}_security_group_{way}", "GroupId", IpPermissions=[rule])
        for verb in ("authorize", "revoke")
    )
    return fault(what, "ec2", of, wrong, right)


def default_group(production: Production) -> str:
    (group,) = production.client("ec2").describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [resource(production, "AWS::EC2::VPC")]},
            {"Name": "group-name", "Values": ["default"]},
        ]
    )["SecurityGroups"]
    return str(group["GroupId"])


def open_to(addresses: str, what: str = "groups that take ingress from addresses") -> Fault:
    of = the("EC2::SecurityGroup", "SecurityGroupsDatabase")
    return group_rule(what, of, "ingress", addresses, 5432)


def database(what: str, **values: tuple[Any, Any]) -> Fault:
    at_once = {"ApplyImmediately": (True, True), **values}
    of = the("RDS::DBInstance")
    return setting(what, "rds", of, "modify_db_instance", "DBInstanceIdentifier", **at_once)


def function(what: str, **values: tuple[int, int]) -> Fault:
    method = "update_function_configuration"
    return setting(what, "lambda", named("audit-logger"), method, "FunctionName", **values)


def reserved(name: str, wrong: Change) -> Fault:
    return fault(
        "reserved concurrency of {}",
        "lambda",
        named(name),
        wrong,
        lambda api, name, before: api.put_function_concurrency(FunctionName=name, **before),
        lambda api, name: {
            key: value
            for key, value in api.get_function_concurrency(FunctionName=name).items()
            if key == "ReservedConcurrentExecutions"
        },
    )


UNRESERVED = call("delete_function_concurrency", "FunctionName")
HARDLY = call("put_function_concurrency", "FunctionName", ReservedConcurrentExecutions=20)


def unmapped(function: str, what: str) -> Fault:
    def mapping(production: Production) -> str:
        functions = production.client("lambda")
        (found,) = [
            str(each["UUID"])
            for each in functions.list_event_source_mappings()["EventSourceMappings"]
            if f":{function}:" in each["FunctionArn"]
        ]
        return found

    told, method = f"{function} reads the {what}", "update_event_source_mapping"
    return setting(told, "lambda", mapping, method, "UUID", Enabled=(False, True))


def event_rule(logical_id: str) -> Fault:
    wrong, right = (call(f"{verb}_rule", "Name") for verb in ("disable", "enable"))
    return fault("event rule {}", "events", the("Events::Rule", logical_id), wrong, right)


FIX = {"Qualifier": "live", "StatementId": "quick-fix"}
called_by_anybody = fault(
    "who may call {}",
    "lambda",
    named("payment-validator"),
    call("add_permission", "FunctionName", **FIX, Action="lambda:InvokeFunction", Principal="*"),
    call("remove_permission", "FunctionName", **FIX),
)


@contextlib.contextmanager
def in_public_subnet(client: Client, production: Production) -> Iterator[str]:
    functions, name = client("lambda"), "payment-validator"
    former = functions.get_function_configuration(FunctionName=name)["VpcConfig"]
    groups = former["SecurityGroupIds"]

    def stand_in(subnets: list[str]) -> None:
        functions.update_function_configuration(
            FunctionName=name, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups}
        )

    stand_in([resource(production, "AWS::EC2::Subnet", "PublicSubnet1")])
    try:
        yield f"subnets of {name}"
    finally:
        stand_in(former["SubnetIds"])


def replaced(path: str, value: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": path, "value": value}]


@contextlib.contextmanager
def wrong_function(client: Client, production: Production) -> Iterator[str]:
    gateway = client("apigateway")
    where = {
        "restApiId": API(production),
        "resourceId": resource(production, "AWS::ApiGateway::Resource", "validate"),
        "httpMethod": "POST",
    }
    uri = gateway.get_integration(**where)["uri"]
    other = uri.replace("payment-validator", "audit-logger")
    gateway.update_integration(**where, patchOperations=replaced("/uri", other))
    try:
        yield "/validate leads to"
    finally:
        gateway.update_integration(**where, patchOperations=replaced("/uri", uri))


@contextlib.contextmanager
def without_api_key(client: Client, production: Production) -> Iterator[str]:
    where = {
        "restApiId": API(production),
        "resourceId": resource(production, "AWS::ApiGateway::Resource", "status"),
        "httpMethod": "GET",
    }
    update = client("apigateway").update_method
    update(**where, patchOperations=replaced("/apiKeyRequired", "false"))
    try:
        yield "methods without an API key"
    finally:
        update(**where, patchOperations=replaced("/apiKeyRequired", "true"))


def usage_plan(*wrong: dict[str, str]) -> Fault:
    return fault(
        "throttle of usage plan {}",
        "apigateway",
        the("ApiGateway::UsagePlan"),
        call("update_usage_plan", "usagePlanId", patchOperations=wrong),
        lambda api, plan, throttle: api.update_usage_plan(
            usagePlanId=plan,
            patchOperations=[
                patch
                for name, value in throttle.items()
                for patch in replaced(f"/throttle/{name}", f"{value:g}")
            ],
        ),
        lambda api, plan: api.get_usage_plan(usagePlanId=plan)["throttle"],
    )


generous_stage = setting(
    "configured throttle of */* in stage prod",
    "apigateway",
    API,
    "update_stage",
    "restApiId",
    stageName=("prod", "prod"),
    patchOperations=(
        replaced("/*/*/throttling/rateLimit", "5000"),
        replaced("/*/*/throttling/rateLimit", "100"),
    ),
)
without_firewall = fault(
    "web firewall of stage prod",
    "wafv2",
    lambda production: f"arn:aws:apigateway:us-east-1::/restapis/{API(production)}/stages/prod",
    call("disassociate_web_acl", "ResourceArn"),
    lambda api, stage, acl: api.associate_web_acl(WebACLArn=acl, ResourceArn=stage),
    lambda api, stage: api.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["ARN"],
)


def table(what: str, method: str, **values: tuple[Any, Any]) -> Fault:
    of = the("DynamoDB::Table")
    return setting(f"{what} of {{}}", "dynamodb", of, method, "TableName", **values)


def table_arn(production: Production) -> str:
    dynamodb, name = production.client("dynamodb"), the("DynamoDB::Table")(production)
    return str(dynamodb.describe_table(TableName=name)["Table"]["TableArn"])


untagged_table = fault(
    "tags of TransactionsTable",
    "dynamodb",
    table_arn,
    call("untag_resource", "ResourceArn", TagKeys=["CostCenter"]),
    lambda api, arn, tags: api.tag_resource(ResourceArn=arn, Tags=tags),
    lambda api, arn: [
        each
        for each in api.list_tags_of_resource(ResourceArn=arn)["Tags"]
        if each["Key"] == "CostCenter"
    ],
)
tag_of_development = setting(
    "tags of PaymentValidatorLogGroup",
    "logs",
    named(f"arn:aws:logs:us-east-1:{aws.ACCOUNT}:log-group:/aws/lambda/payment-validator"),
    "tag_resource",
    "resourceArn",
    tags=({"Environment": "development"}, {"Environment": "production"}),
)
untagged_nat_gateway = fault(
    "tags of NetworkVpcPublicSubnet2NATGateway",
    "ec2",
    the("EC2::NatGateway", "PublicSubnet2"),
    lambda ec2, name, _: ec2.delete_tags(Resources=[name], Tags=[{"Key": "Team"}]),
    lambda ec2, name, _: ec2.create_tags(
        Resources=[name], Tags=[{"Key": "Team", "Value": "payments"}]
    ),
)


def bucket(what: str, wrong: Change, kept: str, answered: str, put: str, name: str) -> Fault:
    """
    Args:
        kept: the method that reads what was there, and `answered`, where in its answer.
        put: the method that puts it back, and `name`, as what.
    """
    return fault(
        what,
        "s3",
        BUCKET,
        wrong,
        lambda s3, bucket, before: getattr(s3, put)(Bucket=bucket, **{name: before}),
        lambda s3, bucket: getattr(s3, kept)(Bucket=bucket)[answered],
    )


lifecycle_removed = fault(
    "{}: objects move to Glacier",
    "s3",
    BUCKET,
    call("delete_bucket_lifecycle", "Bucket"),
    lambda s3, name, rules: s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": rules}
    ),
    lambda s3, name: s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
)
public_access = bucket(
    "{}: public access",
    call("delete_public_access_block", "Bucket"),
    "get_public_access_block",
    "PublicAccessBlockConfiguration",
    "put_public_access_block",
    "PublicAccessBlockConfiguration",
)
AMAZONS = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
amazon_key = bucket(
    "encryption: objects of {}",
    call("put_bucket_encryption", "Bucket", ServerSideEncryptionConfiguration={"Rules": [AMAZONS]}),
    "get_bucket_encryption",
    "ServerSideEncryptionConfiguration",
    "put_bucket_encryption",
    "ServerSideEncryptionConfiguration",
)


def bucket_policy(what: str, wrong: Change) -> Fault:
    return bucket(what, wrong, "get_bucket_policy", "Policy", "put_bucket_policy", "Policy")


def without_plain_http(policy: str) -> str:
    document = json.loads(policy)
    kept = [each for each in document["Statement"] if "aws:SecureTransport" not in json.dumps(each)]
    return json.dumps({**document, "Statement": kept})


public_policy = bucket_policy(
    "{}: whom the policy lets in",
    lambda s3, name, policy: s3.put_bucket_policy(
        Bucket=name,
        Policy=opened(policy, Action="s3:GetObject", Resource=f"arn:aws:s3:::{name}/*"),
    ),
)
plain_http = bucket_policy(
    "{}: plain HTTP",
    lambda s3, name, policy: s3.put_bucket_policy(Bucket=name, Policy=without_plain_http(policy)),
)
policy_removed = bucket_policy("{}: plain HTTP", call("delete_bucket_policy", "Bucket"))


def retry_queue(what: str, name: str, wrong: int) -> Fault:
    return fault(
        f"messages of the retry queue are {what}",
        "sqs",
        output("RetryQueueUrl"),
        call("set_queue_attributes", "QueueUrl", Attributes={name: str(wrong)}),
        lambda sqs, url, former: sqs.set_queue_attributes(QueueUrl=url, Attributes=former),
        lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])[
            "Attributes"
        ],
    )


dashboard_without_cpu = fault(
    "{} shows RDS CPU utilization",
    "cloudwatch",
    output("DashboardName"),
    lambda api, name, body: api.put_dashboard(
        DashboardName=name, DashboardBody=body.replace("CPUUtilization", "FreeStorageSpace")
    ),
    lambda api, name, body: api.put_dashboard(DashboardName=name, DashboardBody=body),
    lambda api, name: api.get_dashboard(DashboardName=name)["DashboardBody"],
)


@contextlib.contextmanager
def no_subscription(client: Client, production: Production) -> Iterator[str]:
    sns, topic = client("sns"), TOPIC(production)
    (mail,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=mail["SubscriptionArn"])
    try:
        yield "subscription of ops@company.com"
    finally:
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=mail["Endpoint"])


@contextlib.contextmanager
def stranger_subscribed(client: Client, production: Production) -> Iterator[str]:
    sns, mail = client("sns"), {"Protocol": "email", "Endpoint": "stranger@example.com"}
    made = sns.subscribe(TopicArn=TOPIC(production), **mail, ReturnSubscriptionArn=True)
    try:
        yield "subscribers besides ops@company.com"
    finally:
        sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])


def topic_policy(sns: Any, topic: str, policy: str) -> None:
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


open_topic = fault(
    "whom the topic's policy lets in",
    "sns",
    TOPIC,
    lambda sns, topic, policy: topic_policy(
        sns,
        topic,
        opened(policy, Principal={"AWS": "*"}, Action="sns:Subscribe", Resource=topic),
    ),
    topic_policy,
    lambda sns, topic: sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"],
)


def alarm_settings(cloudwatch: Any, name: str) -> dict[str, Any]:
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    known = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    return {key: value for key, value in alarm.items() if key in known}


def altered_alarm(name: str, **wrong: Any) -> Fault:
    return fault(
        "alarm {}",
        "cloudwatch",
        named(name),
        lambda cloudwatch, _, settings: cloudwatch.put_metric_alarm(**{**settings, **wrong}),
        lambda cloudwatch, _, settings: cloudwatch.put_metric_alarm(**settings),
        alarm_settings,
    )


silent_alarm = fault(
    "alarm {}",
    "cloudwatch",
    named("payments-database-cpu"),
    lambda cloudwatch, name, _: cloudwatch.disable_alarm_actions(AlarmNames=[name]),
    lambda cloudwatch, name, _: cloudwatch.enable_alarm_actions(AlarmNames=[name]),
)
short_logs = setting(
    "log group {}",
    "logs",
    named("/payments/api-access"),
    "put_retention_policy",
    "logGroupName",
    retentionInDays=(30, 90),
)
undeclared_logs = fault(
    "log group {}",
    "logs",
    named("/aws/rds/instance/payments-ledger/iam-db-auth-error"),
    call("create_log_group", "logGroupName"),
    call("delete_log_group", "logGroupName"),
)
AUDIT_LOGGER, VALIDATOR = (the("IAM::Role", name) for name in ("AuditLogger", "PaymentValidator"))
without_boundary = fault(
    "permissions boundary of {}",
    "iam",
    AUDIT_LOGGER,
    call("delete_role_permissions_boundary", "RoleName"),
    lambda iam, role, arn: iam.put_role_permissions_boundary(
        RoleName=role, PermissionsBoundary=arn
    ),
    lambda iam, role: iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"][
        "PermissionsBoundaryArn"
    ],
)


def inline(what: str, role: Subject, action: str) -> Fault:
    statement = allow(action)
    fix = {"PolicyName": "quick-fix"}
    return fault(
        what,
        "iam",
        role,
        call("put_role_policy", "RoleName", **fix, PolicyDocument=document(statement)),
        call("delete_role_policy", "RoleName", **fix),
    )


@contextlib.contextmanager
def another_roles_policy(client: Client, production: Production) -> Iterator[str]:
    policy = resource(production, "AWS::IAM::ManagedPolicy", "ProductionSeal")
    attached = {"RoleName": AUDIT_LOGGER(production), "PolicyArn": policy}
    client("iam").attach_role_policy(**attached)
    try:
        yield f"policies of {attached['RoleName']}"
    finally:
        client("iam").detach_role_policy(**attached)


def key(what: str, verb: str, back: str, logical_id: str) -> Fault:
    return fault(what, "kms", the("KMS::Key", logical_id), call(verb, "KeyId"), call(back, "KeyId"))


def key_policy(kms: Any, key: str, policy: str) -> None:
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)


open_key = fault(
    "whom the policy of the key of the database lets in",
    "kms",
    the("KMS::Key", "LedgerDatabaseKey"),
    lambda kms, key, policy: key_policy(
        kms, key, opened(policy, Action="kms:Decrypt", Resource="*")
    ),
    key_policy,
    lambda kms, key: kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
)
stopped_database = fault(
    "status of {}",
    "rds",
    the("RDS::DBInstance"),
    call("stop_db_instance", "DBInstanceIdentifier"),
    call("start_db_instance", "DBInstanceIdentifier"),
)


FAULTS: dict[str, tuple[str, Fault]] = {
    "stack unprotected": (
        "R1",
        setting(
            "{} is protected against deletion", "cloudformation", named("PaymentsProd"),
            "update_termination_protection", "StackName", EnableTerminationProtection=(False, True),
        ),
    ),
    "function in a public subnet": ("R2", in_public_subnet),
    "default group with a rule": (
        "R3",
        group_rule("rules of the default group {}", default_group, "ingress", "10.0.0.0/8", 22),
    ),
    "database open to all": ("R3", open_to("0.0.0.0/0")),
    "database open to an address": ("R3", open_to("203.0.113.7/32")),
    "database open to half of all": ("R3", open_to("0.0.0.0/1", "ingress of payments-ledger")),
    "all outbound": (
        "R3",
        group_rule(
            "groups that allow all outbound traffic",
            the("EC2::SecurityGroup", "SecurityGroupsFunctions"), "egress", "0.0.0.0/0",
        ),
    ),
    "backups for a week": (
        "R4", database("automated backups of {}", BackupRetentionPeriod=(7, 30)),
    ),
    "database unprotected": (
        "R4", database("deletion protection of {}", DeletionProtection=(False, True)),
    ),
    "single zone": ("R4", database("Multi-AZ of {}", MultiAZ=(False, True))),
    "another class": (
        "R4", database("class of {}", DBInstanceClass=("db.t3.small", "db.t3.medium")),
    ),
    "small function": ("R5", function("memory of {}", MemorySize=(256, 512))),
    "short time limit": ("R5", function("time limit of {}", Timeout=(29, 30))),
    "little concurrency": ("R6", reserved("payment-processor", HARDLY)),
    "no concurrency": ("R6", reserved("payment-validator", UNRESERVED)),
    "audit stream not read": ("R5", unmapped("audit-logger", "stream")),
    "no sweep": ("R5", event_rule("OutboxSweep")),
    "no concurrency of another function": ("R6", reserved("payments-ledger-reader", UNRESERVED)),
    "path to another function": ("R7", wrong_function),
    "method without key": ("R8", without_api_key),
    "plan without throttle": ("R8", usage_plan({"op": "remove", "path": "/throttle"})),
    "stage of another rate": ("R8", generous_stage),
    "no firewall": ("R8", without_firewall),
    "no recovery": (
        "R9",
        table(
            "point-in-time recovery", "update_continuous_backups",
            PointInTimeRecoverySpecification=(
                {"PointInTimeRecoveryEnabled": False}, {"PointInTimeRecoveryEnabled": True},
            ),
        ),
    ),
    "table unprotected": (
        "R9", table("deletion protection", "update_table", DeletionProtectionEnabled=(False, True)),
    ),
    "no lifecycle": ("R10", lifecycle_removed),
    "public access": ("R10", public_access),
    "public policy": ("R10", public_policy),
    "plain HTTP": ("R10", plain_http),
    "bucket under Amazon's key": ("R10", amazon_key),
    "queue of four days": (
        "R11", retry_queue("kept", "MessageRetentionPeriod", 4 * 86_400),
    ),
    "seen while tried": (
        "R11", retry_queue("hidden while tried", "VisibilityTimeout", 30),
    ),
    "retry queue not read": ("R11", unmapped("payment-processor", "retry queue")),
    "dashboard without CPU": ("R12", dashboard_without_cpu),
    "no subscription": ("R13", no_subscription),
    "stranger subscribed": ("R13", stranger_subscribed),
    "topic open to anybody": ("R13", open_topic),
    "event of nobody's": ("R13", event_rule("EventsKeyDeleted")),
    "alarm without action": (
        "R14", altered_alarm("payments-undelivered-alerts-queue", AlarmActions=[]),
    ),
    "recovery is not told": ("R14", altered_alarm("payments-audit-failure-queue", OKActions=[])),
    "alarm at another threshold": (
        "R14", altered_alarm("payments-database-connections", Threshold=199.0),
    ),
    "alarm switched off": ("R14", silent_alarm),
    "logs for a month": ("R15", short_logs),
    "logs for ever": ("R15", undeclared_logs),
    "untagged table": ("R16", untagged_table),
    "untagged NAT gateway": ("R16", untagged_nat_gateway),
    "tag of development": ("R16", tag_of_development),
    "no boundary": ("R17", without_boundary),
    "wildcard": ("R17", inline("wildcard actions of {}", AUDIT_LOGGER, "s3:*")),
    "inline policy": ("R17", inline("policies of {}", VALIDATOR, "dynamodb:DeleteItem")),
    "attached policy": ("R17", another_roles_policy),
    "called by anybody": ("R17", called_by_anybody),
    "no rotation": (
        "R18",
        key(
            "rotation of the key of the database", "disable_key_rotation", "enable_key_rotation",
            "LedgerDatabaseKey",
        ),
    ),
    "key open to anybody": ("R18", open_key),
    "key disabled": (
        "R18", key("key of the ApplicationKey", "disable_key", "enable_key", "ApplicationKey"),
    ),
}  # fmt: skip

VALUES: dict[str, str] = {
    "database open to all": "tcp/5432 from 0.0.0.0/0",
    "database open to an address": "tcp/5432 from 203.0.113.7/32",
    "database open to half of all": "tcp/5432 from 0.0.0.0/1",
    "audit stream not read": "Disabled",
    "little concurrency": "20",
    "stage of another rate": "5000/s, burst 200",
    "public policy": "anybody: QuickFix (s3:GetObject)",
    "stranger subscribed": "email stranger@example.com",
    "topic open to anybody": "anybody: QuickFix (sns:Subscribe)",
    "event of nobody's": "DISABLED",
    "recovery is not told": "nothing of its recovery",
    "alarm at another threshold": "Threshold 199",
    "inline policy": "inline quick-fix (dynamodb:DeleteItem on *)",
    "attached policy": "ProductionSealProviderRolePolicy",
    "called by anybody": "anybody: quick-fix (lambda:InvokeFunction)",
    "key open to anybody": "anybody: QuickFix (kms:Decrypt)",
    "key disabled": "Disabled",
}
"""What the finding tells of a fault, where another value of it would be another fault."""

ALONE: dict[str, tuple[str, str, Fault]] = {
    "database stopped": ("R4", "stopped", stopped_database),
    "plan of another rate": (
        "R8", "5000/s, burst 200",
        usage_plan({"op": "replace", "path": "/throttle/rateLimit", "value": "5000"}),
    ),
    "no bucket policy": ("R10", "not denied: there is no bucket policy", policy_removed),
}  # fmt: skip
"""Faults that others would hide, with what is told of them."""


# -- what is found -----------------------------------------------------------------------------


def test_what_was_deployed_is_what_was_asked_for(production: Production) -> None:
    answer = verify(production)
    assert answer.code == 0, answer.problems
    checks = answer.document["checks"]
    assert {each["requirement"] for each in checks} == {f"R{number}" for number in range(1, 19)}
    unseen = [each["what"] for each in checks if each["verdict"] == "not seen"]
    # Alarms on expressions; metrics; tags of mappings, of CodeDeploy and of the budget; a second
    # subscriber; and whether the subscription that the template made takes a sign-in to end it.
    assert 5 <= len(unseen) <= 6, unseen


@pytest.fixture(scope="module")
def faulty(production: Production) -> Seeded:
    faults = {each: make(production.client, production) for each, (_, make) in FAULTS.items()}
    return Seeded.ask(faults, lambda: verify(production))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(faulty: Seeded, fault: str) -> None:
    (found,) = [
        each for each in faulty.answer.problems if each["what"].startswith(faulty.named[fault])
    ]
    assert found["requirement"] == FAULTS[fault][0]
    assert VALUES.get(fault, "") in found["found"]
    assert found["found"] != found["needed"]
    assert found["mend"]


@pytest.mark.parametrize("fault", ALONE)
def test_a_fault_that_others_would_hide_is_found(production: Production, fault: str) -> None:
    requirement, value, make = ALONE[fault]
    with make(production.client, production) as named:
        (found,) = verify(production).problems
    assert found["what"].startswith(named)
    assert (found["requirement"], found["found"]) == (requirement, value)
    assert found["mend"]


def test_nothing_else_is_told(faulty: Seeded) -> None:
    """But for what sums up, and for the key that the bucket is no longer under."""
    assert faulty.answer.code == 1
    told = [each["what"] for each in faulty.answer.problems]
    besides = [each for each in told if not each.startswith(tuple(faulty.named.values()))]
    assert sorted(besides) == [
        "alarms that tell the alerts topic, and when they should",
        "key of the audit bucket",
        "log groups kept 90 days, under a key of ours",
        "resources of ComputeNestedStack with all three tags",
        "resources of DataNestedStack with all three tags",
        "resources of NetworkNestedStack with all three tags",
    ]


def test_all_faults_are_gone_when_they_are_put_back(production: Production) -> None:
    answer = verify(production)
    assert answer.code == 0, answer.problems


COMPARED = "(IN_SYNC|DRIFTED), [1-9][0-9]* of [1-9][0-9]* resources compared"


def test_every_stack_is_asked_for_its_drift(production: Production) -> None:
    checks = ops(production, "verify", "--json").document["checks"]
    stacks = ("PaymentsProd", "NetworkNestedStack", "DataNestedStack", "ComputeNestedStack",
              "ObservabilityNestedStack")  # fmt: skip
    drift = {each["what"]: each["found"] for each in checks if each["what"].startswith("drift of")}
    found = {name: drift[f"drift of {name}"] for name in stacks}
    # Other tests make a key and a subscription anew, which then are not the stack's.
    states = {name: re.fullmatch(COMPARED, found[name]) for name in stacks}
    assert all(states.values()), found
    assert {states[name][1] for name in stacks[:3]} == {"IN_SYNC"}  # type: ignore[index]


def test_drift_is_found_and_the_property_named(production: Production) -> None:
    sqs, url = production.client("sqs"), production.outputs["RetryQueueUrl"]
    former = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "31"})
    try:
        answer = ops(production, "verify", "--json")
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=former["Attributes"])
    assert answer.code == 1
    (named,) = [each for each in answer.problems if "AWS::SQS::Queue" in each["what"]]
    assert "VisibilityTimeout is 31 instead of 180" in named["found"]


def test_what_may_not_be_read_does_not_pass(production: Production) -> None:
    with user(production, "kms:GetKeyRotationStatus") as variables:
        answer = verify(production, **variables)
    assert answer.code == 1
    (named,) = answer.problems
    assert (named["requirement"], named["what"]) == ("R18", "keys")
    assert "these credentials may not do it" in named["found"]


def test_people_get_a_table_for_each_requirement(production: Production) -> None:
    with short_logs(production.client, production):
        answer = ops(production, "verify", "--no-drift", COLUMNS="80")
    assert answer.code == 1
    lines = answer.output.splitlines()
    assert "R15 logs kept for 90 days" in lines
    assert any(line.startswith("log group /payments/api-access: aws logs put-") for line in lines)
    tables = [line for line in lines if line.startswith((" ", "✔"))]
    assert max(map(len, tables)) <= 80


# -- an environment that was made by hand --------------------------------------------------------


@pytest.fixture
def by_hand(production: Production) -> Iterator[None]:
    """The beginning of a development environment."""
    client = production.client
    client("dynamodb").create_table(
        TableName="dev-transactions",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("s3").create_bucket(Bucket="dev-audit-logs")
    queue = client("sqs").create_queue(QueueName="dev-retry")["QueueUrl"]
    client("logs").create_log_group(logGroupName="dev-application")
    try:
        yield
    finally:
        client("dynamodb").delete_table(TableName="dev-transactions")
        client("s3").delete_bucket(Bucket="dev-audit-logs")
        client("sqs").delete_queue(QueueUrl=queue)
        client("logs").delete_log_group(logGroupName="dev-application")


@pytest.mark.usefixtures("by_hand")
def test_by_prefix_the_report_is_the_list_of_what_is_to_be_done(production: Production) -> None:
    answer = verify(production, "--prefix", "dev-")
    assert answer.code == 1
    named = {(each["requirement"], each["what"]): each["found"] for each in answer.problems}
    expected = {
        ("R9", "name of the table"): "dev-transactions",
        ("R9", "partition key of dev-transactions"): "id (S)",
        ("R9", "sort key of dev-transactions"): "none",
        ("R9", "point-in-time recovery of dev-transactions"): "DISABLED",
        ("R9", "stream of dev-transactions, which the audit trail is written from"): "no",
        ("R10", "dev-audit-logs: plain HTTP"): "not denied: there is no bucket policy",
        ("R10", "dev-audit-logs: versioning"): "never switched on",
        ("R10", "dev-audit-logs: objects move to Glacier"): "never",
        ("R10", "dev-audit-logs: Object Lock"): "none",
        ("R11", "messages of the retry queue are kept"): "4 days",
        ("R11", "payments that are given up"): "no dead-letter queue: tried until they expire, "
        "then lost",
        ("R15", "log group dev-application"): "kept for ever",
        ("R4", "PostgreSQL instance"): "none that begins with dev-",
    }
    assert {key: named.get(key) for key in expected} == expected
    assert all(each["mend"] for each in answer.problems)


def test_by_name_any_resource_is_looked_at(production: Production) -> None:
    answer = verify(
        production,
        "--prefix=nothing-begins-so-",
        "--names=function-validator=payment-validator,database=payments-ledger",
    )
    assert answer.code == 1
    held = [each["what"] for each in answer.document["checks"] if each["verdict"] == "held"]
    assert {
        "memory of payment-validator",
        "reserved concurrency of payment-validator",
        "Multi-AZ of payments-ledger",
        "ingress of payments-ledger besides PostgreSQL from groups of the deployment",
    } <= set(held)
    missing = [each["what"] for each in answer.problems if each["needed"] == "one"]
    assert "function payment-processor" in missing
    assert "function payment-validator" not in missing


@pytest.mark.usefixtures("by_hand")
def test_what_may_not_be_listed_does_not_keep_the_rest_from_being_told(
    production: Production,
) -> None:
    with user(production, "rds:DescribeDBInstances", "logs:DescribeLogGroups") as variables:
        answer = verify(production, "--prefix", "dev-", **variables)
    assert answer.code == 1
    denied = {
        (each["requirement"], each["what"])
        for each in answer.problems
        if "these credentials may not do it" in each["found"]
    }
    assert {("R4", "PostgreSQL instance"), ("R15", "log groups")} <= denied
    assert "partition key of dev-transactions" in [each["what"] for each in answer.problems]


def test_without_the_stack_it_says_what_else_can_be_looked_at(tmp_path: Path) -> None:
    with serving(tmp_path) as environment:
        answer = ops(nothing_in(environment), "verify")
    answer.refuses("no stack PaymentsProd in us-east-1", "--prefix")
