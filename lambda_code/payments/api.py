"""API Gateway proxy events: which operation is asked for, what goes out, and errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from payments import metrics
from payments.contract import read_parameters, read_request
from payments.problems import Problem

ProxyResponse = dict[str, Any]
Endpoint = Callable[[dict[str, Any]], ProxyResponse]
"""Answers a request, which fits the operation's schema."""

_OPERATIONS: Final = {
    (known["method"], known["path"]): known
    for known in json.loads((Path(__file__).parent / "operations.json").read_text(encoding="utf-8"))
}


def serve(
    event: Mapping[str, Any], logger: Logger, endpoints: Mapping[str, Endpoint]
) -> ProxyResponse:
    """Answer one HTTP request; whatever happens, the client gets an answer it can read.

    The gateway's own request id is the correlation id: clients' headers are not trusted with it.

    Args:
        endpoints: the function's, by the operation's name in operations.json.
    """
    logger.set_correlation_id((event.get("requestContext") or {}).get("requestId"))
    response = _answer(logger, lambda: _call(event, endpoints))
    if response["statusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _count_failure()
    return response


def _call(event: Mapping[str, Any], endpoints: Mapping[str, Endpoint]) -> ProxyResponse:
    operation = _OPERATIONS.get((event.get("httpMethod"), event.get("resource")), {})
    endpoint = endpoints.get(operation.get("name"))
    if endpoint is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no_such_resource", "There is nothing at this address.")
    schema = operation.get("request")
    if schema is None:
        return endpoint({})
    read = read_parameters if operation["method"] == "GET" else read_request
    return endpoint(read(event, schema))


def _answer(logger: Logger, endpoint: Callable[[], ProxyResponse]) -> ProxyResponse:
    try:
        return endpoint()
    except Problem as problem:
        logger.info("request refused", extra={"code": problem.code})
        return _problem(problem)
    except (BotoCoreError, ClientError):
        logger.exception("an AWS service could not be used")
        return _problem(
            Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "service_unavailable",
                "What became of the request is not known. Send the same one again in a moment.",
            )
        )
    except Exception:
        logger.exception("unexpected error")
        return _problem(
            Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal_error",
                "We have been told. The same request may be sent again.",
            )
        )


def _count_failure() -> None:
    """Tells which version failed: the one that is being released is taken back.

    For Lambda itself a call that was answered is none that failed.
    """
    metrics.count("CallsFailed", version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"))


def respond(status: HTTPStatus, body: Mapping[str, Any]) -> ProxyResponse:
    """A JSON response."""
    return _response(status, body, "application/json")


def _problem(problem: Problem) -> ProxyResponse:
    return _response(problem.status, problem.body(), "application/problem+json")


def _response(status: HTTPStatus, body: Mapping[str, Any], content_type: str) -> ProxyResponse:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": json.dumps(body),
    }
