"""Custom resources: CloudFormation is always answered, in time and within its limits."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError

import pytest

from custom_resource.protocol import ATTEMPTS, answer
from tests.functions.lambda_context import CONTEXT

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "https://bucket.s3.amazonaws.com/answer?signature",
    "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1",
    "RequestId": "r1",
    "LogicalResourceId": "Thing",
    "ResourceType": "Custom::Thing",
    "ResourceProperties": {"Name": "x"},
}


class Web:
    """What is sent to ResponseURL; the first `failures` attempts fail."""

    def __init__(self) -> None:
        self.requests: list[urllib.request.Request] = []
        self.waited: list[float] = []
        self.failures = 0

    def open(self, request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout <= 10
        self.requests.append(request)
        if len(self.requests) <= self.failures:
            raise URLError("no route")
        return io.BytesIO()

    @property
    def body(self) -> dict[str, Any]:
        data = self.requests[-1].data
        assert isinstance(data, bytes)
        assert len(data) <= 4096
        body: dict[str, Any] = json.loads(data)
        return body


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(urllib.request, "urlopen", web.open)
    monkeypatch.setattr(time, "sleep", web.waited.append)
    return web


def refuse(_: Mapping[str, Any]) -> None:
    raise ValueError("not asked for")


def succeed(_: Mapping[str, Any]) -> None:
    return


def test_success_is_reported_with_all_that_identifies_the_request(web: Web) -> None:
    answer(EVENT, CONTEXT, "thing", {"Create": succeed})
    assert web.body == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "thing",
        "StackId": EVENT["StackId"],
        "RequestId": "r1",
        "LogicalResourceId": "Thing",
    }
    (request,) = web.requests
    assert (request.get_method(), request.full_url) == ("PUT", EVENT["ResponseURL"])
    assert request.get_header("Content-type") == ""


def test_the_action_gets_the_properties(web: Web) -> None:
    seen: list[Mapping[str, Any]] = []
    answer(EVENT, CONTEXT, "thing", {"Create": seen.append})
    assert seen == [{"Name": "x"}]


def test_a_failure_is_reported_with_its_reason_and_where_to_read_on(web: Web) -> None:
    def fail(_: Mapping[str, Any]) -> None:
        raise ValueError("0001_x.sql: no such column")

    answer(EVENT, CONTEXT, "thing", {"Create": fail})
    assert web.body["Status"] == "FAILED"
    assert web.body["Reason"] == "ValueError: 0001_x.sql: no such column (log stream stream)"


@pytest.mark.parametrize("reason", ["x" * 5000, "\u20ac" * 5000, '"\n' * 2500])
def test_a_long_reason_is_cut_to_what_a_response_may_hold(web: Web, reason: str) -> None:
    def fail(_: Mapping[str, Any]) -> None:
        raise ValueError(reason)

    answer(EVENT | {"PhysicalResourceId": "p" * 1024}, CONTEXT, "thing", {"Create": fail})
    assert web.body["Reason"].endswith(" ...")


def test_a_delete_without_an_action_succeeds(web: Web) -> None:
    answer(EVENT | {"RequestType": "Delete"}, CONTEXT, "thing", {"Create": refuse})
    assert web.body["Status"] == "SUCCESS"


def test_an_update_keeps_the_physical_id(web: Web) -> None:
    """Another id would make CloudFormation delete the "old" resource."""
    event = EVENT | {"RequestType": "Update", "PhysicalResourceId": "as it was"}
    answer(event, CONTEXT, "thing", {"Update": succeed})
    assert web.body["PhysicalResourceId"] == "as it was"


def test_an_answer_that_does_not_arrive_is_sent_again_ever_later(web: Web) -> None:
    web.failures = ATTEMPTS - 1
    answer(EVENT, CONTEXT, "thing", {"Create": succeed})
    assert len(web.requests) == ATTEMPTS
    assert web.waited == sorted(set(web.waited))


def test_nothing_is_raised_when_cloudformation_cannot_be_reached(web: Web) -> None:
    web.failures = 1000
    answer(EVENT, CONTEXT, "thing", {"Create": succeed})
    assert len(web.requests) == ATTEMPTS


@pytest.mark.parametrize("event", [{}, EVENT | {"ResponseURL": "file:///etc/passwd"}])
def test_nothing_is_raised_or_sent_for_a_request_that_is_none(
    web: Web, event: dict[str, Any]
) -> None:
    answer(event, CONTEXT, "thing", {"Create": succeed})
    assert web.requests == []
