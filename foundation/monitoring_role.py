"""Lets RDS report on the operating system of the ledger's database."""

from __future__ import annotations

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.role import ServiceRole
from foundation.shared_log_groups import SHARED_LOG_GROUPS


class MonitoringRole(ServiceRole):
    """Enhanced monitoring's role.

    RDS tries it when it creates the instance, and fails when it is not known everywhere yet; IAM
    tells nobody when it is. So it stands before the network, whose NAT gateways take minutes: that
    is how much older than the database it always is. Its policy is that of AWS's
    ``AmazonRDSEnhancedMonitoringRole``, on the one group.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        group = Stack.of(scope).format_arn(
            service="logs",
            resource="log-group",
            resource_name=SHARED_LOG_GROUPS["DatabaseMonitoring"],
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        super().__init__(
            scope,
            construct_id,
            service="monitoring.rds.amazonaws.com",
            purpose="Lets RDS report on the operating system of the ledger's database",
            statements=[
                iam.PolicyStatement(
                    sid="KeepMonitoringLog",
                    actions=["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
                    # With and without the part for streams: which one is asked about differs.
                    resources=[group, f"{group}:*"],
                ),
                iam.PolicyStatement(
                    sid="WriteMonitoringLog",
                    actions=[
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:GetLogEvents",
                        "logs:PutLogEvents",
                    ],
                    resources=[f"{group}:*"],
                ),
            ],
        )
        # RDS reports with the role for as long as the instance lives.
        for kept in (self, self.policy):
            kept.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
