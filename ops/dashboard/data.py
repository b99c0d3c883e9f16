"""What a dashboard's lines show: made-up samples, or what CloudWatch has."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from assurance.alerting.simulation.expression import Expression, ExpressionError
from ops.dashboard.body import Json, Metric
from ops.production.stack import all_alarms

Values = NDArray[np.float64]

_POINTS: Final = 120
_SEARCHED: Final = {
    "Operation": ("GetItem", "PutItem", "GetRecords"),
    "currency": ("USD", "EUR", "GBP"),
    "reason": ("amount_above_limit", "currency_not_supported"),
}
"""What samples let a search find, by the last dimension of its schema."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line.

    Attributes:
        label: with CloudWatch's `${AVG}` and the like filled in.
        minutes: before the right edge of the picture, ascending up to 0.
        values: as many; not-a-number where there is nothing.
        right: whether it belongs to the axis on the right.
        note: why there is nothing to draw, where it is not simply that there is no data.
    """

    label: str
    minutes: Values
    values: Values
    right: bool = False
    note: str = ""

    @property
    def has_data(self) -> bool:
        return bool(np.isfinite(self.values).any())


class Source(Protocol):
    """Where the lines of a widget and the states of alarms come from."""

    def series(self, metrics: Sequence[Metric]) -> list[Series]:
        """The visible ones' lines."""

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        """By name: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``; those that are not there lack."""


def span(body: Json) -> timedelta:
    """How far back a dashboard looks: of its `start`, or CloudWatch's default of three hours."""
    found = re.fullmatch(r"-P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?", body.get("start", "-PT3H"))
    days, hours, minutes = (int(part or 0) for part in (found.groups() if found else ("0", "3")))
    return timedelta(days=days, hours=hours, minutes=minutes)


class Live:
    """What CloudWatch has.

    Args:
        cloudwatch: a client.
        now: the right edge.
    """

    def __init__(self, cloudwatch: Any, since: timedelta, now: datetime) -> None:
        self._cloudwatch = cloudwatch
        self._now = now
        self._since = since

    def series(self, metrics: Sequence[Metric]) -> list[Series]:
        if not metrics:
            return []
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[_query(metric) for metric in metrics],
            StartTime=self._now - self._since,
            EndTime=self._now,
            ScanBy="TimestampAscending",
        )
        by_id = {metric.identifier: metric for metric in metrics}
        found: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        notes: dict[tuple[str, str], str] = {}
        for result in (result for page in pages for result in page["MetricDataResults"]):
            key = result["Id"], result.get("Label", "")
            found.setdefault(key, []).extend(
                zip(result["Timestamps"], result["Values"], strict=True)
            )
            notes[key] = "; ".join(message["Value"] for message in result.get("Messages", []))
        return [
            self._line(by_id[identifier], label, points, notes[identifier, label])
            for (identifier, label), points in found.items()
        ]

    def _line(
        self, metric: Metric, label: str, points: Sequence[tuple[datetime, float]], note: str
    ) -> Series:
        minutes = np.array([(at - self._now).total_seconds() / 60 for at, _ in points])
        values = np.array([value for _, value in points], dtype=np.float64)
        return Series(
            # CloudWatch fills in what a label asks for; an emulator does not.
            label=_filled_in(label, values),
            minutes=minutes,
            values=values,
            right=metric.right,
            note=note,
        )

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        return {
            alarm["AlarmName"]: alarm["StateValue"]
            for alarm in all_alarms(self._cloudwatch)
            if alarm["AlarmName"] in alarms
        }


def _query(metric: Metric) -> dict[str, Any]:
    query: dict[str, Any] = {"Id": metric.identifier, "ReturnData": metric.visible}
    if metric.label:  # else CloudWatch makes one up, which tells what a search has found apart
        query["Label"] = metric.label
    if metric.expression:
        return {**query, "Expression": metric.expression, "Period": metric.period}
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    stated = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {
        **query,
        "MetricStat": {"Metric": stated, "Period": metric.period, "Stat": metric.statistic},
    }


