"""The one way in which this app makes a queue."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.key import use_key_through
from building_blocks.resource_policies import deny_foreign_accounts
from config import RETRY_MESSAGE_RETENTION_DAYS


class EncryptedQueue(sqs.Queue):
    """A queue under the given key, for this account only, that keeps messages as long as SQS can
    (R11): what is in it waits for a person."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        visibility_timeout: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            retention_period=Duration.days(RETRY_MESSAGE_RETENTION_DAYS),
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.add_to_resource_policy(deny_foreign_accounts(["sqs:*"], [self.queue_arn]))
        policy = self.node.find_child("Policy")
        assert isinstance(policy, sqs.QueuePolicy)
        policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


def use_queue_key(key: kms.IKey) -> iam.PolicyStatement:
    """SQS asks for these of whoever sends to or receives from an encrypted queue (SQS developer
    guide, "Key management")."""
    return use_key_through(
        "sqs", key, ["kms:Decrypt", "kms:GenerateDataKey"], sid="UseTheQueuesKey"
    )
