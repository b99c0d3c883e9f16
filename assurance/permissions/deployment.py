"""What CloudFormation asks for, in the name of its execution role, to make, change and delete the
resources of templates: the rights that the CloudFormation registry names for each type's handlers.

``pipeline/handlers.json`` has them as ``aws cloudformation describe-type --type RESOURCE
--type-name NAME --query Schema`` tells them; the role's policies are in ``pipeline/account.yaml``,
and ``deployment.yaml`` has what our templates do not need, and what requests name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.assembly import NAMES

PROJECT: Final = Path(__file__).resolve().parents[2]
ACCOUNT_TEMPLATE: Final = PROJECT / "pipeline" / "account.yaml"
_HANDLERS: Final = PROJECT / "pipeline" / "handlers.json"
_REFERENCE: Final = PROJECT / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
"""AWS's service authorization reference, action by action."""

_DATA: Final[Mapping[str, Mapping[str, str]]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)

LEFT_OUT: Final = " ".join(_DATA["left_out"].values()).split()
"""Patterns of rights of handlers."""


def name_property(resource_type: str) -> str:
    """That with the physical name, or with that of what the resource belongs to."""
    of_parts = {"AWS::Lambda": "FunctionName", "AWS::Logs": "LogGroupName"}
    return NAMES.get(resource_type) or of_parts.get(resource_type.rpartition("::")[0], "")


@dataclass(frozen=True)
class Demand:
    """A right that is asked for."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack stands.

    stack: its name; a nested one's begins with its root's.
    """

    account: str
    region: str
    stack: str


@cache
def handled() -> Mapping[str, Mapping[str, list[str]]]:
    """The rights of each operation, by type of resource."""
    found: dict[str, dict[str, list[str]]] = json.loads(_HANDLERS.read_text(encoding="utf-8"))
    return found


def left_out(action: str) -> bool:
    return any(fnmatchcase(action, each) for each in LEFT_OUT)


def demands(
    resource_type: str, operation: str, logical_id: str, properties: Mapping[str, Any], place: Place
) -> Iterator[Demand]:
    """
    :param operation: ``create``, ``update`` or ``delete``; each reads, too.
    :param properties: without intrinsic functions.
    :raises KeyError: for a type that ``handlers.json`` does not have.
    """
    if resource_type.startswith("Custom::"):
        function = str(properties["ServiceToken"])
        yield Demand("lambda:InvokeFunction", function)
        return
    handlers = handled().get(resource_type)
    if handlers is None:
        raise KeyError(f"{_HANDLERS.name} has no {resource_type}: add its handlers' permissions")
    name = properties.get(name_property(resource_type), f"{place.stack}-{logical_id}")
    # What cannot be updated is made anew.
    for action in {*handlers.get(operation, handlers["create"]), *handlers.get("read", ())}:
        if not left_out(action):
            yield from _demand(action, resource_type, str(name), properties, place)


