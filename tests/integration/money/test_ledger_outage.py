"""PostgreSQL really goes away and comes back, under functions that go on running."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.money.invariants import check_recovered
from tests.integration.money.payments_at_hand import approved, posted, queued
from tests.integration.money.stores import Stores
from tests.integration.money.world import World, in_time, status
from tests.tally import tally

ENDS: dict[str, Callable[[Stores], None]] = {
    "stopped": lambda stores: stores.server.stop(),
    "crashed": lambda stores: stores.server.kill(),
    "killed with -9": lambda stores: stores.kill_server(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_payments_of_an_outage_are_queued_and_post_later(
    world: World, stores: Stores, end: Callable[[Stores], None]
) -> None:
    posted(world)  # the processor's sandbox has a connection now, and keeps running
    waiting = [approved(world) for _ in range(3)]
    end(stores)
    try:
        assert [status(world.process(payment)) for payment in waiting] == [202, 202, 202]
        batch = world.receive()
        failed = world.deliver(batch).answer["batchItemFailures"]
        assert len(failed) == len(batch) == 3
    finally:
        stores.server.start()
    in_time(lambda: world.process(waiting[0]), 200)
    world.recover()
    check_recovered(world)
    assert world.given_up() == set()
    for payment in waiting:
        in_time(lambda payment=payment: world.process(payment), 200)  # type: ignore[misc]
    tally.schedules["PostgreSQL stopped, crashed or killed, and started again"] += 1


def test_a_restart_between_two_payments_goes_unnoticed(world: World, stores: Stores) -> None:
    posted(world)
    payment = approved(world)
    stores.server.kill()
    stores.server.start()
    in_time(lambda: world.process(payment), 200)
    world.recover()
    check_recovered(world)
    tally.schedules["PostgreSQL stopped, crashed or killed, and started again"] += 1


def test_a_crash_loses_nothing_that_was_answered(world: World, stores: Stores) -> None:
    """Among payments that are posted, some whose events are not delivered yet."""
    for _ in range(5):
        posted(world)
    queued(world)
    stores.kill_server()
    stores.server.start()
    world.recover()
    check_recovered(world)
    tally.schedules["PostgreSQL stopped, crashed or killed, and started again"] += 1
