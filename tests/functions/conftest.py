"""What the tests of the functions share."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import boto3
import payment_validator.handler
import pytest
from botocore.stub import Stubber

T = TypeVar("T")
Logs = Callable[[], list[dict[str, Any]]]
Metrics = Callable[[], list[tuple[str, float, str | None]]]
Stubbed = Callable[[str], Stubber]


class Clock(Generic[T]):
    """Stands still, until a test moves it."""

    def __init__(self, now: T) -> None:
        self.now = now

    def __call__(self) -> T:
        return self.now


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    """Makes a client of a service that answers from a list, all of which must be asked for."""
    stubs: list[Stubber] = []
    make_client: Any = boto3.client  # which a test may replace

    def stub(service: str) -> Stubber:
        client = make_client(
            service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
        )
        stubs.append(Stubber(client))
        stubs[-1].activate()
        return stubs[-1]

    yield stub
    for each in stubs:
        each.assert_no_pending_responses()


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Reads the structured lines that the functions have logged; they share one stream."""
    handler = payment_validator.handler.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    handler.setStream(before)


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Reads the metrics written so far: name, value, and the dimension beside `service`."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "function")

    def read() -> list[tuple[str, float, str | None]]:
        found = []
        for line in capsys.readouterr().out.splitlines():
            if not line.startswith("{") or "_aws" not in (blob := json.loads(line)):
                continue
            (directive,) = blob["_aws"]["CloudWatchMetrics"]
            ((metric,), (dimensions,)) = directive["Metrics"], directive["Dimensions"]
            assert directive["Namespace"] == "Payments"
            assert blob["service"] == "function"
            (further,) = set(dimensions) - {"service"} or {""}
            found.append((metric["Name"], blob[metric["Name"]][0], blob.get(further)))
        return found

    return read
