"""The policies of the templates: what is attached to whom, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from assurance.permissions import resources
from assurance.permissions.templates import ACCOUNT, Json, Resource, Templates


@dataclass(frozen=True, kw_only=True)
class Role:
    """One of the app's roles, with all that limits it."""

    name: str
    """Of the function that has it; of others, the service that takes it on."""
    arn: str
    trust: Json
    identity: tuple[Json, ...]
    boundary: Json | None


@dataclass(frozen=True)
class Policies:
    """Every policy of the app."""

    roles: dict[str, Role] = field(default_factory=dict)
    """By name."""
    resources: dict[str, Json] = field(default_factory=dict)
    """By ARN; a role's is the policy that tells who may take it on."""
    arns: dict[str, str] = field(default_factory=dict)
    """The ARNs of what the matrix speaks of, by the names of resources.py."""


def read(templates: Templates) -> Policies:
    policies = Policies()
    attached = dict(_managed(templates))
    for resource in templates.resources("AWS::IAM::Role"):
        role = _role(resource, templates, attached)
        if role.name in policies.roles:
            raise ValueError(f"two roles of {role.name}")
        policies.roles[role.name] = role
        policies.resources[role.arn] = role.trust
    for arn, policy in _resource_policies(templates):
        if arn in policies.resources:
            raise ValueError(f"two policies of {arn}")
        policies.resources[arn] = policy
    policies.resources.update(_invocations(templates))
    roles = {name: role.arn for name, role in policies.roles.items()}
    policies.arns.update(resources.arns(templates, roles))
    return policies


def _role(resource: Resource, templates: Templates, attached: dict[str, Json]) -> Role:
    arn = templates.value(resource, "Arn")

    def property_(name: str, default: Any = None) -> Any:
        return templates.resolved(resource.properties.get(name, default), resource.stack)

    trust, boundary = property_("AssumeRolePolicyDocument"), property_("PermissionsBoundary")
    inline = [policy["PolicyDocument"] for policy in property_("Policies", [])]
    # An ARN that no template makes would be one of AWS's own policies, and a KeyError.
    managed = [attached[named] for named in property_("ManagedPolicyArns", [])]
    return Role(
        name=_holder(arn, templates) or _service(trust),
        arn=arn,
        trust=trust,
        identity=(*inline, *managed, *_attached_to(arn, templates)),
        boundary=attached[boundary] if boundary else None,
    )


def _holder(arn: str, templates: Templates) -> str | None:
    """The function that has a role."""
    functions = templates.resources("AWS::Lambda::Function")
    those = (e for e in functions if templates.resolved(e.properties["Role"], e.stack) == arn)
    return next((templates.value(each, "Ref") for each in those), None)


def _service(trust: Json) -> str:
    """Of ``vpc-flow-logs.amazonaws.com``, the first part."""
    (statement,) = trust["Statement"]
    return str(statement["Principal"]["Service"]).removesuffix(".amazonaws.com")


def _managed(templates: Templates) -> Iterator[tuple[str, Json]]:
    """ARN and document of each managed policy."""
    for policy in templates.resources("AWS::IAM::ManagedPolicy"):
        document = templates.resolved(policy.properties["PolicyDocument"], policy.stack)
        yield templates.value(policy, "Ref"), document


def _attached_to(role_arn: str, templates: Templates) -> Iterator[Json]:
    """The documents of policies that name a role, which these do by its name."""
    name = role_arn.rpartition("/")[2]
    for policy in templates.resources("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        roles = templates.resolved(policy.properties.get("Roles", []), policy.stack)
        if name in roles:
            yield templates.resolved(policy.properties["PolicyDocument"], policy.stack)


_NAMING: Final = {
    "AWS::S3::BucketPolicy": ("Bucket", "arn:aws:s3:::{}"),
    "AWS::SQS::QueuePolicy": ("Queues", f"arn:aws:sqs:us-east-1:{ACCOUNT}:{{}}"),
    "AWS::SNS::TopicPolicy": ("Topics", "{}"),
}
"""Which property names what a policy is of, and that one's ARN with its name for "{}"."""


def _resource_policies(templates: Templates) -> Iterator[tuple[str, Json]]:
    for key in templates.resources("AWS::KMS::Key"):
        document = templates.resolved(key.properties["KeyPolicy"], key.stack)
        yield templates.value(key, "Arn"), document
    for policy in templates.resources(*_NAMING):
        naming, arn = _NAMING[policy.type]
        named = templates.resolved(policy.properties[naming], policy.stack)
        document = templates.resolved(policy.properties["PolicyDocument"], policy.stack)
        for name in named if isinstance(named, list) else [named]:
            yield arn.format(name.rpartition("/")[2]), document


def _invocations(templates: Templates) -> dict[str, Json]:
    """The functions' policies, which Lambda makes of the permissions one by one.

    Lambda developer guide, "AddPermission": the source becomes a condition of the statement.
    """
    statements: dict[str, list[Json]] = {}
    for permission in templates.resources("AWS::Lambda::Permission"):
        given: Json = templates.resolved(permission.properties, permission.stack)
        conditions: dict[str, Any] = {}
        if "SourceArn" in given:
            conditions["ArnLike"] = {"aws:SourceArn": given["SourceArn"]}
        if "SourceAccount" in given:
            conditions["StringEquals"] = {"aws:SourceAccount": given["SourceAccount"]}
        statements.setdefault(given["FunctionName"], []).append(
            {
                "Effect": "Allow",
                "Principal": {"Service": given["Principal"]},
                "Action": given["Action"],
                "Resource": given["FunctionName"],
                "Condition": conditions,
            }
        )
    return {arn: {"Version": "2012-10-17", "Statement": items} for arn, items in statements.items()}
