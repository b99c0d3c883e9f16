"""The policies of the pipeline's roles suffice for its commands, where IAM is enforced."""

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
    cloudformation = production.client("cloudformation")
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


@pytest.mark.parametrize(
    "command",
    [["smoke"], ["deploy", "--yes", "-c", "approval_validity_seconds=600"]],
    ids=["smoke", "deploy"],
)
def test_who_plans_reads_no_payment_and_deploys_nothing(
    production: Production, command: list[str]
) -> None:
    def version() -> object:
        stacks = production.client("cloudformation").describe_stacks
        return stacks(StackName="PaymentsProd")["Stacks"][0].get("LastUpdatedTime")

    before = version()
    with user(production, policies=PLANS) as keys:
        assert ops(production, *command, **keys).code == 2
    assert version() == before