# -- samples -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """How a metric might look.

    Attributes:
        level: its usual value, in CloudWatch's unit of the metric.
        by_traffic: how much of that comes and goes with the requests, 0 to 1.
        noise: of the level.
        rare: it is 0 but for this share of the time.
        spread: whether percentiles and extremes lie around the level, as those of a duration do.
    """

    level: float
    by_traffic: float = 0.2
    noise: float = 0.04
    rare: float | None = None
    spread: bool = False


_GIB: Final = 1024.0**3
_QUIET: Final = _Sample(0)
_TRAFFIC: Final = _Sample(52, by_traffic=0.9, noise=0.1)
_SAMPLES: Final[Mapping[str, _Sample]] = {
    # API Gateway and WAF, a minute
    "Count": _Sample(118, by_traffic=0.9, noise=0.08),
    "Latency": _Sample(82, spread=True),
    "IntegrationLatency": _Sample(74, spread=True),
    "4XXError": _Sample(1, rare=0.12),
    "5XXError": _QUIET,
    "AllowedRequests": _Sample(118, by_traffic=0.9, noise=0.08),
    "BlockedRequests": _Sample(3, rare=0.2),
    # Lambda
    "Invocations": _TRAFFIC,
    "Duration": _Sample(58, spread=True),
    "ConcurrentExecutions": _Sample(3, by_traffic=0.6, noise=0.2),
    "IteratorAge": _Sample(420, noise=0.2),
    # RDS
    "CPUUtilization": _Sample(17, by_traffic=0.6, noise=0.08),
    "DatabaseConnections": _Sample(12, noise=0.06),
    "FreeStorageSpace": _Sample(92 * _GIB, by_traffic=0, noise=0.0005),
    "FreeableMemory": _Sample(1.7 * _GIB, by_traffic=0.02, noise=0.006),
    "CPUCreditBalance": _Sample(560, by_traffic=0, noise=0.004),
    "ReadLatency": _Sample(0.0006, noise=0.15),
    "WriteLatency": _Sample(0.0016, noise=0.12),
    "EBSIOBalance%": _Sample(99, by_traffic=0, noise=0.004),
    "EBSByteBalance%": _Sample(99, by_traffic=0, noise=0.004),
    "MaximumUsedTransactionIDs": _Sample(92e6, by_traffic=0, noise=0.001),
    # SQS and SNS: little happens
    "ApproximateNumberOfMessagesVisible": _QUIET,
    "ApproximateNumberOfMessagesNotVisible": _QUIET,
    "ApproximateAgeOfOldestMessage": _QUIET,
    "NumberOfNotificationsDelivered": _QUIET,
    # DynamoDB
    "ConsumedReadCapacityUnits": _TRAFFIC,
    "ConsumedWriteCapacityUnits": _Sample(110, by_traffic=0.9, noise=0.1),
    "SuccessfulRequestLatency": _Sample(3.1, noise=0.08, spread=True),
    "IncomingBytes": _Sample(0.9e6, by_traffic=0.8, noise=0.1),  # logs
    # NAT gateways
    "ActiveConnectionCount": _Sample(34, by_traffic=0.5),
    "BytesOutToDestination": _Sample(1.9e6, by_traffic=0.9, noise=0.1),
    # The payments' own
    "PaymentsApproved": _Sample(50, by_traffic=0.9, noise=0.1),
    "PaymentsDeclined": _Sample(1, rare=0.15),
    "PaymentsProcessed": _Sample(49, by_traffic=0.9, noise=0.1),
    "AmountProcessed": _Sample(94e3, by_traffic=0.9, noise=0.15),  # minor units
    "PaymentsQueued": _QUIET,
    "RecordsAudited": _Sample(99, by_traffic=0.9, noise=0.1),
    "CallsOverQuota": _QUIET,
    "ForeignAuditObjects": _QUIET,
    "OutboxAge": _Sample(0.4, noise=0.3),
    "EstimatedCharges": _Sample(188, by_traffic=0, noise=0),
}
_BAD: Final = re.compile(
    r"Error|Fail|Throttl|Drop|Denied|Given|Imbalance|Spillover|Rejected|Changed|Declined|Lag|Age"
)
"""Names of what hardly ever happens."""

_STATISTICS: Final = {"Minimum": 0.4, "p50": 0.9, "p90": 1.7, "p95": 2.1, "p99": 3.2, "Maximum": 5}


class Samples:
    """Made-up lines of a quiet day, the same each time."""

    def __init__(self, since: timedelta) -> None:
        self._minutes = np.linspace(-since.total_seconds() / 60, 0, _POINTS)

    def series(self, metrics: Sequence[Metric]) -> list[Series]:
        known = {each.identifier: self._values(each) for each in metrics if not each.expression}
        found: list[Series] = []
        for metric in (each for each in metrics if each.visible):
            if metric.expression.startswith("SEARCH("):
                found += self._searched(metric)
                continue
            values, note = known.get(metric.identifier), ""
            if values is None:
                try:
                    values = known[metric.identifier] = self._worked_out(metric.expression, known)
                except ExpressionError:
                    values = np.full_like(self._minutes, np.nan)
                    note = f"not worked out: {metric.expression}"
            label = metric.label or metric.name or metric.expression
            found.append(self._line(metric, label, values, note))
        return found

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(alarms, "OK")

    def _line(self, metric: Metric, label: str, values: Values, note: str = "") -> Series:
        return Series(
            label=_filled_in(label, values),
            minutes=self._minutes,
            values=values,
            right=metric.right,
            note=note,
        )

    def _worked_out(self, expression: str, known: Mapping[str, Values]) -> Values:
        parsed = Expression.parse(expression)
        found = (
            parsed.at(
                {name: None if np.isnan(of[at]) else float(of[at]) for name, of in known.items()}
            )
            for at in range(_POINTS)
        )
        return np.array([np.nan if value is None else value for value in found])

    def _searched(self, metric: Metric) -> Iterator[Series]:
        name = re.search(r'MetricName="(\w+)', metric.expression)
        dimension = re.search(r'(\w+)"?\}', metric.expression)
        places = _SEARCHED.get(dimension[1] if dimension else "", ("",))
        for number, place in enumerate(places, start=1):
            # Some more than others, in whole numbers: most of them are counts.
            values = np.ceil(self._made(name[1] if name else "", "", place) / number)
            yield self._line(metric, place or metric.expression, values)

    def _values(self, metric: Metric) -> Values:
        place = ":".join(metric.dimensions.values())
        return self._made(metric.name, metric.statistic, place)

    def _made(self, name: str, statistic: str, place: str) -> Values:
        sample = _SAMPLES.get(name, _QUIET if _BAD.search(name) else _TRAFFIC)
        # Two statistics of a metric go up and down together.
        random = np.random.default_rng(zlib.crc32(f"{name}:{place}".encode()))
        size = len(self._minutes)
        hour = self._minutes / 60
        traffic = 0.72 + 0.2 * np.sin((hour + 6) / 24 * 2 * np.pi) + 0.06 * np.sin(hour * 2.1)
        wander = np.convolve(random.normal(size=size + 4), np.ones(5) / 5, mode="valid")
        values = sample.level * (1 - sample.by_traffic + sample.by_traffic * traffic)
        values = values * (1 + sample.noise * (wander + 0.5 * random.normal(size=size)))
        if sample.rare is not None:
            values = np.where(random.random(size) < sample.rare, np.ceil(values), 0)
        if sample.spread:
            swing = 1 + 0.15 * np.abs(random.normal(size=size))
            factor = _STATISTICS.get(statistic, 1.0)
            values = values * factor * (swing if factor > 2 else 1)
        if statistic == "Average" and name in ("4XXError", "5XXError", "Errors"):
            values = values / _SAMPLES["Count"].level
        return np.maximum(values, 0)


def _filled_in(label: str, values: Values) -> str:
    """A label with CloudWatch's placeholders for statistics of the line replaced."""
    known = values[np.isfinite(values)]
    if not known.size:
        return re.sub(r"\$\{\w+\}", "–", label)
    statistics = {
        "AVG": known.mean(),
        "MAX": known.max(),
        "MIN": known.min(),
        "SUM": known.sum(),
        "LAST": known[-1],
    }
    return re.sub(
        r"\$\{(\w+)\}",
        lambda found: f"{statistics[found[1]]:,.4g}" if found[1] in statistics else found[0],
        label,
    )


def now() -> datetime:
    """To the minute, as CloudWatch's periods are."""
    return datetime.now(UTC).replace(second=0, microsecond=0)
