"""Every external call of every path fails in every way, and then everything comes to rest.

A schedule: a payment is brought to where the path begins; the handler runs, and a fault meets one
of its external calls (or more of them); the queue, the sweep and the stream come; I1 to I5 hold;
the client sends its request once more, and gets its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import pytest

from tests.integration.money.boundary import AFTER, AWAY, BEFORE, ERROR, KILL, TIMEOUT, Fault
from tests.integration.money.invariants import check_now, check_recovered, check_trail
from tests.integration.money.paths import PATHS, Path
from tests.integration.money.stores import Stores
from tests.integration.money.world import World
from tests.tally import SOAK, tally

# Payments that one world sees: reading all of it gets slower with each.
SCHEDULES_A_WORLD: Final = 20
# Schedules of several faults each that are drawn for every path.
DRAWN: Final = 3

# Once: the next try may succeed. Lasting: the service is away from then on.
ONE_CALL: Final = (
    (ERROR, BEFORE, True),
    (ERROR, AFTER, False),
    (TIMEOUT, AFTER, True),
    (KILL, AFTER, False),
)
# To die before a call is to die after the one before.
AT_FIRST: Final = (KILL, BEFORE, False)
# In `make soak` the other combinations too.
MORE: Final = (
    (ERROR, BEFORE, False),
    (ERROR, AFTER, True),
    (TIMEOUT, BEFORE, True),
    (TIMEOUT, BEFORE, False),
    (TIMEOUT, AFTER, False),
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_after_any_fault_the_invariants_hold(stores: Stores, path: Path) -> None:
    schedules = _schedules(_calls(stores, path), Random(path.__name__))  # noqa: S311
    for first in range(0, len(schedules), SCHEDULES_A_WORLD):
        world = World(stores)
        try:
            for faults in schedules[first : first + SCHEDULES_A_WORLD]:
                _run(world, path, faults)
            check_trail(world)
        finally:
            world.close()


def _calls(stores: Stores, path: Path) -> Sequence[int]:
    """The path's external calls, but for those to services that are away, by their numbers."""
    world = World(stores)
    try:
        invoke, _ = path(world)
        calls = invoke(()).calls
        return [number for number, call in enumerate(calls) if not call.endswith(AWAY)]
    finally:
        world.close()


def _schedules(calls: Sequence[int], random: Random) -> list[Sequence[Fault]]:
    kinds = ONE_CALL + MORE if SOAK > 1 else ONE_CALL
    single = [[Fault(at, *kind)] for at in calls for kind in kinds]
    single.insert(0, [Fault(calls[0], *AT_FIRST)])
    # A fault makes room for calls that the straight path does not have: its tries.
    drawn = [
        [
            Fault(at, *random.choice(ONE_CALL + MORE))
            for at in random.sample(range(calls[-1] + 4), 3)
        ]
        for _ in range(DRAWN * (SOAK if SOAK > 1 else 1))
    ]
    return [*single, *drawn]


def _run(world: World, path: Path, faults: Sequence[Fault]) -> None:
    try:
        invoke, come_back = path(world)
        invoke(faults)
        check_now(world)
        world.recover()
        check_recovered(world)
        come_back()
        check_now(world)
    except AssertionError as error:
        error.add_note(f"after {faults}")
        raise
    tally.schedules["every external call fails, once in every way, or several at once"] += 1
