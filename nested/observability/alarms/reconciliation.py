"""What payments-reconciliation finds at night, and whether it looks at all."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from nested.compute import ComputeOutputs
from nested.observability.alarms.business import reported
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    BELOW,
    MetricAlarm,
    harmless,
    unchanged,
)

_FAMILY = "business"
_FUNCTION = "payments-reconciliation"
_HOUR = Duration.hours(1)
_UNTIL_THE_NEXT = 26
"""Hours: a day, and two in which a night's task is tried again."""


def reconciliation_alarms(compute: ComputeOutputs) -> list[MetricAlarm]:
    return [
        _found(
            "stores-differ",
            "DifferencesFound",
            "Ledger, history and audit trail of the day before do not agree.",
            "None at once; a payment may be lost, made up or told wrong.",
        ),
        _found(
            "audit-trail-broken",
            "TrailFaultsFound",
            "In the audit trail of the day before, objects are missing, altered or forged.",
            "None; the evidence is in doubt.",
        ),
        _missing(compute, "comparison", "DifferencesFound"),
        _missing(compute, "walk", "TrailFaultsFound"),
    ]


def _found(name: str, metric: str, summary: str, impact: str) -> MetricAlarm:
    """It is on until a night has found nothing."""
    return MetricAlarm(
        name=name,
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=summary,
        impact=impact,
        metric=reported(metric, _FUNCTION, "Maximum"),
        threshold=0,
        datapoints=AT_ONCE,
        no_data=unchanged(
            "It is reported once a night, 0 too; reconciliation-missing tells if it is not."
        ),
        waits=True,
    )


def _missing(compute: ComputeOutputs, task: str, metric: str) -> MetricAlarm:
    """An hour without a report is a bad one if production was there, which the sweep of every
    minute shows: what is missing beside another value counts as nothing. So an alarm that was just
    made is quiet until the first night is over, and tells if nothing was ever reported."""
    reports = f"{task}s"  # two in one graph need different ids for their metrics
    return MetricAlarm(
        name="reconciliation-missing",
        subject=task,
        family=_FAMILY,
        severity=Severity.WARNING,
        summary=f"For {_UNTIL_THE_NEXT} hours no night's {task} was finished.",
        impact="None; what should be found at night is not.",
        metric=cloudwatch.MathExpression(
            expression=f"{reports} + 0 * calls",
            period=_HOUR,
            using_metrics={
                "calls": compute.payment_processor.metric_invocations(
                    statistic="Sum", period=_HOUR
                ),
                reports: reported(metric, _FUNCTION, "SampleCount").with_(period=_HOUR),
            },
        ),
        threshold=1,
        comparison=BELOW,
        datapoints=(_UNTIL_THE_NEXT, _UNTIL_THE_NEXT),
        label="reports in an hour",
        no_data=harmless("Nobody calls payment-processor, not even for the sweep: see outbox-age."),
    )
