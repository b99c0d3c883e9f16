"""R16: the tags, asked of each service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.console.environment import stack_name
from ops.console.failure import code
from ops.inspection.findings import Finding, judged, unseen
from ops.inspection.subjects import Subjects
from ops.production.lost import WAYS_BACK
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
                else _READERS[each.type](clients, account, owners, each.name)
            )
        except ClientError as error:
            if clients.emulated and code(error) in UNKNOWN:
                forgotten.append(each.logical_id)
                blind += 1
                continue
            if not any(word in code(error) for word in ("NotFound", "NoSuch", "NonExistent")):
                raise
            if each.type in WAYS_BACK:
                blind += 1  # told by itself
                continue
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
        "R16", f"tags of the stack {stack_name()}", found=_faults(_read(stack.get("Tags")), {})
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


def _read(tags: Any) -> Tags:
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


def _arn(clients: Clients, service: str, account: str, rest: str) -> str:
    return f"arn:aws:{service}:{clients.region}:{account}:{rest}"


_API: Final = "AWS::ApiGateway::RestApi"
_APPLICATION: Final = "AWS::CodeDeploy::Application"
_OWNERS: Final = (_API, _APPLICATION)

Owners = Mapping[str, str]
Reader = Callable[[Clients, str, Owners, str], Tags]
"""From clients, account, owners' ids by their types, and a physical id to its tags."""


def _stage(clients: Clients, _account: str, owners: Owners, name: str) -> Tags:
    stage = clients("apigateway").get_stage(restApiId=owners[_API], stageName=name)
    return _read(stage.get("tags"))


def _rds(kind: str) -> Reader:
    def read(clients: Clients, account: str, _owners: Owners, name: str) -> Tags:
        arn = _arn(clients, "rds", account, f"{kind}:{name}")
        return _read(clients("rds").list_tags_for_resource(ResourceName=arn)["TagList"])

    return read


def _cloudwatch(clients: Clients, account: str, _owners: Owners, name: str) -> Tags:
    arn = _arn(clients, "cloudwatch", account, f"alarm:{name}")
    return _read(clients("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"])


def _table(clients: Clients, account: str, _owners: Owners, name: str) -> Tags:
    arn = _arn(clients, "dynamodb", account, f"table/{name}")
    return _read(clients("dynamodb").list_tags_of_resource(ResourceArn=arn)["Tags"])


def _web_acl(clients: Clients, account: str, _owners: Owners, name: str) -> Tags:
    acl, identifier, _scope = name.split("|")
    arn = _arn(clients, "wafv2", account, f"regional/webacl/{acl}/{identifier}")
    told = clients("wafv2").list_tags_for_resource(ResourceARN=arn)
    return _read(told["TagInfoForResource"]["TagList"])


def _deployment_group(clients: Clients, account: str, owners: Owners, name: str) -> Tags:
    arn = _arn(clients, "codedeploy", account, f"deploymentgroup:{owners[_APPLICATION]}/{name}")
    return _read(clients("codedeploy").list_tags_for_resource(ResourceArn=arn)["Tags"])


def _application(clients: Clients, account: str, _owners: Owners, name: str) -> Tags:
    arn = _arn(clients, "codedeploy", account, f"application:{name}")
    return _read(clients("codedeploy").list_tags_for_resource(ResourceArn=arn)["Tags"])


def _bucket(clients: Clients, _account: str, _owners: Owners, name: str) -> Tags:
    return _read(clients("s3").get_bucket_tagging(Bucket=name)["TagSet"])


_READERS: Final[Mapping[str, Reader]] = {
    "AWS::ApiGateway::ApiKey": lambda clients, _a, _o, name: _read(
        clients("apigateway").get_api_key(apiKey=name, includeValue=False).get("tags")
    ),
    "AWS::ApiGateway::RestApi": lambda clients, _a, _o, name: _read(
        clients("apigateway").get_rest_api(restApiId=name).get("tags")
    ),
    "AWS::ApiGateway::Stage": _stage,
    "AWS::ApiGateway::UsagePlan": lambda clients, _a, _o, name: _read(
        clients("apigateway").get_usage_plan(usagePlanId=name).get("tags")
    ),
    "AWS::Budgets::Budget": lambda clients, account, _o, name: _read(
        clients("budgets").list_tags_for_resource(
            ResourceARN=f"arn:aws:budgets::{account}:budget/{name}"
        )["ResourceTags"]
    ),
    "AWS::CloudFormation::Stack": lambda clients, _a, _o, name: _read(
        clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0].get("Tags")
    ),
    "AWS::CloudWatch::Alarm": _cloudwatch,
    "AWS::CloudWatch::CompositeAlarm": _cloudwatch,
    "AWS::CodeDeploy::Application": _application,
    "AWS::CodeDeploy::DeploymentGroup": _deployment_group,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": lambda clients, account, _o, name: _read(
        clients("events").list_tags_for_resource(
            ResourceARN=_arn(clients, "events", account, f"rule/{name}")
        )["Tags"]
    ),
    "AWS::IAM::Role": lambda clients, _a, _o, name: _read(
        clients("iam").list_role_tags(RoleName=name)["Tags"]
    ),
    "AWS::KMS::Key": lambda clients, _a, _o, name: _read(
        clients("kms").list_resource_tags(KeyId=name)["Tags"]
    ),
    "AWS::Lambda::Function": lambda clients, account, _o, name: _read(
        clients("lambda").list_tags(Resource=_arn(clients, "lambda", account, f"function:{name}"))[
            "Tags"
        ]
    ),
    "AWS::Lambda::EventSourceMapping": lambda clients, account, _o, name: _read(
        clients("lambda").list_tags(
            Resource=_arn(clients, "lambda", account, f"event-source-mapping:{name}")
        )["Tags"]
    ),
    **dict.fromkeys(
        ("AWS::Logs::LogGroup", "Custom::SharedLogGroup"),
        lambda clients, account, _o, name: _read(
            clients("logs").list_tags_for_resource(
                resourceArn=_arn(clients, "logs", account, f"log-group:{name}")
            )["tags"]
        ),
    ),
    "AWS::RDS::DBInstance": lambda clients, _a, _o, name: _read(
        clients("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["TagList"]
    ),
    "AWS::RDS::DBParameterGroup": _rds("pg"),
    "AWS::RDS::DBSubnetGroup": _rds("subgrp"),
    "AWS::S3::Bucket": _bucket,
    "AWS::SNS::Topic": lambda clients, _a, _o, name: _read(
        clients("sns").list_tags_for_resource(ResourceArn=name)["Tags"]
    ),
    "AWS::SQS::Queue": lambda clients, _a, _o, name: _read(
        clients("sqs").list_queue_tags(QueueUrl=name).get("Tags", {})
    ),
    "AWS::WAFv2::WebACL": _web_acl,
}
"""Of the types that have tags in the templates; those of EC2 are read in one call."""
