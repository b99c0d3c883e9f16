"""The table of the payments' history."""

from __future__ import annotations

from building_blocks.alert import Severity
from nested.data import DataOutputs
from nested.observability.alarms.metric_alarm import AT_ONCE, MINUTE, MetricAlarm, harmless

_FAMILY = "table"
_NONE = harmless("DynamoDB reports these only when they happen.")
_IMPACT = "Clients get 503 and must send again, or payments wait in the outbox."


def table_alarms(data: DataOutputs) -> list[MetricAlarm]:
    """One for each operation: DynamoDB has no sum over them."""
    return [
        *(
            _alarm(
                data,
                "table-system-errors",
                "SystemErrors",
                operation,
                f"DynamoDB failed at {operation} on the payments' history.",
                subject=operation.lower(),
            )
            for operation in ("GetItem", "PutItem", "GetRecords")
        ),
        _alarm(
            data,
            "table-read-throttles",
            "ThrottledRequests",
            "GetItem",
            "DynamoDB refused reads of the payments' history: too many at once.",
        ),
        _alarm(
            data,
            "table-write-throttles",
            "ThrottledRequests",
            "PutItem",
            "DynamoDB refused writes to the payments' history: too many at once.",
        ),
    ]


def _alarm(
    data: DataOutputs, name: str, metric: str, operation: str, summary: str, subject: str = ""
) -> MetricAlarm:
    table = data.transactions_table
    return MetricAlarm(
        name=name,
        subject=subject,
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=summary,
        impact=_IMPACT,
        metric=table.metric(
            metric,
            dimensions_map={"TableName": table.table_name, "Operation": operation},
            statistic="Sum",
            period=MINUTE,
        ),
        threshold=0,
        datapoints=AT_ONCE,
        no_data=_NONE,
        label=f"{metric} of {operation}",
    )
