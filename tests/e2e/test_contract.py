"""The running API keeps to docs/openapi.yaml, whatever it is sent.

How the emulator differs from API Gateway here: it applies no request validator, so the handlers
answer what API Gateway would refuse itself (400 with the same code, but with `errors`).
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from building_blocks.operations import OPERATIONS, Operation
from local.deployed import ANSWER_SECONDS, payment_request
from payments.contract import LONGEST_BODY, validator
from tests.contract_campaign import keep_to_the_contract
from tests.deployment import Production

EXAMPLES = 5  # fifty of each in the acceptance tests


def test_no_answer_is_outside_the_contract(production: Production, tmp_path: Path) -> None:
    keep_to_the_contract(production, tmp_path, EXAMPLES)


@pytest.mark.parametrize(
    ("method", "path", "media_type", "body", "status", "code"),
    [
        ("GET", "/unknown", None, None, 404, "no_such_resource"),
        ("DELETE", "/status", None, None, 404, "no_such_resource"),
        ("GET", "/validate", None, None, 404, "no_such_resource"),
        ("POST", "/validate", "text/plain", b"{}", 415, "unsupported_media_type"),
        ("POST", "/process", "application/xml", b"<a/>", 415, "unsupported_media_type"),
        (
            "POST",
            "/validate",
            "application/x-www-form-urlencoded",
            b"amount=1",
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/validate",
            "application/json",
            b" " * (LONGEST_BODY + 1),
            413,
            "request_too_large",
        ),
        ("POST", "/process", "application/json; charset=utf-8", b"{", 400, "invalid_request"),
    ],
)
def test_a_request_out_of_the_ordinary_gets_its_problem(
    production: Production,
    method: str,
    path: str,
    media_type: str | None,
    body: bytes | None,
    status: int,
    code: str,
) -> None:
    api = production.deployment
    headers = {"x-api-key": api.api_key} | ({"content-type": media_type} if media_type else {})
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{api.api_url}{path}", data=body, method=method, headers=headers
    )
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=ANSWER_SECONDS)  # noqa: S310
    assert answer.value.code == status
    assert answer.value.headers["content-type"] == "application/problem+json"
    problem = validator("problem")(json.loads(answer.value.read()))
    assert (problem["status"], problem["code"]) == (status, code)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_api_gateways_own_problem_is_like_the_functions(
    production: Production, operation: Operation
) -> None:
    body = payment_request() if operation.body else None
    path = operation.at("any")
    answer = production.deployment.call(operation.method, path, body, with_key=False)
    assert answer.content_type == "application/problem+json"
    assert validator("problem")(answer.body)["code"] == "api_key_required"
