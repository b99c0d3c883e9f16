"""The functions' edges: events in, answers and logs out."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import payment_processor.handler
import payment_validator.handler
import pytest
from botocore.exceptions import EndpointConnectionError
from payment_processor import budget
from payment_processor.logic import Processor
from payment_processor.status import StatusReporter

from building_blocks.operations import OPERATIONS, Operation
from ledger.session import LedgerError, LedgerUnavailableError
from payments.api import ProxyResponse, respond, serve
from payments.contract import validator
from payments.moments import now, to_rfc3339
from payments.problems import Problem
from tests.functions.conftest import Logs, Metrics
from tests.functions.lambda_context import CONTEXT
from tests.functions.test_contract import REQUEST as BODY
from tests.functions.test_history import REQUEST
from tests.functions.test_payment_processor import FakeHistory, FakeLedger
from tests.functions.test_payment_validator import Store

LAMBDA_CODE = Path(payment_validator.handler.__file__).parents[1]
TRANSACTION = "6311be72-496b-5539-8a88-da9b8e217493"


def http(method: str, resource: str, body: object = None) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "resource": resource,
        "body": None if body is None else json.dumps(body),
        "requestContext": {"requestId": "gateway-request"},
    }


def answered(response: dict[str, Any], schema: str) -> dict[str, Any]:
    """The body of a response, which fits its schema and its headers."""
    body: dict[str, Any] = json.loads(response["body"])
    validator(schema)(body)
    kind = "application/problem+json" if schema == "problem" else "application/json"
    assert response["headers"]["Content-Type"] == kind
    return body


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setenv("APPROVAL_VALIDITY_SECONDS", "900")
    monkeypatch.setattr(payment_validator.handler, "_history", lambda: store)
    return store


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, ledger: FakeLedger) -> list[str]:
    """payment-processor on fakes, with one approved payment; what it queues."""
    approved = replace(
        REQUEST, transaction_id=TRANSACTION, expires_at=to_rfc3339(now() + timedelta(hours=1))
    )
    history, queue = FakeHistory(approved), Queue()
    for name, part in {
        "_processor": Processor(history, ledger),
        "_history": history,
        "_ledger": ledger,
        "_retry_queue": queue,
    }.items():
        monkeypatch.setattr(payment_processor.handler, name, lambda part=part: part)
    return queue.sent


class Queue:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, transaction_id: str, correlation_id: str) -> None:
        assert correlation_id == "gateway-request"
        self.sent.append(transaction_id)

    def delay(self, waits: Mapping[str, int]) -> None:
        self.waits = waits


def validate(body: object) -> dict[str, Any]:
    return payment_validator.handler.handle(http("POST", "/validate", body), CONTEXT)


def process(body: object) -> dict[str, Any]:
    return payment_processor.handler.handle(http("POST", "/process", body), CONTEXT)


@pytest.mark.usefixtures("store")
def test_validate_answers_200_with_the_decision() -> None:
    response = validate(BODY)
    assert response["statusCode"] == 200
    assert answered(response, "validate_response")["decision"] == "approved"


@pytest.mark.usefixtures("store")
def test_validate_answers_400_to_an_invalid_request() -> None:
    response = validate({})
    assert response["statusCode"] == 400
    assert answered(response, "problem")["code"] == "invalid_request"


FAULTS = [
    (EndpointConnectionError(endpoint_url="x"), 503, "service_unavailable"),
    (RuntimeError(), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), FAULTS)
def test_a_fault_becomes_a_problem_and_tells_nothing_of_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(store, "record_request", fail)
    response = validate(BODY)
    assert response["statusCode"] == status
    assert answered(response, "problem")["code"] == code


@pytest.mark.parametrize("error", [error for error, _, _ in FAULTS])
def test_a_fault_is_counted_for_the_version_that_answered(
    store: Store, monkeypatch: pytest.MonkeyPatch, metrics: Metrics, error: Exception
) -> None:
    """To Lambda, a call that was answered is none that failed."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    validate({})
    assert metrics() == []
    monkeypatch.setattr(store, "record_request", fail)
    validate(BODY)
    assert metrics() == [("CallsFailed", 1, "7")]


