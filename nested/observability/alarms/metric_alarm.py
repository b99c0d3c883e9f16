"""An alarm on a metric, as data: the families in this package list theirs."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Alert

MINUTE = Duration.minutes(1)

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD

AT_ONCE = (1, 1)
"""For what must never happen: one bad minute is enough."""
LASTING = (3, 5)
"""Three bad minutes in five: one bad minute wakes nobody, a flapping fault does."""


@dataclass(frozen=True, kw_only=True)
class NoData:
    """What it means that a metric has no value."""

    treatment: cloudwatch.TreatMissingData
    reason: str


def harmless(reason: str) -> NoData:
    return NoData(treatment=cloudwatch.TreatMissingData.NOT_BREACHING, reason=reason)


def alarming(reason: str) -> NoData:
    return NoData(treatment=cloudwatch.TreatMissingData.BREACHING, reason=reason)


@dataclass(frozen=True, kw_only=True)
class MetricAlarm(Alert):
    """An alert that a metric raises."""

    metric: cloudwatch.Metric | cloudwatch.MathExpression
    threshold: float
    no_data: NoData
    comparison: cloudwatch.ComparisonOperator = ABOVE
    datapoints: tuple[int, int] = LASTING
    """How many bad ones of how many make the alarm."""
    minimum_samples: int = 0
    """A datapoint of fewer samples (calls) counts as no data: for shares and percentiles, which
    one call in a quiet minute would decide."""
    label: str = ""
    """What the metric is called in a graph; if nothing else, the subject."""

    def graphed(self) -> cloudwatch.Metric | cloudwatch.MathExpression:
        """The metric with its label, which would turn an alarm's metric into an expression."""
        return self.metric.with_(label=self.label or self.subject or self.name)
