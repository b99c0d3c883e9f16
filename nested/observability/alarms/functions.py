"""The three payment functions."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from building_blocks.alert import Severity
from config import FUNCTION_TIMEOUT_SECONDS, ProductionConfig
from nested.compute import ComputeOutputs
from nested.observability.alarms.business import reported
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    MINUTE,
    MetricAlarm,
    harmless,
    share_of_failures,
)

_FAMILY = "functions"
_NOT_CALLED = harmless("The function was not called.")


def function_alarms(config: ProductionConfig, compute: ComputeOutputs) -> list[MetricAlarm]:
    return [
        *_alarms(
            config,
            "payment-validator",
            compute.payment_validator,
            config.validator_concurrency,
            Severity.CRITICAL,
            "Clients' payments are not validated; they get an error and must send again.",
            "Some payments are answered with 500 and not validated; clients must send again.",
        ),
        *_alarms(
            config,
            "payment-processor",
            compute.payment_processor,
            config.processor_concurrency,
            Severity.CRITICAL,
            "Payments are posted late, or clients get an error and must send again.",
            "Some payments are answered with 500 and clients must send again; retries wait.",
        ),
        *_alarms(
            config,
            "audit-logger",
            compute.audit_logger,
            config.audit_logger_concurrency,
            # The stream keeps the records for a day: stream-age tells before any is lost.
            Severity.WARNING,
            "None; the audit trail falls behind.",
            "None; the audit trail falls behind.",
        ),
        MetricAlarm(
            name="stream-age",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"The audit trail is more than {config.alarm_stream_age_minutes} minutes behind "
                "the payments' history."
            ),
            impact="None; what is not audited within a day leaves the stream.",
            metric=compute.audit_logger.metric("IteratorAge", statistic="Maximum", period=MINUTE),
            threshold=config.alarm_stream_age_minutes * 60_000,
            label="audit-logger",
            no_data=harmless("There was nothing to audit."),
        ),
        _audit_trail_not_fed(compute),
        _events_lost(
            "payment-processor",
            # Of the sweep, which EventBridge calls and nobody waits for.
            compute.payment_processor.metric("DeadLetterErrors", statistic="Sum", period=MINUTE),
            Severity.WARNING,
            "None at once; the payments' history may fall behind.",
        ),
        _events_lost(
            "audit-logger",
            # Of the stream, whose records are gone a day after.
            compute.audit_logger.metric(
                "DestinationDeliveryFailures", statistic="Sum", period=MINUTE
            ),
            Severity.CRITICAL,
            "None; the audit trail has a gap, and nothing says where.",
        ),
        MetricAlarm(
            name="sweep-not-called",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary="EventBridge could not call payment-processor for the sweep of the outbox.",
            impact="None at once; the payments' history may fall behind.",
            metric=cloudwatch.Metric(
                namespace="AWS/Events",
                metric_name="FailedInvocations",
                dimensions_map={"RuleName": compute.outbox_sweep.rule_name},
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=0,
            no_data=harmless("EventBridge reports it only when it happens."),
        ),
    ]


def _audit_trail_not_fed(compute: ComputeOutputs) -> MetricAlarm:
    """Every payment that is posted changes the table, and Lambda hands each change to audit-logger
    within a minute. A mapping that is disabled, or may not read the stream, calls nobody: neither
    an error nor an age is reported. What audit-logger fails to do is told by its errors and by
    stream-age.

    A payment and its record may stand in two periods, and the newest period is never whole; three
    such in four hours are no coincidence."""
    period = Duration.minutes(15)
    return MetricAlarm(
        name="audit-trail-not-fed",
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=(
            "In three quarters of an hour of the last four hours payments were posted, and "
            "audit-logger was not called."
        ),
        impact="None; what is not audited within a day leaves the stream.",
        metric=cloudwatch.MathExpression(
            expression="IF(posted > 0 AND FILL(batches, 0) == 0, 1, 0)",
            period=period,
            using_metrics={
                "posted": reported("PaymentsProcessed", "payment-processor").with_(period=period),
                "batches": compute.audit_logger.metric_invocations(statistic="Sum", period=period),
            },
        ),
        threshold=0,
        datapoints=(3, 16),
        label="payments, and nothing audited",
        no_data=harmless("No payment was posted."),
    )


def _events_lost(
    function: str, lost: cloudwatch.Metric, severity: Severity, impact: str
) -> MetricAlarm:
    """The last way out of what failed is closed, too."""
    return MetricAlarm(
        name="function-events-lost",
        subject=function,
        family=_FAMILY,
        severity=severity,
        summary=f"What {function} could not do could not be set aside either: it is lost.",
        impact=impact,
        metric=lost,
        threshold=0,
        datapoints=AT_ONCE,
        no_data=harmless("Lambda reports it only when it happens."),
    )


def _alarms(
    config: ProductionConfig,
    name: str,
    function: lambda_.Function,
    concurrency: int,
    severity: Severity,
    impact: str,
    refused: str,
) -> list[MetricAlarm]:
    reserved = concurrency * config.alarm_concurrency_percent / 100
    longest = FUNCTION_TIMEOUT_SECONDS * config.alarm_duration_percent / 100
    return [
        MetricAlarm(
            name="function-errors",
            subject=name,
            family=_FAMILY,
            severity=severity,
            summary=(
                f"More than {config.alarm_function_error_percent} % of {name}'s calls raised an "
                "error or ran out of time, in three minutes of five."
            ),
            impact=impact,
            metric=share_of_failures(name, function.metric_errors()),
            threshold=config.alarm_function_error_percent / 100,
            no_data=_NOT_CALLED,
        ),
        MetricAlarm(
            name="function-throttles",
            subject=name,
            family=_FAMILY,
            severity=severity,
            # Reserved concurrency is there so that this never happens (R6).
            summary=f"Lambda refused a call of {name}: its reserved concurrency is used up.",
            impact=refused,
            metric=function.metric_throttles(statistic="Sum", period=MINUTE),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=_NOT_CALLED,
        ),
        MetricAlarm(
            name="function-duration",
            subject=name,
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"{name} took longer than {longest:g} s of its {FUNCTION_TIMEOUT_SECONDS} s, "
                "in three minutes of five."
            ),
            impact="Calls take long, and are about to be cut off.",
            metric=function.metric_duration(statistic="Maximum", period=MINUTE),
            threshold=longest * 1000,
            no_data=_NOT_CALLED,
        ),
        MetricAlarm(
            name="function-concurrency",
            subject=name,
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"{name} ran more than {int(reserved)} times at once, of {concurrency} reserved, "
                "in three minutes of five."
            ),
            impact="None yet; soon calls are refused.",
            metric=function.metric("ConcurrentExecutions", statistic="Maximum", period=MINUTE),
            threshold=int(reserved),
            no_data=_NOT_CALLED,
        ),
    ]
