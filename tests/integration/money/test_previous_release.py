"""The release before serves this one's payments, on its schema: in a canary, and after a rollback.

Its functions are those in tests/integration/ledger/previous_release/functions.zip. A test that
fails here says that this release cannot be rolled back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.ledger.previous_release.renew import FUNCTIONS
from tests.integration.money.invariants import check_recovered, check_trail
from tests.integration.money.payments_at_hand import (
    payment_request,
    posted,
    posted_by_one_that_died,
    queued,
)
from tests.integration.money.sandboxes import sandbox_source
from tests.integration.money.stores import Stores
from tests.integration.money.world import World, body, in_time, status


@pytest.fixture(scope="session")
def previous(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sandboxes of the release before, on the same stores."""
    functions = tmp_path_factory.mktemp("functions")
    shutil.unpack_archive(FUNCTIONS, functions)
    variables = {**stores.variables, "PYTHONPATH": os.pathsep.join([str(functions), "."])}
    with sandbox_source(tmp_path_factory.mktemp("previous"), variables) as source:
        yield source


@pytest.fixture(params=["rolled back", "released"])
def change(request: pytest.FixtureRequest, world: World, previous: Path) -> Callable[[], None]:
    """From one release to the other: what the first has begun, the second goes on with."""
    first, second = world.stores.sandboxes, previous
    if request.param == "released":
        first, second = second, first
    world.release(first)
    return lambda: world.release(second)


def test_a_decision_stays_and_is_posted_once(world: World, change: Callable[[], None]) -> None:
    asked = payment_request()
    transaction_id = body(in_time(lambda: world.validate(asked), 200))["transaction_id"]
    declined = payment_request(amount=999_999_999)
    in_time(lambda: world.validate(declined), 200)
    change()
    for again in (asked, declined):
        in_time(partial(world.validate, again), 200)
    assert status(in_time(lambda: world.validate({**asked, "amount": 1}), 409)) == 409
    in_time(lambda: world.process(transaction_id), 200)
    change()
    in_time(lambda: world.process(transaction_id), 200)
    world.recover()
    check_recovered(world)
    check_trail(world)


def test_what_is_posted_is_told_as_it_was(world: World, change: Callable[[], None]) -> None:
    transaction_id = posted(world)
    before = body(in_time(lambda: world.process(transaction_id), 200))
    change()
    assert body(in_time(lambda: world.process(transaction_id), 200)) == before
    world.recover()
    check_recovered(world)


def test_what_is_queued_is_posted(world: World, change: Callable[[], None]) -> None:
    queued(world)
    change()
    world.recover()
    assert world.delivered
    check_recovered(world)


def test_what_is_in_the_outbox_is_delivered(world: World, change: Callable[[], None]) -> None:
    posted_by_one_that_died(world)
    change()
    world.recover()
    check_recovered(world)


def test_the_audit_trail_goes_on(world: World, change: Callable[[], None]) -> None:
    """And no record is in it twice, though the stream delivers it again."""
    posted(world)
    world.recover()
    first = list(world.records)
    change()
    posted(world)
    in_time(lambda: world.audit(first))
    world.recover()
    check_recovered(world)
    check_trail(world)


def test_both_report_the_systems_state(world: World, change: Callable[[], None]) -> None:
    change()
    event = {"httpMethod": "GET", "resource": "/status", "requestContext": {"requestId": "r"}}
    answer = body(in_time(lambda: world.invoke("payment-processor", event), 200))
    assert answer["status"] == "operational"
