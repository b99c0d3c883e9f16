"""CloudFormation's execution role may do what the templates need, and not much else."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from assurance.permissions.deployment import (
    ACCOUNT_TEMPLATE,
    LEFT_OUT,
    Demand,
    Place,
    demands,
    handled,
    left_out,
    name_property,
)
from assurance.permissions.row import Decision
from assurance.permissions.simulation import run
from assurance.permissions.templates import ACCOUNT, REGION, ROOT, Json, Templates
from local.emulator_internals import trusts
from tests.synthesis import Synthesized

LIMIT = 6_144
"""Characters of a managed policy, without white space (IAM user guide, quotas)."""

UNJUDGED = ("ProvisionedConcurrencyConfig", "SetWebACL")
"""Of these the engine cannot tell which kind of resource they are about."""

EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
OWN_BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{ROOT}-PermissionsBoundary2D0B48CC-x"

WITH_SETTINGS = ("AWS::ApiGateway::BasePathMapping", "AWS::ApiGateway::DomainName")
"""Types that the templates have with some settings only."""

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


@cache
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
            case {"Fn::Sub": [text, own]}:
                return substituted(text, {**values, **resolved(own)})
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


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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
            for key in {name_property(kind), "ServiceToken", "Role", "RoleARN"} & given.keys():
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
    for kind in WITH_SETTINGS:
        for operation in ("create", "update", "delete"):
            place = Place(account=ACCOUNT, region=REGION, stack=ROOT)
            for demand in demands(kind, operation, "It", {}, place):
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


def test_staging_gets_the_same_for_its_own_names(synthesized: Synthesized) -> None:
    wanted = {
        Demand(
            each.action,
            each.resource.replace(ROOT, "PaymentsStaging").replace(ROOT.lower(), "paymentsstaging"),
            {key: value.replace(ROOT, "PaymentsStaging") for key, value in each.context.items()},
        )
        for _, each in asked(synthesized)
        if ROOT.lower() in each.resource.lower() and not each.action.endswith(UNJUDGED)
    }
    assert wanted
    assert set(decided(list(wanted), "PaymentsStaging")) == {Decision.ALLOW}


ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROOT}-Some"
HERE = {"aws:RequestedRegion": REGION}
REFUSED = {
    "a role without the boundary": Demand("iam:CreateRole", ROLE),
    "a role with another boundary": Demand(
        "iam:CreateRole",
        ROLE,
        {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "a role of another name": Demand(
        "iam:CreateRole",
        f"arn:aws:iam::{ACCOUNT}:role/Other",
        {"iam:PermissionsBoundary": OWN_BOUNDARY},
    ),
    "a role without its boundary afterwards": Demand("iam:DeleteRolePermissionsBoundary", ROLE),
    "a policy of AWS's on a role": Demand(
        "iam:AttachRolePolicy",
        ROLE,
        {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "a policy inside a role": Demand("iam:PutRolePolicy", ROLE),
    "a policy on its own role": Demand(
        "iam:AttachRolePolicy", EXECUTION_ROLE, {"iam:PolicyARN": OWN_BOUNDARY}
    ),
    "a role for a machine": Demand(
        "iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}
    ),
    "itself for a function": Demand(
        "iam:PassRole", EXECUTION_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}
    ),
    "its own policies": Demand(
        "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/payments-deployment-rights"
    ),
    "the pipeline's trust": Demand(
        "iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/payments-pipeline-deploy"
    ),
    "another's role": Demand("sts:AssumeRole", ROLE),
    "a user": Demand("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/someone"),
    "a user's key": Demand("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/someone"),
    "a payment's history": Demand(
        "dynamodb:Query", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/payment-transactions"
    ),
    "another's table": Demand(
        "dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other"
    ),
    "the database's password": Demand(
        "secretsmanager:GetSecretValue",
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-0a1b-2c3d",
    ),
    "the audit trail": Demand("s3:GetObject", "arn:aws:s3:::paymentsprod-auditbucket/year=2026/1"),
    "another's bucket": Demand("s3:DeleteBucket", "arn:aws:s3:::other"),
    "a posting": Demand(
        "lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payment-processor"
    ),
    "a machine": Demand("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", HERE),
    "another region": Demand(
        "ec2:CreateVpc",
        f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-1",
        {"aws:RequestedRegion": "eu-west-1"},
    ),
    "plaintext, by hand": Demand("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1", HERE),
}


def test_what_no_deployment_needs_is_refused() -> None:
    found = dict(zip(REFUSED, decided(list(REFUSED.values())), strict=True))
    assert found == dict.fromkeys(REFUSED, Decision.IMPLICIT_DENY)


def test_what_is_left_out_is_refused_and_no_pattern_is_idle() -> None:
    actions = {
        action
        for operations in handled().values()
        for each in operations.values()
        for action in each
    }
    assert [each for each in LEFT_OUT if not fnmatch.filter(actions, each)] == []
    allowed = [
        action
        for document in execution_policies().values()
        for statement in document["Statement"]
        for action in as_list(statement["Action"])
    ]
    given = {
        action
        for action in actions
        if left_out(action) and any(fnmatch.fnmatchcase(action, each) for each in allowed)
    }
    # Patterns that give what is read of settings give a little more of it.
    assert [each for each in given if not re.search(":(Describe|Get|List)", each)] == []


def test_each_policy_keeps_to_its_limit_and_to_the_services_of_the_templates() -> None:
    services = {
        action.split(":")[0]
        for ops in handled().values()
        for each in ops.values()
        for action in each
    }
    for name, document in execution_policies().items():
        assert len(json.dumps(document, separators=(",", ":"))) <= LIMIT, name
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            actions = as_list(statement["Action"])
            assert not [each for each in actions if each.endswith(":*") or each == "*"]
            assert {each.split(":")[0] for each in actions} <= services | {"ssm"}


# -- the roles of GitHub's workflows ------------------------------------------------------------

REPOSITORY = "example/payments"
MAIN = f"{REPOSITORY}/.github/workflows/main.yml@refs/heads/main"
PULL_REQUEST = f"{REPOSITORY}/.github/workflows/pull-request.yml@refs/pull/7/merge"


def entered(role: str, stack: str, **claims: str) -> bool:
    """Whether a job with these claims gets the role."""
    trust = deployed(stack)[role]["Properties"]["AssumeRolePolicyDocument"]
    keys = {f"token.actions.githubusercontent.com:{key}": value for key, value in claims.items()}
    return trusts(trust, "Provider", keys)


OURS = {"aud": "sts.amazonaws.com"}
ON_MAIN = {**OURS, "job_workflow_ref": MAIN}
TRUSTED = [
    ("DeployRole", "PaymentsProd", {**ON_MAIN, "sub": f"repo:{REPOSITORY}:environment:production"}),
    ("DeployRole", "PaymentsStaging", {**ON_MAIN, "sub": f"repo:{REPOSITORY}:environment:staging"}),
    ("PlanRole", "PaymentsProd", {**ON_MAIN, "sub": f"repo:{REPOSITORY}:ref:refs/heads/main"}),
    (
        "PlanRole",
        "PaymentsStaging",
        {**OURS, "job_workflow_ref": PULL_REQUEST, "sub": f"repo:{REPOSITORY}:pull_request"},
    ),
]


@pytest.mark.parametrize(("role", "stack", "claims"), TRUSTED)
def test_a_job_gets_the_role_that_is_meant_for_it_and_no_other(
    role: str, stack: str, claims: dict[str, str]
) -> None:
    places = {(each, of) for each, of, _ in TRUSTED}
    got = {(each, of) for each, of in places if entered(each, of, **claims)}
    assert got == {(role, stack)}


@pytest.mark.parametrize(("role", "stack", "claims"), TRUSTED)
@pytest.mark.parametrize(
    "other",
    [
        {"aud": "https://github.com/example"},
        {"sub": "repo:someone/payments:pull_request"},
        {"sub": "repo:example/payments-fork:environment:production"},
        {"sub": "repo:example/payments:ref:refs/heads/feature"},
        {"sub": "repo:example/payments:environment:development"},
    ],
    ids=str,
)
def test_nobody_else_gets_a_role(
    role: str, stack: str, claims: dict[str, str], other: dict[str, str]
) -> None:
    assert not entered(role, stack, **{**claims, **other})


@pytest.mark.parametrize("stack", ["PaymentsProd", "PaymentsStaging"])
def test_a_branch_that_names_the_environment_does_not_deploy(stack: str) -> None:
    (claims,) = (each for role, of, each in TRUSTED if (role, of) == ("DeployRole", stack))
    assert not entered("DeployRole", stack, **{**claims, "job_workflow_ref": PULL_REQUEST})


def test_who_plans_cannot_deploy() -> None:
    actions = {
        action
        for statement in deployed()["PlanPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    assert "cloudformation:ExecuteChangeSet" not in actions
    assumed = [
        str(statement["Resource"])
        for statement in deployed()["PlanPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "sts:AssumeRole"
    ]
    assert ["file-publishing-role" in each for each in assumed] == [True]
