"""The app's own rules, over what CloudFormation will get: the synthesized templates.

The policy packs look at constructs, so that they do not see what an override has changed in the
template, and they know neither the app's denials nor its boundary nor its tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assurance.compliance.templates import (
    Resource,
    Statement,
    denies,
    documents,
    of_type,
    statements,
)
from assurance.compliance.untaggable import UNTAGGABLE_TYPES, tag_property

Resources = Sequence[Resource]

TAGS = ("Environment", "Team", "CostCenter")
"""R16."""

LOG_RETENTION_DAYS = 90
"""R15."""

# Written again, and not taken from building_blocks/denials.py: what is dropped there is found.
DENIED_TO_EVERY_ROLE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateItem",
    "iam:CreateRole",
    "iam:PassRole",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutBucketPolicy",
    "s3:PutObjectRetention",
    "sts:AssumeRole",
)


@dataclass(frozen=True)
class Rule:
    """What no resource may be.

    Attributes:
        broken_by: the resources of all templates that break it.
    """

    name: str
    description: str
    fix: str
    broken_by: Callable[[Resources], Iterator[Resource]]


def _where(
    wrong: Callable[[Mapping[str, Any]], object], *types: str
) -> Callable[[Resources], Iterator[Resource]]:
    """The resources of some types whose properties are wrong."""
    return lambda resources: (r for r in of_type(resources, *types) if wrong(r.properties))


def _public_buckets(resources: Resources) -> Iterator[Resource]:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    for bucket in of_type(resources, "AWS::S3::Bucket"):
        block = bucket.properties.get("PublicAccessBlockConfiguration", {})
        if not all(block.get(name) is True for name in blocks) or (
            "AccessControl" in bucket.properties
        ):
            yield bucket
    for policy in of_type(resources, "AWS::S3::BucketPolicy"):
        if any(
            statement.effect == "Allow" and statement.is_for_everybody and not statement.conditions
            for document in documents(policy)
            for statement in statements(document)
        ):
            yield policy


def _policies_without_denials(resources: Resources) -> Iterator[Resource]:
    for policy in of_type(resources, "AWS::IAM::ManagedPolicy"):
        roles = policy.properties.get("Roles", [])
        is_boundary = not roles
        is_of_function = any(
            role.refers_to(roles) and _is_assumed_by(role, "lambda.amazonaws.com")
            for role in of_type(resources, "AWS::IAM::Role")
            if role.template == policy.template
        )
        if not (is_boundary or is_of_function):
            continue
        document = policy.properties["PolicyDocument"]
        denies_other_regions = any(
            statement.effect == "Deny"
            and statement.actions == ("*",)
            and statement.asks("aws:RequestedRegion")
            for statement in statements(document)
        )
        if not denies_other_regions or not all(
            denies(document, action) for action in DENIED_TO_EVERY_ROLE
        ):
            yield policy


def _is_assumed_by(role: Resource, service: str) -> bool:
    return any(
        service in statement.services
        for statement in statements(role.properties["AssumeRolePolicyDocument"])
    )


_POLICY_TYPES = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
}


# How the conditions begin.
_PLAIN_HTTP = '"Bool": {"aws:SecureTransport": "false"'
_STRANGERS = '"StringNotEqualsIfExists": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}'

# Of each type, by condition, actions of which every one has to be refused. Strangers to keys, and
# to publishing, are held off by that nobody admits them: there, a denial may hit AWS's services.
_REFUSED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "AWS::KMS::Key": {_PLAIN_HTTP: ("kms:Decrypt", "kms:PutKeyPolicy")},
    "AWS::S3::Bucket": dict.fromkeys(
        (_PLAIN_HTTP, _STRANGERS), ("s3:GetObject", "s3:PutObject", "s3:PutBucketPolicy")
    ),
    "AWS::SQS::Queue": dict.fromkeys(
        (_PLAIN_HTTP, _STRANGERS), ("sqs:ReceiveMessage", "sqs:SendMessage")
    ),
    "AWS::SNS::Topic": {
        _PLAIN_HTTP: ("sns:Publish",),
        _STRANGERS: ("sns:Subscribe", "sns:SetTopicAttributes"),
    },
}


def _resources_that_admit_strangers(resources: Resources) -> Iterator[Resource]:
    for resource in of_type(resources, "AWS::KMS::Key", *_POLICY_TYPES):
        held = list(documents(resource))
        if resource.type in _POLICY_TYPES:
            policy_type, target = _POLICY_TYPES[resource.type]
            held = [
                policy.properties["PolicyDocument"]
                for policy in of_type(resources, policy_type)
                if policy.template == resource.template
                and resource.refers_to(policy.properties[target])
            ]
        written = [statement for document in held for statement in statements(document)]
        if any(map(_admits_strangers, written)) or not all(
            any(_refuses(statement, condition, actions) for statement in written)
            for condition, actions in _REFUSED[resource.type].items()
        ):
            yield resource


def _admits_strangers(statement: Statement) -> bool:
    """Whether it allows something to others than AWS's services and this account."""
    if statement.effect != "Allow":
        return False
    if not isinstance(statement.principal, dict):
        return True
    return any(
        kind != "Service" and '{"Ref": "AWS::AccountId"}' not in json.dumps(who)
        for kind, principals in statement.principal.items()
        for who in (principals if isinstance(principals, list) else [principals])
    )


