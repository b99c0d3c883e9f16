"""What a restored table lacks comes back from audit trail and ledger, once, and nothing else does.

The whole of it, against the embedded environment: `local/drills/table.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import MagicMock, Mock

import pytest
from botocore.exceptions import ClientError

from ops.console.failure import OpsError
from ops.production.stack import Production
from ops.replay_history import command
from ops.replay_history.replay import Replay, Replayed, add
from payments.states import SHOWN
from reconciliation.audit_records import AuditRecords, Found
from reconciliation.history import Item, Key, PaymentHistory
from reconciliation.ledger import Ledger

NOW = datetime(2026, 1, 31, tzinfo=UTC)
POSTED_AT = 1_769_800_000_000_000
MOMENT = "2026-01-31T00:00:00.000000Z"


def request(id_: str, state: str = "approved", **other: Any) -> Item:
    decided = {"decided_at": MOMENT, "expires_at": MOMENT, "fingerprint": "f", "reasons": []}
    token = {"payment_method_token": "tok"}
    return {**posting(id_), **decided, **token, "timestamp": 0, "state": state, **other}


def posting(id_: str, **other: Any) -> Item:
    keys = {"transaction_id": id_, "timestamp": POSTED_AT, "state": "posted"}
    terms = {"entry_id": f"entry-{id_}", "merchant_id": "m", "amount": 5, "currency": "EUR"}
    return {**keys, **terms, "delivery": "d", **other}


def entry(id_: str, delivered: str | None = MOMENT) -> dict[str, Any]:
    event = {"timestamp": POSTED_AT, "state": "posted", "delivered_at": delivered}
    accounts = {"debit": "clearing-receivable/EUR", "credit": "merchant-payable/m/EUR"}
    return {
        "entry_id": f"entry-{id_}",
        "transaction_id": id_,
        "events": [event],
        "postings": [
            {"account": account, "direction": direction, "amount": 5, "currency": "EUR"}
            for direction, account in accounts.items()
        ],
    }


class Stores:
    """All three, in the form of their readers."""

    unread: Mapping[str, str] = {}

    def __init__(self, table: Iterable[Item] = (), trail: Iterable[Any] = (), *ids: Any) -> None:
        self.table = {(item["transaction_id"], item["timestamp"]): item for item in table}
        self._trail = list(trail)
        self._entries = {each["transaction_id"]: each for each in ids}

    def items(self, keys: Iterable[Key]) -> list[Item]:
        found = [self.table[key] for key in {*keys} if key in self.table]
        return [{name: item[name] for name in SHOWN if name in item} for item in found]

    def put(self, item: Item) -> None:
        self.table.setdefault((item["transaction_id"], item["timestamp"]), item)

    def entries(self, _begin: datetime, _end: datetime) -> Iterator[dict[str, Any]]:
        yield from self._entries.values()

    def payment(self, transaction_id: str) -> dict[str, Any] | None:
        return self._entries.get(transaction_id)

    def stored_between(self, _begin: datetime, _end: datetime) -> Iterator[Found]:
        for item in self._trail:
            keys = {name: item[name] for name in ("transaction_id", "timestamp")}
            record = {"anomaly": "old" in item, "keys": keys, "item": item}
            yield Found("key", NOW, record | {"old_item": item["old"]} if "old" in item else record)

    def replay(self, *, put: bool = True) -> Replayed:
        return Replay(
            history=cast(PaymentHistory, self),
            audit=cast(AuditRecords, self),
            ledger=cast(Ledger, self),
            begin=NOW,
            put=self.put if put else Mock(),
            status=MagicMock(),
        ).run()


def test_each_item_of_the_trail_comes_back_as_it_was() -> None:
    accepted = {"transaction_id": "a", "timestamp": 1, "state": "queued", "accepted_at": MOMENT}
    items = [request("a"), request("b", "declined", reasons=["r"]), accepted, posting("a")]
    stores = Stores([], items, entry("a"))
    found = stores.replay()
    assert all(item in stores.table.values() for item in items)  # token and delivery too
    lacking = {"approved": 1, "declined": 1, "queued": 1, "posted": 1}
    assert json.loads(json.dumps(found.document()))["lacking"] == lacking
    assert found.complete


def test_without_yes_the_same_is_told_and_nothing_done() -> None:
    stores = Stores([], [request("a"), request("a"), posting("a")], entry("a"))
    dry = stores.replay(put=False)
    assert not stores.table
    assert dry.lacking == stores.replay().lacking == {"approved": 1, "posted": 1}


def test_what_is_there_stays_as_it_is_and_a_second_run_finds_nothing() -> None:
    stores = Stores([request("a")], [request("a"), request("b")])
    assert stores.replay().lacking == {"approved": 1}
    assert not stores.replay().lacking


def test_of_an_item_that_is_there_in_another_form_is_told() -> None:
    stores = Stores([request("a")], [request("a", amount=6)])
    found = stores.replay()
    assert stores.table["a", 0]["amount"] == 5
    assert found.refused == {"a/0": "the table has another amount"}
    assert not found.complete


def test_of_two_insertions_the_first_counts() -> None:
    stores = Stores([], [request("a"), request("a", amount=6)])
    stores.replay()
    assert stores.table["a", 0]["amount"] == 5


def test_of_what_somebody_changed_and_deleted_the_first_form_comes_back() -> None:
    changed = request("a", amount=6)
    stores = Stores([], [{**changed, "old": request("a")}, {**changed, "old": changed}])
    assert stores.replay().lacking == {"approved": 1}
    assert stores.table["a", 0] == request("a")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (posting("x"), "the ledger has no such entry"),
        (posting("a", entry_id="another"), "the ledger has no such entry"),
        (posting("a", timestamp=POSTED_AT + 1), "the ledger has no such entry"),
        (posting("a", amount="5.5"), "amount is '5.5', which is no whole number"),
    ],
    ids=["no entry", "another entry", "another time", "malformed"],
)
def test_what_nobody_of_ours_wrote_does_not_come_back(item: Item, reason: str) -> None:
    stores = Stores([], [request("a"), item], {**entry("a"), "events": [*entry("a")["events"]]})
    found = stores.replay()
    assert item not in stores.table.values()
    assert [told.startswith(reason) for told in found.refused.values()] == [True]


def test_of_an_entry_that_the_trail_was_never_told_of_the_ledger_tells() -> None:
    stores = Stores([request("a")], [], entry("a"))
    found = stores.replay()
    written = stores.table["a", POSTED_AT]
    assert written == {**posting("a"), "delivery": written["delivery"]}
    assert (found.lacking, found.complete) == ({"posted": 1}, True)


def test_what_the_outbox_still_holds_is_left_to_it() -> None:
    stores = Stores([request("a")], [], entry("a", delivered=None))
    found = stores.replay()
    assert (found.untold, found.lacking) == (1, {})


def test_a_posted_payment_without_a_request_is_told() -> None:
    found = Stores([], [posting("a")], entry("a")).replay()
    assert (found.without_request, found.complete) == (["a"], False)


def test_objects_of_the_trail_that_were_not_read_are_told() -> None:
    stores = Stores()
    stores.unread = {"key": "it is in Glacier"}
    assert not stores.replay().complete


def test_an_item_that_came_meanwhile_is_left() -> None:
    dynamodb = Mock()
    dynamodb.put_item.side_effect = ClientError(
        {"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem"
    )
    add(PaymentHistory(dynamodb=dynamodb, table="t"), request("a"))
    condition = dynamodb.put_item.call_args.kwargs["ConditionExpression"]
    assert condition == "attribute_not_exists(transaction_id)"


def test_nothing_is_put_into_a_table_whose_stream_tells_nobody() -> None:
    production = MagicMock()
    production.client("dynamodb").describe_table.return_value = {"Table": {}}
    with pytest.raises(OpsError, match="would not be audited"):
        command._require_audited_table(cast(Production, production))
