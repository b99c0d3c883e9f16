"""The invariants of the money (docs/payments.md), read from the stores themselves.

I0 what a client was told has expired is never posted; I1 a payment is posted at most once; I2 a
payment that got a 2xx from /process ends posted or in the dead-letter queue; I3 every posted entry
has its history item, and every history item its audit record; I4 debits = credits; I5 no card
number anywhere.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pg8000.native import Connection  # type: ignore[import-untyped]

from payments.attributes import from_item
from payments.states import APPROVED, is_posting
from reconciliation.verification import Verifier
from tests.integration.money.stores import connect
from tests.integration.money.world import World
from tests.tally import tally

# Luhn-valid numbers of networks' test cards: what clients try to send in these tests.
CARD_NUMBERS = ("4111111111111111", "5555555555554444", "378282246310005")

Item = Mapping[str, Any]


def check_now(world: World) -> None:
    """What holds at every moment: I0, I1, I4 and I5, and that a told entry is there."""
    tally.checks += 1
    with contextlib.closing(connect(world.stores, world.names)) as connection:
        _check_ledger(world, connection)
        rows = connection.run("SELECT to_jsonb(o)::text FROM ledger.outbox o")
        rows += connection.run("SELECT to_jsonb(a)::text FROM ledger.accounts a")
    _check_no_card_number("the ledger", json.dumps(rows))
    _check_no_card_number("a log", world.stores.new_in_log())


def check_recovered(world: World) -> None:
    """What holds once everything has come that comes by itself: I1 to I5."""
    check_now(world)
    with contextlib.closing(connect(world.stores, world.names)) as connection:
        posted = dict(
            connection.run("SELECT transaction_id::text, entry_id::text FROM ledger.entries")
        )
        (undelivered,) = connection.run(
            "SELECT count(*) FROM ledger.outbox WHERE delivered_at IS NULL"
        )[0]
    history = list(_history(world))
    audited = list(_audited(world))

    lost = world.promised - posted.keys() - world.given_up()
    assert not lost, f"I2: promised, and neither posted nor given up: {lost}"

    assert undelivered == 0, "I3: events are left in the outbox"
    told = [(item["transaction_id"], item["entry_id"]) for item in history if is_posting(item)]
    assert sorted(told) == sorted(posted.items()), "I3: the history is not the ledger's"
    expected = Counter(json.dumps(item, sort_keys=True) for item in history)
    found = Counter(json.dumps(record["item"], sort_keys=True) for record in audited)
    assert found == expected, (
        f"I3: the audit is not the history: {found - expected} too many, {expected - found} missing"
    )
    assert not [record for record in audited if record["anomaly"]], "I3: history was changed"

    _check_no_card_number("the history", json.dumps(history))
    _check_no_card_number("the audit trail", json.dumps(audited))


def check_trail(world: World) -> None:
    """The audit trail's hash chain holds from its first object to its last."""
    report = Verifier(world.stores.s3, world.names.bucket).verify()
    assert report.finding is None, f"I3: {report.finding}"


def _check_ledger(world: World, connection: Connection) -> None:
    rows = connection.run("SELECT transaction_id::text, entry_id::text FROM ledger.entries")
    entries = dict(rows)
    assert len(entries) == len(rows), "I1: a payment has two entries"
    final = world.expired & entries.keys()
    assert not final, f"I0: told that it has expired, and posted: {final}"
    missing = world.entries.items() - entries.items()
    assert not missing, f"I2: told 200, and not in the ledger: {missing}"
    postings: dict[str, list[tuple[str, str, int, str]]] = {}
    for transaction_id, *posting in connection.run(
        "SELECT transaction_id::text, account, direction, amount, currency FROM ledger.entries "
        "LEFT JOIN ledger.postings USING (entry_id) ORDER BY entry_id, line"
    ):
        postings.setdefault(transaction_id, []).append(tuple(posting))
    for transaction_id, found in postings.items():
        decided = world.decisions.get(transaction_id)
        if decided is None:  # its client never got an answer
            assert sum(p[2] if p[1] == "debit" else -p[2] for p in found) == 0, "I4"
            continue
        amount, currency = decided["amount"], decided["currency"]
        payable = f"merchant-payable/{decided['merchant_id']}/{currency}"
        assert decided["decision"] == APPROVED, "I1: a declined payment is posted"
        assert found == [
            (f"clearing-receivable/{currency}", "debit", amount, currency),
            (payable, "credit", amount, currency),
        ], "I4: these are not the payment's postings"


def _history(world: World) -> Iterator[Item]:
    pages = world.stores.dynamodb.get_paginator("scan").paginate(
        TableName=world.names.table, ConsistentRead=True
    )
    for page in pages:
        for item in page["Items"]:
            yield from_item(item)


def _audited(world: World) -> Iterator[Item]:
    s3, bucket = world.stores.s3, world.names.bucket
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for listed in page.get("Contents", []):
            key = listed["Key"]
            if key not in world.audited:  # check_trail finds any that was overwritten since
                content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                lines = gzip.decompress(content).splitlines()
                world.audited[key] = [json.loads(line) for line in lines]
            yield from world.audited[key]


def _check_no_card_number(where: str, text: str) -> None:
    for number in CARD_NUMBERS:
        assert number not in text, f"I5: a card number is in {where}"
