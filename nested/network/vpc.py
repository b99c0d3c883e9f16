"""The VPC: three zones, a public and a private subnet in each (R2, R3)."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.logs import EncryptedLogGroup
from building_blocks.role import ServiceRole


class PaymentsVpc(Construct):
    """Private subnets for the database and the functions, public ones for NAT gateways only.

    A NAT gateway stands in each zone, so that the loss of one zone does not take the way out of
    the others. DynamoDB and S3 are reached through gateway endpoints, which cost nothing and
    keep that traffic off the NAT gateways.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cidr: str,
        availability_zones: Sequence[str],
        log_key: kms.IKey,
    ) -> None:
        """
        :param availability_zones: by name. An environment-agnostic stack knows of two zones
            only, and would silently build the VPC in those (aws/aws-cdk#6047).
        """
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(availability_zones),
            nat_gateways=len(availability_zones),
            # CDK's own helper is a Node.js function outside our tags, logs and tests.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(
                    name="Private",
                    subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS,
                    cidr_mask=22,
                ),
            ],
            gateway_endpoints={
                "DynamoDb": ec2.GatewayVpcEndpointOptions(
                    service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
                ),
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            },
        )
        self.nat_gateway_ids = tuple(
            child.ref for child in self.vpc.node.find_all() if isinstance(child, ec2.CfnNatGateway)
        )
        self._add_flow_logs(log_key)

    def _add_flow_logs(self, log_key: kms.IKey) -> None:
        log_group = EncryptedLogGroup(
            self, "FlowLogGroup", name="/payments/vpc-flow-logs", key=log_key
        )
        role = ServiceRole(
            self,
            "FlowLogRole",
            service="vpc-flow-logs.amazonaws.com",
            purpose="Lets the VPC write its flow logs",
            statements=[
                iam.PolicyStatement(
                    sid="WriteFlowLogs",
                    actions=[
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    resources=[log_group.log_group_arn],
                )
            ],
        )
        # The construct of this name would add a second policy to the role.
        flow_log = ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_type="VPC",
            resource_id=self.vpc.vpc_id,
            traffic_type="ALL",
            max_aggregation_interval=60,
            log_destination_type="cloud-watch-logs",
            log_group_name=log_group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        flow_log.node.add_dependency(role.policy)
