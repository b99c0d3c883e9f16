"""docs/openapi.yaml and the tables of docs/payments.md say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from assurance.api_docs import examples
from assurance.api_docs.files import GUIDE, OPENAPI, written
from building_blocks.operations import OPERATIONS
from config import ProductionConfig
from nested.data.queues import MAX_RECEIVES
from payments.contract import LONGEST_BODY, SCHEMAS, validator
from payments.identifiers import transaction_id
from tests.synthesis import Synthesized

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    published: Json = yaml.safe_load(OPENAPI.read_text())
    return published


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def contents(document: Json) -> Iterator[tuple[str, Json]]:
    """Where, and what of, each media type of a request or an answer."""
    for path, _, operation in operations(document):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{path} {name} {media_type}", content


@pytest.mark.parametrize("path", [OPENAPI, GUIDE], ids=lambda path: path.name)
def test_what_is_published_is_in_step_with_the_code(path: Any) -> None:
    expected = written()[path]
    assert path.read_text() == expected, f"docs/{path.name} is out of date: run `make docs`"


def test_the_description_is_valid_openapi(document: Json) -> None:
    validate(document)


def test_every_example_fits_its_schema(document: Json) -> None:
    shown = 0
    schemas = {json.loads(path.read_text())["title"]: path.stem for path in SCHEMAS.glob("*.json")}
    for where, content in contents(document):
        check = validator(schemas[content["schema"]["$ref"].rpartition("/")[2]])
        assert content["examples"], where
        for example in content["examples"].values():
            check(example["value"])
            shown += 1
    assert shown > 40


def test_every_schema_is_used(document: Json) -> None:
    used = {content["schema"]["$ref"].rpartition("/")[2] for _, content in contents(document)}
    assert used == set(document["components"]["schemas"])


def test_the_operations_are_those_of_the_api(document: Json, synthesized: Synthesized) -> None:
    deployed = {
        (synthesized.api_path(method), method["HttpMethod"].lower())
        for method in synthesized.properties("AWS::ApiGateway::Method")
    }
    told = {(path, method) for path, method, _ in operations(document)}
    assert told == deployed, "run `make docs`"


def test_the_guide_tells_of_every_operation() -> None:
    told = re.findall("^### ([A-Z]+ /.*)$", GUIDE.read_text(), re.M)
    expected = [f"{each.method} {each.path}" for each in OPERATIONS]
    assert told == expected, f"docs/{GUIDE.name}: a section for each operation, in that order"


def test_every_schema_is_an_operations() -> None:
    named = {each.request for each in OPERATIONS if each.request} | {
        answer.schema for each in OPERATIONS for answer in each.answers
    }
    files = {path.stem for path in SCHEMAS.glob("*.json")}
    assert files == {*named, "problem"}, "lambda_code/payments/schemas/: a file for each"


def test_the_examples_transaction_is_the_one_that_its_request_gets() -> None:
    request = examples.VALIDATE_REQUEST
    derived = transaction_id(request["merchant_id"], request["idempotency_key"])
    assert derived == examples.TRANSACTION_ID


def test_the_guides_json_is_the_descriptions() -> None:
    guide = GUIDE.read_text()
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.S)]
    sent = [json.loads(block) for block in re.findall(r"-d '(\{.*?\})'", guide, re.S)]
    assert sent == [examples.VALIDATE_REQUEST, examples.PROCESS_REQUEST]
    decision, problem = shown
    assert decision == examples.APPROVED
    validator("problem")(problem)


def test_the_guides_numbers_are_those_of_the_deployment() -> None:
    guide = GUIDE.read_text()
    assert f" {MAX_RECEIVES} tries" in guide
    assert f" {ProductionConfig().approval_validity_seconds // 60} minutes after the" in guide
    assert f" {LONGEST_BODY} bytes" in guide
