"""The retry path: a payment that was accepted is posted, or dead-lettered; never lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from payment_processor.retries import LONGEST, MAX_RECEIVES, process_batch, wait_seconds
from payment_processor.retry_queue import RetryQueue

from ledger.session import LedgerBusyError, LedgerRefusedError, LedgerUnavailableError
from payments.problems import Problem
from tests.functions.conftest import Logs, Metrics

ONE, TWO, THREE = (f"6311be72-496b-5539-8a88-da9b8e21749{n}" for n in (1, 2, 3))
FAILOVER = 120  # seconds; Amazon RDS user guide, "Failing over a Multi-AZ DB instance"
OUTAGE = 600  # seconds
CARD = "4111111111111111"


class Queue:
    """Remembers how long messages were to wait; raises `error` while there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.waits: dict[str, int] = {}

    def delay(self, waits: Mapping[str, int]) -> None:
        if self.error:
            raise self.error
        self.waits.update(waits)


@pytest.fixture
def queue() -> Queue:
    return Queue()


def message(body: object, receives: int = 1, **fields: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    name = f"m-{text[-12:]}"
    return {
        "messageId": name,
        "receiptHandle": f"receipt of {name}",
        "body": text,
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": {},
    } | fields


def payment(transaction_id: str, receives: int = 1, **fields: Any) -> dict[str, Any]:
    return message({"transaction_id": transaction_id}, receives, **fields)


class Ledger:
    """Posts, or raises what it is told to for a transaction."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.tried: list[str] = []

    def __call__(self, transaction_id: str) -> None:
        self.tried.append(transaction_id)
        if error := self.failures.get(f"x{transaction_id[-1]}"):
            raise error


def run(batch: list[dict[str, Any]], ledger: Ledger, queue: Queue, times: int = 99) -> list[str]:
    """The messages that stay on the queue."""
    left = iter([True] * times)
    response = process_batch(batch, ledger, queue, lambda: next(left, False))
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def ids(*batch: dict[str, Any]) -> list[str]:
    return [record["messageId"] for record in batch]


@given(st.integers(1, 1000))
def test_a_wait_doubles_up_to_its_limit_and_half_of_it_is_random(receives: int) -> None:
    longest = min(5 * 2 ** (receives - 1), 300)
    assert longest / 2 - 1 <= wait_seconds(receives) <= longest


def test_a_wait_is_never_shorter_than_half_its_limit_nor_longer_than_five_minutes() -> None:
    waits = [wait_seconds(MAX_RECEIVES) for _ in range(2000)]
    assert 150 <= min(waits) < 160
    assert 290 < max(waits) <= 300 == LONGEST


def test_waits_of_messages_that_failed_together_differ() -> None:
    assert len({wait_seconds(MAX_RECEIVES) for _ in range(50)}) > 10


def waits(chosen: float) -> list[int]:
    """The waits between a message's deliveries, chance having its way at 0 or 1."""
    return [
        round(longest / 2 + chosen * longest / 2)
        for receives in range(1, MAX_RECEIVES)
        if (longest := min(5 * 2 ** (receives - 1), LONGEST))
    ]


def test_the_shortest_waits_outlast_two_outages_and_ten_failovers() -> None:
    assert sum(waits(0)) >= 2 * OUTAGE
    assert sum(waits(0)) >= 10 * FAILOVER


def test_the_longest_waits_tell_of_a_hopeless_message_within_three_quarters_of_an_hour() -> None:
    assert sum(waits(1)) <= 45 * 60


def test_no_wait_is_longer_than_sqs_allows() -> None:
    assert LONGEST <= 12 * 60 * 60


def test_a_posted_message_leaves_the_queue(queue: Queue) -> None:
    assert run([payment(ONE), payment(TWO)], Ledger(), queue) == []
    assert queue.waits == {}


def test_a_failed_message_stays_and_waits_by_its_own_count(queue: Queue) -> None:
    batch = [payment(ONE, receives=1), payment(TWO, receives=7), payment(THREE)]
    ledger = Ledger(x1=LedgerRefusedError(), x2=LedgerRefusedError())
    assert run(batch, ledger, queue) == ids(*batch[:2])
    first, second = (queue.waits[record["receiptHandle"]] for record in batch[:2])
    assert 2 <= first <= 5
    assert 150 <= second <= 300
    assert ledger.tried == [ONE, TWO, THREE]


def test_without_the_ledger_a_batch_waits_after_one_try(queue: Queue) -> None:
    """Ten tries of several seconds would outlast the function."""
    batch = [payment(ONE), payment(TWO), payment(THREE)]
    ledger = Ledger(x1=LedgerUnavailableError())
    assert run(batch, ledger, queue) == ids(*batch)
    assert ledger.tried == [ONE]
    assert len(queue.waits) == 3


def test_a_payment_that_the_ledger_is_busy_with_does_not_hold_up_the_others(queue: Queue) -> None:
    batch = [payment(ONE), payment(TWO), payment(THREE)]
    ledger = Ledger(x1=LedgerBusyError())
    assert run(batch, ledger, queue) == ids(batch[0])
    assert ledger.tried == [ONE, TWO, THREE]


def test_without_time_messages_stay_untried(queue: Queue) -> None:
    batch = [payment(ONE), payment(TWO), payment(THREE)]
    ledger = Ledger()
    assert run(batch, ledger, queue, times=1) == ids(*batch[1:])
    assert ledger.tried == [ONE]
    assert len(queue.waits) == 2


INVALID: list[object] = [
    {"transaction_id": CARD},
    {"transaction_id": 7},
    {"transaction_id": None},
    {"transaction_id": ONE.upper()},
    {},
    [],
    "no JSON",
    "[" * 100_000,
    {"reference": CARD},
]


@pytest.mark.parametrize("body", INVALID, ids=[str(n) for n in range(len(INVALID))])
def test_an_unreadable_message_goes_to_the_dead_letter_queue_without_waiting_or_being_logged(
    queue: Queue, body: object, logs: Logs
) -> None:
    bad = message(body, messageId="bad")
    ledger = Ledger()
    assert run([payment(ONE), bad, payment(TWO)], ledger, queue) == ["bad"]
    assert queue.waits == {bad["receiptHandle"]: 0}
    assert ledger.tried == [ONE, TWO]
    assert CARD not in json.dumps(logs())


def test_a_payment_that_can_never_be_posted_does_not_wait_either(queue: Queue) -> None:
    declined = Problem(HTTPStatus.CONFLICT, "payment_declined", "declined")
    bad = payment(ONE)
    assert run([bad, payment(TWO)], Ledger(x1=declined), queue) == ids(bad)
    assert queue.waits == {bad["receiptHandle"]: 0}


def test_why_a_payment_can_never_be_posted_is_logged_by_its_code(queue: Queue, logs: Logs) -> None:
    declined = Problem(HTTPStatus.CONFLICT, "payment_declined", "declined")
    run([payment(ONE), message("no JSON")], Ledger(x1=declined), queue)
    assert [line["code"] for line in logs()] == ["payment_declined", "unreadable_message"]


def test_a_batch_survives_that_its_waits_cannot_be_set(queue: Queue, logs: Logs) -> None:
    queue.error = EndpointConnectionError(endpoint_url="https://sqs")
    batch = [payment(ONE), payment(TWO)]
    assert run(batch, Ledger(x1=LedgerRefusedError()), queue) == ids(batch[0])
    assert logs()[-1]["message"] == "the messages' delays could not be set"


def test_logs_carry_message_transaction_and_the_requests_correlation_id(
    queue: Queue, logs: Logs
) -> None:
    sent = {"correlation_id": {"stringValue": "gateway-request", "dataType": "String"}}
    with_id, without = payment(ONE, messageAttributes=sent), payment(TWO, receives=3)
    run([with_id, without, message("no JSON")], Ledger(), queue)
    first, second, third = logs()
    assert (first["correlation_id"], first["transaction_id"]) == ("gateway-request", ONE)
    assert (second["correlation_id"], second["transaction_id"]) == (without["messageId"], TWO)
    assert (second["message_id"], second["receives"]) == (without["messageId"], 3)
    assert "transaction_id" not in third


WHY = {
    "the ledger cannot be reached": LedgerUnavailableError("no connection: no route"),
    "the ledger is busy": LedgerBusyError("SQLSTATE 55P03: lock timeout"),
    "the ledger refuses": LedgerRefusedError("SQLSTATE 23505: other terms"),
    "never": Problem(HTTPStatus.CONFLICT, "payment_declined", "declined for good"),
    "the table": EndpointConnectionError(endpoint_url="https://dynamodb"),
    "a defect": KeyError("amount"),
}


@pytest.mark.parametrize("error", WHY.values(), ids=WHY)
def test_the_reason_of_each_failed_retry_is_logged_with_its_transaction(
    queue: Queue, logs: Logs, error: Exception
) -> None:
    run([payment(ONE), payment(TWO)], Ledger(x1=error), queue)
    first, second = logs()
    assert (first["transaction_id"], second["transaction_id"]) == (ONE, TWO)
    assert first["level"] == "ERROR"
    assert str(error) in first["exception"]


def test_why_a_payment_was_not_tried_is_logged_with_its_transaction(
    queue: Queue, logs: Logs
) -> None:
    run([payment(ONE), payment(TWO)], Ledger(x1=LedgerUnavailableError()), queue)
    run([payment(ONE)], Ledger(), queue, times=0)
    _, away, late = logs()
    assert (away["transaction_id"], late["transaction_id"]) == (TWO, ONE)
    assert away["message"] == "queued payment not tried: the ledger is not available"
    assert late["message"] == "queued payment not tried: no time is left"


def test_retries_and_last_deliveries_are_counted(queue: Queue, metrics: Metrics) -> None:
    ledger = Ledger(x1=LedgerRefusedError(), x2=LedgerRefusedError())
    run([payment(ONE, MAX_RECEIVES), payment(TWO, MAX_RECEIVES - 1), payment(THREE)], ledger, queue)
    assert metrics() == [("PaymentsRetried", 2, None), ("PaymentsGivenUp", 1, None)]
    run([payment(TWO, MAX_RECEIVES - 1)], ledger, queue)
    assert metrics() == [("PaymentsRetried", 1, None)]
    run([payment(THREE)], Ledger(), queue)
    assert metrics() == []


# The queue itself


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )


