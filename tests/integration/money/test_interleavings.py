"""Clients, deliveries, time and faults in an order that hypothesis chooses."""

from __future__ import annotations

from tests.integration.money.interleavings import interleave
from tests.integration.money.stores import Stores

EXAMPLES = 5


def test_in_any_order_the_invariants_hold(stores: Stores) -> None:
    interleave(stores, EXAMPLES)
