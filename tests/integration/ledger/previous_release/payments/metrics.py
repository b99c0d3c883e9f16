"""Business metrics: lines in the log that CloudWatch turns into metrics (embedded metric format).

Namespace `Payments`; every metric has the dimension `service`, some have one more, whose values
are few: each pair of metric and value is charged for.
"""

from __future__ import annotations

import os
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE: Final = "Payments"


def count(name: str, value: int = 1, **dimension: str) -> None:
    """Add to a count."""
    _measure(name, MetricUnit.Count, value, dimension)


def seconds(name: str, value: float) -> None:
    """Report a duration."""
    _measure(name, MetricUnit.Seconds, value, {})


def amount(name: str, value: int, currency: str) -> None:
    """Report an amount in the currency's minor unit, which CloudWatch has no unit for."""
    _measure(name, MetricUnit.NoUnit, value, {"currency": currency})


def _measure(name: str, unit: MetricUnit, value: float, dimension: dict[str, str]) -> None:
    service = {"service": os.environ.get("POWERTOOLS_SERVICE_NAME", "payments")}
    with single_metric(
        name=name,
        unit=unit,
        value=value,
        namespace=NAMESPACE,
        default_dimensions={**service, **dimension},
    ):
        pass
