"""R16: the tags, asked of each service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import jmespath  # type: ignore[import-untyped]
from botocore.exceptions import ClientError

from ops.console.environment import stack_name
from ops.console.failure import code
from ops.inspection.findings import Finding, judged, unseen
from ops.inspection.subjects import Subjects
from ops.production.questions import UNKNOWN, Clients
from ops.production.stack import Resource, every

NEEDED: Final = frozenset({"Environment", "Team", "CostCenter"})

Tags = Mapping[str, str]


def of_resources(
    clients: Clients,
    account: str,
    stack: str,
    resources: Sequence[Resource],
    expected: Mapping[str, str],
) -> Iterator[Finding]:
    """The tags of a stack's resources; one finding for each that lacks one.

    Args:
        resources: of this stack; those that cannot be tagged are passed over.
        expected: the stack's own tags, from which its resources must not differ.
    """
    known = [each for each in resources if each.type in _READERS or _is_ec2(each)]
    # A stage is known by its API, a deployment group by its application.
    owners = {each.type: each.name for each in resources if each.type in _OWNERS}
    in_ec2 = _of_ec2(clients, [each.name for each in known if _is_ec2(each)])
    lacking: Counter[str] = Counter()
    blind = 0
    forgotten = [each.logical_id for each in known if clients.emulated and each.type in _FORGOTTEN]
    known = [each for each in known if each.logical_id not in forgotten]
    for each in known:
        try:
            tags = (
                in_ec2.get(each.name, {})
                if _is_ec2(each)
                else _asked(clients, account, owners, each)
            )
        except ClientError as error:
            if clients.emulated and code(error) in UNKNOWN:
                forgotten.append(each.logical_id)
                blind += 1
                continue
            if not any(word in code(error) for word in ("NotFound", "NoSuch", "NonExistent")):
                raise
            tags = {}
        if faults := _faults(tags, expected):
            lacking[each.type] += 1
            yield judged(
                "R16", f"tags of {each.logical_id} ({each.type})",
                found=faults, needed="all three, as the stack's" if expected else "all three",
                held=False,
                mend=f"{each.name}: tag it with the AWS CLI, or deploy a change of its tags",
            )  # fmt: skip
    if forgotten:
        yield unseen(
            "R16", f"tags of {', '.join(forgotten)}", needed="all three",
            found="cannot be seen here: the embedded environment keeps no tags of these",
        )  # fmt: skip
    good = len(known) - lacking.total() - blind
    yield judged(
        "R16", f"resources of {stack} with all three tags",
        found=f"{good} of {len(known) - blind} that can be tagged", needed="all",
        held=not lacking, mend="see those above",
    )  # fmt: skip


def of_stack(clients: Clients) -> Iterator[Finding]:
    (stack,) = clients("cloudformation").describe_stacks(StackName=stack_name())["Stacks"]
    yield judged(
        "R16", f"tags of the stack {stack_name()}", found=_faults(as_mapping(stack.get("Tags")), {})
        or "all three", needed="all three", mend="deploy it with cdk.json's tags",
    )  # fmt: skip


def _faults(tags: Tags, expected: Mapping[str, str]) -> str:
    faults = [f"without {', '.join(missing)}"] if (missing := sorted(NEEDED - {*tags})) else []
    faults += [
        f"{key} is {tags[key]} instead of {expected[key]}"
        for key in sorted(NEEDED & {*tags} & {*expected})
        if tags[key] != expected[key]
    ]
    return ", ".join(faults)


def as_resources(subjects: Subjects) -> list[Resource]:
    """Subjects that are in no stack, as if they were in one."""
    found = {
        "AWS::RDS::DBInstance": [subjects.database],
        "AWS::DynamoDB::Table": [subjects.table],
        "AWS::S3::Bucket": [subjects.bucket],
        "AWS::SQS::Queue": [subjects.queue],
        "AWS::SNS::Topic": [subjects.topic],
        "AWS::ApiGateway::RestApi": [subjects.api],
        "AWS::Lambda::Function": list(subjects.functions.values()),
        "AWS::CloudWatch::Alarm": list(subjects.alarms),
        "AWS::Logs::LogGroup": list(subjects.log_groups),
    }
    return [
        Resource(stack="", logical_id=name.rsplit("/", 1)[-1], type=type_, name=name)
        for type_, names in found.items()
        for name in names
        if name
    ]


def as_mapping(tags: Any) -> Tags:
    """Of a list of Key and Value, TagKey and TagValue, or key and value; or of a mapping."""
    if isinstance(tags, Mapping):
        return tags
    return {
        each[key]: each[value]
        for each in tags or []
        for key, value in (("Key", "Value"), ("TagKey", "TagValue"), ("key", "value"))
        if key in each
    }


_FORGOTTEN: Final = frozenset({"AWS::Budgets::Budget", "AWS::Lambda::EventSourceMapping"})
"""Types of which the embedded environment keeps no tags, though it can be asked for them."""

_TAGGED_IN_EC2: Final = frozenset(
    {
        "EIP",
        "FlowLog",
        "InternetGateway",
        "NatGateway",
        "RouteTable",
        "SecurityGroup",
        "Subnet",
        "VPC",
        "VPCEndpoint",
    }
)


def _is_ec2(resource: Resource) -> bool:
    service, _, kind = resource.type.rpartition("::")
    return service == "AWS::EC2" and kind in _TAGGED_IN_EC2


def _of_ec2(clients: Clients, names: Sequence[str]) -> Mapping[str, Tags]:
    if not names:
        return {}
    ec2 = clients("ec2")
    # The physical id of an Elastic IP is its address, or both that and its allocation.
    ids = {
        each["PublicIp"]: each["AllocationId"]
        for each in ec2.describe_addresses()["Addresses"]
        if "AllocationId" in each
    }
    resources = {name: ids.get(name, name.rpartition("|")[2]) for name in names}
    found: dict[str, dict[str, str]] = {}
    for tag in every(
        ec2, "describe_tags", Filters=[{"Name": "resource-id", "Values": [*resources.values()]}]
    ):
        found.setdefault(tag["ResourceId"], {})[tag["Key"]] = tag["Value"]
    return {name: found.get(resource, {}) for name, resource in resources.items()}


_API: Final = "AWS::ApiGateway::RestApi"
_APPLICATION: Final = "AWS::CodeDeploy::Application"
_OWNERS: Final = (_API, _APPLICATION)


def _asked(clients: Clients, account: str, owners: Mapping[str, str], resource: Resource) -> Tags:
    """The resource's tags; owners are ids by their types."""
    service, operation, parameter, named, told = _READERS[resource.type]
    name = named.format(
        name=resource.name,
        of=f"{clients.region}:{account}",
        account=account,
        parts=resource.name.split("|"),
        application=owners.get(_APPLICATION, ""),
    )
    asked = {parameter: name}
    if resource.type == "AWS::ApiGateway::Stage":
        asked["restApiId"] = owners[_API]
    return as_mapping(jmespath.search(told, getattr(clients(service), operation)(**asked)))


