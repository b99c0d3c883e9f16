"""Metrics of what only a log tells: AWS counts neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_logs as logs
from constructs import Construct

NAMESPACE: Final = "Payments"
_QUOTA_EXCEEDED: Final = "QUOTA_EXCEEDED"


@dataclass(frozen=True, kw_only=True)
class LogMetric:
    """How many lines of a log say a thing."""

    name: str
    log_group: str
    pattern: logs.IFilterPattern


CALLS_THROTTLED: Final = LogMetric(
    name="CallsThrottled",
    log_group="/payments/api-access",
    # API Gateway's own metrics count them with all other errors of clients; in its log every value
    # is a string.
    pattern=logs.FilterPattern.all(
        logs.FilterPattern.string_value("$.status", "=", "429"),
        logs.FilterPattern.string_value("$.errorType", "!=", _QUOTA_EXCEEDED),
    ),
)

CALLS_OVER_QUOTA: Final = LogMetric(
    name="CallsOverQuota",
    log_group="/payments/api-access",
    # Also 429, but not for a second: until the day is over.
    pattern=logs.FilterPattern.string_value("$.errorType", "=", _QUOTA_EXCEEDED),
)


def schema_changes(database: str) -> LogMetric:
    """Statements that change the ledger's schema or rights, as pgaudit logs them.

    Whoever's they are: a pattern that left some out could be written into a statement. RDS's own
    user logs nothing below a panic.
    """
    return LogMetric(
        name="SchemaChanges",
        log_group=f"/aws/rds/instance/{database}/postgresql",
        pattern=logs.FilterPattern.literal('"AUDIT: SESSION"'),
    )


class LogMetrics(Construct):
    """Has CloudWatch count the lines."""

    def __init__(self, scope: Construct, construct_id: str, *metrics: LogMetric) -> None:
        super().__init__(scope, construct_id)
        for metric in metrics:
            logs.MetricFilter(
                self,
                metric.name,
                log_group=logs.LogGroup.from_log_group_name(
                    self, f"{metric.name}Log", metric.log_group
                ),
                filter_pattern=metric.pattern,
                metric_namespace=NAMESPACE,
                metric_name=metric.name,
                metric_value="1",
            )
