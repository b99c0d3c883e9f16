"""What a metric says of a period (Amazon CloudWatch user guide, "Metrics concepts")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Metric(NamedTuple):
    """A time series: another value of a dimension, or one dimension less, is another series."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()

    def __str__(self) -> str:
        named = ", ".join(f"{name}={value}" for name, value in sorted(self.dimensions))
        return f"{self.namespace} {self.name} ({named})"


class Datapoint(NamedTuple):
    """Samples of a period, as CloudWatch aggregates them."""

    samples: float
    total: float
    minimum: float
    maximum: float

    def statistic(self, name: str) -> float:
        """
        :param name: as an alarm has it. Any percentile is the maximum: scenarios say what the
            slowest calls take.
        :raises ValueError: for a statistic that is not known here.
        """
        match name:
            case "SampleCount":
                return self.samples
            case "Sum":
                return self.total
            case "Average":
                return self.total / self.samples
            case "Minimum":
                return self.minimum
            case "Maximum":
                return self.maximum
        if re.fullmatch(r"p\d+(\.\d+)?", name):
            return self.maximum
        raise ValueError(f"the statistic {name} is not known")


def merged(datapoints: Sequence[Datapoint]) -> Datapoint | None:
    """Those of shorter periods as the one of a longer period; none of none."""
    if not datapoints:
        return None
    if len(datapoints) == 1:
        return datapoints[0]
    return Datapoint(
        samples=sum(datapoint.samples for datapoint in datapoints),
        total=sum(datapoint.total for datapoint in datapoints),
        minimum=min(datapoint.minimum for datapoint in datapoints),
        maximum=max(datapoint.maximum for datapoint in datapoints),
    )


def level(value: float, samples: float = 1) -> Datapoint:
    """Each sample has the same value."""
    return Datapoint(samples, value * samples, value, value)


def counted(calls: float, failed: float = 0) -> Datapoint:
    """One sample a call: 1 for those that failed, 0 for the others."""
    return Datapoint(calls, failed, float(failed >= calls), float(failed > 0))


def occurred(times: float) -> Datapoint | None:
    """One sample for each time, and no datapoint if there was none: so functions and metric
    filters report what happens."""
    return level(1, times) if times else None
