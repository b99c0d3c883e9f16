"""The contract: schemas that API Gateway can use as they are, and requests read by them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract import LONGEST_BODY, SCHEMAS, read_parameters, read_request, validator
from payments.identifiers import UUID_PATTERN
from payments.problems import Problem

NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
REQUEST: dict[str, Any] = {
    "merchant_id": "acme",
    "amount": 1050,
    "currency": "EUR",
    "payment_method_token": "tok_visa",
    "reference": "Order 7",
    "idempotency_key": "5f0c1c0e-8a6b-4f0e-9d3e-2f1f0a4b7c11",
}


def event(body: object) -> dict[str, Any]:
    return {"body": body if isinstance(body, str) else json.dumps(body)}


def problem(event: Mapping[str, Any], status: int = 400) -> Problem:
    with pytest.raises(Problem) as error:
        read_request(event, "validate_request")
    assert error.value.status == status
    return error.value


def parts(schema: object) -> Iterator[dict[str, Any]]:
    """A schema and all within it."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_in_the_subset_of_draft_04_that_api_gateway_takes(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
    for part in parts(schema):
        assert not {"$ref", "format", "const", "exclusiveMinimum", "examples"} & part.keys()
        if part.get("type") == "object":
            assert part["additionalProperties"] is False


@pytest.mark.parametrize("name", NAMES)
def test_an_id_looks_as_it_does_everywhere(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    for part in parts(schema):
        members = part["properties"] if isinstance(part.get("properties"), dict) else {}
        for member in ("transaction_id", "entry_id"):
            if member in members:
                assert members[member]["pattern"] == f"^{UUID_PATTERN}$"


def test_a_complete_request_is_read() -> None:
    assert read_request(event(REQUEST), "validate_request") == REQUEST


def test_a_base64_body_is_read() -> None:
    body = base64.b64encode(json.dumps(REQUEST).encode()).decode()
    read = read_request({"body": body, "isBase64Encoded": True}, "validate_request")
    assert read == REQUEST


def test_the_parameters_of_a_path_are_read() -> None:
    parameters = {"transaction_id": "6311be72-496b-5539-8a88-da9b8e217493"}
    assert read_parameters({"pathParameters": parameters}, "process_request") == parameters
    for wrong in (None, {"transaction_id": "?"}):
        with pytest.raises(Problem) as error:
            read_parameters({"pathParameters": wrong}, "process_request")
        assert error.value.code == "invalid_request"


@pytest.mark.parametrize("name", REQUEST)
def test_every_member_is_required(name: str) -> None:
    body = {key: value for key, value in REQUEST.items() if key != name}
    refused = problem(event(body))
    assert refused.code == "invalid_request"
    assert name in refused.errors[0].detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merchant_id", ""),
        ("merchant_id", "a/b"),
        ("merchant_id", "acme\n"),
        ("merchant_id", "x" * 65),
        ("amount", 0),
        ("amount", -1),
        ("amount", 10.5),
        ("amount", 10.0),
        ("amount", "10"),
        ("amount", True),
        ("amount", 10**12),
        ("amount", 10**3500),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("payment_method_token", ""),
        ("reference", ""),
        ("reference", "x" * 36),
        ("reference", "caf\u00e9"),
        ("reference", "a\u0000b"),
        ("reference", "\ud800"),
        ("idempotency_key", ""),
        ("idempotency_key", None),
    ],
)
def test_a_value_outside_its_limits_is_named_by_its_pointer(name: str, value: object) -> None:
    refused = problem(event(REQUEST | {name: value}))
    assert (refused.code, refused.errors[0].pointer) == ("invalid_request", f"/{name}")


def test_every_error_is_reported_at_once() -> None:
    refused = problem(event(REQUEST | {"amount": 0, "currency": "x"}))
    assert {error.pointer for error in refused.errors} == {"/amount", "/currency"}


@pytest.mark.parametrize(
    "body",
    ["", "{", "nul", "{'a': 1}", '{"amount": NaN}', '{"a": 1, "a": 2}', "[" * 4000, "\ufeff{}"],
)
def test_what_is_no_json_is_refused_as_a_whole(body: str) -> None:
    refused = problem({"body": body})
    assert (refused.code, [error.pointer for error in refused.errors]) == ("invalid_request", [""])


def test_a_name_that_is_repeated_further_down_is_refused_too() -> None:
    assert problem({"body": '{"a": [{"b": 1, "b": 1}]}'}).code == "invalid_request"


@pytest.mark.parametrize(
    "proxy_event",
    [
        {"body": None},
        {},
        {"body": "%%%", "isBase64Encoded": True},
        {"body": "/w==", "isBase64Encoded": True},
        {"body": '"\ud800"'},
    ],
)
def test_a_body_that_cannot_be_read_is_invalid(proxy_event: dict[str, Any]) -> None:
    assert problem(proxy_event).code == "invalid_request"


def test_a_body_is_read_up_to_its_greatest_length() -> None:
    padded = json.dumps(REQUEST).ljust(LONGEST_BODY)
    assert read_request({"body": padded}, "validate_request") == REQUEST
    refused = problem({"body": padded + " "}, 413)
    assert refused.code == "request_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"Content-Type": "application/json"},
        {"content-type": "Application/JSON; charset=utf-8"},
        {"CONTENT-TYPE": ""},
        {"Accept": "text/plain"},
    ],
)
def test_json_is_read_however_it_is_announced(headers: dict[str, str] | None) -> None:
    assert read_request(event(REQUEST) | {"headers": headers}, "validate_request") == REQUEST


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json5", "x"],
)
def test_what_is_announced_as_something_else_is_not_read(media_type: str) -> None:
    refused = problem({"body": "?", "headers": {"Content-Type": media_type}}, 415)
    assert refused.code == "unsupported_media_type"


def test_what_is_wrong_is_told_by_the_rule_that_it_breaks() -> None:
    def details(changes: dict[str, object]) -> list[str]:
        return [error.detail for error in problem(event(REQUEST | changes)).errors]

    assert details({"amount": 0}) == ["must be bigger than or equal to 1"]
    assert details({"currency": "eur"}) == ["must match ^[A-Z]{3}$"]
    assert details({"amount": "1"}) == ["must be integer"]
    assert details({"unknown": 1}) == [
        "must have no other members than the contract names",
    ]


def test_a_body_may_have_4096_bytes() -> None:
    assert LONGEST_BODY == 4096  # docs/payments.md, docs/openapi.yaml


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).filter(lambda document: len(json.dumps(document)) <= LONGEST_BODY)
)
def test_any_other_document_is_refused_with_a_problem_that_fits_its_schema(body: object) -> None:
    refused = problem(event(body))
    validator("problem")(refused.body())


@given(st.text(min_size=4, max_size=100))
def test_an_invalid_value_is_never_repeated(value: str) -> None:
    refused = problem(event(REQUEST | {"amount": value, "q" + value: 1}))
    known = json.dumps(problem(event(REQUEST | {"amount": "?", "q": 1})).body())
    assert refused.code == "card_number_refused" or json.dumps(refused.body()) == known
