"""A version that does not work is found before clients reach it, and no way back is stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
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
    """Lambda with versions, of which each answers as it is told, and CodeDeploy with a deployment,
    which is told what came of it."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], Any] = {}
        self.called: list[tuple[str, int]] = []
        self.told: list[dict[str, str]] = []
        self.content: str | None = None

    def release(self, name: str, answer: Any) -> None:
        self.moves(name, 5, 6)
        self.answers[name, 6] = answer

    def moves(self, name: str, current: int, target: int) -> None:
        """As CloudFormation hands a deployment over."""
        properties = {
            "Name": name,
            "Alias": "live",
            "CurrentVersion": str(current),
            "TargetVersion": str(target),
        }
        resource = {"Type": "AWS::Lambda::Function", "Properties": properties}
        self.content = json.dumps({"version": "0.0", "Resources": [{"Live": resource}]})

    def get_deployment(self, *, deploymentId: str) -> dict[str, Any]:  # noqa: N803
        assert deploymentId == "d-1"
        revision = {"revisionType": "String", "string": {"sha256": "0a1b"}}
        return {"deploymentInfo": {"applicationName": "releases", "revision": revision}}

    def get_application_revision(
        self,
        *,
        applicationName: str,  # noqa: N803
        revision: dict[str, Any],
    ) -> dict[str, Any]:
        assert applicationName == "releases"
        assert revision["string"]["sha256"] == "0a1b"
        if self.content is None:
            raise refused("ThrottlingException")
        return {"revision": {"revisionType": "String", "string": {"content": self.content}}}

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


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (VALIDATOR, {"statusCode": 400, "body": "{}"}),
        (PROCESSOR, FINE),
        (AUDIT, {"batchItemFailures": []}),
    ],
)
def test_a_version_that_answers_goes_on_to_the_canary(aws: Aws, name: str, answer: Any) -> None:
    aws.release(name, answer)
    assert status(aws) == "Succeeded"
    assert aws.called == [(name, 6)]


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


def test_a_version_that_fails_is_taken_back_for_audit_logger_too(aws: Aws) -> None:
    aws.release(AUDIT, {"errorMessage": "no module", "errorType": "Runtime.ImportModuleError"})
    assert status(aws) == "Failed"


def test_a_function_that_nobody_knows_a_request_for_fails_and_is_not_waited_for(aws: Aws) -> None:
    aws.release("somebody-elses", FINE)
    assert status(aws) == "Failed"


def test_a_version_that_lambda_makes_ready_is_waited_for(aws: Aws) -> None:
    waits = ["ResourceConflictException", "ResourceNotReadyException", "TooManyRequestsException"]
    aws.release(PROCESSOR, [refused(code) for code in waits])
    assert status(aws) == "Succeeded"
    assert aws.called == [(PROCESSOR, 6)] * (len(waits) + 1)


def test_a_fault_behind_both_versions_does_not_hold_up_the_release(aws: Aws) -> None:
    """It may be the one that mends it, and the one in service is no better."""
    aws.release(PROCESSOR, OUTAGE)
    aws.answers[PROCESSOR, 5] = OUTAGE
    assert status(aws) == "Succeeded"


@pytest.mark.parametrize("current", [5, 6], ids=["back already", "to be taken back"])
def test_the_way_back_is_not_tested(aws: Aws, current: int) -> None:
    """CloudFormation takes the aliases back by deployments of the same groups, while the versions
    that failed are still there; a hook that failed then would end in UPDATE_ROLLBACK_FAILED."""
    aws.moves(PROCESSOR, current, 5)
    for version in (5, 6):
        aws.answers[PROCESSOR, version] = {"errorMessage": "fails"}
    assert status(aws) == "Succeeded"
    assert aws.called == []


@pytest.mark.parametrize("content", [None, "version: 0.0", "{}"])
def test_nothing_is_stopped_while_it_is_not_known_which_way_it_goes(
    aws: Aws, content: str | None
) -> None:
    aws.release(PROCESSOR, {"errorMessage": "fails"})
    aws.content = content
    assert status(aws) == "Succeeded"


def test_a_function_may_be_named_by_its_arn(aws: Aws) -> None:
    aws.moves(f"arn:aws:lambda:us-east-1:111122223333:function:{PROCESSOR}", 9, 10)
    assert status(aws) == "Succeeded"
    assert aws.called == [(PROCESSOR, 10)]


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
