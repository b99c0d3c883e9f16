"""How late each service's metrics are.

CloudWatch evaluates an alarm on what has arrived. Metrics of Lambda, SQS, DynamoDB, API Gateway and
the embedded metric format arrive one to three minutes after the minute that they are about; a queue
that was idle for six hours reports nothing for up to fifteen minutes after it is used again (Amazon
SQS developer guide, "Available CloudWatch metrics for Amazon SQS").
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from assurance.alerting.simulation.evaluation import LEAST_LOOK_BACK

LEAST: Final = 1
MOST: Final = 3
"""Minutes, of every namespace: none is known to be quicker, and rules that hold for these hold for
what is sooner."""

IDLE_AFTER: Final = 6 * 60
MOST_ASLEEP: Final = 15
"""Minutes, of an SQS queue."""


@dataclass(frozen=True)
class Reading:
    """One way to read what the pages leave open. An alarm must be right under each.

    Attributes:
        late: minutes that every metric is late; None: each minute by chance.
        asleep: minutes for which an idle queue that is used again reports nothing.
        dynamodb_ignores: alarms on ``AWS/DynamoDB`` keep their state while data is missing,
            whatever they say (API reference, ``PutMetricAlarm``: "always"); or only by default
            (user guide, "Configuring how CloudWatch alarms treat missing data").
        look_back: datapoints beyond the evaluation periods.
        minute_of_hour: at which an alarm is evaluated that looks back for more than a day.
    """

    name: str
    late: int | None
    asleep: int
    dynamodb_ignores: bool
    look_back: int
    minute_of_hour: int

    def arrives(self, metric: str, minute: int) -> int:
        """When the datapoint of a minute is there.

        :param metric: of which; by chance, one metric is late when another is not.
        """
        late = self.late
        if late is None:
            late = LEAST + zlib.crc32(f"{metric}{minute}".encode()) % (MOST - LEAST + 1)
        return minute + 1 + late


READINGS: Final = (
    Reading(
        "prompt", LEAST, 0,
        dynamodb_ignores=False, look_back=LEAST_LOOK_BACK, minute_of_hour=3,
    ),
    Reading(
        "late", MOST, MOST_ASLEEP,
        dynamodb_ignores=True, look_back=LEAST_LOOK_BACK, minute_of_hour=59,
    ),
    Reading(
        "uneven", None, 5,
        dynamodb_ignores=True, look_back=LEAST_LOOK_BACK, minute_of_hour=0,
    ),
    Reading(
        "looking far back", MOST, 5,
        dynamodb_ignores=False, look_back=10, minute_of_hour=3,
    ),
)  # fmt: skip
