"""The queues: payments that wait, and what was set aside for a person."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from building_blocks.alert import Severity
from config import ProductionConfig
from nested.data import DataOutputs
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    MINUTE,
    STANDING,
    MetricAlarm,
    harmless,
)

_FAMILY = "queues"
# Amazon SQS developer guide, "Available CloudWatch metrics for Amazon SQS"
_UNUSED = harmless("SQS reports nothing of a queue that was not used for six hours.")


def queue_alarms(config: ProductionConfig, data: DataOutputs) -> list[MetricAlarm]:
    retry = data.retry_queue
    return [
        MetricAlarm(
            name="retry-queue-backlog",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary="For ten minutes of fifteen payments have been waiting to be posted again.",
            impact="Clients were told 202: their payments are accepted, but not posted yet.",
            # A message that keeps failing is mostly in flight, and SQS leaves it out of the age of
            # the oldest one after three tries: so both counts are watched. A sum has a value where
            # one of its parts has.
            metric=cloudwatch.MathExpression(
                expression="waiting + in_flight",
                period=MINUTE,
                using_metrics={
                    "waiting": retry.metric_approximate_number_of_messages_visible(
                        statistic="Maximum", period=MINUTE
                    ),
                    "in_flight": retry.metric_approximate_number_of_messages_not_visible(
                        statistic="Maximum", period=MINUTE
                    ),
                },
            ),
            threshold=0,
            datapoints=STANDING,
            no_data=_UNUSED,
            label="waiting or being retried",
        ),
        MetricAlarm(
            name="retry-queue-age",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"A payment has been waiting for {config.alarm_retry_age_seconds} s on the retry "
                "queue: nothing takes it."
            ),
            impact="Clients were told 202: their payments are accepted, and nobody posts them.",
            metric=retry.metric_approximate_age_of_oldest_message(
                statistic="Maximum", period=MINUTE
            ),
            threshold=config.alarm_retry_age_seconds,
            label="oldest payment",
            no_data=_UNUSED,
        ),
        not_empty(
            "retry-dead-letter-queue",
            _FAMILY,
            data.retry_dead_letter_queue,
            Severity.CRITICAL,
            "A payment was given up after fourteen tries, and waits for a person to decide.",
            "A client was told 202, and its payment will not be posted by itself.",
        ),
        not_empty(
            "audit-failure-queue",
            _FAMILY,
            data.audit_failure_queue,
            Severity.CRITICAL,
            "Records of payments could not be written to the audit trail.",
            "None; the audit trail has a gap until the records are written after all.",
        ),
        not_empty(
            "failed-invocations-queue",
            _FAMILY,
            data.failed_invocations_queue,
            Severity.WARNING,
            "A call that nobody waits for (the sweep of the outbox, an event) failed for good.",
            "None at once; the payments' history may fall behind.",
        ),
    ]


def not_empty(
    name: str, family: str, queue: sqs.IQueue, severity: Severity, summary: str, impact: str
) -> MetricAlarm:
    """For a queue in which one message is one too many."""
    return MetricAlarm(
        name=name,
        family=family,
        severity=severity,
        summary=summary,
        impact=impact,
        metric=queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=MINUTE
        ),
        threshold=0,
        datapoints=AT_ONCE,
        no_data=_UNUSED,
        waits=True,
    )