def _refuses(statement: Statement, condition: str, actions: Sequence[str]) -> bool:
    return (
        statement.effect == "Deny"
        and statement.is_for_everybody
        and condition in json.dumps(statement.conditions)
        and all(statement.covers(action) for action in actions)
    )


_EVERYWHERE = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0")

HTTPS = 443
"""The one port on which groups may let out to everywhere: AWS's services."""


def _open_groups(resources: Resources) -> Iterator[Resource]:
    for resource in of_type(
        resources,
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SecurityGroupEgress",
    ):
        if resource.type.endswith("Ingress"):
            inward, outward = [resource.properties], []
        elif resource.type.endswith("Egress"):
            inward, outward = [], [resource.properties]
        else:
            inward = resource.properties.get("SecurityGroupIngress", [])
            # A group without a rule lets everything out; CDK writes one that leads nowhere.
            outward = resource.properties.get("SecurityGroupEgress", [{"CidrIp": "0.0.0.0/0"}])
        if any(_is_everywhere(rule) for rule in inward) or any(
            _is_everywhere(rule) and {rule.get("FromPort"), rule.get("ToPort")} != {HTTPS}
            for rule in outward
        ):
            yield resource


def _is_everywhere(rule: Mapping[str, Any]) -> bool:
    return rule.get("CidrIp") in _EVERYWHERE or rule.get("CidrIpv6") in _EVERYWHERE


_KEYS = {
    "AWS::DynamoDB::Table": lambda p: p.get("SSESpecification", {}).get("KMSMasterKeyId"),
    "AWS::Logs::LogGroup": lambda p: p.get("KmsKeyId"),
    "Custom::SharedLogGroup": lambda p: p.get("KmsKeyId"),
    "AWS::RDS::DBInstance": lambda p: p.get("StorageEncrypted") and p.get("KmsKeyId"),
    "AWS::S3::Bucket": lambda p: p.get("BucketEncryption"),
    "AWS::SNS::Topic": lambda p: p.get("KmsMasterKeyId"),
    "AWS::SQS::Queue": lambda p: p.get("KmsMasterKeyId"),
}


def _wildcard_actions(resources: Resources) -> Iterator[Resource]:
    for resource in resources:
        if any(
            statement.effect == "Allow"
            and any(set("*?") & set(action) for action in statement.actions)
            for document in documents(resource)
            for statement in statements(document)
        ):
            yield resource


def _untagged(resources: Resources) -> Iterator[Resource]:
    for resource in resources:
        if resource.type in UNTAGGABLE_TYPES or resource.type.startswith("Custom::"):
            continue
        tags = resource.properties.get(tag_property(resource.type), {})
        if isinstance(tags, list):
            tags = {tag["Key"]: tag["Value"] for tag in tags}
        if not all(tags.get(name) for name in TAGS):
            yield resource


def _roles_without_boundary(resources: Resources) -> Iterator[Resource]:
    boundaries = [
        {"Ref": policy.logical_id}
        for policy in of_type(resources, "AWS::IAM::ManagedPolicy")
        if not policy.properties.get("Roles")
    ]
    for role in of_type(resources, "AWS::IAM::Role"):
        # One boundary for all: a second one could allow more.
        if [role.properties.get("PermissionsBoundary")] != boundaries:
            yield role


