"""The CDK app of a drill: PaymentsProd as it is, with one fault seeded from outside.

`python -m local.drills.app FAULT`, as the `--app` of a CDK command line; `none` seeds nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from aws_cdk import CfnResource, CustomResource, Stack
from aws_cdk.aws_apigateway import CfnDeployment
from aws_cdk.aws_iam import CfnManagedPolicy
from constructs import IConstruct

from app import build, empty
from local.drills.releases import LAYERS
from root_stack import PaymentsProd

NO_FUNCTION: Final = "payments-drill-no-such-function"
"""What the seeded custom resource is to be made by: there is no function of this name."""


def fail_in(layer: str) -> Callable[[PaymentsProd], None]:
    """A resource that cannot be made, last in the layer: all else in it stands by then."""

    def seed(stack: PaymentsProd) -> None:
        nested = stack.node.find_child(f"{layer}NestedStack")
        _fail_after([node for node in nested.node.find_all() if _stands_in(node, nested)], nested)

    return seed


def fail_after_the_seal(stack: PaymentsProd) -> None:
    """A resource that cannot be made, when all is sealed: a rollback must break the seal."""
    _fail_after([_resource(stack.node.find_child("ProductionSeal"))], stack)


def fail_in_the_seal(stack: PaymentsProd) -> None:
    """The seal's function may protect the database but not the table: it fails half-way."""
    nested = stack.node.find_child("DataNestedStack")
    policies = [
        node
        for node in nested.node.find_child("ProductionSeal").node.find_all()
        if isinstance(node, CfnManagedPolicy)
    ]
    (policy,) = policies
    document = Stack.of(policy).resolve(policy.policy_document)
    sids = [statement.get("Sid") for statement in document["Statement"]]
    statement = f"PolicyDocument.Statement.{sids.index('ProtectTheHistory')}"
    policy.add_property_override(f"{statement}.Action", ["dynamodb:DescribeTable"])


def change_the_api_and_fail(stack: PaymentsProd) -> None:
    """An update that renews the API's deployment, and fails last."""
    (deployment,) = (node for node in stack.node.find_all() if isinstance(node, CfnDeployment))
    deployment.override_logical_id("DrillDeployment")
    fail_in("Observability")(stack)


FAULTS: Final[dict[str, Callable[[PaymentsProd], None]]] = {
    "none": lambda _: None,
    **{layer: fail_in(layer) for layer in LAYERS},
    "Seal": fail_in_the_seal,
    "AfterSeal": fail_after_the_seal,
    "Update": change_the_api_and_fail,
}
"""By the argument on the command line."""


def _fail_after(everything: list[IConstruct], scope: IConstruct) -> None:
    stack = Stack.of(scope)
    function = f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{NO_FUNCTION}"
    failure = CfnResource(
        stack, "DrillFailure", type="Custom::DrillFailure", properties={"ServiceToken": function}
    )
    for node in everything:
        if isinstance(node, CfnResource):
            failure.add_resource_dependency(node)


def _stands_in(node: IConstruct, stack: IConstruct) -> bool:
    return isinstance(node, CfnResource) and Stack.of(node) == stack


def _resource(construct: IConstruct) -> CfnResource:
    assert isinstance(construct, CustomResource)
    resource = construct.node.default_child
    assert isinstance(resource, CfnResource)
    return resource


def main(fault: str) -> None:
    """Synthesize PaymentsProd with a fault of FAULTS."""
    app = empty()
    FAULTS[fault](build(app))
    app.synth()


if __name__ == "__main__":
    main(sys.argv[1])
