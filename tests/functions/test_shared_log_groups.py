"""Log groups of the account are adopted or made, and left, whoever else uses them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from shared_log_groups import group as module
from shared_log_groups import handler
from shared_log_groups.group import LogGroup, keep, leave

from tests.functions.lambda_context import CONTEXT

NAME = "RDSOSMetrics"
ARN = f"arn:aws:logs:us-east-1:111122223333:log-group:{NAME}"
KEY = "arn:aws:kms:us-east-1:111122223333:key/ours"
OTHER_KEY = "arn:aws:kms:us-east-1:111122223333:key/anothers"
TAGS = {"Team": "payments"}
PROPERTIES = {
    "LogGroupName": NAME,
    "LogGroupArn": ARN,
    # CloudFormation makes every value a text.
    "RetentionInDays": "90",
    "KmsKeyId": KEY,
    "Tags": TAGS,
}
GROUP = LogGroup.read(PROPERTIES)


class Logs:
    """CloudWatch Logs: groups with their settings. Everything that is asked of it is counted."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Any]] = {}
        self.refusals: dict[str, list[str]] = {}
        self.calls: list[str] = []

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if codes := self.refusals.get(operation):
            raise ClientError({"Error": {"Code": codes.pop(0), "Message": ""}}, operation)

    def _found(self, name: str) -> dict[str, Any]:
        if name not in self.groups:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "")
        return self.groups[name]

    def create_log_group(self, *, logGroupName: str, kmsKeyId: str, tags: dict[str, str]) -> None:  # noqa: N803
        self._called("create_log_group")
        if logGroupName in self.groups:
            code = "ResourceAlreadyExistsException"
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "CreateLogGroup")
        self.groups[logGroupName] = {"kmsKeyId": kmsKeyId, "tags": tags}

    def put_retention_policy(self, *, logGroupName: str, retentionInDays: int) -> None:  # noqa: N803
        self._called("put_retention_policy")
        self._found(logGroupName)["retentionInDays"] = retentionInDays

    def associate_kms_key(self, *, logGroupName: str, kmsKeyId: str) -> None:  # noqa: N803
        self._called("associate_kms_key")
        self._found(logGroupName)["kmsKeyId"] = kmsKeyId

    def disassociate_kms_key(self, *, logGroupName: str) -> None:  # noqa: N803
        self._called("disassociate_kms_key")
        del self._found(logGroupName)["kmsKeyId"]

    def tag_resource(self, *, resourceArn: str, tags: dict[str, str]) -> None:  # noqa: N803
        self._called("tag_resource")
        found = self._found(resourceArn.partition("log-group:")[2])
        found["tags"] = {**found.get("tags", {}), **tags}

    def get_paginator(self, operation: str) -> Logs:
        assert operation == "describe_log_groups"
        return self

    def paginate(self, *, logGroupNamePrefix: str) -> list[dict[str, Any]]:  # noqa: N803
        self._called("describe_log_groups")
        return [
            {"logGroups": [{"logGroupName": name, **found}]}
            for name, found in self.groups.items()
            if name.startswith(logGroupNamePrefix)
        ]


KEPT = {"kmsKeyId": KEY, "retentionInDays": 90, "tags": TAGS}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    return Logs()


def test_a_group_that_is_missing_is_made(logs: Logs) -> None:
    keep(logs, GROUP)
    assert logs.groups == {NAME: KEPT}


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"retentionInDays": 30},
        {"retentionInDays": 3653, "kmsKeyId": OTHER_KEY},
        {"retentionInDays": 90, "kmsKeyId": KEY, "tags": TAGS},
    ],
)
def test_a_group_that_is_there_is_taken_over_with_its_lines(
    logs: Logs, before: dict[str, Any]
) -> None:
    logs.groups[NAME] = {**before, "lines": "of another database"}
    keep(logs, GROUP)
    assert logs.groups == {NAME: {**KEPT, "lines": "of another database"}}


