"""CloudFormation works with the rights of the role that it is given, and with no others."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from local import execution_role
from tests.environment import Environment, wait_for

ROLE = "cdk-hnb659fds-cfn-exec-role-123456789012-us-east-1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
UNLIMITED_ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}


@pytest.fixture(scope="module")
def role(environment: Environment) -> str:
    """The bootstrap's, with the policies of pipeline/account.yaml."""
    _, policies = execution_role.prepare(environment.endpoint)
    iam = environment.client("iam")
    made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
    for policy in policies.split(","):
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy)
    return str(made["Role"]["Arn"])


def created(environment: Environment, role: str, stack: str, resource: dict[str, Any]) -> str:
    """The reason why a stack could not be created; nothing, if it could."""
    cloudformation = environment.client("cloudformation")
    name = f"{stack}-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(
        StackName=name,
        RoleARN=role,
        TemplateBody=json.dumps({"Resources": {"It": resource}}),
        Capabilities=["CAPABILITY_IAM"],
    )

    def status() -> str:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return str(found["StackStatus"])

    wait_for(lambda: not status().endswith("IN_PROGRESS"))
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        each["ResourceStatusReason"] for each in events if "FAILED" in each["ResourceStatus"]
    ]
    return reasons[0] if reasons else ""


def test_what_belongs_to_production_is_made(environment: Environment, role: str) -> None:
    assert created(environment, role, "PaymentsProd", QUEUE) == ""


@pytest.mark.parametrize(
    ("stack", "resource", "action"),
    [
        ("Other", QUEUE, "sqs:"),
        ("PaymentsProd", UNLIMITED_ROLE, "iam:CreateRole"),
        ("PaymentsStaging", QUEUE, "sqs:"),
    ],
)
def test_what_does_not_is_refused(
    environment: Environment, role: str, stack: str, resource: dict[str, Any], action: str
) -> None:
    assert f"is not authorized to perform: {action}" in created(environment, role, stack, resource)


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
            "It": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": {"Fn::If": ["IsGiven", f"{name}-with", f"{name}-without"]}
                },
            }
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
