"""Takes every rule out of the VPC's default security group (R3)."""

from __future__ import annotations

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.custom_resource import PROVIDER_TIMEOUT_SECONDS, service_timeout, try_once
from building_blocks.function import PythonFunction


class EmptyDefaultSecurityGroup(Construct):
    """AWS creates the group with the VPC, open among its members and to the outside; a template
    cannot change it, so a function does, as a custom resource.

    The function stands outside the VPC: it needs the EC2 API only, and the network's way out is
    not there yet when it runs.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.Vpc, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        group = stack.format_arn(
            service="ec2",
            resource="security-group",
            resource_name=vpc.vpc_default_security_group,
        )
        rules = stack.format_arn(service="ec2", resource="security-group-rule", resource_name="*")
        provider = PythonFunction(
            self,
            "Provider",
            name="payments-default-security-group",
            description="Empties the default security group during a deployment",
            code=FunctionCode(
                package="default_security_group", shared_packages=("custom_resource",)
            ),
            key=key,
            timeout_seconds=PROVIDER_TIMEOUT_SECONDS,
            environment={},
            statements=[
                iam.PolicyStatement(
                    sid="ReadGroups",
                    # Describe actions of EC2 cannot be limited to a resource.
                    actions=["ec2:DescribeSecurityGroupRules"],
                    resources=["*"],
                ),
                iam.PolicyStatement(
                    sid="EmptyTheDefaultGroup",
                    actions=[
                        "ec2:RevokeSecurityGroupEgress",
                        "ec2:RevokeSecurityGroupIngress",
                    ],
                    # EC2 asks for both; the rules' names are not known beforehand.
                    resources=[group, rules],
                ),
            ],
        )
        CustomResource(
            self,
            "EmptyGroup",
            resource_type="Custom::DefaultSecurityGroup",
            service_token=provider.function.function_arn,
            service_timeout=service_timeout(),
            properties={"DefaultSecurityGroupId": vpc.vpc_default_security_group},
        ).node.add_dependency(try_once(provider))
