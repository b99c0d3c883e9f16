"""The payment's history: items are added under a condition, and nothing else is ever sent."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from payments.attributes import from_attribute, from_item, to_attribute, to_item
from payments.history import History
from payments.states import APPROVED, PaymentRequest, Posting
from tests.functions.conftest import Stubbed

TABLE = "payment-transactions"
REQUEST = PaymentRequest(
    transaction_id="t1",
    merchant_id="acme",
    amount=1050,
    currency="EUR",
    payment_method_token="tok_visa",
    reference="Order 7",
    idempotency_key="k1",
    fingerprint="f1",
    state=APPROVED,
    reasons=[],
    decided_at="2026-01-31T08:00:00.000000Z",
    expires_at="2026-01-31T08:15:00.000000Z",
)
ITEM = {
    **{name: {"S": value} for name, value in asdict(REQUEST).items() if isinstance(value, str)},
    "amount": {"N": "1050"},
    "reasons": {"L": []},
    "timestamp": {"N": "0"},
}
KEY = {"transaction_id": {"S": "t1"}, "timestamp": {"N": "0"}}


@pytest.fixture
def stub(stubbed: Stubbed) -> Stubber:
    return stubbed("dynamodb")


@pytest.fixture
def history(stub: Stubber) -> History:
    return History(stub.client, TABLE)


def put(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "TableName": TABLE,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(transaction_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def get() -> dict[str, Any]:
    return {"TableName": TABLE, "Key": KEY, "ConsistentRead": True}


def refuse_put(stub: Stubber) -> None:
    stub.add_client_error("put_item", "ConditionalCheckFailedException", http_status_code=400)


def test_a_new_request_is_item_0(history: History, stub: Stubber) -> None:
    stub.add_response("put_item", {}, put(ITEM))
    assert history.record_request(REQUEST) == REQUEST


def test_a_request_that_is_there_stays_and_is_returned(history: History, stub: Stubber) -> None:
    refuse_put(stub)
    stub.add_response("get_item", {"Item": ITEM}, get())
    assert history.record_request(replace(REQUEST, amount=9, fingerprint="f2")) == REQUEST


def test_an_unknown_transaction_has_no_request(history: History, stub: Stubber) -> None:
    stub.add_response("get_item", {}, get())
    assert history.find_request("t1") is None


def test_a_request_is_read_as_it_was_written(history: History, stub: Stubber) -> None:
    stub.add_response("get_item", {"Item": ITEM}, get())
    found = history.find_request("t1")
    assert found == REQUEST
    assert type(found.amount) is int


def test_an_event_is_an_item_of_its_own_time(history: History, stub: Stubber) -> None:
    item = {
        "transaction_id": {"S": "t1"},
        "timestamp": {"N": "1795401628964443"},
        "state": {"S": "posted"},
        "amount": {"N": "5"},
        "delivery": ANY,
    }
    stub.add_response("put_item", {}, put(item))
    assert history.record_event("t1", 1795401628964443, {"state": "posted", "amount": 5})


def test_an_event_cannot_name_another_item(history: History, stub: Stubber) -> None:
    item = {"transaction_id": {"S": "t1"}, "timestamp": {"N": "7"}, "delivery": ANY}
    stub.add_response("put_item", {}, put(item))
    history.record_event("t1", 7, {"timestamp": 0, "transaction_id": "t2"})


def test_acceptance_is_item_1_and_noted_once(history: History, stub: Stubber) -> None:
    stub.add_response("put_item", {}, put(QUEUED_ITEM))
    history.record_acceptance("t1", "now")
    refuse_put(stub)
    history.record_acceptance("t1", "later")


QUERY = {
    "TableName": TABLE,
    "KeyConditionExpression": "transaction_id = :transaction_id",
    "ExpressionAttributeValues": {":transaction_id": {"S": "t1"}},
    "ConsistentRead": True,
}
QUEUED_ITEM = {
    "transaction_id": {"S": "t1"},
    "timestamp": {"N": "1"},
    "state": {"S": "queued"},
    "accepted_at": {"S": "now"},
}
POSTED_ITEM = {
    "transaction_id": {"S": "t1"},
    "timestamp": {"N": "1795401628964443"},
    "state": {"S": "posted"},
    "entry_id": {"S": "e1"},
    "merchant_id": {"S": "acme"},
    "amount": {"N": "1050"},
    "currency": {"S": "EUR"},
}


@pytest.mark.parametrize(
    ("later", "accepted", "posted"),
    [
        ([], False, False),
        ([QUEUED_ITEM], True, False),
        ([POSTED_ITEM], False, True),
        ([QUEUED_ITEM, POSTED_ITEM], True, True),
    ],
)
def test_all_of_a_payment_is_read_at_once(
    history: History, stub: Stubber, later: list[dict[str, Any]], accepted: bool, posted: bool
) -> None:
    stub.add_response("query", {"Items": [ITEM, *later]}, QUERY)
    found = history.find("t1")
    assert found is not None
    assert (found.request, found.accepted) == (REQUEST, accepted)
    assert found.posting == (
        Posting(
            timestamp=1795401628964443,
            entry_id="e1",
            merchant_id="acme",
            amount=1050,
            currency="EUR",
        )
        if posted
        else None
    )


@pytest.mark.parametrize("items", [[], [QUEUED_ITEM]])
def test_what_nobody_asked_for_is_no_payment(
    history: History, stub: Stubber, items: list[dict[str, Any]]
) -> None:
    stub.add_response("query", {"Items": items}, QUERY)
    assert history.find("t1") is None


def test_what_another_release_writes_besides_is_passed_over(
    history: History, stub: Stubber
) -> None:
    newer = {"channel": {"S": "web"}}
    stub.add_response("get_item", {"Item": {**ITEM, **newer}}, get())
    assert history.find_request("t1") == REQUEST
    stub.add_response("query", {"Items": [{**ITEM, **newer}, {**POSTED_ITEM, **newer}]}, QUERY)
    found = history.find("t1")
    assert found is not None
    assert (found.request, found.posting is not None) == (REQUEST, True)


@pytest.mark.parametrize(
    "name", ["payment_method_token", "reference", "idempotency_key", "reasons", "decided_at"]
)
def test_what_another_release_leaves_out_is_not_missed(
    history: History, stub: Stubber, name: str
) -> None:
    less = {key: value for key, value in ITEM.items() if key != name}
    stub.add_response("get_item", {"Item": less}, get())
    found = history.find_request("t1")
    assert found is not None
    assert asdict(found) == asdict(REQUEST) | {name: [] if name == "reasons" else ""}
    stub.add_response("query", {"Items": [less, POSTED_ITEM]}, QUERY)
    payment = history.find("t1")
    assert payment is not None
    assert payment.posting is not None


@pytest.mark.parametrize("name", ["merchant_id", "amount", "currency", "state", "expires_at"])
def test_a_payment_without_its_terms_is_named_and_not_guessed(
    history: History, stub: Stubber, name: str
) -> None:
    less = {key: value for key, value in ITEM.items() if key != name}
    stub.add_response("get_item", {"Item": less}, get())
    with pytest.raises(LookupError, match=name):
        history.find_request("t1")
    stub.add_response("query", {"Items": [less]}, QUERY)
    with pytest.raises(LookupError, match=name):
        history.find("t1")


@pytest.mark.parametrize("name", ["merchant_id", "amount", "currency"])
def test_a_posting_that_does_not_repeat_its_terms_has_those_of_the_request(
    history: History, stub: Stubber, name: str
) -> None:
    """Were it passed over, a ledger that was restored to a time before would post it again."""
    less = {key: value for key, value in POSTED_ITEM.items() if key != name}
    stub.add_response("query", {"Items": [ITEM, less]}, QUERY)
    found = history.find("t1")
    assert found is not None
    assert found.posting is not None
    assert getattr(found.posting, name) == getattr(REQUEST, name)


def test_a_state_that_only_a_later_release_knows_is_passed_over(
    history: History, stub: Stubber
) -> None:
    later = [
        {"transaction_id": {"S": "t1"}, "timestamp": {"N": "5"}, "kind": {"SS": ["x"]}},
        {"transaction_id": {"S": "t1"}, "timestamp": {"N": "6"}, "state": {"S": "settled"}},
    ]
    stub.add_response("query", {"Items": [ITEM, *later]}, QUERY)
    found = history.find("t1")
    assert found is not None
    assert (found.request, found.accepted, found.posting) == (REQUEST, False, None)


class LostAnswer:
    """A table whose first answer to each write is lost: the client's second try meets the item."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def put_item(self, Item: dict[str, Any], **request: Any) -> None:  # noqa: N803
        place = json.dumps([Item["transaction_id"], Item["timestamp"]])
        there = self.items.setdefault(place, Item)
        assert request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
        answer: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": there}
        raise ClientError(answer, "PutItem")

    def get_item(self, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Item": self.items[json.dumps([Key["transaction_id"], Key["timestamp"]])]}


def test_an_event_whose_answer_was_lost_is_new_to_who_wrote_it_and_to_nobody_else() -> None:
    """So it is counted once, though two deliver the same."""
    history = History(LostAnswer(), TABLE)
    event = {"state": "posted", "amount": 5}
    assert history.record_event("t1", 7, event)
    assert not history.record_event("t1", 7, event)


def test_a_request_whose_answer_was_lost_is_new() -> None:
    history = History(LostAnswer(), TABLE)
    assert history.record_request(REQUEST) is REQUEST
    later = replace(REQUEST, decided_at="2026-01-31T08:00:00.000001Z")
    assert history.record_request(later) is not later


def test_the_probe_tries_a_write_that_cannot_be_done(history: History, stub: Stubber) -> None:
    never = {
        "TableName": TABLE,
        "Item": {"transaction_id": {"S": "status"}, "timestamp": {"N": "0"}},
        "ConditionExpression": "attribute_exists(transaction_id) "
        "AND attribute_not_exists(transaction_id)",
    }
    code = "ConditionalCheckFailedException"
    stub.add_client_error("put_item", code, http_status_code=400, expected_params=never)
    history.probe()


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ProvisionedThroughputExceededException"]
)
def test_a_table_that_refuses_writes_is_not_up(history: History, stub: Stubber, code: str) -> None:
    stub.add_client_error("put_item", code, http_status_code=400)
    with pytest.raises(ClientError, match=code):
        history.probe()


