"""What the alarms make of a scenario, held against what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alerting.scenarios.scenario import Scenario, Told
from alerting.simulation import clock
from alerting.simulation.arrival import READINGS, Reading
from alerting.simulation.definitions import Definitions
from alerting.simulation.evaluation import State

_PREFIX = "payments-"


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


def outcome(definitions: Definitions, scenario: Scenario, reading: Reading) -> Outcome:
    changes, notices = clock.run(
        definitions,
        scenario.streams,
        scenario.events,
        minutes=scenario.minutes,
        reading=reading,
        is_new=scenario.is_new,
    )
    # CodeDeploy looks at the states of its alarms, and stops at any of them.
    watched = {name: group for group, names in definitions.releases.items() for name in names}
    told: dict[str, list[int]] = {}
    well: dict[str, bool] = {}
    states: dict[str, State] = {}
    for change in changes:
        name = _alert(change.alarm, watched)
        states[name] = change.state
        if change.alarm in watched or change.mailed:
            well[name] = change.state is State.OK
            if change.state is not State.OK:
                told.setdefault(name, []).append(change.minute)
    for notice in notices:
        told.setdefault(_alert(notice.rule, watched), []).append(notice.minute)
    return Outcome(
        scenario=scenario,
        reading=reading,
        told=told,
        recovered=frozenset(name for name, is_well in well.items() if is_well),
        on=frozenset(name for name, state in states.items() if state is not State.OK),
    )


def _alert(name: str, watched: dict[str, str]) -> str:
    if name in watched:
        return f"release of {watched[name]}"
    return name.removeprefix(_PREFIX)


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
    if len(came) > wanted.times:
        yield f"{name} comes {len(came)} times"
    if is_alarm and wanted.stays is (name not in found.on):
        yield f"{name} {'goes off by itself' if wanted.stays else 'does not recover'}"
    if is_alarm and not wanted.stays and name not in found.recovered | found.on:
        yield f"{name} recovers, and nobody is told"


def judged(definitions: Definitions, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """Each scenario under each reading."""
    return [
        outcome(definitions, scenario, reading) for scenario in scenarios for reading in READINGS
    ]
