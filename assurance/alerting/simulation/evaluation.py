"""The state that an alarm's datapoints make.

Amazon CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data": "How alarm
state is evaluated when data is missing", and "Avoiding premature transitions to alarm state".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final


class State(StrEnum):
    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """How an alarm treats missing data, as ``TreatMissingData`` has it."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


LEAST_LOOK_BACK: Final = 2
"""How many datapoints CloudWatch retrieves beyond the evaluation periods. The page says "more", and
that it depends; in each of its examples it is two beyond three."""

BREACHES: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def state(
    retrieved: Sequence[bool | None],
    *,
    needed: int,
    periods: int,
    missing: Missing,
    current: State,
) -> State:
    """
    :param retrieved: the evaluation range, oldest first: whether each datapoint is breaching, or
        None where it is missing.
    :param needed: M, the datapoints to alarm.
    :param periods: N, the evaluation periods.
    """
    real = [breaching for breaching in retrieved if breaching is not None]
    if len(real) >= periods:
        # Real data count before any that is made up, from further back if need be.
        return State.ALARM if sum(real[-periods:]) >= needed else State.OK
    breaching = sum(real)
    if missing in (Missing.BREACHING, Missing.NOT_BREACHING):
        filled = (periods - len(real)) * (missing is Missing.BREACHING)
        return State.ALARM if breaching + filled >= needed else State.OK
    if breaching >= needed:
        return State.ALARM
    if breaching < len(real):
        return State.OK
    if missing is Missing.IGNORE:
        return current
    # Breaching or missing, all of them. If the oldest one has been there for long enough, no
    # later one can have been good.
    if real and len(retrieved) - retrieved.index(True) >= needed:
        return State.ALARM
    return State.INSUFFICIENT_DATA
