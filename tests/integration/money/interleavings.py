"""Clients, deliveries, time and faults in any order: a state machine that hypothesis drives.

After each step I1, I4 and I5 hold; once everything has come to rest, I1 to I5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from payments.identifiers import transaction_id
from payments.states import DECLINED
from tests.integration.money.boundary import AFTER, BEFORE, ERROR, KILL, TIMEOUT, Fault
from tests.integration.money.invariants import (
    CARD_NUMBERS,
    check_now,
    check_recovered,
    check_trail,
)
from tests.integration.money.payments_at_hand import payment_request
from tests.integration.money.stores import Stores
from tests.integration.money.world import Record, World, status
from tests.tally import tally

STEPS: Final = 25

# What a client may be told: any answer of the contract, or nothing at all (its handler died).
ANSWERS: Final = {
    "validate": {None, 200, 503},
    "process": {None, 200, 202, 404, 409, 503},
}

faults = st.lists(
    st.builds(
        Fault,
        at=st.integers(0, 5),
        kind=st.sampled_from([ERROR, TIMEOUT, KILL]),
        when=st.sampled_from([BEFORE, AFTER]),
        lasting=st.booleans(),
    ),
    max_size=2,
)
sandboxes = st.integers(0, 1)  # two of each function
services = st.sampled_from(["ledger", "dynamodb", "sqs", "s3"])
amounts = st.one_of(
    st.integers(1, 1_000_000),
    st.just(99_999_999_999),  # declined
)
currencies = st.sampled_from(["EUR", "JPY", "KWD", "XXX"])  # the last one is declined


class Money(RuleBasedStateMachine):
    """The payments of one world, while it lasts."""

    stores: Stores
    requests: Bundle[dict[str, Any]] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.stores)

    # -- clients ---------------------------------------------------------------------------

    @rule(target=requests, amount=amounts, currency=currencies, faults=faults, sandbox=sandboxes)
    def validate(
        self, amount: int, currency: str, faults: Sequence[Fault], sandbox: int
    ) -> dict[str, Any]:
        request = payment_request(amount=amount, currency=currency)
        outcome = self.world.validate(request, faults=faults, sandbox=sandbox)
        assert status(outcome) in ANSWERS["validate"]
        return request

    @rule(request=requests, faults=faults, sandbox=sandboxes)
    def validate_again(
        self, request: dict[str, Any], faults: Sequence[Fault], sandbox: int
    ) -> None:
        outcome = self.world.validate(request, faults=faults, sandbox=sandbox)
        assert status(outcome) in ANSWERS["validate"]

    @rule(request=requests, faults=faults, sandbox=sandboxes)
    def reuse_the_key(self, request: dict[str, Any], faults: Sequence[Fault], sandbox: int) -> None:
        """Another payload is refused, if the first one was taken."""
        if transaction_of(self.world, request) is None:
            return
        other = {**request, "reference": "another"}
        outcome = self.world.validate(other, faults=faults, sandbox=sandbox)
        assert status(outcome) in (None, 409, 503)

    @rule(
        number=st.sampled_from(CARD_NUMBERS),
        field=st.sampled_from(
            ["merchant_id", "payment_method_token", "reference", "idempotency_key"]
        ),
    )
    def send_a_card_number(self, number: str, field: str) -> None:
        assert status(self.world.validate(payment_request(**{field: number}))) == 400

    @rule(request=requests, faults=faults, sandbox=sandboxes)
    def process(self, request: dict[str, Any], faults: Sequence[Fault], sandbox: int) -> None:
        payment = transaction_of(self.world, request)
        if payment is None:
            return
        told = payment in self.world.entries
        outcome = self.world.process(payment, faults=faults, sandbox=sandbox)
        assert status(outcome) in ANSWERS["process"] - {404}
        if self.world.decisions[payment]["decision"] == DECLINED:
            assert status(outcome) not in (200, 202)
        elif told:
            assert status(outcome) != 409, "a posted payment is refused"

    # -- deliveries ------------------------------------------------------------------------

    @rule(size=st.integers(1, 10), faults=faults, sandbox=sandboxes, twice=st.booleans())
    def deliver_messages(
        self, size: int, faults: Sequence[Fault], sandbox: int, twice: bool
    ) -> None:
        batch = self.world.receive(size)
        if batch:
            self.world.deliver(batch, faults=faults, sandbox=sandbox)
            if twice:
                self.world.deliver(batch, sandbox=1 - sandbox)

    @precondition(lambda self: self.world.delivered)
    @rule(data=st.data(), faults=faults, sandbox=sandboxes)
    def deliver_old_messages(
        self, data: st.DataObject, faults: Sequence[Fault], sandbox: int
    ) -> None:
        """A standard queue may deliver again what was deleted, in any order."""
        batch = data.draw(some_of(self.world.delivered))
        self.world.deliver(batch, faults=faults, sandbox=sandbox)

    @rule(data=st.data(), faults=faults, sandbox=sandboxes)
    def deliver_changes(self, data: st.DataObject, faults: Sequence[Fault], sandbox: int) -> None:
        """New or old ones, in batches of any size; of several shards the order is not given."""
        self.world.read_stream()
        if self.world.records:
            records = self.world.records
            first = data.draw(st.integers(0, len(records) - 1))
            size = data.draw(st.integers(1, len(records) - first))
            self.world.audit(records[first : first + size], faults=faults, sandbox=sandbox)

    @rule(faults=faults, sandbox=sandboxes)
    def sweep(self, faults: Sequence[Fault], sandbox: int) -> None:
        self.world.sweep(faults=faults, sandbox=sandbox)

    # -- time, and what goes down ----------------------------------------------------------

    @rule(seconds=st.sampled_from([1800, 3601]))
    def pass_time(self, seconds: int) -> None:
        """Approvals hold for an hour."""
        self.world.clock += seconds

    @rule(service=services)
    def lose(self, service: str) -> None:
        self.world.down.add(service)

    @precondition(lambda self: self.world.down)
    @rule()
    def find_all_again(self) -> None:
        self.world.down.clear()

    @rule()
    def replace_the_sandboxes(self) -> None:
        self.world.forget_sandboxes()

    @invariant()
    def holds(self) -> None:
        check_now(self.world)

    def teardown(self) -> None:
        try:
            self.world.recover()
            check_recovered(self.world)
            check_trail(self.world)
            tally.schedules["clients, deliveries, time and faults interleaved"] += 1
        finally:
            self.world.close()


def transaction_of(world: World, request: dict[str, Any]) -> str | None:
    """The transaction of a request, if its client was told."""
    named = transaction_id(request["merchant_id"], request["idempotency_key"])
    return named if named in world.decisions else None


def some_of(messages: Sequence[Record]) -> st.SearchStrategy[list[Record]]:
    return st.lists(
        st.sampled_from(messages), min_size=1, max_size=5, unique_by=lambda m: m["messageId"]
    )


def interleave(stores: Stores, examples: int) -> None:
    """Drive so many worlds through steps that hypothesis chooses."""

    class OnTheseStores(Money):
        pass

    OnTheseStores.stores = stores
    run_state_machine_as_test(
        OnTheseStores,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            # A failure is told as it was found: to make it shorter takes minutes.
            phases=set(Phase) - {Phase.shrink, Phase.explain},
        ),
    )
