"""External calls fail while a path is gone, and then everything comes to rest.

A schedule: a payment is brought to where the path begins; the handler runs, and a fault meets one
of its external calls (or more of them); the queue, the sweep and the stream come; I1 to I5 hold;
the client sends its request once more, and gets its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.integration.money.boundary import AFTER, AWAY, BEFORE, ERROR, KILL, TIMEOUT, Fault
from tests.integration.money.invariants import check_now, check_recovered, check_trail
from tests.integration.money.paths import Path
from tests.integration.money.stores import Stores
from tests.integration.money.world import World
from tests.tally import tally

# Payments that one world sees: reading all of it gets slower with each.
SCHEDULES_A_WORLD: Final = 20

# Of a fault: its kind, when it comes, and whether the next try may succeed; else the service is
# away from then on.
Kind = tuple[str, str, bool]
# One before and one after each call.
A_FEW: Final[Sequence[Kind]] = ((ERROR, BEFORE, True), (KILL, AFTER, False))
ALL: Final[Sequence[Kind]] = (
    (ERROR, BEFORE, True),
    (ERROR, BEFORE, False),
    (ERROR, AFTER, True),
    (ERROR, AFTER, False),
    (TIMEOUT, BEFORE, True),
    (TIMEOUT, BEFORE, False),
    (TIMEOUT, AFTER, True),
    (TIMEOUT, AFTER, False),
    (KILL, AFTER, False),
)
# To die before a call is to die after the one before.
AT_FIRST: Final[Kind] = (KILL, BEFORE, False)


def run(stores: Stores, path: Path, kinds: Sequence[Kind], drawn: int) -> None:
    """Let each external call of a path fail in these ways, one at a time, and several at once.

    Args:
        drawn: schedules of several faults each.
    """
    schedules = _schedules(_calls(stores, path), kinds, drawn, Random(path.__name__))  # noqa: S311
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


def _schedules(
    calls: Sequence[int], kinds: Sequence[Kind], drawn: int, random: Random
) -> list[Sequence[Fault]]:
    single = [[Fault(at, *kind)] for at in calls for kind in kinds]
    single.insert(0, [Fault(calls[0], *AT_FIRST)])
    # A fault makes room for calls that the straight path does not have: its tries.
    several = [
        [Fault(at, *random.choice(ALL)) for at in random.sample(range(calls[-1] + 4), 3)]
        for _ in range(drawn)
    ]
    return [*single, *several]


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
    tally.schedules["external calls fail, one at a time or several at once"] += 1
