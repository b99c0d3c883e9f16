"""I5: a card number, wherever it is in a request, reaches no log, no item and no answer."""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import json
import logging
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import payment_processor.handler
import payment_validator.handler
import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_processor.logic import Processor

from assurance.api_docs import examples
from building_blocks.operations import OPERATIONS
from payments import api
from tests.functions.lambda_context import CONTEXT
from tests.functions.test_card_numbers import SCRIPTS, card_numbers
from tests.functions.test_contract import REQUEST
from tests.functions.test_payment_processor import FakeHistory, FakeLedger
from tests.functions.test_payment_validator import Store

HANDLERS = {
    each.path: importlib.import_module(f"{each.function.replace('-', '_')}.handler").handle
    for each in OPERATIONS
}
REQUESTS = {
    each.path: next(iter(examples.of(each.name, "request").values()))
    for each in OPERATIONS
    if each.body
}

# Not mostly zeros, which a moment or an id may have too.
numbers = card_numbers().filter(lambda digits: len(set(digits)) > 2)
letters = st.text("abcXYZ", max_size=4)


@dataclass
class Functions:
    """Both functions of the API on fakes, and everything that they let out."""

    store: Store
    output: io.StringIO

    def call(self, resource: str, body: str, **event: Any) -> dict[str, Any]:
        handler: Callable[..., dict[str, Any]] = HANDLERS[resource]
        proxy_event = {
            "httpMethod": "POST",
            "resource": resource,
            "path": resource,
            "headers": {"Content-Type": "application/json"},
            "body": body,
            "requestContext": {"requestId": "gateway-request"},
        } | event
        with contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(self.output):
            response = handler(proxy_event, CONTEXT)
        self.output.write(json.dumps(response, ensure_ascii=False))
        return response

    def let_out(self) -> str:
        """Logs, answers and what is stored."""
        return self.output.getvalue() + repr(self.store.requests)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def call(patch: pytest.MonkeyPatch) -> Iterator[Callable[[], Functions]]:
    """Makes the functions anew, with nothing stored and nothing logged."""
    handler = payment_validator.handler.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.stream
    patch.setenv("APPROVAL_VALIDITY_SECONDS", "900")
    queue = type("Queue", (), {"send": lambda *_: None})()
    processor = Processor(FakeHistory(), FakeLedger())
    patch.setattr(payment_processor.handler, "_processor", lambda: processor)
    patch.setattr(payment_processor.handler, "_retry_queue", lambda: queue)

    def fresh() -> Functions:
        functions = Functions(Store(), io.StringIO())
        handler.setStream(functions.output)
        patch.setattr(payment_validator.handler, "_history", lambda: functions.store)
        return functions

    yield fresh
    handler.setStream(before)


def digits(text: str) -> str:
    """All digits of a text, of any script, without what stands between them."""
    normal = unicodedata.normalize("NFKC", text)
    return "".join(str(int(character)) for character in normal if character.isdecimal())


@st.composite
def written(draw: st.DrawFn, number: str) -> str:
    """The number as people may write it: grouped, in another script, within a word."""
    script = SCRIPTS[draw(st.sampled_from(sorted(SCRIPTS)))]
    separator = draw(st.sampled_from(["", " ", "-", ".", "\u00a0", "\u200b"]))
    shown = [draw(st.sampled_from([digit, script[int(digit)]])) for digit in number]
    return draw(letters) + separator.join(shown) + draw(letters)


@st.composite
def spoilt_request(draw: st.DrawFn) -> tuple[str, str, str]:
    """Path, the card number, and a JSON document with it anywhere."""
    path = draw(st.sampled_from(sorted(REQUESTS)))
    number = draw(numbers)
    text = draw(written(number))
    body: dict[str, Any] = dict(REQUESTS[path])
    value: Any = draw(st.sampled_from([text, int(number), [text], {"a": {text: None}}, {text: 1}]))
    match draw(st.sampled_from(["member", "another member", "name", "whole", "list"])):
        case "member":
            body[draw(st.sampled_from(sorted(body)))] = value
        case "another member":
            body["note"] = value
        case "name":
            body[text] = draw(st.none() | st.booleans())
        case "whole":
            return path, number, _json(draw, value)
        case "list":
            return path, number, _json(draw, [body, value])
    return path, number, _json(draw, body)


def _json(draw: st.DrawFn, document: object) -> str:
    """Written with or without escapes for what is not ASCII."""
    return json.dumps(document, ensure_ascii=draw(st.booleans()))


