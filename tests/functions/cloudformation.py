"""CloudFormation's requests about a custom resource, and what it is answered."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from tests.functions.lambda_context import CONTEXT

Send = Callable[..., dict[str, Any]]


def sender(
    monkeypatch: pytest.MonkeyPatch,
    handle: Callable[[dict[str, Any], Any], None],
    **properties: Any,
) -> Send:
    """Sends requests of a type to a function; returns its answers."""
    answers: list[dict[str, Any]] = []

    def receive(request: urllib.request.Request, timeout: float) -> BytesIO:
        assert isinstance(request.data, bytes)
        answers.append(json.loads(request.data))
        return BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", receive)
    context = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 300_000})

    def send(request_type: str, **more: Any) -> dict[str, Any]:
        event = {
            "RequestType": request_type,
            "ResponseURL": "https://answer",
            "StackId": "s",
            "RequestId": "r",
            "LogicalResourceId": "It",
            "ResourceProperties": properties,
        }
        handle(event | more, context)
        return answers[-1]

    return send
