"""CloudFormation's execution role in the emulator: narrowed, as docs/pipeline.md has it on AWS."""

from __future__ import annotations

from collections.abc import Iterator

from assurance.permissions.deployment import ACCOUNT_TEMPLATE, Place, demands
from config import PRODUCTION, STACKS
from local import aws
from local.emulator_internals import Properties, Right

STACK = "payments-account"


def prepare(endpoint: str, deployed: str = STACKS[PRODUCTION]) -> list[str]:
    """Deploy what an account has before the bootstrap, as its administrator; the options of
    `cdk bootstrap` that follow from it.

    Args:
        deployed: the stack that the role will be for.
    """
    cloudformation = aws.client("cloudformation", endpoint)
    cloudformation.create_stack(
        StackName=STACK,
        Parameters=[{"ParameterKey": "StackName", "ParameterValue": deployed}],
        TemplateBody=ACCOUNT_TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    return ["--cloudformation-execution-policies", outputs["ExecutionPolicies"]]


def asked(
    resource_type: str, operation: str, logical_id: str, properties: Properties, stack: str
) -> Iterator[Right]:
    """The rights that AWS's handlers would ask for."""
    place = Place(account=aws.ACCOUNT, region=aws.REGION, stack=stack)
    for demand in demands(resource_type, operation, logical_id, properties, place):
        yield Right(demand.action, demand.resource, demand.context)
