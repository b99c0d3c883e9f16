"""Payments in the states that tests begin with."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import uuid4

from tests.integration.money.stores import connect
from tests.integration.money.world import World, body, in_time


def payment_request(**changes: object) -> dict[str, Any]:
    """A request that is approved, with an idempotency key of its own."""
    return {
        "merchant_id": "corner-books",
        "amount": 12_345,
        "currency": "EUR",
        "payment_method_token": "tok_of_a_test",
        "reference": "Order 4711",
        "idempotency_key": str(uuid4()),
        **changes,
    }


def approved(world: World) -> str:
    """A payment that may be processed."""
    request = payment_request()
    outcome = in_time(lambda: world.validate(request), 200)
    return str(body(outcome)["transaction_id"])


def posted(world: World) -> str:
    transaction_id = approved(world)
    in_time(lambda: world.process(transaction_id), 200)
    return transaction_id


def queued(world: World) -> str:
    """A payment that was accepted while the ledger was away."""
    transaction_id = approved(world)
    in_time(lambda: world.process(transaction_id, down={"ledger"}), 202)
    return transaction_id


def posted_by_one_that_died(world: World) -> str:
    """A payment whose history does not know yet that it is posted."""
    transaction_id = approved(world)
    payment = world.decisions[transaction_id]
    with contextlib.closing(connect(world.stores, world.names)) as connection:
        connection.run(
            "SELECT ledger.post_payment(:transaction_id, :merchant_id, :amount, :currency, NULL)",
            **{name: payment[name] for name in ("transaction_id", "merchant_id", "currency")},
            amount=payment["amount"],
        )
    return transaction_id
