"""The ways through the handlers, one invocation each: where it begins, and the invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tests.integration.money.boundary import Fault
from tests.integration.money.payments_at_hand import (
    approved,
    payment_request,
    posted,
    posted_by_one_that_died,
    queued,
)
from tests.integration.money.sandboxes import Outcome
from tests.integration.money.world import World, body, in_time

Invocation = Callable[[Sequence[Fault]], Outcome]
ComesBack = Callable[[], None]
# Brings a payment to where the path begins: the invocation, and what its client does in the end.
Path = Callable[[World], tuple[Invocation, ComesBack]]


def _process(world: World, transaction_id: str) -> None:
    in_time(lambda: world.process(transaction_id), 200)


def _validating(world: World, request: Mapping[str, Any]) -> tuple[Invocation, ComesBack]:
    def come_back() -> None:
        outcome = in_time(lambda: world.validate(request), 200)
        _process(world, body(outcome)["transaction_id"])

    return lambda faults: world.validate(request, faults=faults), come_back


def validate(world: World) -> tuple[Invocation, ComesBack]:
    return _validating(world, payment_request())


def validate_again(world: World) -> tuple[Invocation, ComesBack]:
    request = payment_request()
    world.validate(request)
    return _validating(world, request)


def _processing(
    world: World, transaction_id: str, *, down: Sequence[str] = ()
) -> tuple[Invocation, ComesBack]:
    def come_back() -> None:
        _process(world, transaction_id)

    return lambda faults: world.process(transaction_id, faults=faults, down=down), come_back


def process(world: World) -> tuple[Invocation, ComesBack]:
    posted(world)  # so that the sandbox has a connection, and has prepared its statements
    return _processing(world, approved(world))


def process_cold(world: World) -> tuple[Invocation, ComesBack]:
    transaction_id = approved(world)
    world.forget_sandboxes()
    return _processing(world, transaction_id)


def process_again(world: World) -> tuple[Invocation, ComesBack]:
    return _processing(world, posted(world))


def process_without_ledger(world: World) -> tuple[Invocation, ComesBack]:
    return _processing(world, approved(world), down=["ledger"])


def _retrying(world: World, *, down: Sequence[str] = ()) -> tuple[Invocation, ComesBack]:
    payments = [queued(world), queued(world)]
    batch = world.receive()
    assert len(batch) == 2

    def come_back() -> None:
        for transaction_id in payments:
            _process(world, transaction_id)

    return lambda faults: world.deliver(batch, faults=faults, down=down), come_back


def retry(world: World) -> tuple[Invocation, ComesBack]:
    posted(world)
    return _retrying(world)


def retry_without_ledger(world: World) -> tuple[Invocation, ComesBack]:
    return _retrying(world, down=["ledger"])


def sweep(world: World) -> tuple[Invocation, ComesBack]:
    payments = [posted_by_one_that_died(world), posted_by_one_that_died(world)]

    def come_back() -> None:
        for transaction_id in payments:
            _process(world, transaction_id)

    return lambda faults: world.sweep(faults=faults), come_back


def audit(world: World) -> tuple[Invocation, ComesBack]:
    approved(world)
    world.read_stream()
    records = list(world.pending)

    def come_back() -> None:
        """The stream has no clients, but it delivers some records twice."""
        in_time(lambda: world.audit(records))

    return lambda faults: world.audit(records, faults=faults), come_back


def audit_cold(world: World) -> tuple[Invocation, ComesBack]:
    invocation = audit(world)
    world.forget_sandboxes()
    return invocation


def audit_behind(world: World) -> tuple[Invocation, ComesBack]:
    """Another sandbox has gone on with the trail, which this one does not know."""
    for sandbox in (0, 1):
        approved(world)
        world.read_stream()
        in_time(lambda sandbox=sandbox: world.audit(world.pending, sandbox=sandbox))  # type: ignore[misc]
    return audit(world)


def audit_again(world: World) -> tuple[Invocation, ComesBack]:
    """A delivery that was stored comes again, to a sandbox that does not know of it."""
    invoke, come_back = audit(world)
    invoke(())
    world.forget_sandboxes()
    return invoke, come_back


PATHS: Final[Sequence[Path]] = (
    validate,
    validate_again,
    process,
    process_cold,
    process_again,
    process_without_ledger,
    retry,
    retry_without_ledger,
    sweep,
    audit,
    audit_cold,
    audit_behind,
    audit_again,
)
