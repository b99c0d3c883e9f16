"""An alarm on a metric, as data: the families in this package list theirs."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Alert

MINUTE = Duration.minutes(1)

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD

# Metrics arrive one to three minutes late (Amazon CloudWatch user guide, "Using math expressions
# with CloudWatch metrics", FILL): every alarm looks at more minutes than it needs bad ones, so that
# it does not hang on those that have not arrived.
AT_ONCE = (1, 5)
"""For what must never happen: one bad minute is enough."""
LASTING = (3, 5)
"""Three bad minutes in five: one bad minute wakes nobody, a flapping fault does."""
OUTLASTING = (5, 10)
"""Five bad minutes in ten: for what is bad, or has no value, during a failover too."""
STANDING = (10, 15)
"""Ten bad minutes in fifteen: for payments that wait, which is no harm for a while."""


@dataclass(frozen=True, kw_only=True)
class NoData:
    """What it means that a metric has no value."""

    treatment: cloudwatch.TreatMissingData
    reason: str


def harmless(reason: str) -> NoData:
    return NoData(treatment=cloudwatch.TreatMissingData.NOT_BREACHING, reason=reason)


def unchanged(reason: str) -> NoData:
    """The alarm stays as it is until the next value, however long that takes."""
    return NoData(treatment=cloudwatch.TreatMissingData.IGNORE, reason=reason)


def alarming(reason: str) -> NoData:
    return NoData(treatment=cloudwatch.TreatMissingData.BREACHING, reason=reason)


def told(reason: str) -> NoData:
    """The alarm has a state for it, INSUFFICIENT_DATA, which is mailed too. It is also the one in
    which an alarm is made: a deployment raises nothing."""
    return NoData(treatment=cloudwatch.TreatMissingData.MISSING, reason=reason)


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
    waits: bool = False
    """It stays on until a person has decided something, for days perhaps. The system's health would
    be deaf to everything else meanwhile, so this alarm is no part of it."""
    label: str = ""
    """What the metric is called in a graph; if nothing else, the subject."""

    def evaluated(self) -> cloudwatch.Metric | cloudwatch.MathExpression:
        """The metric, as far as its datapoints have enough samples."""
        if self.minimum_samples < 2:
            return self.metric
        assert isinstance(self.metric, cloudwatch.Metric), "an expression has no samples"
        samples = self.metric.with_(statistic="SampleCount", label="Sample count")
        return cloudwatch.MathExpression(
            expression=f"IF(sampleCount > {self.minimum_samples - 1}, metric)",
            label=self.metric.metric_name,
            period=MINUTE,
            using_metrics={"metric": self.metric, "sampleCount": samples},
        )

    def graphed(self) -> cloudwatch.Metric | cloudwatch.MathExpression:
        """The metric with its label, which would turn an alarm's metric into an expression."""
        return self.metric.with_(label=self.label or self.subject or self.name)


def share_of_failures(of: str, failures: cloudwatch.Metric) -> cloudwatch.MathExpression:
    """The share of calls that failed, of a metric that is 1 for each of those and 0 for the
    others.

    The only failure among a minute's calls does not count, whatever its share: its client sends
    again, and it passes. Where every call of the minute failed, one is enough: at night there is no
    other.

    :param of: what is called; two in one graph need different ids for their metrics.
    """
    failed, calls = (f"{of.replace('-', '_')}_{what}" for what in ("failed", "calls"))
    return cloudwatch.MathExpression(
        expression=f"IF({failed} > 1 OR {failed} == {calls}, {failed} / {calls})",
        period=MINUTE,
        using_metrics={
            failed: failures.with_(statistic="Sum", period=MINUTE),
            calls: failures.with_(statistic="SampleCount", period=MINUTE),
        },
    )
