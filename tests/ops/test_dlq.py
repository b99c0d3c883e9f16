"""What `dlq show` hides, and what it does not; and which of SQS's moves is the one it began."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ops.console.failure import OpsError
from ops.dlq.command import _UNDER_WAY, _Move
from ops.production.queues import DeadLetterQueue, Name, masked
from tests.ops.test_preflight import Aws

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


# -- a move by SQS, which lists it late ---------------------------------------------------------

SOURCE = "arn:aws:sqs:us-east-1:123456789012:dead"
DATE = "Sat, 28 Nov 2026 01:00:00 GMT"
BEGUN = 1_795_827_600_000
"""The same in milliseconds."""


def task(started: int, status: str = "COMPLETED", handle: str = "") -> dict[str, Any]:
    """As SQS lists it: a move that has ended has no handle any more."""
    told = {
        "Status": status,
        "SourceArn": SOURCE,
        "StartedTimestamp": started,
        "ApproximateNumberOfMessagesMoved": 7,
    }
    return {**told, "TaskHandle": handle} if handle else told


@pytest.fixture
def aws() -> Aws:
    return Aws()


def begun(aws: Aws, *before: dict[str, Any]) -> _Move:
    aws.answers("sqs", "list_message_move_tasks", {"Results": list(before)})
    metadata = {"HTTPHeaders": {"date": DATE}}
    aws.answers(
        "sqs", "start_message_move_task", {"TaskHandle": "mine", "ResponseMetadata": metadata}
    )
    queue = DeadLetterQueue(name=Name.RETRY, url="https://sqs.example/1/dead", sqs=aws("sqs"))
    return _Move.start(queue, SOURCE, 10)


FORMER = task(BEGUN - 60_000)


@pytest.mark.parametrize(
    ("before", "listed", "status"),
    [
        ((), [], "NOT_LISTED"),
        ((FORMER,), [FORMER], "NOT_LISTED"),
        ((), [FORMER], "NOT_LISTED"),
        ((), [task(BEGUN - 60_000, "RUNNING", "another")], "NOT_LISTED"),
        ((FORMER,), [task(BEGUN, "RUNNING", "mine"), FORMER], "RUNNING"),
        ((FORMER,), [task(BEGUN + 200), FORMER], "COMPLETED"),
        ((), [FORMER, task(BEGUN - 300, "FAILED")], "FAILED"),
    ],
    ids=[
        "none yet",
        "only the former",
        "only the former, which was not listed before either",
        "another's",
        "it runs",
        "it has ended",
        "it has failed, by a clock of which the seconds are cut off",
    ],
)
def test_a_move_is_told_from_the_former_one(
    aws: Aws, before: tuple[Any, ...], listed: list[Any], status: str
) -> None:
    move = begun(aws, *before)
    aws.answers("sqs", "list_message_move_tasks", {"Results": listed})
    assert move.seen()["Status"] == status


def test_a_move_that_is_not_listed_yet_is_waited_for_but_not_for_ever(aws: Aws) -> None:
    move = begun(aws)
    aws.answers("sqs", "list_message_move_tasks", {})
    seen = move.seen()
    assert seen["Status"] in _UNDER_WAY
    move.expect_it_listed(seen)
    overdue = dataclasses.replace(move, deadline=0)
    overdue.expect_it_listed(task(BEGUN, "RUNNING", "mine"))
    with pytest.raises(OpsError, match="does not list it, so it was cancelled"):
        overdue.expect_it_listed(seen)