_BY_ARN: Final = ("list_tags_for_resource", "ResourceARN")
_READERS: Final[Mapping[str, tuple[str, str, str, str, str]]] = {
    "AWS::ApiGateway::ApiKey": ("apigateway", "get_api_key", "apiKey", "{name}", "tags"),
    _API: ("apigateway", "get_rest_api", "restApiId", "{name}", "tags"),
    "AWS::ApiGateway::Stage": ("apigateway", "get_stage", "stageName", "{name}", "tags"),
    "AWS::ApiGateway::UsagePlan": (
        "apigateway", "get_usage_plan", "usagePlanId", "{name}", "tags",
    ),
    "AWS::Budgets::Budget": (
        "budgets", *_BY_ARN, "arn:aws:budgets::{account}:budget/{name}", "ResourceTags",
    ),
    "AWS::CloudFormation::Stack": (
        "cloudformation", "describe_stacks", "StackName", "{name}", "Stacks[0].Tags",
    ),
    **dict.fromkeys(
        ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"),
        ("cloudwatch", *_BY_ARN, "arn:aws:cloudwatch:{of}:alarm:{name}", "Tags"),
    ),
    _APPLICATION: (
        "codedeploy", "list_tags_for_resource", "ResourceArn",
        "arn:aws:codedeploy:{of}:application:{name}", "Tags",
    ),
    "AWS::CodeDeploy::DeploymentGroup": (
        "codedeploy", "list_tags_for_resource", "ResourceArn",
        "arn:aws:codedeploy:{of}:deploymentgroup:{application}/{name}", "Tags",
    ),
    "AWS::DynamoDB::Table": (
        "dynamodb", "list_tags_of_resource", "ResourceArn", "arn:aws:dynamodb:{of}:table/{name}",
        "Tags",
    ),
    "AWS::Events::Rule": ("events", *_BY_ARN, "arn:aws:events:{of}:rule/{name}", "Tags"),
    "AWS::IAM::Role": ("iam", "list_role_tags", "RoleName", "{name}", "Tags"),
    "AWS::KMS::Key": ("kms", "list_resource_tags", "KeyId", "{name}", "Tags"),
    "AWS::Lambda::Function": (
        "lambda", "list_tags", "Resource", "arn:aws:lambda:{of}:function:{name}", "Tags",
    ),
    "AWS::Lambda::EventSourceMapping": (
        "lambda", "list_tags", "Resource", "arn:aws:lambda:{of}:event-source-mapping:{name}",
        "Tags",
    ),
    **dict.fromkeys(
        ("AWS::Logs::LogGroup", "Custom::SharedLogGroup"),
        (
            "logs", "list_tags_for_resource", "resourceArn", "arn:aws:logs:{of}:log-group:{name}",
            "tags",
        ),
    ),
    "AWS::RDS::DBInstance": (
        "rds", "describe_db_instances", "DBInstanceIdentifier", "{name}", "DBInstances[0].TagList",
    ),
    "AWS::RDS::DBParameterGroup": (
        "rds", "list_tags_for_resource", "ResourceName", "arn:aws:rds:{of}:pg:{name}", "TagList",
    ),
    "AWS::RDS::DBSubnetGroup": (
        "rds", "list_tags_for_resource", "ResourceName", "arn:aws:rds:{of}:subgrp:{name}",
        "TagList",
    ),
    "AWS::S3::Bucket": ("s3", "get_bucket_tagging", "Bucket", "{name}", "TagSet"),
    "AWS::SNS::Topic": ("sns", "list_tags_for_resource", "ResourceArn", "{name}", "Tags"),
    "AWS::SQS::Queue": ("sqs", "list_queue_tags", "QueueUrl", "{name}", "Tags"),
    "AWS::WAFv2::WebACL": (
        "wafv2", *_BY_ARN, "arn:aws:wafv2:{of}:regional/webacl/{parts[0]}/{parts[1]}",
        "TagInfoForResource.TagList",
    ),
}  # fmt: skip
"""Of the types that have tags in the templates, but for those of EC2, which are read in one call:
service, operation, its parameter, the resource's name or ARN for that, and where the tags stand in
the answer (JMESPath)."""
