"""What `dlq show` hides, and what it does not."""

from __future__ import annotations

import json

import pytest

from ops.dlq_queues import masked

TOKEN = "tok_4vKq9cXw"
ITEM = {"payment_method_token": TOKEN, "amount": 7}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ITEM),
        json.dumps({"requestPayload": [ITEM]}),
        json.dumps({"body": json.dumps({"body": json.dumps(ITEM)})}),
        json.dumps({"NewImage": {"payment_method_token": {"S": TOKEN}, "amount": {"N": "7"}}}),
        f"cut off: {json.dumps(ITEM)[:-1]}",
        f'cut off: {{"payment_method_token": {{"S": "{TOKEN}"}}, "amount": 7',
        json.dumps({"text": f'"payment_method_token": "{TOKEN}" and amount'}),
    ],
)
def test_a_token_is_masked_wherever_it_stands(body: str) -> None:
    shown = masked(body)
    assert TOKEN not in shown
    assert "payment_method_token" in shown
    assert "amount" in shown


@pytest.mark.parametrize("body", ['{"transaction_id": "a"}', "no JSON", '"text"', "[1, null]"])
def test_what_holds_no_token_is_shown_as_it_is(body: str) -> None:
    assert masked(body) == body
