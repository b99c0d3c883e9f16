"""How a scenario is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from assurance.alerting.scenarios import world
from assurance.alerting.simulation.datapoint import Datapoint, Metric

Course = Datapoint | None | Callable[[int], Datapoint | None]
"""The same in every minute, or by the minute since the change began; None: nothing is reported."""

Traffic = Callable[[int], tuple[int, int]]
"""Calls of ``/validate`` and of ``/process`` in a minute."""


AT: Final = 60
"""The minute in which a trouble begins, where nothing else is said."""

VALIDATED: Final = 60
PROCESSED: Final = 55
"""Calls a minute, where nothing else is said."""


def steadily(validated: int, processed: int) -> Traffic:
    return lambda _: (validated, processed)


nobody: Final = steadily(0, 0)
usual: Final = steadily(VALIDATED, PROCESSED)


@dataclass(frozen=True)
class Told:
    """How an alert must come.

    Attributes:
        within: minutes from the trouble's beginning.
        stays: it is still on at the end, because a person must do something first.
        times: how many mails of it the trouble may make; of an event, how many it makes.
    """

    within: int
    stays: bool = False
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that happens to production.

    Attributes:
        begins: the minute in which the trouble begins; what must come is counted from there.
        changed: metrics that are other than in the quiet world.
        during: the minutes from which and until which (which is not in it) they are.
        changes: likewise, by such minutes, where there are several.
        must: by the alert's name, without the prefix. Of a release: ``release of <construct>``.
        stays: alarms that were on before, and are so at the end.
        is_new: production was deployed in minute 0.
        why: what makes the alerts that must come, or those that must not, the right ones.
    """

    name: str
    why: str
    minutes: int = 3 * 60
    traffic: Traffic = usual
    begins: int = AT
    changed: Mapping[Metric, Course] = field(default_factory=dict)
    during: tuple[int, int] = (AT, 2 * AT)
    changes: Mapping[tuple[int, int], Mapping[Metric, Course]] = field(default_factory=dict)
    events: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    must: Mapping[str, Told] = field(default_factory=dict)
    stays: frozenset[str] = frozenset()
    is_new: bool = False

    @cached_property
    def streams(self) -> dict[Metric, dict[int, Datapoint]]:
        """Each metric's datapoints; what was before minute 0 is as it would have been."""
        streams: dict[Metric, dict[int, Datapoint]] = {}
        for minute in range(-_BEFORE, self.minutes):
            quiet = world.quiet_minute(
                minute % 5, *self.traffic(minute), at_night=minute % world.DAY == world.NIGHT
            )
            for metric, datapoint in quiet:
                if self.is_new and minute < 0 and metric.namespace not in _MADE_EARLIER:
                    continue
                streams.setdefault(metric, {})[minute] = datapoint
        for (begin, end), courses in {self.during: self.changed, **self.changes}.items():
            for metric, course in courses.items():
                stream = streams.setdefault(metric, {})
                for minute in range(begin, end):
                    at = course(minute - begin) if callable(course) else course
                    if at is None:
                        stream.pop(minute, None)
                    else:
                        stream[minute] = at
        return streams


_BEFORE = 400
"""Minutes: more than any alarm looks back."""

_MADE_EARLIER = ("AWS/NATGateway", "AWS/RDS")
"""By a deployment: a database takes so long to make that it has reported for a while."""
