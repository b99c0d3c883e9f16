"""The queues: where failed work waits, for as long as SQS can keep it."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from config import FUNCTION_TIMEOUT_SECONDS, RETRY_MESSAGE_RETENTION_DAYS

MAX_RECEIVES = 14
"""Deliveries of a message before it goes to the dead-letter queue.

payment-processor hides a failed message for longer each time (its ``retries.py``), so that the last
delivery comes 20 to 40 minutes after the first: twice an outage of ten minutes at least, and ten
times a Multi-AZ failover of 60 to 120 seconds. Where it cannot tell SQS, or Lambda has no execution
left for it, a message comes again after the queue's visibility timeout: 13 * 180 s = 39 minutes.
"""


class Queues(Construct):
    """Payments to retry (R11), those given up for a person to decide, and stream records that
    could not be audited."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.retry_dead_letter = self._queue("RetryDeadLetterQueue")
        self.retry = self._queue(
            "RetryQueue",
            # At least six times the consumer's timeout, or SQS delivers a message again while
            # it is being processed (AWS Lambda developer guide, "Using Lambda with SQS").
            visibility_timeout=Duration.seconds(6 * FUNCTION_TIMEOUT_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.retry_dead_letter, max_receive_count=MAX_RECEIVES
            ),
        )
        self.audit_failure = self._queue("AuditFailureQueue")

    def _queue(
        self,
        construct_id: str,
        *,
        visibility_timeout: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            retention_period=Duration.days(RETRY_MESSAGE_RETENTION_DAYS),
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