def test_every_answer_with_5xx_is_counted(
    monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    """Also one that is no fault of the code: an outage that `/status` reports, a 5xx problem."""
    logger = payment_validator.handler.logger
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")

    def unavailable(_: object) -> ProxyResponse:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable", "Later.")

    event = http("GET", "/status")
    for status in HTTPStatus:
        if status >= 200:
            serve(event, logger, {"status": partial(respond, status)})
    serve(event, logger, {"status": unavailable})
    failed = sum(status >= 500 for status in HTTPStatus)
    assert metrics() == [("CallsFailed", 1, "7")] * (failed + 1)


@pytest.mark.usefixtures("store")
def test_logs_carry_transaction_and_correlation_id_and_no_payload(logs: Logs) -> None:
    transaction = answered(validate(BODY), "validate_response")["transaction_id"]
    (line,) = logs()
    assert (line["transaction_id"], line["correlation_id"]) == (transaction, "gateway-request")
    assert not any(value in json.dumps(line) for value in (BODY["reference"], "tok_visa"))


@pytest.mark.usefixtures("store")
def test_one_requests_ids_do_not_reach_the_next_ones_logs(logs: Logs) -> None:
    validate(BODY)
    validate({})
    assert ["transaction_id" in line for line in logs()] == [True, False]


@pytest.mark.usefixtures("queue")
def test_process_answers_200_with_the_entry(ledger: FakeLedger) -> None:
    response = process({"transaction_id": TRANSACTION})
    assert response["statusCode"] == 200
    body = json.loads(response["body"])
    assert body["status"] == "posted"
    assert body["entry"]["entry_id"] == ledger.entries[TRANSACTION].entry_id
    assert "undelivered" not in body["entry"]


def test_process_answers_202_when_the_ledger_is_away(queue: list[str], ledger: FakeLedger) -> None:
    ledger.error = LedgerUnavailableError()
    response = process({"transaction_id": TRANSACTION})
    assert response["statusCode"] == 202
    answered(response, "process_queued_response")
    assert queue == [TRANSACTION]


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"transaction_id": TRANSACTION.replace("6", "7")}, 404),
        ({"transaction_id": "x"}, 400),
        ({"transaction_id": TRANSACTION.upper()}, 400),
        ([], 400),
        (None, 400),
    ],
)
def test_process_answers_4xx_to_what_it_cannot_process(body: object, status: int) -> None:
    response = process(body)
    assert response["statusCode"] == status
    answered(response, "problem")


@pytest.mark.parametrize(("error", "status"), [(None, 200), (OSError(), 503)])
def test_status_answers_503_in_an_outage(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, status: int
) -> None:
    def probe() -> None:
        if error:
            raise error

    reporter = StatusReporter(dict.fromkeys(("ledger", "transactions_table", "retry_queue"), probe))
    monkeypatch.setattr(payment_processor.handler, "_status_reporter", lambda: reporter)
    response = payment_processor.handler.handle(http("GET", "/status"), CONTEXT)
    assert response["statusCode"] == status
    answered(response, "status_response")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.usefixtures("store", "queue")
def test_every_operation_is_served_by_its_function(operation: Operation) -> None:
    handler = importlib.import_module(f"{operation.function.replace('-', '_')}.handler")
    answer = handler.handle(http(operation.method, operation.path), CONTEXT)
    assert "no_such_resource" not in answer["body"], (
        f"{handler.__name__} has no endpoint for {operation.name}"
    )


@pytest.mark.parametrize(("method", "resource"), [("GET", "/process"), ("POST", "/other")])
def test_no_other_address_is_served(method: str, resource: str) -> None:
    response = payment_processor.handler.handle(http(method, resource), CONTEXT)
    assert response["statusCode"] == 404
    answered(response, "problem")


