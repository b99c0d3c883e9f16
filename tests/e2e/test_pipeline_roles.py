"""The policies of the pipeline's roles suffice for its commands, where IAM is enforced; and
CloudFormation's role is the narrowed one."""

from __future__ import annotations

import pytest

from local import aws, execution_role
from tests.deployment import Production
from tests.e2e.operators import ops, user

PROVIDER = f"arn:aws:iam::{aws.ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
PLANS = ["payments-pipeline-plan"]
DEPLOYS = [*PLANS, "payments-pipeline-deploy", "payments-pipeline-verify"]


@pytest.fixture(scope="module", autouse=True)
def roles(production: Production) -> None:
    """What the account's template makes for a repository."""
    cloudformation = production.environment.client("cloudformation")
    cloudformation.update_stack(
        StackName=execution_role.STACK,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "Repository", "ParameterValue": "example/payments"},
            # A type that the emulator does not know.
            {"ParameterKey": "GitHubProvider", "ParameterValue": PROVIDER},
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=execution_role.STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_cloudformation_is_no_administrator(production: Production) -> None:
    iam = production.environment.client("iam")
    role = f"cdk-hnb659fds-cfn-exec-role-{aws.ACCOUNT}-{aws.REGION}"
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert {each["PolicyName"] for each in attached} == {
        "payments-deployment-data",
        "payments-deployment-edge",
        "payments-deployment-rights",
    }


# No token of GitHub's is made here: users have the roles' policies.
@pytest.mark.parametrize(
    ("policies", "command"),
    [
        (PLANS, ["plan", "--json"]),
        (DEPLOYS, ["deploy", "--yes"]),
        (DEPLOYS, ["verify", "--json"]),
        (DEPLOYS, ["smoke", "--json"]),
    ],
    ids=["plan", "deploy", "verify", "smoke"],
)
def test_the_role_suffices(production: Production, policies: list[str], command: list[str]) -> None:
    with user(production, policies=policies) as keys:
        done = ops(production, *command, **keys)
    assert done.code == 0, done


@pytest.mark.parametrize("command", [["smoke"], ["deploy", "--yes"]], ids=["smoke", "deploy"])
def test_who_plans_reads_no_payment_and_deploys_nothing(
    production: Production, command: list[str]
) -> None:
    with user(production, policies=PLANS) as keys:
        assert ops(production, *command, **keys).code == 2
