"""The key of everything that is neither the ledger's database nor the audit bucket."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.key import CustomerManagedKey

_USE = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]


class ApplicationKey(CustomerManagedKey):
    """Encrypts the table, the queues, the topic and every log group.

    It stands in the network stack because the flow logs, created first, are under it already.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        own_account = {"aws:SourceAccount": Aws.ACCOUNT_ID}
        super().__init__(
            scope,
            construct_id,
            alias="payments/application",
            description="Payments production: transactions table, queues, alerts topic, logs",
            service_statements=[
                iam.PolicyStatement(
                    sid="LogGroupsOfThisAccount",
                    principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
                    actions=[
                        *_USE,
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:ReEncryptFrom",
                        "kms:ReEncryptTo",
                    ],
                    resources=["*"],
                    conditions={
                        "ArnLike": {
                            "kms:EncryptionContext:aws:logs:arn": (
                                f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:*"
                            )
                        }
                    },
                ),
                # Without this, CloudWatch cannot publish to the encrypted topic, and every
                # alarm mail is lost without a word (aws/aws-cdk#11121).
                iam.PolicyStatement(
                    sid="AlarmsToEncryptedTopic",
                    principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                    actions=_USE[:2],
                    resources=["*"],
                    conditions={"StringEquals": own_account},
                ),
            ],
        )