def test_a_batch_of_the_retry_queue_is_processed(queue: list[str], ledger: FakeLedger) -> None:
    fields = {"receiptHandle": "r", "attributes": {"ApproximateReceiveCount": "1"}}
    records = [
        {"messageId": "m1", "body": json.dumps({"transaction_id": TRANSACTION}), **fields},
        {"messageId": "m2", "body": "?", **fields},
    ]
    answer = payment_processor.handler.handle({"Records": records}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    assert set(ledger.entries) == {TRANSACTION}
    assert queue == []


@pytest.mark.usefixtures("queue")
def test_the_schedules_event_sweeps_the_outbox(ledger: FakeLedger) -> None:
    ledger.post(transaction_id=TRANSACTION, merchant_id="m", amount=1, currency="EUR")
    answer = payment_processor.handler.handle({"task": "sweep-outbox"}, CONTEXT)
    assert answer == {"delivered": 1}
    assert ledger.outbox == {}


@pytest.mark.usefixtures("queue")
def test_a_sweep_that_reaches_no_ledger_is_no_failed_call(ledger: FakeLedger) -> None:
    """Each of a failover's would be set aside for a person."""
    ledger.error = LedgerUnavailableError("failing over")
    assert payment_processor.handler.handle({"task": "sweep-outbox"}, CONTEXT) == {"delivered": 0}


@pytest.mark.usefixtures("queue")
def test_a_sweep_that_fails_otherwise_is_a_failed_call(ledger: FakeLedger) -> None:
    ledger.error = LedgerError("refused")
    with pytest.raises(LedgerError):
        payment_processor.handler.handle({"task": "sweep-outbox"}, CONTEXT)


class Context:
    """A function's context whose time runs out.

    Attributes:
        left: seconds of the function's own time.
    """

    def __init__(self, left: float) -> None:
        vars(self).update(vars(CONTEXT))
        self.left = left
        self.get_remaining_time_in_millis = lambda: int(self.left * 1000)


def process_after(seconds: float, context: Context) -> dict[str, Any]:
    """POST /process of a request that API Gateway got so many seconds before the function began."""
    event = http("POST", "/process", {"transaction_id": TRANSACTION})
    event["requestContext"]["requestTimeEpoch"] = int((time.time() - seconds) * 1000)
    return payment_processor.handler.handle(event, context)


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(("passed", "left"), [(10, 0), (11.5, 1)])
def test_without_time_to_tell_the_history_a_posted_payment_is_answered_all_the_same(
    ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, passed: float, left: int
) -> None:
    """Telling it takes 18.05 s at worst, of 29 s that API Gateway waits."""
    context = Context(30)
    post = ledger.post

    def slow(**terms: Any) -> Any:
        context.left -= passed
        return post(**terms)

    monkeypatch.setattr(ledger, "post", slow)
    answer = process_after(0, context)
    assert (answer["statusCode"], len(ledger.outbox)) == (200, left)


@pytest.mark.parametrize(
    ("cold_start", "left", "status"),
    [
        (0, 30, 200),
        (3, 30, 200),
        (4.5, 30, 202),
        (15, 30, 202),
        (0, 24, 202),
        (0, 5, 202),
        # Clocks that differ tell nothing: the usual start of a sandbox is assumed.
        (-0.5, 30, 200),
        (-3600, 30, 200),
        (3600, 30, 200),
    ],
)
def test_with_too_little_time_a_payment_is_queued_without_asking_the_ledger(
    queue: list[str], ledger: FakeLedger, cold_start: float, left: float, status: int
) -> None:
    """API Gateway has waited since before the sandbox was started."""
    assert process_after(cold_start, Context(left))["statusCode"] == status
    assert (set(ledger.entries), queue) == (
        ({TRANSACTION}, []) if status == 200 else (set(), [TRANSACTION])
    )


@pytest.mark.operating_system
@pytest.mark.parametrize(
    ("function", "clients"),
    [
        ("payment_validator", {"dynamodb"}),
        ("payment_processor", {"dynamodb", "sqs"}),
        ("audit_logger", {"s3"}),
    ],
)
def test_clients_are_made_while_the_sandbox_starts(function: str, clients: set[str]) -> None:
    """Not in a client's first call. Nothing is sent."""
    code = (
        "import json, botocore.session, socket\n"
        "made = []\n"
        "create = botocore.session.Session.create_client\n"
        "def note(self, service, *a, **k):\n"
        "    made.append(service)\n"
        "    return create(self, service, *a, **k)\n"
        "botocore.session.Session.create_client = note\n"
        "socket.socket.connect = None\n"
        f"import {function}.handler\n"
        "print(json.dumps(made))"
    )
    names = "TRANSACTIONS_TABLE RETRY_QUEUE_URL AUDIT_BUCKET AUDIT_KEY_ARN AWS_DEFAULT_REGION"
    given = dict.fromkeys([*names.split(), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "x")
    listing = subprocess.run(
        [sys.executable, "-c", code],
        cwd=LAMBDA_CODE,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert sorted(json.loads(listing)) == sorted(clients)


def test_without_time_to_tell_the_history_a_queued_payment_is_posted_all_the_same(
    queue: list[str], ledger: FakeLedger
) -> None:
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "attributes": {"ApproximateReceiveCount": "1"},
        "body": json.dumps({"transaction_id": TRANSACTION}),
    }
    enough = (budget.DELIVERY + budget.DELAY) * 1000
    for after_posting, left in ((enough - 1, 1), (enough, 0)):
        ledger.entries.clear()
        ledger.outbox.clear()
        times = iter([budget.MESSAGE * 1000, after_posting])
        short = SimpleNamespace(
            **{**vars(CONTEXT), "get_remaining_time_in_millis": lambda times=times: next(times)}
        )
        answer = payment_processor.handler.handle({"Records": [record]}, short)
        assert (answer, len(ledger.outbox)) == ({"batchItemFailures": []}, left)
    assert queue == []


@pytest.mark.usefixtures("queue")
def test_a_functions_lines_name_its_invocation(logs: Logs) -> None:
    own = SimpleNamespace(**{**vars(CONTEXT), "aws_request_id": "of this one"})
    event = http("POST", "/process", {"transaction_id": TRANSACTION})
    payment_processor.handler.handle(event, own)
    lines = logs()
    assert lines
    assert {line["function_request_id"] for line in lines} == {"of this one"}


def test_what_a_sandbox_needs_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = ("TRANSACTIONS_TABLE", "RETRY_QUEUE_URL")
    for name in (*variables, "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    for part in (
        "_processor",
        "_history",
        "_retry_queue",
        "_ledger",
        "_status_reporter",
    ):
        made = getattr(payment_processor.handler, part)
        assert made() is made()
        made.cache_clear()


@pytest.mark.operating_system
@pytest.mark.parametrize(
    ("function", "unwanted"),
    [
        ("payment_validator", {"boto3", "pydantic", "pg8000", "scramp", "audit_logger"}),
        ("payment_processor", {"boto3", "pydantic", "audit_logger", "ledger_schema"}),
        ("audit_logger", {"boto3", "pydantic", "pg8000", "fastjsonschema"}),
    ],
)
def test_a_function_imports_only_what_it_uses(function: str, unwanted: set[str]) -> None:
    """Every import is paid for at each cold start."""
    code = f"import json, sys, {function}.handler; print(json.dumps(list(sys.modules)))"
    listing = subprocess.run(
        [sys.executable, "-c", code], cwd=LAMBDA_CODE, capture_output=True, text=True, check=True
    ).stdout
    assert not unwanted & set(json.loads(listing))
