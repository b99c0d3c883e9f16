"""The OpenAPI description, from the tables of operations and codes, the schemas and the examples.

OpenAPI 3.0.3: its schemas are those of JSON Schema draft 4, which API Gateway wants, and client
generators know it best.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import yaml

from assurance.api_docs import codes, examples
from building_blocks.operations import OPERATIONS, Answer, Operation
from payments.contract import SCHEMAS

Json = dict[str, Any]

_DESCRIPTION = """\
Validates payments and posts approved ones to a double-entry ledger, exactly once.

Amounts are integers in the currency's minor unit (ISO 4217). Errors are problem details
(RFC 9457) with a stable `code`. Every request may be repeated unchanged: nothing is done twice.
States, guarantees and advice on retries: docs/payments.md.
"""
_HEADER = "# Made by `make docs` from lambda_code/payments and assurance/api_docs/. Do not edit.\n"


def document() -> Json:
    """The whole description."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "Payments", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [
            {
                "url": "https://{api_id}.execute-api.us-east-1.amazonaws.com/prod",
                "description": "The output ApiUrl of the stack PaymentsProd",
                "variables": {"api_id": {"default": "api-id"}},
            }
        ],
        "security": [{"ApiKey": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": dict(sorted(map(_schema, _bodies()))),
        },
    }


def text() -> str:
    """The description as YAML."""
    return _HEADER + yaml.dump(
        document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100
    )


def _bodies() -> set[str]:
    """The schemas of requests and answers, but for those of parameters."""
    answers = {answer.schema for each in OPERATIONS for answer in each.answers}
    return {"problem"} | answers | {each.body for each in OPERATIONS if each.body}


def _paths() -> Json:
    paths: Json = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return paths


def _operation(operation: Operation) -> Json:
    told: Json = {"operationId": operation.name, "summary": operation.summary}
    if operation.description:
        told["description"] = operation.description
    if operation.parameters:
        told["parameters"] = _parameters(operation)
    if operation.body:
        shown = examples.of(operation.name, "request")
        content = _content("application/json", operation.body, shown)
        told["requestBody"] = {"required": True, "content": content}
    answers = {str(each.status): _answer(operation, each) for each in operation.answers}
    return told | {"responses": _responses(operation.name, answers)}


def _parameters(operation: Operation) -> list[Json]:
    schemas = operation.schema()["properties"]
    (example,) = examples.of(operation.name, "request").values()
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas[name],
            "example": example[name],
        }
        for name in operation.parameters
    ]


def _answer(operation: Operation, answer: Answer) -> Json:
    shown = examples.of(operation.name, str(answer.status))
    told = {
        "description": answer.meaning,
        "content": _content("application/json", answer.schema, shown),
    }
    return told | ({"links": answer.links} if answer.links else {})


def _content(media_type: str, schema: str, shown: dict[str, examples.Example]) -> Json:
    name, _ = _schema(schema)
    return {
        media_type: {
            "schema": {"$ref": f"#/components/schemas/{name}"},
            "examples": {case: {"value": value} for case, value in shown.items()},
        }
    }


def _responses(operation: str, answers: Json) -> Json:
    """The operation's own answers and its problems, by status."""
    responses = dict(answers)
    for status, group in groupby(codes.of(operation), key=lambda known: str(known.status)):
        known = list(group)
        fields = {"invalid_request": examples.INVALID_FIELDS}
        shown = {one.code: one.problem(fields.get(one.code)) for one in known}
        told = [f"`{one.code}`: {one.meaning} {one.advice}" for one in known]
        answer = responses.setdefault(status, {"description": "", "content": {}})
        own = [answer["description"]] if answer["description"] else []
        answer["description"] = "\n\n".join(own + told)
        answer["content"] |= _content("application/problem+json", "problem", shown)
    return dict(sorted(responses.items()))


def _schema(name: str) -> tuple[str, Json]:
    """A schema's title, by which it is known here, and the schema."""
    schema: Json = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    del schema["$schema"]
    return str(schema.pop("title")), schema


class _Plain(yaml.SafeDumper):
    """Every value where it is used, without YAML's anchors, and longer texts as blocks."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Plain.add_representer(str, _string)
