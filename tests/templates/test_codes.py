"""codes.json has every code that anything answers, with its status, and no other."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from payment_validator.decision import decline_reasons

from assurance.api_docs import codes
from assurance.api_docs.codes import PROBLEMS
from building_blocks.bundle import SOURCES
from building_blocks.operations import OPERATIONS
from nested.compute.api import gateway_model
from payments.contract import LONGEST_BODY, SCHEMAS, validator
from payments.currencies import CURRENCIES
from payments.problems import Problem
from tests.synthesis import Synthesized

TABLE = {known.code: known.status for known in PROBLEMS}


def raised() -> Iterator[tuple[str, int]]:
    """Code and status of each ``Problem(HTTPStatus.X, "code", …)`` in lambda_code."""
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Problem"):
                where = f"{file.relative_to(SOURCES)}:{node.lineno}"
                status, code = node.args[:2]
                assert isinstance(status, ast.Attribute), f"{where}: a literal status is wanted"
                assert isinstance(code, ast.Constant), f"{where}: a literal code is wanted"
                yield str(code.value), HTTPStatus[status.attr].value


def test_functions_and_gateway_answer_the_codes_of_the_table_and_no_others() -> None:
    answered = set(raised())
    answered |= {(known.code, known.status) for known in PROBLEMS if known.gateway_responses}
    assert answered == set(TABLE.items())


def test_no_code_is_twice_in_the_table() -> None:
    assert len(TABLE) == len(PROBLEMS)


def test_the_table_is_in_the_order_of_status() -> None:
    assert list(TABLE.values()) == sorted(TABLE.values())


@pytest.mark.parametrize("known", PROBLEMS, ids=lambda known: known.code)
def test_an_entry_is_complete(known: codes.Code) -> None:
    validator("problem")(known.problem())
    assert known.meaning.endswith(".")
    assert known.advice.endswith(".")
    assert known.operations
    if known.operations != codes.ALL:
        named = {each.name for each in OPERATIONS}
        assert set(known.operations) < named, f"codes.json: all of {named} are written {codes.ALL}"
        assert not known.gateway_responses or known.status == 400, (
            f"codes.json: API Gateway answers {known.code} for any operation: {codes.ALL}"
        )


@pytest.mark.parametrize("code", ["invalid_request", "card_number_refused"])
def test_a_request_that_is_read_may_be_refused(code: str) -> None:
    (known,) = (each for each in PROBLEMS if each.code == code)
    read = [each.name for each in OPERATIONS if each.request]
    assert known.operations == read, f"codes.json: the operations of {code} are {read}"


def test_the_longest_body_is_the_one_that_the_table_tells() -> None:
    (too_large,) = (known for known in PROBLEMS if known.code == "request_too_large")
    assert f" {LONGEST_BODY} bytes" in too_large.meaning


def test_api_gateways_problems_are_those_of_the_functions(synthesized: Synthesized) -> None:
    expected = {
        case: Problem(HTTPStatus(known.status), known.code, known.meaning).body()
        for known in PROBLEMS
        for case in known.gateway_responses
    }
    found = {}
    for response in synthesized.properties("AWS::ApiGateway::GatewayResponse"):
        template = response["ResponseTemplates"]["application/json"]
        assert "$" not in template, "nothing of API Gateway's own text"
        found[response["ResponseType"]] = json.loads(template)
        assert response["StatusCode"] == str(found[response["ResponseType"]]["status"])
        assert response["ResponseParameters"] == {
            "gatewayresponse.header.Content-Type": "'application/problem+json'",
            "gatewayresponse.header.Cache-Control": "'no-store'",
        }
    assert found == expected


def test_a_call_that_lambda_throttles_is_answered_as_the_contract_says() -> None:
    """API Gateway answers 500, of a kind that it has no other name for than DEFAULT_5XX: not 502
    (which is for what the function answers wrongly), nor 429."""
    (known,) = (each for each in PROBLEMS if "DEFAULT_5XX" in each.gateway_responses)
    assert known.status == 500
    assert "takes all the requests that it can" in known.meaning
    assert "Send the same request again" in known.advice


def test_whatever_api_gateway_answers_is_a_problem() -> None:
    """Of the cases that it has, these stand for all that are not named."""
    named = {case for known in PROBLEMS for case in known.gateway_responses}
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= named


@pytest.mark.parametrize("name", [each.body for each in OPERATIONS if each.body])
def test_api_gateways_model_is_the_schema_less_what_would_log_a_value(
    synthesized: Synthesized, name: str
) -> None:
    """Its validator logs values and names that it refuses; a card number may be among them."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    model = gateway_model(schema)
    assert model["required"] == schema["required"]
    assert model["properties"] == {
        member: {"type": part["type"]} for member, part in schema["properties"].items()
    }
    assert set(model) == {"$schema", "title", "type", "required", "properties"}
    deployed = [m["Schema"] for m in synthesized.properties("AWS::ApiGateway::Model")]
    assert model in deployed


def test_the_reasons_to_decline_are_those_of_the_table() -> None:
    schema = json.loads((SCHEMAS / "validate_response.json").read_text())
    assert schema["properties"]["reasons"]["items"]["enum"] == list(codes.DECLINE_REASONS)
    given = {*decline_reasons(1, "XXX")}
    for code, terms in CURRENCIES.items():
        given |= {*decline_reasons(terms.limit + 1, code)}
    assert given == set(codes.DECLINE_REASONS)
