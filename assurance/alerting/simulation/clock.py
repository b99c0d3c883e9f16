"""Alarms, composite alarms and rules in time: a minute is one step, as CloudWatch evaluates an
alarm once a minute, or once an hour if it looks back for more than a day (Amazon CloudWatch user
guide, "Alarm evaluation"). The first minute is the first one of an hour."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assurance.alerting.simulation import composite, event_pattern
from assurance.alerting.simulation.arrival import IDLE_AFTER, MOST, Reading
from assurance.alerting.simulation.datapoint import Datapoint, Metric, merged
from assurance.alerting.simulation.definitions import Alarm, Definitions
from assurance.alerting.simulation.evaluation import Missing, State, state

Streams = Mapping[Metric, Mapping[int, Datapoint]]
"""The datapoint of each minute in which a metric has one. Minutes before 0 were before it all."""


@dataclass(frozen=True)
class Change:
    """An alarm's state changed, and whether that was mailed."""

    minute: int
    alarm: str
    state: State
    mailed: bool


@dataclass(frozen=True)
class Notice:
    """A rule mailed an event."""

    minute: int
    rule: str


def run(
    definitions: Definitions,
    streams: Streams,
    events: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    minutes: int,
    readings: Sequence[Reading],
    is_new: bool = False,
) -> list[tuple[list[Change], list[Notice]]]:
    """What happens under each reading.

    :param minutes: how long it lasts.
    :param is_new: the alarms were created at minute 0; else they had been OK.
    """
    before = State.INSUFFICIENT_DATA if is_new else State.OK
    of_alarms = [
        _changes(
            alarm,
            tuple(tuple(streams.get(read.metric, {}).items()) for read in alarm.reads.values()),
            minutes,
            tuple(readings),
            before,
        )
        for alarm in definitions.alarms
    ]
    notices = [
        Notice(minute, rule.name)
        for minute, event in events
        for rule in definitions.rules
        if event_pattern.matches(rule.pattern, event)
    ]
    found = []
    for of_one_reading in zip(*of_alarms, strict=True):
        changes = list(itertools.chain(*of_one_reading))
        changes += _composites(definitions, changes, before)
        found.append((sorted(changes, key=lambda change: change.minute), notices))
    return found


_Stream = tuple[tuple[int, Datapoint], ...]


@lru_cache(maxsize=4096)  # In most alarms' eyes, most scenarios are the same quiet world.
def _changes(
    alarm: Alarm,
    read: tuple[_Stream, ...],
    minutes: int,
    readings: tuple[Reading, ...],
    before: State,
) -> list[list[Change]]:
    """Under each reading."""
    streams = [dict(stream) for stream in read]
    is_harmless = _is_harmless(alarm, streams)
    return [
        list(_changes_as_read(alarm, streams, minutes, reading, before, is_harmless=is_harmless))
        for reading in readings
    ]


def _changes_as_read(
    alarm: Alarm,
    streams: Sequence[Mapping[int, Datapoint]],
    minutes: int,
    reading: Reading,
    before: State,
    *,
    is_harmless: bool,
) -> Iterator[Change]:
    missing = alarm.missing
    if alarm.is_dynamodb and reading.dynamodb_ignores:
        missing = Missing.IGNORE
    # Where nothing that a window could hold makes a difference, one look is enough.
    is_settled = is_harmless and (
        missing is Missing.NOT_BREACHING or (missing is Missing.IGNORE and before is State.OK)
    )
    series = _Series(alarm, [{} for _ in streams] if is_settled else streams, reading)
    length = (alarm.periods + reading.look_back) * alarm.period
    current = before
    looks = range(reading.minute_of_hour, minutes, 60) if alarm.takes_days else range(minutes)
    for now in looks[:1] if is_settled else looks:
        until = now - now % 60 if alarm.takes_days else now
        following = state(
            series.breaching(range(until - length, until, alarm.period), now),
            needed=alarm.needed,
            periods=alarm.periods,
            missing=missing,
            current=current,
        )
        if following is not current:
            yield Change(now, alarm.name, following, mailed=following in alarm.mails)
        current = following


_Values = tuple[float | None, ...]
"""Of what an alarm reads, at one time."""