def _alarms_that_fill_their_whole_window(resources: Resources) -> Iterator[Resource]:
    """Metrics are late, so that the newest datapoint of such an alarm is always the filler's: it
    can be stuck in OK, or in ALARM (Amazon CloudWatch user guide, "Using math expressions with
    CloudWatch metrics", FILL)."""
    for alarm in of_type(resources, "AWS::CloudWatch::Alarm"):
        periods = alarm.properties["EvaluationPeriods"]
        fills = any(
            re.search(r"\bFILL\s*\(", query.get("Expression", ""))
            for query in alarm.properties.get("Metrics", [])
        )
        if fills and alarm.properties.get("DatapointsToAlarm", periods) >= periods:
            yield alarm


def _policies_of_other_kinds(resources: Resources) -> Iterator[Resource]:
    for role in of_type(resources, "AWS::IAM::Role"):
        if role.properties.get("ManagedPolicyArns") or role.properties.get("Policies"):
            yield role
    for policy in of_type(resources, "AWS::IAM::ManagedPolicy"):
        if len(policy.properties.get("Roles", [])) > 1:
            yield policy
    yield from of_type(resources, "AWS::IAM::Policy", "AWS::IAM::RolePolicy")


RULES = (
    Rule(
        "PublicBucket",
        "The bucket is not closed to the public.",
        "Set all four of PublicAccessBlockConfiguration, and allow everybody nothing.",
        _public_buckets,
    ),
    Rule(
        "MissingDeny",
        "The policy of a function, or the boundary, lacks a denial that every role must have.",
        "Add the statements of building_blocks/denials.py.",
        _policies_without_denials,
    ),
    Rule(
        "StrangersAdmitted",
        "The resource's policy admits foreign accounts, or does not deny them or plain HTTP.",
        "Admit this account and services only; add deny_plain_http and, but for keys, "
        "deny_foreign_accounts (building_blocks/resource_policies.py).",
        _resources_that_admit_strangers,
    ),
    Rule(
        "OpenGroup",
        "The security group admits everybody, or lets everything out.",
        "Name the group or network that may connect, and the port (R3).",
        _open_groups,
    ),
    Rule(
        "Unencrypted",
        "What the resource holds is not encrypted under a key.",
        "Give it the key of its layer.",
        lambda resources: (
            r for r in of_type(resources, *_KEYS) if not _KEYS[r.type](r.properties)
        ),
    ),
    Rule(
        "KeyWithoutRotation",
        "The key is not rotated.",
        "Use CustomerManagedKey (building_blocks/key.py).",
        _where(lambda p: p.get("EnableKeyRotation") is not True, "AWS::KMS::Key"),
    ),
    Rule(
        "LogGroupWithoutRetention",
        f"The log group does not keep its logs for {LOG_RETENTION_DAYS} days (R15).",
        "Use EncryptedLogGroup (building_blocks/logs.py).",
        _where(
            lambda p: p.get("RetentionInDays") != LOG_RETENTION_DAYS,
            "AWS::Logs::LogGroup",
            "Custom::SharedLogGroup",
        ),
    ),
    Rule(
        "WildcardAction",
        "A statement allows actions with a wildcard.",
        "Name the actions, one by one (R17).",
        _wildcard_actions,
    ),
    Rule(
        "MissingPointInTimeRecovery",
        "The table cannot be restored to a point in time (R9).",
        "Set PointInTimeRecoveryEnabled.",
        _where(
            lambda p: (
                p.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
                is not True
            ),
            "AWS::DynamoDB::Table",
        ),
    ),
    Rule(
        "UntaggedResource",
        f"The resource does not carry the tags {', '.join(TAGS)} (R16).",
        "Make it with a construct that CDK can tag, or add it to UNTAGGABLE_TYPES if AWS cannot.",
        _untagged,
    ),
    Rule(
        "RoleWithoutBoundary",
        "The role is not under the app's permissions boundary (R17).",
        "Make it with ServiceRole (building_blocks/role.py), below PaymentsProd.",
        _roles_without_boundary,
    ),
    Rule(
        "FillsItsWholeWindow",
        "The alarm needs every one of its datapoints, and makes up those that have not arrived.",
        "Let DatapointsToAlarm be less than EvaluationPeriods, or leave FILL out.",
        _alarms_that_fill_their_whole_window,
    ),
    Rule(
        "SharedPolicy",
        "Other than by one managed policy, written for it alone, a role is given rights.",
        "Give it statements of its own with ServiceRole (building_blocks/role.py).",
        _policies_of_other_kinds,
    ),
)
