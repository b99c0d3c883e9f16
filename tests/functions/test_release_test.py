"""A version that does not work is found before clients reach it, and no way back is stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import audit_logger.handler
import boto3
import payment_processor.handler
import payment_validator.handler
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from release_test import handler, trial

from tests.functions.lambda_context import CONTEXT

VALIDATOR, PROCESSOR, AUDIT = "payment-validator", "payment-processor", "audit-logger"
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}
FINE: dict[str, Any] = {"statusCode": 200, "body": "{}"}
OUTAGE: dict[str, Any] = {"statusCode": 503, "body": "{}"}


class Aws:
    """Lambda with versions, of which each answers as it is told, and CodeDeploy, which is told."""

    def __init__(self) -> None:
        self.in_service = {VALIDATOR: 5, PROCESSOR: 9, AUDIT: 3}
        self.published = {name: [1, version] for name, version in self.in_service.items()}
        self.answers: dict[tuple[str, int], Any] = {}
        self.called: list[tuple[str, int]] = []
        self.told: list[dict[str, str]] = []
        self.blind = False

    def release(self, name: str, answer: Any) -> None:
        version = self.in_service[name] + 1
        self.published[name].append(version)
        self.answers[name, version] = answer

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:  # noqa: N803
        assert Name == "live"
        if self.blind:
            raise ClientError({"Error": {"Code": "ServiceException", "Message": ""}}, "GetAlias")
        return {"FunctionVersion": str(self.in_service[FunctionName])}

    def get_paginator(self, operation: str) -> Aws:
        assert operation == "list_versions_by_function"
        return self

    def paginate(self, *, FunctionName: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        yield {"Versions": [{"Version": "$LATEST"}]}
        yield from ({"Versions": [{"Version": str(v)}]} for v in self.published[FunctionName])

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert json.loads(Payload) == trial.REQUESTS[FunctionName][0]
        call = (FunctionName, int(Qualifier))
        self.called.append(call)
        fine = {"batchItemFailures": []} if FunctionName == AUDIT else FINE
        answer = self.answers.get(call, fine)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else fine
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {**failed, "Payload": io.BytesIO(json.dumps(answer).encode())}

    def put_lifecycle_event_hook_execution_status(self, **said: str) -> None:
        self.told.append(said)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws()
    monkeypatch.setattr(boto3, "client", lambda _service, config: aws)
    monkeypatch.setattr(trial, "PAUSE", 0.0)
    monkeypatch.setenv("FUNCTIONS", json.dumps([VALIDATOR, PROCESSOR, AUDIT]))
    monkeypatch.setenv("ALIAS", "live")
    return aws


def status(aws: Aws) -> str:
    """What CodeDeploy is told: once, about its own execution."""
    handler.handle(dict(EVENT), CONTEXT)
    (said,) = aws.told
    assert said.pop("deploymentId") == "d-1"
    assert said.pop("lifecycleEventHookExecutionId") == "e-1"
    (word,) = said.values()
    return word


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Invoke")


def test_what_is_in_service_already_is_not_called(aws: Aws) -> None:
    assert status(aws) == "Succeeded"
    assert aws.called == []


def test_a_version_that_answers_goes_on_to_the_canary(aws: Aws) -> None:
    aws.release(VALIDATOR, {"statusCode": 400, "body": "{}"})
    aws.release(PROCESSOR, FINE)
    aws.release(AUDIT, {"batchItemFailures": []})
    assert status(aws) == "Succeeded"
    assert aws.called == [(VALIDATOR, 6), (PROCESSOR, 10), (AUDIT, 4)]


@pytest.mark.parametrize(
    "answer",
    [
        {"errorMessage": "No module named 'x'", "errorType": "Runtime.ImportModuleError"},
        {"errorMessage": "Task timed out after 30.00 seconds"},
        {"statusCode": 500, "body": "{}"},
        OUTAGE,
        # API Gateway would make 502 of it.
        {"status": 200},
        "a text",
        ReadTimeoutError(endpoint_url="x"),
        refused("ResourceNotFoundException"),
        [refused("ResourceConflictException")] * trial.TRIES,
    ],
    ids=str,
)
def test_a_version_that_does_not_answer_is_taken_back(aws: Aws, answer: Any) -> None:
    aws.release(PROCESSOR, answer)
    assert status(aws) == "Failed"


def test_one_failed_version_takes_the_whole_release_back(aws: Aws) -> None:
    """Its functions go back together, whichever of them the deployment is of."""
    aws.release(VALIDATOR, FINE)
    aws.release(AUDIT, {"errorMessage": "no module", "errorType": "Runtime.ImportModuleError"})
    assert status(aws) == "Failed"


def test_a_version_that_lambda_makes_ready_is_waited_for(aws: Aws) -> None:
    waits = ["ResourceConflictException", "ResourceNotReadyException", "TooManyRequestsException"]
    aws.release(PROCESSOR, [refused(code) for code in waits])
    assert status(aws) == "Succeeded"
    assert aws.called == [(PROCESSOR, 10)] * (len(waits) + 1)


def test_a_fault_behind_both_versions_does_not_hold_up_the_release(aws: Aws) -> None:
    """It may be the one that mends it, and the one in service is no better."""
    aws.release(PROCESSOR, OUTAGE)
    aws.answers[PROCESSOR, 9] = OUTAGE
    assert status(aws) == "Succeeded"


def test_the_way_back_is_not_tested(aws: Aws) -> None:
    """CloudFormation takes the aliases back by deployments of the same groups; a hook that failed
    there would end in UPDATE_ROLLBACK_FAILED."""
    for name in aws.in_service:
        aws.in_service[name] += 1
        aws.published[name].append(aws.in_service[name])
        for version in aws.published[name]:
            aws.answers[name, version] = {"errorMessage": "fails"}
    assert status(aws) == "Succeeded"
    assert aws.called == []


def test_nothing_is_stopped_while_it_is_not_known_which_way_it_goes(aws: Aws) -> None:
    aws.release(PROCESSOR, {"errorMessage": "fails"})
    aws.blind = True
    assert status(aws) == "Succeeded"


# --- What is sent, to the functions as they are ---


def test_the_validators_request_is_refused_before_the_table_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APPROVAL_VALIDITY_SECONDS", "600")
    monkeypatch.setattr(payment_validator.handler, "_history", _not_to_be_called)
    request, member = trial.REQUESTS[VALIDATOR]
    answer = payment_validator.handler.handle(dict(request), CONTEXT)
    assert member in answer
    assert answer["statusCode"] == 400


def test_the_processors_request_asks_for_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reporter:
        def report(self) -> dict[str, str]:
            return {"status": "operational"}

    monkeypatch.setattr(payment_processor.handler, "_status_reporter", Reporter)
    monkeypatch.setattr(payment_processor.handler, "_processor", _not_to_be_called)
    request, member = trial.REQUESTS[PROCESSOR]
    answer = payment_processor.handler.handle(dict(request), CONTEXT)
    assert member in answer
    assert answer["statusCode"] == 200


def test_audit_loggers_request_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_logger.handler, "_trail", _not_to_be_called)
    request, member = trial.REQUESTS[AUDIT]
    assert member in audit_logger.handler.handle(dict(request), CONTEXT)


_not_to_be_called: Callable[[], Any] = lambda: pytest.fail("money or history was touched")  # noqa: E731
