"""The templates of a cloud assembly, with references resolved to what AWS would make of them.

Only what policies name is known here; anything else is a ValueError, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assurance.assembly import NESTED_STACK, Document, synthesized

Json = dict[str, Any]

ACCOUNT: Final = "111122223333"
"""Stands for the production account (AWS's documentation uses it for examples)."""

REGION: Final = "us-east-1"

ROOT: Final = "PaymentsProd"

STACK_ID: Final = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{ROOT}/0a1b2c3d-4e5f-6071"
"""The root's; no policy names a nested stack's."""

_PSEUDO: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": ROOT,
    "AWS::StackId": STACK_ID,
}

_NAMES: Final = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Alias": "FunctionName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
}
"""The property that holds a resource's physical name (of an alias, its function's); others get
their logical id for one."""


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


# What Ref and Fn::GetAtt (by attribute) are, with the physical name for "{}"; of the resource
# types' reference in the CloudFormation user guide.
_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "AWS::ApiGateway::RestApi": {"Ref": "{}"},
    "AWS::ApiGateway::Stage": {"Ref": "prod"},
    "AWS::CloudWatch::Alarm": {"Ref": "{}", "Arn": _arn("cloudwatch", "alarm:{}")},
    "AWS::CloudWatch::CompositeAlarm": {"Arn": _arn("cloudwatch", "alarm:{}")},
    "AWS::DynamoDB::Table": {
        "Ref": "{}",
        "Arn": _arn("dynamodb", "table/{}"),
        "StreamArn": _arn("dynamodb", "table/{}/stream/2026-01-01T00:00:00.000"),
    },
    "AWS::EC2::NatGateway": {"Ref": "nat-{}"},
    "AWS::EC2::SecurityGroup": {"GroupId": "sg-{}"},
    "AWS::EC2::VPC": {"Ref": "vpc-{}", "DefaultSecurityGroup": "sg-default-of-{}"},
    "AWS::EC2::VPCEndpoint": {"Ref": "vpce-{}"},
    "AWS::CodeDeploy::Application": {"Ref": "{}"},
    "AWS::Events::Rule": {"Ref": "{}", "Arn": _arn("events", "rule/{}")},
    "AWS::IAM::ManagedPolicy": {
        "Ref": f"arn:aws:iam::{ACCOUNT}:policy/{{}}",
        "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/{{}}",
    },
    "AWS::IAM::Role": {"Ref": "{}", "Arn": f"arn:aws:iam::{ACCOUNT}:role/{{}}"},
    "AWS::KMS::Key": {"Ref": "{}", "KeyId": "{}", "Arn": _arn("kms", "key/{}")},
    "AWS::Lambda::Alias": {"Ref": _arn("lambda", "function:{}:live")},
    "AWS::Lambda::Function": {"Ref": "{}", "Arn": _arn("lambda", "function:{}")},
    "AWS::Lambda::Version": {"Ref": _arn("lambda", "function:{}:1"), "Version": "1"},
    "AWS::Logs::LogGroup": {"Ref": "{}", "Arn": _arn("logs", "log-group:{}:*")},
    "AWS::RDS::DBInstance": {
        "Ref": "{}",
        "DbiResourceId": "db-{}",
        "DBInstanceArn": _arn("rds", "db:{}"),
        "MasterUserSecret.SecretArn": _arn("secretsmanager", "secret:rds!db-{}-AbCdEf"),
    },
    "AWS::S3::Bucket": {"Ref": "{lower}", "Arn": "arn:aws:s3:::{lower}"},
    "AWS::SNS::Topic": {"Ref": _arn("sns", "{}"), "TopicArn": _arn("sns", "{}"), "TopicName": "{}"},
    "AWS::SQS::Queue": {
        "Ref": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{{}}",
        "Arn": _arn("sqs", "{}"),
        "QueueName": "{}",
    },
}


@dataclass(frozen=True)
class Resource:
    """A resource of one of the templates."""

    stack: str
    logical_id: str
    type: str
    properties: Json

    @property
    def construct(self) -> str:
        """The logical id without the hash that CDK puts behind it."""
        return re.sub(r"[0-9A-F]{8}$", "", self.logical_id)


class Templates:
    """The root template and its nested ones, by the logical ids of their stacks."""

    def __init__(self, by_stack: Mapping[str, Document]) -> None:
        self.by_stack = by_stack

    @classmethod
    def of(cls, folder: Path) -> Templates:
        """:param folder: a cloud assembly, such as ``cdk.out``."""
        root = synthesized(folder / f"{ROOT}.template.json")
        nested = {name: child.body for name, child in root.children.items()}
        return cls({ROOT: root.body, **nested})

    def resources(self, *types: str) -> Iterator[Resource]:
        for stack, template in self.by_stack.items():
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] in types:
                    properties = resource.get("Properties", {})
                    yield Resource(stack, logical_id, resource["Type"], properties)

    def only(self, resource_type: str, construct: str) -> Resource:
        found = [item for item in self.resources(resource_type) if item.construct == construct]
        if len(found) != 1:
            raise ValueError(f"{len(found)} resources {construct} of {resource_type}")
        return found[0]

    def value(self, resource: Resource, attribute: str) -> str:
        """What ``Fn::GetAtt`` of a resource is, or with ``Ref`` that."""
        if resource.type == NESTED_STACK:
            output = attribute.removeprefix("Outputs.")
            outputs = self.by_stack[resource.logical_id]["Outputs"]
            return str(self.resolved(outputs[output]["Value"], resource.logical_id))
        pattern = _VALUES.get(resource.type, {}).get(attribute)
        if pattern is None:
            raise ValueError(f"{attribute} of {resource.type} ({resource.logical_id}) is not known")
        named = resource.properties.get(_NAMES.get(resource.type, ""), resource.logical_id)
        name = str(self.resolved(named, resource.stack))
        return pattern.format(name, lower=name.lower())

    def resolved(self, value: Any, stack: str) -> Any:
        """A piece of a stack's template, without its intrinsic functions."""
        match value:
            case {"Ref": name}:
                return self._reference(name, stack)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.value(self._resource(name, stack), attribute)
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self.resolved(part, stack) for part in parts)
            case {"Fn::Select": [index, {"Fn::Split": [separator, text]}]}:
                return str(self.resolved(text, stack)).split(separator)[int(index)]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}!]+)\}", lambda name: self._named(name[1], stack), text)
            case dict():
                unknown = [key for key in value if key.startswith("Fn::")]
                if unknown:
                    raise ValueError(f"{unknown[0]} is not known")
                return {key: self.resolved(item, stack) for key, item in value.items()}
            case list():
                return [self.resolved(item, stack) for item in value]
            case _:
                return value

    def _named(self, name: str, stack: str) -> str:
        head, _, attribute = name.partition(".")
        if attribute:
            return self.value(self._resource(head, stack), attribute)
        return self._reference(head, stack)

    def _reference(self, name: str, stack: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.by_stack[stack].get("Parameters", {}):
            handed = self.by_stack[ROOT]["Resources"][stack]["Properties"]["Parameters"]
            return str(self.resolved(handed[name], ROOT))
        return self.value(self._resource(name, stack), "Ref")

    def _resource(self, name: str, stack: str) -> Resource:
        definition = self.by_stack[stack]["Resources"][name]
        return Resource(stack, name, definition["Type"], definition.get("Properties", {}))
