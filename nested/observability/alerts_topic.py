"""Where critical alerts go (R13)."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from building_blocks.queue import EncryptedQueue
from building_blocks.resource_policies import deny_foreign_accounts


class AlertsTopic(sns.Topic):
    """An encrypted topic that CloudWatch may publish to, with the operators' mail address.

    AWS mails that address a request to confirm; until somebody follows it, no alarm arrives.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, key: kms.IKey, email: str
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            display_name=f"Payments {environment} alerts",
            master_key=key,
            enforce_ssl=True,
        )
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {
                        "aws:SourceArn": (
                            f"arn:{Aws.PARTITION}:cloudwatch:{Aws.REGION}:{Aws.ACCOUNT_ID}:alarm:*"
                        )
                    },
                },
            )
        )
        self.undelivered = EncryptedQueue(self, "DeadLetterQueue", key=key)
        self.add_subscription(
            subscriptions.EmailSubscription(email, dead_letter_queue=self.undelivered)
        )
        # Not sns:Publish: nobody foreign is admitted to it, and the services that are may not say
        # that they are services.
        self.add_to_resource_policy(
            deny_foreign_accounts(
                [
                    "sns:AddPermission",
                    "sns:DeleteTopic",
                    "sns:GetTopicAttributes",
                    "sns:ListSubscriptionsByTopic",
                    "sns:RemovePermission",
                    "sns:SetTopicAttributes",
                    "sns:Subscribe",
                ],
                [self.topic_arn],
            )
        )
