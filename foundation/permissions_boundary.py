"""The permissions boundary of every role in the app (R17)."""

from __future__ import annotations

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.denials import deny_what_no_role_does


class PermissionsBoundary(iam.ManagedPolicy):
    """What the app's roles may do at the most; what one of them may do is in its own policy.

    It stands before all roles. A new action of a role has to be added here as well: that is its
    purpose.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"What any role of payments {environment} may do at the most",
            statements=[
                iam.PolicyStatement(
                    sid="AtTheMost",
                    actions=[
                        # Payments and their history
                        "dynamodb:BatchGetItem",
                        "dynamodb:DescribeStream",
                        "dynamodb:GetItem",
                        "dynamodb:GetRecords",
                        "dynamodb:GetShardIterator",
                        "dynamodb:ListStreams",
                        "dynamodb:PutItem",
                        "dynamodb:Query",
                        "rds-db:connect",
                        "sqs:ChangeMessageVisibility",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        "sqs:ReceiveMessage",
                        "sqs:SendMessage",
                        # The audit trail
                        "s3:GetObject",
                        "s3:GetObjectVersion",
                        "s3:ListBucket",
                        "s3:ListBucketVersions",
                        "s3:PutObject",
                        # What is encrypted
                        "kms:Decrypt",
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:GenerateDataKey",
                        "kms:ReEncryptFrom",
                        "kms:ReEncryptTo",
                        # Migrations
                        "secretsmanager:GetSecretValue",
                        # A failed first deployment
                        "cloudformation:DescribeStacks",
                        "cloudformation:UpdateTerminationProtection",
                        # The production seal
                        "dynamodb:DescribeTable",
                        "dynamodb:UpdateTable",
                        "rds:DescribeDBInstances",
                        "rds:ModifyDBInstance",
                        # Releases
                        "cloudwatch:DescribeAlarms",
                        "codedeploy:GetApplicationRevision",
                        "codedeploy:GetDeployment",
                        "codedeploy:PutLifecycleEventHookExecutionStatus",
                        "lambda:GetAlias",
                        "lambda:GetProvisionedConcurrencyConfig",
                        "lambda:InvokeFunction",
                        "lambda:UpdateAlias",
                        # The network interfaces of functions, and the default security group
                        "ec2:AssignPrivateIpAddresses",
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSecurityGroupRules",
                        "ec2:DescribeSubnets",
                        "ec2:RevokeSecurityGroupEgress",
                        "ec2:RevokeSecurityGroupIngress",
                        "ec2:UnassignPrivateIpAddresses",
                        # Logs and traces
                        "logs:AssociateKmsKey",
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogGroups",
                        "logs:DescribeLogStreams",
                        "logs:DisassociateKmsKey",
                        "logs:FilterLogEvents",
                        "logs:GetLogEvents",
                        "logs:PutLogEvents",
                        "logs:PutRetentionPolicy",
                        "logs:TagResource",
                        "xray:PutTelemetryRecords",
                        "xray:PutTraceSegments",
                    ],
                    resources=["*"],
                ),
                *deny_what_no_role_does(),
                iam.PolicyStatement(
                    sid="DenyForeignResources",
                    effect=iam.Effect.DENY,
                    actions=["*"],
                    resources=["*"],
                    conditions={
                        "StringNotEquals": {"aws:ResourceAccount": Aws.ACCOUNT_ID},
                        # Actions without a resource, such as xray:PutTraceSegments
                        "Null": {"aws:ResourceAccount": "false"},
                    },
                ),
            ],
        )
        # A role that stays when the stack is deleted (API Gateway's, for logs) stays under it.
        self.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
