"""The OpenAPI description, from the JSON Schemas, the table of codes and the examples.

OpenAPI 3.0.3: its schemas are those of JSON Schema draft 4, which API Gateway wants, and client
generators know it best.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import yaml

from assurance.api_docs import codes, examples
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
        "paths": {
            "/validate": {"post": _validate()},
            "/process": {"post": _process()},
            "/status": {"get": _status()},
        },
        "components": {
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": dict(sorted(_schema(path.stem) for path in SCHEMAS.glob("*.json"))),
        },
    }


def text() -> str:
    """The description as YAML."""
    return _HEADER + yaml.dump(
        document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100
    )


def _validate() -> Json:
    return {
        "operationId": "validate",
        "summary": "Decide whether a payment is approved",
        "description": (
            "The same merchant and idempotency key always get the same transaction and decision; "
            "with other content they get 409."
        ),
        "requestBody": _request("validate_request", payment=examples.VALIDATE_REQUEST),
        "responses": _responses(
            "validate",
            {
                "200": _answer(
                    "The payment is approved or declined.",
                    "validate_response",
                    approved=examples.APPROVED,
                    declined=examples.DECLINED,
                )
                | {
                    "links": {
                        "Process": {
                            "operationId": "process",
                            "description": "Process the payment, if it is approved.",
                            "requestBody": {"transaction_id": "$response.body#/transaction_id"},
                        }
                    }
                },
            },
        ),
    }


def _process() -> Json:
    return {
        "operationId": "process",
        "summary": "Post an approved payment to the ledger, once",
        "description": "However often it is asked for, the payment has one entry in the ledger.",
        "requestBody": _request("process_request", payment=examples.PROCESS_REQUEST),
        "responses": _responses(
            "process",
            {
                "200": _answer(
                    "The payment is in the ledger.", "process_response", posted=examples.POSTED
                ),
                "202": _answer(
                    "The ledger cannot be reached now. The payment is accepted and will be posted.",
                    "process_queued_response",
                    queued=examples.QUEUED,
                ),
            },
        ),
    }


def _status() -> Json:
    return {
        "operationId": "status",
        "summary": "The state of what payments need",
        "responses": _responses(
            "status",
            {
                "200": _answer(
                    "Payments can be accepted.",
                    "status_response",
                    operational=examples.OPERATIONAL,
                    degraded=examples.DEGRADED,
                ),
                "503": _answer(
                    "Payments cannot be accepted.", "status_response", outage=examples.OUTAGE
                ),
            },
        ),
    }


def _request(schema: str, **shown: examples.Example) -> Json:
    return {"required": True, "content": _content("application/json", schema, shown)}


def _answer(description: str, schema: str, **shown: examples.Example) -> Json:
    return {"description": description, "content": _content("application/json", schema, shown)}


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
        shown = {one.code: _problem(one) for one in known}
        told = [f"`{one.code}`: {one.meaning} {one.advice}" for one in known]
        answer = responses.setdefault(status, {"description": "", "content": {}})
        own = [answer["description"]] if answer["description"] else []
        answer["description"] = "\n\n".join(own + told)
        answer["content"] |= _content("application/problem+json", "problem", shown)
    return dict(sorted(responses.items()))


def _problem(known: codes.Code) -> examples.Example:
    return known.problem(examples.INVALID_FIELDS if known.code == "invalid_request" else None)


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
