"""The queues: where failed work waits, for as long as SQS can keep it."""

from __future__ import annotations

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.queue import EncryptedQueue
from config import FUNCTION_TIMEOUT_SECONDS

MAX_RECEIVES = 14
"""Deliveries of a message before it goes to the dead-letter queue.

payment-processor hides a failed message for longer each time (its ``retries.py``), so that the last
delivery comes 20 to 40 minutes after the first: twice an outage of ten minutes at least, and ten
times a Multi-AZ failover of 60 to 120 seconds. Where it cannot tell SQS, or Lambda has no execution
left for it, a message comes again after the queue's visibility timeout: 13 * 180 s = 39 minutes.
"""


class Queues(Construct):
    """Payments to retry (R11), those given up for a person to decide, stream records that could
    not be audited, and asynchronous invocations that failed."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self.retry_dead_letter = EncryptedQueue(self, "RetryDeadLetterQueue", key=key)
        self.retry = EncryptedQueue(
            self,
            "RetryQueue",
            key=key,
            # At least six times the consumer's timeout, or SQS delivers a message again while
            # it is being processed (AWS Lambda developer guide, "Using Lambda with SQS").
            visibility_timeout=Duration.seconds(6 * FUNCTION_TIMEOUT_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.retry_dead_letter, max_receive_count=MAX_RECEIVES
            ),
        )
        self.audit_failure = EncryptedQueue(self, "AuditFailureQueue", key=key)
        self.failed_invocations = EncryptedQueue(self, "FailedInvocationsQueue", key=key)
        self.failed_invocations.add_to_resource_policy(
            iam.PolicyStatement(
                sid="EventsThatReachedNoFunction",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.failed_invocations.queue_arn],
                conditions={
                    "ArnLike": {
                        "aws:SourceArn": (
                            f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/*"
                        )
                    }
                },
            )
        )
