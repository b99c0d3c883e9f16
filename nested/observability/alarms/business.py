"""The payments themselves, by what the functions report (``lambda_code/payments/metrics.py``)."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks import operations
from building_blocks.alert import Severity
from config import ProductionConfig
from nested.compute import ComputeOutputs
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    MINUTE,
    OUTLASTING,
    STANDING,
    MetricAlarm,
    harmless,
    told,
)

_FAMILY = "business"
_NONE = harmless("It is reported only when it happens.")


def reported(
    name: str, service: str, statistic: str = "Sum", label: str | None = None
) -> cloudwatch.Metric:
    """A metric that a function reports, by the name of the function alone."""
    return cloudwatch.Metric(
        namespace="Payments",
        metric_name=name,
        dimensions_map={"service": service},
        statistic=statistic,
        period=MINUTE,
        label=label,
    )


def business_alarms(config: ProductionConfig, compute: ComputeOutputs) -> list[MetricAlarm]:
    return [
        _decline_rate(config),
        _nothing_processed(config, compute),
        MetricAlarm(
            name="ledger-imbalance",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="An entry of the last ten minutes has debits that differ from its credits.",
            impact="None at once; merchants' balances are wrong.",
            # The database refuses such entries: this looks after the fact, independently of it.
            metric=reported("LedgerImbalance", "payment-processor", "Maximum"),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=harmless("The sweep that reports it is missed by outbox-age."),
        ),
        MetricAlarm(
            name="history-changed",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="An item of the payments' history was changed or removed.",
            impact="None at once; what clients are told of a payment may be forged.",
            metric=reported("HistoryChanged", "audit-logger"),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=_NONE,
        ),
        MetricAlarm(
            name="audit-trail-forged",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="In the audit bucket is an object that no writer of the trail has stored.",
            impact="None at once; the trail goes on beside it, and somebody may write there.",
            metric=reported("ForeignAuditObjects", "audit-logger"),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=_NONE,
        ),
        MetricAlarm(
            name="retries-exhausted",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="A payment failed for the last time, and goes to the dead-letter queue.",
            impact="A client was told 202, and its payment will not be posted by itself.",
            metric=reported("PaymentsGivenUp", "payment-processor"),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=_NONE,
        ),
        _outbox_age(config, compute),
    ]


def _outbox_age(config: ProductionConfig, compute: ComputeOutputs) -> MetricAlarm:
    """A sweep that does not reach the ledger reports no age. It is a call of payment-processor,
    one in every minute: a minute with calls and no age is a bad one. A minute without any call
    says nothing, so that an alarm that was just made is quiet; but when they all cease, so do the
    sweeps, and that is told too."""
    limit = config.alarm_outbox_age_seconds
    return MetricAlarm(
        name="outbox-age",
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=(
            f"The payments' history is more than {limit} s behind the ledger, or is not swept "
            "at all."
        ),
        impact="Payments are posted, but their history does not say so.",
        metric=cloudwatch.MathExpression(
            expression=f"IF(calls, FILL(age, {limit + 1}))",
            period=MINUTE,
            using_metrics={
                "calls": compute.payment_processor.metric_invocations(
                    statistic="Sum", period=MINUTE
                ),
                "age": reported("OutboxAge", "payment-processor", "Maximum"),
            },
        ),
        threshold=limit,
        # The two metrics may arrive two minutes apart.
        datapoints=OUTLASTING,
        label="age of the oldest event",
        no_data=told("Nobody calls payment-processor, not even for the sweep."),
    )


def _decline_rate(config: ProductionConfig) -> MetricAlarm:
    return MetricAlarm(
        name="decline-rate",
        family=_FAMILY,
        severity=Severity.WARNING,
        summary=(
            f"More than {config.alarm_decline_percent} % of the payments were declined, "
            "in three minutes of five."
        ),
        impact="Buyers cannot pay: a client's mistake, a limit that is wrong, or fraud.",
        metric=cloudwatch.MathExpression(
            expression=(
                f"IF(FILL(approved, 0) + FILL(declined, 0) >= {config.alarm_minimum_calls}, "
                "100 * FILL(declined, 0) / (FILL(approved, 0) + FILL(declined, 0)))"
            ),
            period=MINUTE,
            using_metrics={
                "approved": reported("PaymentsApproved", "payment-validator"),
                "declined": reported("PaymentsDeclined", "payment-validator"),
            },
        ),
        threshold=config.alarm_decline_percent,
        label="declined, %",
        no_data=harmless("There were too few payments to tell."),
    )


def _nothing_processed(config: ProductionConfig, compute: ComputeOutputs) -> MetricAlarm:
    """A client that sends one processed or expired payment again and again would look the same, so
    that only minutes count in which new payments were approved, too. Requests that the API refuses
    by itself do not count: anybody can send them, without a key. It measures an integration's
    latency of the others only."""
    process = operations.named("process")
    return MetricAlarm(
        name="nothing-processed",
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary="For ten minutes of fifteen clients have asked to process payments, and none was.",
        impact="No payment is posted: clients get errors, or 202 for payments that wait.",
        metric=cloudwatch.MathExpression(
            expression=(
                f"IF(requests >= {config.alarm_unprocessed_requests} AND FILL(new, 0) > 0 "
                "AND FILL(processed, 0) == 0, 1, 0)"
            ),
            period=MINUTE,
            using_metrics={
                "requests": cloudwatch.Metric(
                    namespace="AWS/ApiGateway",
                    metric_name="IntegrationLatency",
                    dimensions_map={
                        "ApiName": compute.api.rest_api_name,
                        "Stage": compute.api.deployment_stage.stage_name,
                        "Resource": process.path,
                        "Method": process.method,
                    },
                    statistic="SampleCount",
                    period=MINUTE,
                ),
                "new": reported("PaymentsApproved", "payment-validator"),
                "processed": reported("PaymentsProcessed", "payment-processor"),
            },
        ),
        threshold=0,
        datapoints=STANDING,
        label="minutes with requests and no payment",
        no_data=harmless("Nobody asked."),
    )
