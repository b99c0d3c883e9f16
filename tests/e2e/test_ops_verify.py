"""`python -m ops verify` against a deployed PaymentsProd: as it is, and with faults in it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import aws
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, user
from tests.e2e.test_ops_preflight import nothing_in
from tests.environment import serving

Client = Callable[[str], Any]
Fault = Callable[[Client, Production], contextlib.AbstractContextManager[str]]
"""Makes a fault until the end of the block; yields how the finding that names it begins."""


def verify(production: Production, *arguments: str, **variables: str) -> Answer:
    return ops(production, "verify", "--no-drift", "--json", *arguments, **variables)


def problems(answer: Answer) -> list[dict[str, str]]:
    return [each for each in answer.document["checks"] if each["verdict"] == "problem"]


def resource(production: Production, type_: str, logical_id: str = "") -> str:
    """The physical id of a resource of the stack or of those nested in it."""
    cloudformation = production.environment.client("cloudformation")
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


def vpc(production: Production) -> str:
    return resource(production, "AWS::EC2::VPC")


# -- the faults ------------------------------------------------------------------------------


@contextlib.contextmanager
def unprotected_stack(client: Client, production: Production) -> Iterator[str]:
    cloudformation = client("cloudformation")
    for enabled in (False, True):
        cloudformation.update_termination_protection(
            StackName="PaymentsProd", EnableTerminationProtection=enabled
        )
        if not enabled:
            yield "PaymentsProd is protected against deletion"


@contextlib.contextmanager
def default_group_with_a_rule(client: Client, production: Production) -> Iterator[str]:
    ec2 = client("ec2")
    (group,) = ec2.describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [vpc(production)]},
            {"Name": "group-name", "Values": ["default"]},
        ]
    )["SecurityGroups"]
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
             "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]  # fmt: skip
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rule)
    try:
        yield f"rules of the default group {group['GroupId']}"
    finally:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rule)


@contextlib.contextmanager
def all_outbound(client: Client, production: Production) -> Iterator[str]:
    ec2 = client("ec2")
    group = resource(production, "AWS::EC2::SecurityGroup", "SecurityGroupsFunctions")
    rule = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=rule)
    try:
        yield "groups that allow all outbound traffic"
    finally:
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rule)


def open_to(addresses: str, what: str) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        ec2 = client("ec2")
        group = resource(production, "AWS::EC2::SecurityGroup", "SecurityGroupsDatabase")
        rule = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
                 "IpRanges": [{"CidrIp": addresses}]}]  # fmt: skip
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
        try:
            yield what
        finally:
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)

    return fault


def database(what: str, **setting: tuple[Any, Any]) -> Fault:
    ((name, (wrong, right)),) = setting.items()

    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        rds = client("rds")
        identifier = resource(production, "AWS::RDS::DBInstance")

        def modify(value: Any) -> None:
            rds.modify_db_instance(
                DBInstanceIdentifier=identifier, ApplyImmediately=True, **{name: value}
            )

        modify(wrong)
        try:
            yield f"{what}{identifier}"
        finally:
            modify(right)

    return fault


def function(what: str, wrong: dict[str, int], right: dict[str, int]) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        update = client("lambda").update_function_configuration
        update(FunctionName="audit-logger", **wrong)
        try:
            yield what
        finally:
            update(FunctionName="audit-logger", **right)

    return fault


def unreserved(name: str) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        functions = client("lambda")
        reserved = functions.get_function_concurrency(FunctionName=name)
        functions.delete_function_concurrency(FunctionName=name)
        try:
            yield f"reserved concurrency of {name}"
        finally:
            functions.put_function_concurrency(
                FunctionName=name,
                ReservedConcurrentExecutions=reserved["ReservedConcurrentExecutions"],
            )

    return fault


@contextlib.contextmanager
def hardly_reserved(client: Client, production: Production) -> Iterator[str]:
    functions, name = client("lambda"), "payment-processor"
    former = functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]

    def reserve(number: int) -> None:
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=number)

    reserve(20)
    try:
        yield f"reserved concurrency of {name}"
    finally:
        reserve(former)


def unmapped(function: str, what: str) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        functions = client("lambda")
        (mapping,) = [
            each["UUID"]
            for each in functions.list_event_source_mappings()["EventSourceMappings"]
            if f":{function}:" in each["FunctionArn"]
        ]
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        try:
            yield f"{function} reads the {what}"
        finally:
            functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    return fault


def event_rule(logical_id: str) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        name = resource(production, "AWS::Events::Rule", logical_id)
        client("events").disable_rule(Name=name)
        try:
            yield f"event rule {name}"
        finally:
            client("events").enable_rule(Name=name)

    return fault


@contextlib.contextmanager
def called_by_anybody(client: Client, production: Production) -> Iterator[str]:
    functions, name = client("lambda"), "payment-validator"
    where = {"FunctionName": name, "Qualifier": "live", "StatementId": "quick-fix"}
    functions.add_permission(**where, Action="lambda:InvokeFunction", Principal="*")
    try:
        yield f"who may call {name}"
    finally:
        functions.remove_permission(**where)


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


@contextlib.contextmanager
def wrong_function(client: Client, production: Production) -> Iterator[str]:
    gateway, api = client("apigateway"), resource(production, "AWS::ApiGateway::RestApi")
    where = {
        "restApiId": api,
        "resourceId": resource(production, "AWS::ApiGateway::Resource", "validate"),
        "httpMethod": "POST",
    }
    uri = gateway.get_integration(**where)["uri"]

    def lead_to(value: str) -> None:
        patch = {"op": "replace", "path": "/uri", "value": value}
        gateway.update_integration(**where, patchOperations=[patch])

    lead_to(uri.replace("payment-validator", "audit-logger"))
    try:
        yield "/validate leads to"
    finally:
        lead_to(uri)


@contextlib.contextmanager
def without_api_key(client: Client, production: Production) -> Iterator[str]:
    gateway, api = client("apigateway"), resource(production, "AWS::ApiGateway::RestApi")
    status = resource(production, "AWS::ApiGateway::Resource", "status")

    def require(value: str) -> None:
        gateway.update_method(
            restApiId=api,
            resourceId=status,
            httpMethod="GET",
            patchOperations=[{"op": "replace", "path": "/apiKeyRequired", "value": value}],
        )

    require("false")
    try:
        yield "methods without an API key"
    finally:
        require("true")


def usage_plan(*wrong: dict[str, str]) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        gateway, plan = client("apigateway"), resource(production, "AWS::ApiGateway::UsagePlan")
        throttle = gateway.get_usage_plan(usagePlanId=plan)["throttle"]
        gateway.update_usage_plan(usagePlanId=plan, patchOperations=wrong)
        try:
            yield f"throttle of usage plan {plan}"
        finally:
            gateway.update_usage_plan(
                usagePlanId=plan,
                patchOperations=[
                    {"op": "replace", "path": f"/throttle/{name}", "value": f"{value:g}"}
                    for name, value in throttle.items()
                ],
            )

    return fault


@contextlib.contextmanager
def generous_stage(client: Client, production: Production) -> Iterator[str]:
    gateway, api = client("apigateway"), resource(production, "AWS::ApiGateway::RestApi")

    def allow(rate: str) -> None:
        patch = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": rate}
        gateway.update_stage(restApiId=api, stageName="prod", patchOperations=[patch])

    allow("5000")
    try:
        yield "configured throttle of */* in stage prod"
    finally:
        allow("100")


@contextlib.contextmanager
def without_firewall(client: Client, production: Production) -> Iterator[str]:
    waf, api = client("wafv2"), resource(production, "AWS::ApiGateway::RestApi")
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/prod"
    acl = waf.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["ARN"]
    waf.disassociate_web_acl(ResourceArn=stage)
    try:
        yield "web firewall of stage prod"
    finally:
        waf.associate_web_acl(WebACLArn=acl, ResourceArn=stage)


def table(what: str, wrong: Callable[[Any, str], Any], right: Callable[[Any, str], Any]) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        name = resource(production, "AWS::DynamoDB::Table")
        wrong(client("dynamodb"), name)
        try:
            yield f"{what} of {name}"
        finally:
            right(client("dynamodb"), name)

    return fault


def recovery(enabled: bool) -> Callable[[Any, str], Any]:
    return lambda dynamodb, name: dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
    )


def protection(enabled: bool) -> Callable[[Any, str], Any]:
    return lambda dynamodb, name: dynamodb.update_table(
        TableName=name, DeletionProtectionEnabled=enabled
    )


@contextlib.contextmanager
def untagged_table(client: Client, production: Production) -> Iterator[str]:
    dynamodb, name = client("dynamodb"), resource(production, "AWS::DynamoDB::Table")
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    (tag,) = [
        each
        for each in dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        if each["Key"] == "CostCenter"
    ]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["CostCenter"])
    try:
        yield "tags of TransactionsTable"
    finally:
        dynamodb.tag_resource(ResourceArn=arn, Tags=[tag])


@contextlib.contextmanager
def tag_of_development(client: Client, production: Production) -> Iterator[str]:
    logs, name = client("logs"), "/aws/lambda/payment-validator"
    arn = f"arn:aws:logs:us-east-1:{aws.ACCOUNT}:log-group:{name}"
    logs.tag_resource(resourceArn=arn, tags={"Environment": "development"})
    try:
        yield "tags of PaymentValidatorLogGroup"
    finally:
        logs.tag_resource(resourceArn=arn, tags={"Environment": "production"})


@contextlib.contextmanager
def untagged_nat_gateway(client: Client, production: Production) -> Iterator[str]:
    ec2, gateway = client("ec2"), resource(production, "AWS::EC2::NatGateway", "PublicSubnet2")
    ec2.delete_tags(Resources=[gateway], Tags=[{"Key": "Team"}])
    try:
        yield "tags of NetworkVpcPublicSubnet2NATGateway"
    finally:
        ec2.create_tags(Resources=[gateway], Tags=[{"Key": "Team", "Value": "payments"}])


def bucket(
    what: str, read: Callable[[Any, str], Any], wrong: Callable[[Any, str], Any],
    right: Callable[[Any, str, Any], Any],
) -> Fault:  # fmt: skip
    """
    Args:
        read: what was there, for `right` to put back.
    """

    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        name, s3 = production.deployment.outputs["AuditBucketName"], client("s3")
        former = read(s3, name)
        wrong(s3, name)
        try:
            yield what.format(name=name)
        finally:
            right(s3, name, former)

    return fault


lifecycle_removed = bucket(
    "{name}: objects move to Glacier",
    lambda s3, name: s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
    lambda s3, name: s3.delete_bucket_lifecycle(Bucket=name),
    lambda s3, name, rules: s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": rules}
    ),
)
public_access = bucket(
    "{name}: public access",
    lambda s3, name: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
    lambda s3, name: s3.delete_public_access_block(Bucket=name),
    lambda s3, name, former: s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=former
    ),
)
amazon_key = bucket(
    "encryption: objects of {name}",
    lambda s3, name: s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"],
    lambda s3, name: s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    ),
    lambda s3, name, former: s3.put_bucket_encryption(
        Bucket=name, ServerSideEncryptionConfiguration=former
    ),
)


def bucket_policy(what: str, change: Callable[[list[Any], str], list[Any]]) -> Fault:
    """
    Args:
        change: from the statements and the bucket's name to the wrong statements.
    """

    def read(s3: Any, name: str) -> Any:
        return json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])

    def put(s3: Any, name: str, document: Any) -> None:
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))

    def wrong(s3: Any, name: str) -> None:
        former = read(s3, name)
        put(s3, name, {**former, "Statement": change(former["Statement"], name)})

    return bucket(f"{{name}}: {what}", read, wrong, put)


public_policy = bucket_policy(
    "whom the policy lets in",
    lambda statements, name: [
        *statements,
        {"Sid": "QuickFix", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{name}/*"},
    ],
)  # fmt: skip
plain_http = bucket_policy(
    "plain HTTP",
    lambda statements, name: [e for e in statements if "aws:SecureTransport" not in json.dumps(e)],
)
policy_removed = bucket(
    "{name}: plain HTTP",
    lambda s3, name: s3.get_bucket_policy(Bucket=name)["Policy"],
    lambda s3, name: s3.delete_bucket_policy(Bucket=name),
    lambda s3, name, policy: s3.put_bucket_policy(Bucket=name, Policy=policy),
)


def retry_queue(what: str, name: str, wrong: int) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        sqs, url = client("sqs"), production.deployment.outputs["RetryQueueUrl"]
        former = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(wrong)})
        try:
            yield f"messages of the retry queue are {what}"
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=former)

    return fault


@contextlib.contextmanager
def dashboard_without_cpu(client: Client, production: Production) -> Iterator[str]:
    cloudwatch, name = client("cloudwatch"), production.deployment.outputs["DashboardName"]
    body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    changed = body.replace("CPUUtilization", "FreeStorageSpace")
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=changed)
    try:
        yield f"{name} shows RDS CPU utilization"
    finally:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)


@contextlib.contextmanager
def no_subscription(client: Client, production: Production) -> Iterator[str]:
    sns, topic = client("sns"), production.deployment.outputs["AlertsTopicArn"]
    (mail,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=mail["SubscriptionArn"])
    try:
        yield "subscription of ops@company.com"
    finally:
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=mail["Endpoint"])


@contextlib.contextmanager
def open_topic(client: Client, production: Production) -> Iterator[str]:
    sns, topic = client("sns"), production.deployment.outputs["AlertsTopicArn"]
    former = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    statement = {"Sid": "QuickFix", "Effect": "Allow", "Principal": {"AWS": "*"},
                 "Action": "sns:Subscribe", "Resource": topic}  # fmt: skip
    document = json.loads(former)
    document["Statement"].append(statement)

    def put(policy: str) -> None:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)

    put(json.dumps(document))
    try:
        yield "whom the topic's policy lets in"
    finally:
        put(former)


@contextlib.contextmanager
def stranger_subscribed(client: Client, production: Production) -> Iterator[str]:
    sns, topic = client("sns"), production.deployment.outputs["AlertsTopicArn"]
    subscription = sns.subscribe(
        TopicArn=topic,
        Protocol="email",
        Endpoint="stranger@example.com",
        ReturnSubscriptionArn=True,
    )
    try:
        yield "subscribers besides ops@company.com"
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def altered_alarm(name: str, **wrong: Any) -> Fault:
    @contextlib.contextmanager
    def fault(client: Client, production: Production) -> Iterator[str]:
        cloudwatch = client("cloudwatch")
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        known = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        settings = {key: value for key, value in alarm.items() if key in known}
        cloudwatch.put_metric_alarm(**{**settings, **wrong})
        try:
            yield f"alarm {name}"
        finally:
            cloudwatch.put_metric_alarm(**settings)

    return fault


@contextlib.contextmanager
def silent_alarm(client: Client, production: Production) -> Iterator[str]:
    cloudwatch, name = client("cloudwatch"), "payments-database-cpu"
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    try:
        yield f"alarm {name}"
    finally:
        cloudwatch.enable_alarm_actions(AlarmNames=[name])


@contextlib.contextmanager
def short_logs(client: Client, production: Production) -> Iterator[str]:
    logs, name = client("logs"), "/payments/api-access"
    logs.put_retention_policy(logGroupName=name, retentionInDays=30)
    try:
        yield f"log group {name}"
    finally:
        logs.put_retention_policy(logGroupName=name, retentionInDays=90)


@contextlib.contextmanager
def undeclared_logs(client: Client, production: Production) -> Iterator[str]:
    name = "/aws/rds/instance/payments-ledger/iam-db-auth-error"
    client("logs").create_log_group(logGroupName=name)
    try:
        yield f"log group {name}"
    finally:
        client("logs").delete_log_group(logGroupName=name)


@contextlib.contextmanager
def without_boundary(client: Client, production: Production) -> Iterator[str]:
    iam, role = client("iam"), resource(production, "AWS::IAM::Role", "AuditLogger")
    boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    iam.delete_role_permissions_boundary(RoleName=role)
    try:
        yield f"permissions boundary of {role}"
    finally:
        iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)


@contextlib.contextmanager
def wildcard(client: Client, production: Production) -> Iterator[str]:
    iam, role = client("iam"), resource(production, "AWS::IAM::Role", "AuditLogger")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="quick-fix", PolicyDocument=document)
    try:
        yield f"wildcard actions of {role}"
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="quick-fix")


@contextlib.contextmanager
def inline_policy(client: Client, production: Production) -> Iterator[str]:
    iam, role = client("iam"), resource(production, "AWS::IAM::Role", "PaymentValidator")
    where = {"RoleName": role, "PolicyName": "quick-fix"}
    statement = {"Effect": "Allow", "Action": "dynamodb:DeleteItem", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(**where, PolicyDocument=document)
    try:
        yield f"policies of {role}"
    finally:
        iam.delete_role_policy(**where)


@contextlib.contextmanager
def another_roles_policy(client: Client, production: Production) -> Iterator[str]:
    iam, role = client("iam"), resource(production, "AWS::IAM::Role", "AuditLogger")
    policy = resource(production, "AWS::IAM::ManagedPolicy", "ProductionSeal")
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    try:
        yield f"policies of {role}"
    finally:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy)


@contextlib.contextmanager
def open_key(client: Client, production: Production) -> Iterator[str]:
    kms, key = client("kms"), resource(production, "AWS::KMS::Key", "LedgerDatabaseKey")
    former = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    statement = {"Sid": "QuickFix", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt",
                 "Resource": "*"}  # fmt: skip
    document = json.loads(former)
    document["Statement"].append(statement)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(document))
    try:
        yield "whom the policy of the key of the database lets in"
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=former)


@contextlib.contextmanager
def disabled_key(client: Client, production: Production) -> Iterator[str]:
    kms, key = client("kms"), resource(production, "AWS::KMS::Key", "ApplicationKey")
    kms.disable_key(KeyId=key)
    try:
        yield "key of the ApplicationKey"
    finally:
        kms.enable_key(KeyId=key)


@contextlib.contextmanager
def stopped_database(client: Client, production: Production) -> Iterator[str]:
    rds, identifier = client("rds"), resource(production, "AWS::RDS::DBInstance")
    rds.stop_db_instance(DBInstanceIdentifier=identifier)
    try:
        yield f"status of {identifier}"
    finally:
        rds.start_db_instance(DBInstanceIdentifier=identifier)


@contextlib.contextmanager
def unrotated_key(client: Client, production: Production) -> Iterator[str]:
    kms, key = client("kms"), resource(production, "AWS::KMS::Key", "LedgerDatabaseKey")
    kms.disable_key_rotation(KeyId=key)
    try:
        yield "rotation of the key of the database"
    finally:
        kms.enable_key_rotation(KeyId=key)


FAULTS: dict[str, tuple[str, Fault]] = {
    "stack unprotected": ("R1", unprotected_stack),
    "function in a public subnet": ("R2", in_public_subnet),
    "default group with a rule": ("R3", default_group_with_a_rule),
    "database open to all": ("R3", open_to("0.0.0.0/0", "groups that take ingress from addresses")),
    "database open to an address": (
        "R3", open_to("203.0.113.7/32", "groups that take ingress from addresses"),
    ),
    "database open to half of all": ("R3", open_to("0.0.0.0/1", "ingress of payments-ledger")),
    "all outbound": ("R3", all_outbound),
    "backups for a week": (
        "R4", database("automated backups of ", BackupRetentionPeriod=(7, 30)),
    ),
    "database unprotected": (
        "R4", database("deletion protection of ", DeletionProtection=(False, True)),
    ),
    "single zone": ("R4", database("Multi-AZ of ", MultiAZ=(False, True))),
    "another class": (
        "R4", database("class of ", DBInstanceClass=("db.t3.small", "db.t3.medium")),
    ),
    "small function": (
        "R5", function("memory of audit-logger", {"MemorySize": 256}, {"MemorySize": 512}),
    ),
    "short time limit": (
        "R5", function("time limit of audit-logger", {"Timeout": 29}, {"Timeout": 30}),
    ),
    "little concurrency": ("R6", hardly_reserved),
    "no concurrency": ("R6", unreserved("payment-validator")),
    "audit stream not read": ("R5", unmapped("audit-logger", "stream")),
    "no sweep": ("R5", event_rule("OutboxSweep")),
    "no concurrency of another function": ("R6", unreserved("payments-ledger-reader")),
    "path to another function": ("R7", wrong_function),
    "method without key": ("R8", without_api_key),
    "plan without throttle": ("R8", usage_plan({"op": "remove", "path": "/throttle"})),
    "stage of another rate": ("R8", generous_stage),
    "no firewall": ("R8", without_firewall),
    "no recovery": (
        "R9", table("point-in-time recovery", recovery(False), recovery(True)),
    ),
    "table unprotected": (
        "R9", table("deletion protection", protection(False), protection(True)),
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
    "wildcard": ("R17", wildcard),
    "inline policy": ("R17", inline_policy),
    "attached policy": ("R17", another_roles_policy),
    "called by anybody": ("R17", called_by_anybody),
    "no rotation": ("R18", unrotated_key),
    "key open to anybody": ("R18", open_key),
    "key disabled": ("R18", disabled_key),
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
    assert answer.code == 0, problems(answer)
    checks = answer.document["checks"]
    assert {each["requirement"] for each in checks} == {f"R{number}" for number in range(1, 19)}
    unseen = [each["what"] for each in checks if each["verdict"] == "not seen"]
    # Alarms on expressions; metrics; tags of mappings, of CodeDeploy and of the budget; a second
    # subscriber; and whether the subscription that the template made takes a sign-in to end it.
    assert 5 <= len(unseen) <= 6, unseen


@dataclass(frozen=True)
class Faulty:
    """The faults, all of them at once, and what was told of them.

    Attributes:
        named: how the finding that names it begins, by fault.
    """

    named: dict[str, str]
    answer: Answer


@pytest.fixture(scope="module")
def faulty(production: Production) -> Faulty:
    with contextlib.ExitStack() as all_of_them:
        named = {
            each: all_of_them.enter_context(fault(production.environment.client, production))
            for each, (_, fault) in FAULTS.items()
        }
        return Faulty(named, verify(production))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(faulty: Faulty, fault: str) -> None:
    (found,) = [
        each for each in problems(faulty.answer) if each["what"].startswith(faulty.named[fault])
    ]
    assert found["requirement"] == FAULTS[fault][0]
    assert VALUES.get(fault, "") in found["found"]
    assert found["found"] != found["needed"]
    assert found["mend"]


@pytest.mark.parametrize("fault", ALONE)
def test_a_fault_that_others_would_hide_is_found(production: Production, fault: str) -> None:
    requirement, value, make = ALONE[fault]
    with make(production.environment.client, production) as named:
        (found,) = problems(verify(production))
    assert found["what"].startswith(named)
    assert (found["requirement"], found["found"]) == (requirement, value)
    assert found["mend"]


def test_nothing_else_is_told(faulty: Faulty) -> None:
    """But for what sums up, and for the key that the bucket is no longer under."""
    assert faulty.answer.code == 1
    told = [each["what"] for each in problems(faulty.answer)]
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
    assert answer.code == 0, problems(answer)


def test_whether_alarms_have_data_and_readers_is_told_as_far_as_it_can_be_seen_here(
    production: Production,
) -> None:
    checks = {each["what"]: each for each in verify(production).document["checks"]}
    (unseen,) = [what for what in checks if what.endswith(" metrics behind the alarms")]
    assert checks[unseen]["verdict"] == "not seen"
    assert checks[unseen]["found"].startswith("cannot be seen here: ")
    alone = checks["confirmed subscribers of the alerts"]
    assert (alone["verdict"], alone["found"]) == ("not seen", "ops@company.com alone")
    links = checks["subscriptions that anybody can end, by the link in each mail"]
    assert links["verdict"] in ("held", "not seen")


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
    sqs, url = production.environment.client("sqs"), production.deployment.outputs["RetryQueueUrl"]
    former = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "31"})
    try:
        answer = ops(production, "verify", "--json")
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=former["Attributes"])
    assert answer.code == 1
    (named,) = [each for each in problems(answer) if "AWS::SQS::Queue" in each["what"]]
    assert "VisibilityTimeout is 31 instead of 180" in named["found"]


def test_what_may_not_be_read_does_not_pass(production: Production) -> None:
    with user(production, "kms:GetKeyRotationStatus") as variables:
        answer = verify(production, **variables)
    assert answer.code == 1
    (named,) = problems(answer)
    assert (named["requirement"], named["what"]) == ("R18", "keys")
    assert "these credentials may not do it" in named["found"]


def test_people_get_a_table_for_each_requirement(production: Production) -> None:
    with short_logs(production.environment.client, production):
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
    client = production.environment.client
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
    named = {(each["requirement"], each["what"]): each["found"] for each in problems(answer)}
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
    assert all(each["mend"] for each in problems(answer))


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
    missing = [each["what"] for each in problems(answer) if each["needed"] == "one"]
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
        for each in problems(answer)
        if "these credentials may not do it" in each["found"]
    }
    assert {("R4", "PostgreSQL instance"), ("R15", "log groups")} <= denied
    assert "partition key of dev-transactions" in [each["what"] for each in problems(answer)]


def test_without_the_stack_it_says_what_else_can_be_looked_at(tmp_path: Path) -> None:
    with serving(tmp_path) as environment:
        answer = ops(nothing_in(environment), "verify")
    assert (answer.code, answer.output) == (2, "")
    assert "no stack PaymentsProd in us-east-1" in answer.errors
    assert "--prefix" in answer.errors


def test_a_kind_that_does_not_exist_is_a_mistake(production: Production) -> None:
    answer = verify(production, "--names", "cache=x")
    assert (answer.code, answer.output) == (2, "")
    assert "kinds are database, function-validator" in answer.errors