def test_a_batchs_waits_are_set_in_one_call_and_what_sqs_refuses_is_logged(
    client: Any, logs: Logs
) -> None:
    entries = [
        {"Id": "0", "ReceiptHandle": "r1", "VisibilityTimeout": 5},
        {"Id": "1", "ReceiptHandle": "r2", "VisibilityTimeout": 0},
    ]
    answer = {
        "Successful": [{"Id": "0"}],
        "Failed": [{"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}],
    }
    with Stubber(client) as stub:
        expected = {"QueueUrl": "https://q", "Entries": entries}
        stub.add_response("change_message_visibility_batch", answer, expected)
        RetryQueue(client, "https://q").delay({"r1": 5, "r2": 0})
    (line,) = logs()
    assert line["code"] == "ReceiptHandleIsInvalid"


def test_a_payment_is_queued_with_the_id_of_its_request(client: Any) -> None:
    attribute = {"DataType": "String", "StringValue": "gateway-request"}
    expected = {
        "QueueUrl": "https://q",
        "MessageBody": json.dumps({"transaction_id": ONE}),
        "MessageAttributes": {"correlation_id": attribute},
    }
    with Stubber(client) as stub:
        stub.add_response("send_message", {}, expected)
        RetryQueue(client, "https://q").send(ONE, "gateway-request")


@pytest.mark.parametrize("code", ["InvalidMessageContents", "InvalidParameterValue"])
def test_the_probe_sends_what_cannot_be_taken(client: Any, code: str) -> None:
    expected = {"QueueUrl": "https://q", "MessageBody": "\uffff", "DelaySeconds": 901}
    with Stubber(client) as stub:
        stub.add_client_error("send_message", code, expected_params=expected)
        RetryQueue(client, "https://q").probe()


@pytest.mark.parametrize("code", ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_queue_that_refuses_messages_is_not_up(client: Any, code: str) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("send_message", code)
        with pytest.raises(ClientError, match=code):
            RetryQueue(client, "https://q").probe()
