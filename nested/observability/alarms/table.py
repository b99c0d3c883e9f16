"""The table of the payments' history.

DynamoDB reports these metrics only when they are not zero. What its alarms make of missing data is
not certain: they keep their state always (Amazon CloudWatch API reference, ``PutMetricAlarm``), or
only by default (user guide, "Configuring how CloudWatch alarms treat missing data"). So that they
recover in either case, nothing is missing: ``FILL``.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from config import ProductionConfig
from nested.data import DataOutputs
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    MINUTE,
    MetricAlarm,
    harmless,
)

_FAMILY = "table"
_NONE = harmless("DynamoDB reports these only when they happen; what is missing counts as 0.")
_IMPACT = "Clients get 503 and must send again, or payments wait in the outbox."
_READS = ("GetItem", "Query")
_WRITES = ("PutItem",)


def table_alarms(config: ProductionConfig, data: DataOutputs) -> list[MetricAlarm]:
    """DynamoDB has no sum over its operations: each alarm adds up those of its kind."""
    return [
        *(
            _alarm(
                data,
                "table-system-errors",
                "SystemErrors",
                operations,
                (
                    f"DynamoDB failed more than {config.alarm_table_errors} times a minute at "
                    f"{what} the payments' history, in three minutes of eight."
                ),
                subject=subject,
                threshold=config.alarm_table_errors,
                # The newest three minutes may be 0 that was filled in.
                datapoints=(3, 8),
            )
            for subject, operations, what in (
                ("reads", _READS, "reading"),
                ("writes", _WRITES, "writing"),
                ("stream", ("GetRecords",), "reading the stream of"),
            )
        ),
        _alarm(
            data,
            "table-read-throttles",
            "ThrottledRequests",
            _READS,
            "DynamoDB refused reads of the payments' history: too many at once.",
        ),
        _alarm(
            data,
            "table-write-throttles",
            "ThrottledRequests",
            _WRITES,
            "DynamoDB refused writes to the payments' history: too many at once.",
        ),
    ]


def _alarm(
    data: DataOutputs,
    name: str,
    metric: str,
    operations: Sequence[str],
    summary: str,
    subject: str = "",
    threshold: int = 0,
    datapoints: tuple[int, int] = AT_ONCE,
) -> MetricAlarm:
    table = data.transactions_table
    by_operation = {
        f"{metric.lower()}_{operation.lower()}": table.metric(
            metric,
            dimensions_map={"TableName": table.table_name, "Operation": operation},
            statistic="Sum",
            period=MINUTE,
        )
        for operation in operations
    }
    return MetricAlarm(
        name=name,
        subject=subject,
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=summary,
        impact=_IMPACT,
        metric=cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({operation}, 0)" for operation in by_operation),
            period=MINUTE,
            using_metrics=by_operation,
        ),
        threshold=threshold,
        datapoints=datapoints,
        no_data=_NONE,
        label=f"{metric} of {', '.join(operations)}",
    )