@given(spoilt_request(), st.booleans())
def test_a_card_number_is_refused_and_let_out_nowhere(
    call: Callable[[], Functions], spoilt: tuple[str, str, str], in_base64: bool
) -> None:
    path, number, body = spoilt
    functions = call()
    if in_base64:
        response = functions.call(
            path, base64.b64encode(body.encode()).decode(), isBase64Encoded=True
        )
    else:
        response = functions.call(path, body)
    assert response["statusCode"] == 400
    assert json.loads(response["body"])["code"] == "card_number_refused"
    assert number not in digits(functions.let_out())
    assert functions.store.requests == {}


@given(spoilt_request())
def test_every_character_may_be_escaped(
    call: Callable[[], Functions], spoilt: tuple[str, str, str]
) -> None:
    path, number, body = spoilt
    escaped = _escape_strings(json.loads(body))
    functions = call()
    response = functions.call(path, escaped)
    if len(escaped) > 4096:
        assert response["statusCode"] == 413
    else:
        assert json.loads(response["body"])["code"] == "card_number_refused"
    assert number not in digits(functions.let_out())


@given(spoilt_request(), st.data())
def test_broken_json_lets_nothing_out(
    call: Callable[[], Functions], spoilt: tuple[str, str, str], data: st.DataObject
) -> None:
    path, number, body = spoilt
    at = data.draw(st.integers(0, len(body)))
    garbage = data.draw(st.text(min_size=1, max_size=5))
    broken = data.draw(
        st.sampled_from([body[:at], body[at:], body[:at] + garbage + body[at:], body * 2])
    )
    functions = call()
    assert functions.call(path, broken)["statusCode"] == 400
    assert number not in digits(functions.let_out())
    assert functions.store.requests == {}


@given(spoilt_request(), st.sampled_from(["text/plain", "multipart/form-data", "image/png"]))
def test_a_body_of_another_type_lets_nothing_out(
    call: Callable[[], Functions], spoilt: tuple[str, str, str], media_type: str
) -> None:
    path, number, body = spoilt
    functions = call()
    assert functions.call(path, body, headers={"Content-Type": media_type})["statusCode"] == 415
    assert number not in digits(functions.let_out())


@given(numbers.flatmap(lambda number: st.tuples(st.just(number), written(number))))
def test_of_a_repeated_name_neither_value_is_let_out(
    call: Callable[[], Functions], spelled: tuple[str, str]
) -> None:
    number, text = spelled
    body = json.dumps(REQUEST)[:-1] + f', "reference": {json.dumps(text)}, "reference": "ok"}}'
    functions = call()
    assert functions.call("/validate", body)["statusCode"] == 400
    assert number not in digits(functions.let_out())


@given(numbers.flatmap(lambda number: st.tuples(st.just(number), written(number))))
def test_what_stands_around_the_body_is_not_let_out(
    call: Callable[[], Functions], spelled: tuple[str, str]
) -> None:
    number, text = spelled
    functions = call()
    response = functions.call(
        "/validate",
        json.dumps(REQUEST),
        path=f"/validate/{text}",
        headers={"User-Agent": text, text: text, "Content-Type": f"application/json; a={text}"},
        queryStringParameters={text: text},
        pathParameters={"proxy": text},
    )
    assert response["statusCode"] == 200
    assert number not in digits(functions.let_out())


@given(numbers.flatmap(lambda number: st.tuples(st.just(number), written(number))))
def test_a_card_number_in_a_path_is_refused_and_let_out_nowhere(
    patch: pytest.MonkeyPatch, call: Callable[[], Functions], spelled: tuple[str, str]
) -> None:
    number, text = spelled
    functions = call()
    with patch.context() as within:
        operation = {"name": "process", "method": "GET", "request": "process_request"}
        within.setitem(api._OPERATIONS, ("GET", "/process"), operation)
        response = functions.call(
            "/process", "", httpMethod="GET", pathParameters={"transaction_id": text}
        )
    assert response["statusCode"] == 400
    assert json.loads(response["body"])["code"] == "card_number_refused"
    assert number not in digits(functions.let_out())


def _escape_strings(document: object) -> str:
    """The document's JSON, every character of its strings as ``\\uXXXX``."""
    if isinstance(document, str):
        units = document.encode("utf-16-be").hex()
        return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'
    if isinstance(document, dict):
        members = (f"{_escape_strings(k)}:{_escape_strings(v)}" for k, v in document.items())
        return "{" + ",".join(members) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(_escape_strings, document)) + "]"
    return json.dumps(document)