def _demand(
    action: str, resource_type: str, name: str, properties: Mapping[str, Any], place: Place
) -> Iterator[Demand]:
    service = resource_type.split("::")[1].lower()
    own = f"arn:aws:iam::{place.account}"
    context = {"aws:RequestedRegion": place.region}
    match action:
        case "iam:PassRole":
            if resource_type in _DATA["passed_to"]:
                context["iam:PassedToService"] = _DATA["passed_to"][resource_type]
                for role in _roles(properties):
                    yield Demand(action, role, context)
        case "iam:CreateServiceLinkedRole":
            if service in _DATA["own_role_of"]:
                context["iam:AWSServiceName"] = who = _DATA["own_role_of"][service]
                yield Demand(action, f"{own}:role/aws-service-role/{who}/AWSServiceRole", context)
        case "iam:CreateRole" | "iam:PutRolePermissionsBoundary":
            if boundary := properties.get("PermissionsBoundary"):
                context["iam:PermissionsBoundary"] = str(boundary)
            yield Demand(action, _arn(resource_type, name, place), context)
        case "iam:AttachRolePolicy" | "iam:DetachRolePolicy":
            for policy in _attached(resource_type, name, properties, place):
                role = f"{own}:role/{place.stack}-Role"
                yield Demand(action, role, {**context, "iam:PolicyARN": policy})
        case "iam:GetRole" if service != "iam":
            for role in _roles(properties):
                yield Demand(action, role, context)
        case "s3:GetObject" | "s3:GetObjectVersion":
            if service == "lambda":
                bucket = f"cdk-hnb659fds-assets-{place.account}-{place.region}"
                yield Demand(action, f"arn:aws:s3:::{bucket}/package.zip", context)
        case _ if action.startswith("s3:") and service != "s3":
            return  # of logs that go to a bucket, or come from one
        case _ if action.startswith("kms:") and service != "kms":
            if action not in ("kms:DescribeKey", "kms:ListAliases"):
                context["kms:ViaService"] = f"{service}.{place.region}.amazonaws.com"
            key = f"arn:aws:kms:{place.region}:{place.account}:key/{name}"
            yield Demand(action, "*" if not _kinds(action) else key, context)
        case "secretsmanager:CreateSecret" | "secretsmanager:TagResource":
            secret = f"{place.region}:{place.account}:secret:rds!db-{name}"
            yield Demand(action, f"arn:aws:secretsmanager:{secret}", context)
        case _:
            if action.endswith("EventSourceMapping") and not action.startswith("lambda:Get"):
                context["lambda:FunctionArn"] = _arn("AWS::Lambda::", name, place)
            yield Demand(action, _of(action, resource_type, name, place), context)


def _roles(value: Any) -> set[str]:
    """The ARNs of roles in properties."""
    return set(re.findall(r"arn:aws:iam::\d+:role/[\w+=,.@/-]+", json.dumps(value)))


def _attached(
    resource_type: str, name: str, properties: Mapping[str, Any], place: Place
) -> list[str]:
    if resource_type == "AWS::IAM::Role":
        return [str(each) for each in properties.get("ManagedPolicyArns", ())]
    return [_arn(resource_type, name, place)] if properties.get("Roles") else []


def _of(action: str, resource_type: str, name: str, place: Place) -> str:
    """What the request names: of a type's own, or of another service's that it works with."""
    kinds = _kinds(action)
    if not kinds:
        return "*"
    service = action.partition(":")[0]
    own = service == resource_type.split("::")[1].lower() and action not in _DATA["others"]
    about = resource_type if own else _DATA["others"].get(action, _DATA["others"].get(service, ""))
    arn = _arn(about, name if own else f"{place.stack}-x", place) if about else ""
    if action.endswith("ProvisionedConcurrencyConfig"):
        return f"{arn}:live"
    if any(re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(kind)), arn) for kind in kinds):
        return arn
    for variable, value in (("Account", place.account), ("Region", place.region)):
        kinds = [kind.replace(f"${{{variable}}}", value) for kind in kinds]
    return re.sub(r"\$\{\w+\}", "x", kinds[0].replace("${Partition}", "aws"))


def _arn(resource_type: str, name: str, place: Place) -> str:
    if name.startswith("arn:"):
        return name
    service = resource_type.rpartition("::")[0]
    pattern = "arn:aws:" + (_DATA["arns"].get(resource_type) or _DATA["arns"][f"{service}::"])
    return pattern.format(account=place.account, region=place.region, name=name, lower=name.lower())


@cache
def _kinds(action: str) -> list[str]:
    """The ARNs' patterns of what requests for the action name; none, if they name nothing."""
    service, _, name = action.partition(":")
    kinds = _reference("actions", service)[name.lower()]["resourceTypes"]
    arns = _reference("resourceTypes", service) if kinds else {}
    return [arn for kind in kinds for arn in arns[kind["name"].lower()]["arn"].split(", ")]


@cache
def _reference(kind: str, service: str) -> Mapping[str, Any]:
    text = (_REFERENCE / kind / f"{service}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
