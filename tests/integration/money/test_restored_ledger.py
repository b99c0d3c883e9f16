"""The ledger is restored to a time before a payment that the history knows as posted."""

from __future__ import annotations

import contextlib

from payments.states import APPROVED, POSTED, QUEUED
from tests.integration.money.payments_at_hand import approved, posted
from tests.integration.money.world import World, body, in_time, status
from tests.integration.triggers import TABLES, without_triggers


def restore_to_nothing(world: World) -> None:
    """All entries are gone, as if none had been posted yet."""
    with (
        contextlib.closing(world.stores.server.connect(database=world.names.database)) as superuser,
        without_triggers(superuser),
    ):
        for table in TABLES:
            superuser.run(f"DELETE FROM ledger.{table}")  # noqa: S608


def states(world: World, transaction_id: str) -> list[str]:
    answer = world.stores.dynamodb.query(
        TableName=world.names.table,
        KeyConditionExpression="transaction_id = :t",
        ExpressionAttributeValues={":t": {"S": transaction_id}},
        ConsistentRead=True,
    )
    return [item["state"]["S"] for item in answer["Items"]]


def entry(world: World, transaction_id: str) -> object:
    """As the ledger has it; its events are delivered."""
    with contextlib.closing(world.stores.server.connect(database=world.names.database)) as reader:
        ((found,),) = reader.run("SELECT ledger.find_entry(:t)", t=transaction_id)
    return found


def test_asking_again_posts_nothing_and_denies_nothing(world: World) -> None:
    transaction_id = posted(world)
    before = body(in_time(lambda: world.process(transaction_id), 200))
    restore_to_nothing(world)
    assert body(in_time(lambda: world.process(transaction_id), 200)) == before
    assert states(world, transaction_id) == [APPROVED, POSTED]


def test_a_message_about_it_brings_the_very_entry_back(world: World) -> None:
    transaction_id = approved(world)
    in_time(lambda: world.process(transaction_id, down={"ledger"}), 202)
    batch = world.receive()
    in_time(lambda: world.process(transaction_id), 200)
    before = entry(world, transaction_id)
    restore_to_nothing(world)
    answer = world.deliver(batch).answer
    assert answer == {"batchItemFailures": []}
    assert states(world, transaction_id) == [APPROVED, QUEUED, POSTED]
    assert entry(world, transaction_id) == before


def test_payments_that_the_history_does_not_know_as_posted_are_posted(world: World) -> None:
    restore_to_nothing(world)
    assert status(in_time(lambda: world.process(approved(world)), 200)) == 200
