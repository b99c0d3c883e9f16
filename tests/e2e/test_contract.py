"""The running API keeps to docs/openapi.yaml, whatever it is sent.

How the emulator differs from API Gateway here: it applies no request validator, so the handlers
answer what API Gateway would refuse itself (400 with the same code, but with `errors`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from contract.files import OPENAPI
from local.demonstration import ANSWER_SECONDS, payment_request
from payments.contract import LONGEST_BODY, validator
from tests.e2e import contract_checks
from tests.e2e.conftest import Production
from tests.environment import PROJECT

EXAMPLES = "50"
"""Generated requests a phase and operation; together about 600 requests."""
RUN_SECONDS = 600

# API Gateway has one answer for an unknown path and an unknown method; ours is 404, and cannot be
# 405 for the one of them (RFC 9110, section 15.5.6, asks for 405 from an origin that can tell).
LEFT_OUT = "unsupported_method"


@pytest.fixture(scope="module")
def campaign(
    production: Production, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], set[tuple[str, ...]]]:
    """A run of schemathesis, always with the same requests, and what was answered:
    operation, status and a problem's code."""
    directory = tmp_path_factory.mktemp("contract")
    seen = directory / "seen"
    api = production.deployment
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", str(OPENAPI), "--url", api.api_url, "--header", f"x-api-key: {api.api_key}"),
            *("--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT, "--continue-on-failure"),
            *("--generation-deterministic", "--max-examples", EXAMPLES, "--no-color"),
        ],
        cwd=directory,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": contract_checks.__name__,
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'lambda_code'}",
            contract_checks.SEEN: str(seen),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    lines = seen.read_text().splitlines() if seen.exists() else []
    return done, {tuple(line.split(" ")) for line in lines}


def test_no_answer_is_outside_the_contract(
    campaign: tuple[subprocess.CompletedProcess[str], set[tuple[str, ...]]],
) -> None:
    done, _ = campaign
    assert done.returncode == 0, done.stdout[-20_000:]


def test_the_campaign_saw_payments_go_through_and_fail(
    campaign: tuple[subprocess.CompletedProcess[str], set[tuple[str, ...]]],
) -> None:
    """Else it would have proven nothing."""
    _, seen = campaign
    assert {
        ("validate", "200", ""),
        ("validate", "400", "invalid_request"),
        ("validate", "409", "idempotency_key_reused"),
        ("validate", "415", "unsupported_media_type"),
        ("process", "200", ""),
        ("process", "400", "invalid_request"),
        ("process", "409", "payment_declined"),
        ("status", "200", ""),
    } <= seen


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


@pytest.mark.parametrize(("method", "path"), [("POST", "/validate"), ("GET", "/status")])
def test_api_gateways_own_problem_is_like_the_functions(
    production: Production, method: str, path: str
) -> None:
    body = payment_request() if method == "POST" else None
    answer = production.deployment.call(method, path, body, with_key=False)
    assert answer.content_type == "application/problem+json"
    assert validator("problem")(answer.body)["code"] == "api_key_required"
