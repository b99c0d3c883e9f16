"""The key of everything that is neither the ledger's database nor the audit bucket."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.key import CustomerManagedKey

_READ_AND_WRITE = ["kms:Decrypt", "kms:GenerateDataKey"]
_OWN_ACCOUNT: dict[str, object] = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}


class ApplicationKey(CustomerManagedKey):
    """Encrypts the table, the queues, the topic and every log group.

    It stands before all layers, because the first log groups are under it already.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: str) -> None:
        super().__init__(
            scope,
            construct_id,
            alias="payments/application",
            description=f"Payments {environment}: transactions table, queues, alerts topic, logs",
            through=["dynamodb", "sqs"],
            keeps_grants=True,
            service_statements=[
                iam.PolicyStatement(
                    sid="LogGroupsOfThisAccount",
                    principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
                    actions=[
                        *_READ_AND_WRITE,
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:GenerateDataKeyWithoutPlaintext",
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
                _admit("AlarmsToEncryptedTopic", "cloudwatch.amazonaws.com", _OWN_ACCOUNT),
                # The same holds for what SNS and EventBridge set aside in encrypted queues.
                # EventBridge does not tell KMS for whom it acts (Amazon SNS developer guide, "Key
                # management"): the queue's own policy admits this account's rules only.
                _admit("UndeliveredAlertsToEncryptedQueue", "sns.amazonaws.com", _OWN_ACCOUNT),
                _admit("UndeliveredEventsToEncryptedQueue", "events.amazonaws.com", None),
            ],
        )


def _admit(sid: str, service: str, conditions: dict[str, object] | None) -> iam.PolicyStatement:
    """Lets an AWS service write into what is encrypted."""
    return iam.PolicyStatement(
        sid=sid,
        principals=[iam.ServicePrincipal(service)],
        actions=_READ_AND_WRITE,
        resources=["*"],
        conditions=conditions,
    )
