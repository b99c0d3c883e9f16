"""What the alarms make of a scenario, held against what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assurance.alerting.scenarios.scenario import Scenario, Told
from assurance.alerting.simulation import clock
from assurance.alerting.simulation.arrival import READINGS, Reading
from assurance.alerting.simulation.definitions import Definitions
from assurance.alerting.simulation.evaluation import State


@dataclass(frozen=True)
class Outcome:
    """A scenario under one reading.

    Attributes:
        told: minutes of the mails of trouble (an alarm, missing data, an event), by alert.
        recovered: alerts of which the last mail is that all is well.
        on: alarms that are not OK at the end.
    """

    scenario: Scenario
    reading: Reading
    told: dict[str, list[int]]
    recovered: frozenset[str]
    on: frozenset[str]


def _outcome(
    definitions: Definitions,
    scenario: Scenario,
    reading: Reading,
    changes: Sequence[clock.Change],
    notices: Sequence[clock.Notice],
) -> Outcome:
    told: dict[str, list[int]] = {}
    well: dict[str, bool] = {}
    states: dict[str, State] = {}
    for change in changes:
        name = definitions.alert(change.alarm)
        states[name] = change.state
        # CodeDeploy looks at its alarms' states, and needs no mail.
        if definitions.is_release(change.alarm) or change.mailed:
            well[name] = change.state is State.OK
            if change.state is not State.OK:
                told.setdefault(name, []).append(change.minute)
    for notice in notices:
        told.setdefault(definitions.alert(notice.rule), []).append(notice.minute)
    return Outcome(
        scenario=scenario,
        reading=reading,
        told=told,
        recovered=frozenset(name for name, is_well in well.items() if is_well),
        on=frozenset(name for name, state in states.items() if state is not State.OK),
    )


def faults(found: Outcome, alarms: frozenset[str]) -> Iterator[str]:
    """Everything that is not as the scenario asks for; nothing if all is well.

    :param alarms: the names of all alerts that are alarms: events do not recover.
    """
    scenario = found.scenario
    for name, wanted in scenario.must.items():
        yield from _wrong(found, name, wanted, is_alarm=name in alarms)
    for name in found.told.keys() - scenario.must.keys() - scenario.stays:
        yield f"{name} comes after {found.told[name][0] - scenario.begins} min"
    for name in found.on - scenario.must.keys() - scenario.stays:
        yield f"{name} is on at the end"
    for name in scenario.stays - found.on:
        yield f"{name} is off at the end"


def _wrong(found: Outcome, name: str, wanted: Told, *, is_alarm: bool) -> Iterator[str]:
    came = found.told.get(name, [])
    begins = found.scenario.begins
    if not came:
        yield f"{name} does not come"
        return
    if came[0] < begins:
        yield f"{name} came {begins - came[0]} min before anything happened"
    if came[0] - begins > wanted.within:
        yield f"{name} comes after {came[0] - begins} min, not within {wanted.within}"
    if len(came) > wanted.times or (not is_alarm and len(came) < wanted.times):
        yield f"{name} comes {len(came)} times"
    if is_alarm and wanted.stays is (name not in found.on):
        yield f"{name} {'goes off by itself' if wanted.stays else 'does not recover'}"
    if is_alarm and not wanted.stays and name not in found.recovered | found.on:
        yield f"{name} recovers, and nobody is told"


@dataclass(frozen=True)
class Row:
    """A scenario, with what is told of it under all readings.

    Attributes:
        faults: with the readings under which each shows.
        minutes: earliest and latest, since the trouble began, of each alert's first mail; alarms
            that had been on for days are left out.
    """

    scenario: Scenario
    faults: tuple[str, ...]
    minutes: dict[str, tuple[int, int]]


def row(definitions: Definitions, scenario: Scenario) -> Row:
    """Judge a scenario under each reading."""
    found_by_reading = clock.run(
        definitions,
        scenario.streams,
        scenario.events,
        minutes=scenario.minutes,
        readings=READINGS,
        is_new=scenario.is_new,
    )
    outcomes = [
        _outcome(definitions, scenario, reading, changes, notices)
        for reading, (changes, notices) in zip(READINGS, found_by_reading, strict=True)
    ]
    alarms = definitions.alerts_that_recover()
    found: dict[str, list[str]] = {}
    for each in outcomes:
        for fault in faults(each, alarms):
            found.setdefault(fault, []).append(each.reading.name)
    first: dict[str, list[int]] = {}
    for each in outcomes:
        for name, came in each.told.items():
            if name not in scenario.stays:
                first.setdefault(name, []).append(came[0] - scenario.begins)
    return Row(
        scenario=scenario,
        faults=tuple(f"{fault} ({', '.join(names)})" for fault, names in found.items()),
        minutes={name: (min(came), max(came)) for name, came in sorted(first.items())},
    )
