"""Leaves the record of a failed first deployment unprotected, so that the next one replaces it."""

from __future__ import annotations

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.custom_resource import PROVIDER_TIMEOUT_SECONDS, service_timeout, try_once
from building_blocks.function import PythonFunction


class TerminationProtection(Construct):
    """The CDK protects the stack against deletion before it creates anything in it, and deletes
    the empty record of a failed creation before it creates again. So whoever rolls a creation
    back has to lift the protection, and CloudFormation asks custom resources to (decision 0009).

    It stands before everything else: whatever fails, this has been made, and is deleted last.
    The function stands outside the VPC, which does not exist yet.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        stack_id = Stack.of(self).stack_id
        provider = PythonFunction(
            self,
            "Provider",
            name="payments-termination-protection",
            description="Lifts the protection of the empty record that a failed creation leaves",
            code=FunctionCode(
                package="termination_protection", shared_packages=("custom_resource",)
            ),
            key=key,
            timeout_seconds=PROVIDER_TIMEOUT_SECONDS,
            environment={},
            # What a deleted stack has left must not fail before this stands.
            names_log_group=False,
            statements=[
                iam.PolicyStatement(
                    sid="LiftOwnProtection",
                    actions=[
                        "cloudformation:DescribeStacks",
                        "cloudformation:UpdateTerminationProtection",
                    ],
                    resources=[stack_id],
                )
            ],
        )
        self.resource = CustomResource(
            self,
            "Lifted",
            resource_type="Custom::TerminationProtection",
            service_token=provider.function.function_arn,
            service_timeout=service_timeout(),
            properties={"StackId": stack_id},
        )
        self.resource.node.add_dependency(try_once(provider))
