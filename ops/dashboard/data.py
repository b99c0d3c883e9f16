"""What a dashboard's lines show: made-up samples, or what CloudWatch has."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from assurance.alerting.scenarios import world
from assurance.alerting.scenarios.scenario import PROCESSED, VALIDATED
from assurance.alerting.simulation.datapoint import Datapoint
from assurance.alerting.simulation.expression import Expression, ExpressionError
from ops.dashboard.body import Json, Metric
from ops.production.stack import all_alarms, every

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
        note: why there is nothing to draw, where it is not simply that there is no data.
    """

    label: str
    minutes: Values
    values: Values
    note: str = ""

    @property
    def has_data(self) -> bool:
        return bool(np.isfinite(self.values).any())


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
        """The visible ones' lines."""
        if not metrics:
            return []
        found: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        notes: dict[tuple[str, str], str] = {}
        for result in every(
            self._cloudwatch,
            "get_metric_data",
            MetricDataQueries=[_query(metric) for metric in metrics],
            StartTime=self._now - self._since,
            EndTime=self._now,
            ScanBy="TimestampAscending",
        ):
            key = result["Id"], result.get("Label", "")
            found.setdefault(key, []).extend(
                zip(result["Timestamps"], result["Values"], strict=True)
            )
            notes[key] = "; ".join(message["Value"] for message in result.get("Messages", []))
        return [
            self._line(label, points, notes[identifier, label])
            for (identifier, label), points in found.items()
        ]

    def _line(self, label: str, points: Sequence[tuple[datetime, float]], note: str) -> Series:
        minutes = np.array([(at - self._now).total_seconds() / 60 for at, _ in points])
        values = np.array([value for _, value in points], dtype=np.float64)
        return Series(
            # CloudWatch fills in what a label asks for; an emulator does not.
            label=_filled_in(label, values),
            minutes=minutes,
            values=values,
            note=note,
        )

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        """By name: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``; those that are not there lack."""
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


_UNWATCHED: Final[Mapping[str, float]] = {
    "ActiveConnectionCount": 34,
    "AllowedRequests": 118,
    "AmountProcessed": 94e3,  # minor units
    "BytesOutToDestination": 1.9e6,
    "ConsumedReadCapacityUnits": 52,
    "ConsumedWriteCapacityUnits": 110,
    "Count": 118,
    "EstimatedCharges": 188,
    "IncomingBytes": 0.9e6,  # logs
    "NumberOfNotificationsDelivered": 0,
    "SuccessfulRequestLatency": 3.1,
}
"""Metrics that no alarm reads, with what they might be, in CloudWatch's unit of each."""
_STEADY: Final = ("AWS/Billing", "AWS/RDS")
"""Namespaces of what does not come and go with the requests."""
_PERCENTILES: Final = {"p50": 0.9, "p90": 1.7, "p95": 2.1, "p99": 3.2}


@cache
def _quiet() -> Mapping[str, Datapoint]:
    """What the metrics of alarms are, by name, in a minute in which nothing is wrong."""
    minute = world.quiet_minute(0, VALIDATED, PROCESSED, at_night=True)
    return {metric.name: datapoint for metric, datapoint in reversed(minute)}


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
            found.append(self._line(label, values, note))
        return found

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(alarms, "OK")

    def _line(self, label: str, values: Values, note: str = "") -> Series:
        return Series(
            label=_filled_in(label, values),
            minutes=self._minutes,
            values=values,
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
            values = np.ceil(self._made(name[1] if name else "", "Average", place) / number)
            yield self._line(place or metric.expression, values)

    def _values(self, metric: Metric) -> Values:
        place = ":".join(metric.dimensions.values())
        return self._made(metric.name, metric.statistic, place, metric.namespace)

    def _made(self, name: str, statistic: str, place: str, namespace: str = "") -> Values:
        quiet = _quiet().get(name)
        level = quiet.statistic(statistic) if quiet else _UNWATCHED.get(name, 0)
        # Two statistics of a metric go up and down together.
        random = np.random.default_rng(zlib.crc32(f"{name}:{place}".encode()))
        size = len(self._minutes)
        wander = np.convolve(random.normal(size=size + 4), np.ones(5) / 5, mode="valid")
        noise = wander + 0.5 * random.normal(size=size)
        if namespace in _STEADY:
            return level * (1 - 0.003 * np.abs(noise))
        hour = self._minutes / 60
        traffic = 0.72 + 0.2 * np.sin((hour + 6) / 24 * 2 * np.pi) + 0.06 * np.sin(hour * 2.1)
        values = level * traffic * (1 + 0.08 * noise) * _PERCENTILES.get(statistic, 1.0)
        return np.maximum(values, 0)


Source = Live | Samples
"""Where the lines of a widget and the states of alarms come from."""


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