def test_an_event_delivered_again_adds_nothing(history: History, stub: Stubber) -> None:
    refuse_put(stub)
    assert not history.record_event("t1", 7, {"state": "posted"})


def test_any_other_error_of_the_table_passes_through(history: History, stub: Stubber) -> None:
    stub.add_client_error("put_item", "AccessDeniedException", http_status_code=400)
    with pytest.raises(ClientError, match="AccessDenied"):
        history.record_event("t1", 7, {"state": "posted"})


ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), ITEMS, max_size=5))
def test_items_are_written_as_boto3_would_and_read_as_they_were(item: dict[str, Any]) -> None:
    written = to_item(item)
    assert written == {name: TypeSerializer().serialize(value) for name, value in item.items()}
    assert {name: from_attribute(value) for name, value in written.items()} == item
    assert from_item(written) == item


def test_a_number_that_is_not_whole_is_not_written() -> None:
    with pytest.raises(TypeError, match="float"):
        to_attribute(0.1)


def test_what_others_may_have_written_is_read_alike_from_a_client_and_a_streams_event() -> None:
    from_client = {"n": {"N": "1.5"}, "set": {"NS": ["1", "1.5"]}, "b": {"B": b"x"}}
    from_client["m"] = {"M": {"l": {"L": [{"BS": [b"x"]}, {"N": "0.1"}]}}}
    in_event = {
        **from_client,
        "b": {"B": "eA=="},
        "m": {"M": {"l": {"L": [{"BS": ["eA=="]}, {"N": "0.1"}]}}},
    }
    read = {"n": "1.5", "set": [1, "1.5"], "b": "eA==", "m": {"l": [["eA=="], "0.1"]}}
    assert from_item(from_client) == from_item(in_event) == read


def test_a_term_that_is_not_whole_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match=r"10\.5"):
        from_attribute({"N": "10.5"})
