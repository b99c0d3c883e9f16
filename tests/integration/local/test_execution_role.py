"""CloudFormation works with the rights of the role that it is given, and with no others."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from local import execution_role
from tests.environment import Environment, Stack, resource
from tests.probe import LAMBDA, policy

ROLE = "cdk-hnb659fds-cfn-exec-role-123456789012-us-east-1"
TRUST = policy(LAMBDA)
QUEUE = resource("SQS::Queue")
UNLIMITED_ROLE = resource("IAM::Role", AssumeRolePolicyDocument=TRUST)


@pytest.fixture(scope="module")
def role(environment: Environment) -> str:
    """The bootstrap's, with the policies of pipeline/account.yaml."""
    _, policies = execution_role.prepare(environment.endpoint)
    iam = environment.client("iam")
    made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
    for each in policies.split(","):
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=each)
    return str(made["Role"]["Arn"])


def created(environment: Environment, role: str, name: str, made: dict[str, Any]) -> str:
    """The reason why a stack could not be created; nothing, if it could."""
    stack = Stack(environment, name)
    stack.create({"It": made}, RoleARN=role)
    return "".join(stack.reasons()[:1])


def test_what_belongs_to_production_is_made(environment: Environment, role: str) -> None:
    assert created(environment, role, "PaymentsProd", QUEUE) == ""


@pytest.mark.parametrize(
    ("stack", "made", "action"),
    [
        ("Other", QUEUE, "sqs:"),
        ("PaymentsProd", UNLIMITED_ROLE, "iam:CreateRole"),
        ("PaymentsStaging", QUEUE, "sqs:"),
    ],
)
def test_what_does_not_is_refused(
    environment: Environment, role: str, stack: str, made: dict[str, Any], action: str
) -> None:
    assert f"is not authorized to perform: {action}" in created(environment, role, stack, made)


@pytest.mark.parametrize(("given", "made"), [("", "without"), ("first,second", "with")])
def test_the_bootstrap_sees_whether_it_was_given_policies(
    environment: Environment, given: str, made: str
) -> None:
    """As its template asks; without any it gives AdministratorAccess."""
    cloudformation, name = environment.client("cloudformation"), f"asks-{uuid.uuid4().hex[:8]}"
    none = {"Fn::Equals": ["", {"Fn::Join": ["", {"Ref": "Policies"}]}]}
    template = {
        "Parameters": {"Policies": {"Type": "CommaDelimitedList", "Default": ""}},
        "Conditions": {"IsGiven": {"Fn::Not": [none]}},
        "Resources": {
            "It": resource(
                "SQS::Queue", QueueName={"Fn::If": ["IsGiven", f"{name}-with", f"{name}-without"]}
            )
        },
    }
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Policies", "ParameterValue": given}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (url,) = environment.client("sqs").list_queues(QueueNamePrefix=name)["QueueUrls"]
    assert url.endswith(f"{name}-{made}")