def test_what_else_its_owner_wrote_on_it_stays(logs: Logs) -> None:
    logs.groups[NAME] = {"tags": {"Owner": "reporting"}}
    keep(logs, GROUP)
    assert logs.groups[NAME]["tags"] == {"Owner": "reporting", **TAGS}


def test_nobody_can_come_between_a_look_and_the_making(logs: Logs) -> None:
    """RDS or API Gateway may make the group at any moment: there is no look."""
    logs.groups[NAME] = {}
    keep(logs, GROUP)
    assert logs.calls[0] == "create_log_group"
    assert "describe_log_groups" not in logs.calls


def test_a_group_that_goes_while_it_is_taken_over_is_made(logs: Logs) -> None:
    logs.groups[NAME] = {}
    logs.refusals["associate_kms_key"] = ["ResourceNotFoundException"]
    keep(logs, GROUP)
    assert logs.groups[NAME]["kmsKeyId"] == KEY


def test_keeping_again_changes_nothing(logs: Logs) -> None:
    keep(logs, GROUP)
    keep(logs, GROUP)
    assert logs.groups == {NAME: KEPT}


@pytest.mark.parametrize(
    "code",
    [
        # The role's policy, or the key's, is not known everywhere yet.
        "AccessDeniedException",
        "InvalidParameterException",
        # AWS is at work on the same group.
        "OperationAbortedException",
    ],
)
def test_what_may_pass_is_waited_for(logs: Logs, code: str) -> None:
    logs.refusals["create_log_group"] = [code] * 2
    logs.refusals["put_retention_policy"] = [code]
    keep(logs, GROUP)
    assert logs.groups == {NAME: KEPT}


def test_waiting_ends(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    logs.refusals["create_log_group"] = ["AccessDeniedException"] * 2
    with pytest.raises(ClientError):
        keep(logs, GROUP)


def test_any_other_refusal_is_final(logs: Logs) -> None:
    logs.refusals["create_log_group"] = ["LimitExceededException"] * 2
    with pytest.raises(ClientError):
        keep(logs, GROUP)
    assert logs.calls == ["create_log_group"]


def test_a_group_is_left_with_its_lines_and_its_retention(logs: Logs) -> None:
    """Only our key goes: a creation that is rolled back deletes it, and then nobody in the account
    could write to the group any more."""
    logs.groups[NAME] = {**KEPT, "lines": "of another database"}
    leave(logs, GROUP)
    left = {"retentionInDays": 90, "tags": TAGS, "lines": "of another database"}
    assert logs.groups == {NAME: left}


def test_a_group_under_another_key_is_left_as_it_is(logs: Logs) -> None:
    logs.groups[NAME] = {"kmsKeyId": OTHER_KEY}
    logs.groups[f"{NAME}-2"] = {"kmsKeyId": KEY}
    leave(logs, GROUP)
    assert logs.groups == {NAME: {"kmsKeyId": OTHER_KEY}, f"{NAME}-2": {"kmsKeyId": KEY}}


def test_a_group_that_is_gone_needs_nothing(logs: Logs) -> None:
    leave(logs, GROUP)
    assert logs.groups == {}


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_each_request_is_answered(
    logs: Logs, monkeypatch: pytest.MonkeyPatch, request_type: str
) -> None:
    answered: list[tuple[str, str]] = []

    def answer(event: Any, _context: Any, physical_id: str, actions: Any) -> None:
        actions[event["RequestType"]](event["ResourceProperties"])
        answered.append((event["RequestType"], physical_id))

    monkeypatch.setattr(boto3, "client", lambda _service, config: logs)
    monkeypatch.setattr(handler, "answer", answer)
    handler.handle({"RequestType": request_type, "ResourceProperties": PROPERTIES}, CONTEXT)
    assert answered == [(request_type, NAME)]
    assert (NAME in logs.groups) is (request_type != "Delete")
