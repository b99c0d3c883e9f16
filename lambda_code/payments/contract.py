"""The API's contract: JSON Schemas in schemas/, which API Gateway's models are made of too."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

import fastjsonschema

from payments.card_numbers import contains_card_number
from payments.problems import FieldError, Problem

SCHEMAS = Path(__file__).parent / "schemas"

# Several times the longest request that the schemas allow, in bytes.
LONGEST_BODY = 4096


def read_request(event: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """Read the body of an API Gateway proxy event as the schema of that name wants it.

    Raises:
        Problem: 400, 413 or 415; its text never repeats a value of the request.
    """
    _check_media_type(event)
    return _checked(_parse(_body(event)), schema)


def read_parameters(event: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """Read the parameters in the path, as the schema of that name wants them.

    Raises:
        Problem: 400; its text never repeats a value of the request.
    """
    return _checked(event.get("pathParameters") or {}, schema)


def _checked(request: object, schema: str) -> dict[str, Any]:
    if contains_card_number(request):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "card_number_refused",
            "A field looks like a card number (13 to 19 digits). Send the payment method's token; "
            "use UUIDs as keys.",
        )
    try:
        validated: dict[str, Any] = validator(schema)(request)
    except fastjsonschema.JsonSchemaValuesException as invalid:
        _refuse([FieldError(_pointer(error), _detail(error)) for error in invalid.errors])
    return validated


@cache
def validator(schema: str) -> Callable[[object], Any]:
    """The compiled schema of that name; it raises JsonSchemaValuesException with every error."""
    definition = json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8"))
    return fastjsonschema.compile(definition, use_default=False, fast_fail=False)


def _check_media_type(event: Mapping[str, Any]) -> None:
    """Refuse what is announced as no JSON: API Gateway does not, it skips its validator then."""
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == "content-type":
            media_type = value.partition(";")[0].strip().lower()
            if media_type not in ("", "application/json"):
                raise Problem(
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_media_type",
                    "Send JSON, with Content-Type: application/json.",
                )


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, UnicodeEncodeError):
        _refuse([FieldError("", "must be base64, as announced, of UTF-8")])
    if len(raw) > LONGEST_BODY:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "request_too_large",
            f"The body is longer than {LONGEST_BODY} bytes.",
        )
    return raw


def _parse(raw: bytes) -> object:
    try:
        return json.loads(
            raw.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unambiguous
        )
    except (ValueError, RecursionError):
        _refuse([FieldError("", "must be a JSON document in UTF-8, without repeated names")])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")  # RFC 8259, section 6


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are unique (RFC 7493, section 2.3).

    Of a repeated name others may read another value than we do.
    """
    read = dict(members)
    if len(read) != len(members):
        raise ValueError("a name is repeated")
    return read


def _refuse(errors: list[FieldError]) -> NoReturn:
    raise Problem(
        HTTPStatus.BAD_REQUEST,
        "invalid_request",
        "The request does not have the form that the contract asks for.",
        errors,
    ) from None


def _pointer(error: fastjsonschema.JsonSchemaValueException) -> str:
    return "".join(f"/{step}" for step in error.path[1:])


def _detail(error: fastjsonschema.JsonSchemaValueException) -> str:
    if error.rule == "additionalProperties":
        return "must have no other members than the contract names"  # not even theirs are repeated
    if error.rule == "pattern":
        return f"must match {error.rule_definition}"
    _, _, text = error.message.partition(" ")
    return text