def _is_harmless(alarm: Alarm, streams: Sequence[Mapping[int, Datapoint]]) -> bool:
    """No datapoint is breaching, however much of it has arrived; or there are not as many as the
    alarm needs."""
    minutes = set(itertools.chain(*streams))
    if not minutes or (max(minutes) - min(minutes)) // alarm.period + 2 < alarm.needed:
        return True
    # Of several minutes, the highest and the lowest value are those of one of them, and the average
    # lies between theirs.
    names = [read.name for read in alarm.reads.values()]
    is_between = names in (["Maximum"], ["Minimum"], ["Average"])
    if alarm.period > 1 and not (is_between and alarm.expression.text in alarm.reads):
        return False
    whole = {tuple(stream.get(minute) for stream in streams) for minute in minutes}
    return not any(
        _judged(alarm, _values(alarm, part))
        for datapoints in whole
        for part in itertools.product(*((datapoint, None) for datapoint in datapoints))
    )


def _values(alarm: Alarm, datapoints: Iterable[Datapoint | None]) -> _Values:
    return tuple(
        None if datapoint is None else datapoint.statistic(read.name)
        for read, datapoint in zip(alarm.reads.values(), datapoints, strict=True)
    )


def _judged(alarm: Alarm, values: _Values) -> bool | None:
    """Whether it is breaching; None if there is no value."""
    value = alarm.expression.at(dict(zip(alarm.reads, values, strict=True)))
    return None if value is None else alarm.breaching(value)


class _Series:
    """What an alarm compares, from what has arrived at a time."""

    def __init__(
        self, alarm: Alarm, streams: Sequence[Mapping[int, Datapoint]], reading: Reading
    ) -> None:
        self._alarm = alarm
        self._arriving = [
            _arriving(read.metric, stream, reading)
            for read, stream in zip(alarm.reads.values(), streams, strict=True)
        ]
        self._known: dict[_Values, bool | None] = {}
        self._whole: dict[int, bool | None] = {}

    def breaching(self, starts: Iterable[int], now: int) -> list[bool | None]:
        """Of the periods that begin at these minutes; None where there is no value."""
        whole = self._whole
        return [whole[start] if start in whole else self._judge(start, now) for start in starts]

    def _judge(self, start: int, now: int) -> bool | None:
        end = start + self._alarm.period
        values = _values(
            self._alarm, (self._datapoint(there, start, end, now) for there in self._arriving)
        )
        if values not in self._known:
            self._known[values] = _judged(self._alarm, values)
        if now >= end + MOST:
            self._whole[start] = self._known[values]
        return self._known[values]

    def _datapoint(
        self, there: Mapping[int, _Arrival], start: int, end: int, now: int
    ) -> Datapoint | None:
        if end == start + 1:  # most alarms' periods; the same, in half the time
            found = there.get(start)
            return found[1] if found and found[0] <= now else None
        return merged(
            [
                found[1]
                for minute in range(start, end)
                if (found := there.get(minute)) and found[0] <= now
            ]
        )


_Arrival = tuple[int, Datapoint]
"""A datapoint, and the minute at which it is there."""


def _arriving(
    metric: Metric, stream: Mapping[int, Datapoint], reading: Reading
) -> dict[int, _Arrival]:
    arriving = {}
    name = str(metric)
    last, awake = -IDLE_AFTER - 1, 0
    for minute, datapoint in sorted(stream.items()):
        if metric.namespace == "AWS/SQS" and minute - last > IDLE_AFTER:
            awake = minute + reading.asleep
        last = minute
        if minute >= awake or minute < 0:
            arriving[minute] = (reading.arrives(name, minute), datapoint)
    return arriving


def _composites(definitions: Definitions, changes: Sequence[Change], before: State) -> list[Change]:
    """A composite alarm changes with the alarms that its rule is on."""
    states = {alarm.name: before for alarm in definitions.alarms}
    states |= {alarm.name: before for alarm in definitions.composites}
    found = []
    due = sorted({0, *(change.minute for change in changes)})
    for minute in due:
        states |= {change.alarm: change.state for change in changes if change.minute == minute}
        for alarm in definitions.composites:
            following = State.ALARM if composite.holds(alarm.rule, states) else State.OK
            if following is not states[alarm.name]:
                mailed = following in alarm.mails
                found.append(Change(minute, alarm.name, following, mailed))
                states[alarm.name] = following
    return found
