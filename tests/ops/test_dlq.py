"""What `dlq show` hides, and what it does not; and which of SQS's moves is the one it began."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ops.console.failure import OpsError
from ops.dlq import command
from ops.dlq.command import _UNDER_WAY, _Move, _refuse_final_ones
from ops.production import letters
from ops.production.letters import Case
from ops.production.queues import DeadLetterQueue, Message, Name, masked
from reconciliation.history import Item, PaymentHistory
from tests.ops.stubbed_aws import Aws

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


# -- by case -----------------------------------------------------------------------------------

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PAYMENT = "35aa5d43-b97e-5f9c-8a61-48bf24538f97"


def request(state: str, valid: timedelta = timedelta(minutes=15)) -> Item:
    return {"timestamp": 0, "state": state, "expires_at": (NOW + valid).isoformat()}


ACCEPTED: Item = {"timestamp": 1, "state": "queued"}
OVER = timedelta(0)


@pytest.mark.parametrize(
    ("items", "case", "is_final"),
    [
        ([], Case.UNKNOWN, True),
        ([ACCEPTED], Case.UNKNOWN, True),
        ([request("declined")], Case.DECLINED, True),
        ([request("approved", OVER)], Case.EXPIRED, True),
        ([request("approved", OVER), ACCEPTED], Case.PAYABLE, False),
        ([request("approved")], Case.PAYABLE, False),
        ([request("approved"), {"timestamp": 7, "state": "posted"}], Case.POSTED, False),
        ([{**request("approved"), "expires_at": "soon"}], Case.PAYABLE, False),
    ],
)
def test_what_can_be_posted_is_told_from_what_never_can(
    items: list[Item], case: Case, is_final: bool
) -> None:
    assert letters.case_of(items, NOW) is case
    assert case.is_final == is_final
    assert ("quarantine" in letters.what_to_do(case, "m")) == (case is not Case.PAYABLE)


def letter(body: str, id_: str = "m") -> Message:
    return Message(
        id=id_, body=body, attributes={}, first_sent=NOW, receives=1, handle=f"handle of {id_}"
    )


def payment(id_: str, transaction_id: str = PAYMENT) -> Message:
    return letter(json.dumps({"transaction_id": transaction_id}), id_)


@pytest.mark.parametrize("body", ["no JSON", "[1]", '{"transaction_id": "7"}', "{}"])
def test_what_names_no_payment_is_unreadable_and_looked_for_nowhere(body: str) -> None:
    history: Any = None
    assert letters.judged(letter(body), history, NOW) is Case.UNREADABLE


class Histories:
    """A history with these payments, by id."""

    def __init__(self, **items: list[Item]) -> None:
        self._items = items

    def of_payment(self, transaction_id: str) -> list[Item]:
        return self._items.get(transaction_id, [])


class Letters:
    """A dead-letter queue."""

    name = Name.RETRY

    def __init__(self, *messages: Message) -> None:
        self.left = list(messages)

    def held(self, _seconds: int) -> Letters:
        return self

    def __enter__(self) -> Letters:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def messages(self, _most: int | None = None) -> list[Message]:
        return list(self.left)


@pytest.fixture
def histories(monkeypatch: pytest.MonkeyPatch) -> Any:
    payable = {PAYMENT: [request("approved", timedelta(days=36500))]}
    history = Histories(**payable)
    monkeypatch.setattr(PaymentHistory, "of", lambda _production: history)
    return history


def test_what_can_never_be_posted_is_left_when_others_are_redriven(histories: Any) -> None:
    queue: Any = Letters(payment("good"), payment("bad", PAYMENT.replace("3", "4")), letter("?"))
    production: Any = None
    action = command._Action(
        name="redrive",
        production=production,
        queue=queue,
        count=3,
        before_deletion=lambda _message: None,
        details={},
        final=command._Final(production),
    )
    outcome = action.perform(yes=False)
    assert [each["id"] for each in outcome["messages"]] == ["good"]
    assert [(each["id"], each["case"]) for each in outcome["left"]] == [
        ("bad", "unknown"),
        ("m", "unreadable"),
    ]
    assert outcome["missing"] == []


def test_nothing_is_moved_by_sqs_as_long_as_something_would_come_back(histories: Any) -> None:
    production: Any = None
    good: Any = Letters(payment("good"))
    _refuse_final_ones(production, good)
    mixed: Any = Letters(payment("good"), letter("?", "bad"))
    with pytest.raises(OpsError, match=r"can never be posted: bad \(unreadable\)"):
        _refuse_final_ones(production, mixed)


def test_the_reason_of_every_try_is_told_and_no_exceptions_text() -> None:
    def line(seconds: int, **told: Any) -> dict[str, Any]:
        at = int((NOW + timedelta(seconds=seconds)).timestamp() * 1000)
        return {"timestamp": at, "message": json.dumps({"exception": TOKEN, **told})}

    never = {"message": "never", "exception_name": "Problem", "code": "payment_declined"}
    events = [
        line(9, receives=2, **never),
        line(1, receives=1, message="not posted", exception_name="LedgerBusyError"),
        line(5, message="of no try"),
        {"timestamp": 0, "message": "no JSON"},
    ]
    aws = Aws()
    asked = {
        "logGroupName": letters.LOG,
        "filterPattern": f'"{PAYMENT}"',
        "startTime": int((NOW - timedelta(minutes=1)).timestamp() * 1000),
        "endTime": int((NOW + timedelta(hours=1)).timestamp() * 1000),
    }
    aws.answers("logs", "filter_log_events", {"events": events}, asked)
    production: Any = SimpleNamespace(client=aws)
    assert [(each.number, each.reason) for each in letters.tries(production, payment("m"))] == [
        (1, "not posted, LedgerBusyError"),
        (2, "never, Problem, payment_declined"),
    ]


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
