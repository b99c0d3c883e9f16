"""CloudFormation's execution role may do what the templates need, and not much else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from assurance.permissions.deployment import (
    ACCOUNT_TEMPLATE,
    LEFT_OUT,
    NAMES,
    Demand,
    Place,
    demands,
    handled,
    left_out,
)
from assurance.permissions.row import Decision
from assurance.permissions.simulation import run
from assurance.permissions.templates import ACCOUNT, REGION, ROOT, Json, Templates
from tests.synthesis import Synthesized

LIMIT = 6_144
"""Characters of a managed policy, without white space (IAM user guide, quotas)."""

UNJUDGED = ("ProvisionedConcurrencyConfig", "SetWebACL")
"""Of these the engine cannot tell which kind of resource they are about."""

EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
OWN_BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{ROOT}-PermissionsBoundary2D0B48CC-x"

OF_KEYS: Json = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""What each key says of the account's administrators."""


def deployed(stack: str = ROOT) -> Mapping[str, Any]:
    """The resources of the account's template, as CloudFormation makes them."""
    document = yaml.safe_load(ACCOUNT_TEMPLATE.read_text(encoding="utf-8"))
    values = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "StackName": stack,
        "Repository": "example/payments",
        "GitHubProvider": "",
    }

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return values.get(name, name)
            case {"Fn::GetAtt": [name, "Arn"]} | {"Fn::GetAtt": [name, "PolicyArn"]}:
                return f"arn of {name}"
            case {"Fn::Sub": [text, own]}:
                return (
                    resolved({"Fn::Sub": text} | {})
                    if not own
                    else substituted(
                        text, {**values, **{key: resolved(item) for key, item in own.items()}}
                    )
                )
            case {"Fn::Sub": text}:
                return substituted(text, values)
            case {"Fn::FindInMap": [mapping, first, second]}:
                return document["Mappings"][mapping][resolved(first)][resolved(second)]
            case {"Fn::If": [_, then, _]}:
                return resolved(then)
            case dict():
                return {key: resolved(item) for key, item in value.items()}
            case list():
                return [resolved(item) for item in value]
        return value

    found: Mapping[str, Any] = resolved(document["Resources"])
    return found


def substituted(text: str, values: Mapping[str, Any]) -> str:
    # What IAM itself replaces stays: ${aws:...}.
    return re.sub(r"\$\{([A-Za-z]+(?:::\w+)?)\}", lambda name: str(values[name[1]]), text)


def execution_policies(stack: str = ROOT) -> dict[str, Json]:
    return {
        each["Properties"]["ManagedPolicyName"]: each["Properties"]["PolicyDocument"]
        for each in deployed(stack).values()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
        and each["Properties"]["ManagedPolicyName"].startswith("payments-deployment-")
    }


def asked(synthesized: Synthesized) -> Iterator[tuple[str, Demand]]:
    """What CloudFormation asks for, with the resource's type."""
    templates = Templates.of(synthesized.folder)
    for stack, template in templates.by_stack.items():
        place = Place(
            account=ACCOUNT, region=REGION, stack=ROOT if stack == ROOT else f"{ROOT}-{stack}"
        )
        for logical_id, resource in template["Resources"].items():
            kind, given = resource["Type"], resource.get("Properties", {})
            properties: Json = {}
            for key in {NAMES.get(kind, ""), "ServiceToken", "Role", "RoleARN"} & given.keys():
                try:
                    properties[key] = templates.resolved(given[key], stack)
                    # Of a role's name, the templates know the logical id only.
                    if key.startswith("Role"):
                        properties[key] = properties[key].replace(":role/", f":role/{ROOT}-")
                except ValueError:  # of a version, an API's id: CloudFormation's to know
                    properties[key] = re.sub(r"[^\w/-]", "", str(given[key]))
            if "PermissionsBoundary" in given:
                properties["PermissionsBoundary"] = OWN_BOUNDARY
            if "Roles" in given:
                properties["Roles"] = given["Roles"]
            for operation in ("create", "update", "delete"):
                for demand in demands(kind, operation, logical_id, properties, place):
                    yield kind, demand


def decided(wanted: list[Demand], stack: str = ROOT) -> list[Decision]:
    policies = [
        {"name": name, "policy": document} for name, document in execution_policies(stack).items()
    ]
    return run(
        [
            {
                "title": f"{each.action} on {each.resource} with {dict(each.context)}",
                "request": {
                    "principal": EXECUTION_ROLE,
                    "action": each.action,
                    "resource": {"resource": each.resource, "accountId": ACCOUNT},
                    "contextVariables": dict(each.context),
                },
                "identityPolicies": policies,
                "serviceControlPolicies": [],
                "resourceControlPolicies": [],
                **({"resourcePolicy": OF_KEYS} if each.action.startswith("kms:") else {}),
            }
            for each in wanted
        ]
    )


def test_every_right_that_the_templates_need_is_given(synthesized: Synthesized) -> None:
    found = {
        (each.action, each.resource, json.dumps(dict(each.context))): (kind, each)
        for kind, each in asked(synthesized)
        if not each.action.endswith(UNJUDGED)
    }
    wanted = list(found.values())
    lacking = [
        f"{kind} needs {each.action} on {each.resource} {dict(each.context)}"
        for (kind, each), decision in zip(
            wanted, decided([each for _, each in wanted]), strict=True
        )
        if decision is not Decision.ALLOW
    ]
    assert not lacking, "\n".join(lacking)
