"""One version of a function, called with a request that moves no money."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from release_test.shift import Shift

REQUESTS: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    # The contract refuses it (400) before the table is asked.
    "payment-validator": (
        {"httpMethod": "POST", "resource": "/validate", "body": "{}"},
        "statusCode",
    ),
    # Signs in to the ledger, and looks at the table and the queue.
    "payment-processor": ({"httpMethod": "GET", "resource": "/status"}, "statusCode"),
    # A batch without a record: nothing is written.
    "audit-logger": ({"Records": []}, "batchItemFailures"),
}
"""By function: the request, and what every answer to its like has."""

TRIES, PAUSE = 5, 3.0
"""For a version that Lambda has not made ready yet, or has no execution left for; seconds."""

_NOT_YET: Final = ("ResourceConflictException", "ResourceNotReadyException")
_BUSY: Final = ("TooManyRequestsException", "ServiceException", "EC2ThrottledException")

logger = Logger(child=True)


def works(lambda_: Any, shift: Shift) -> bool:
    """Whether the new version answers, or the one in service does not answer either."""
    name = shift.function
    return _answers(lambda_, name, shift.target) or not _answers(lambda_, name, shift.current)


def _answers(lambda_: Any, name: str, version: str) -> bool:
    extra: dict[str, Any] = {"function": name, "version": version}
    request, member = REQUESTS[name]
    try:
        answer = _invoked(lambda_, name, version, json.dumps(request))
        payload = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        logger.warning("version not tried", extra={**extra, "reason": str(error)})
        return False
    told = payload if isinstance(payload, dict) else {}
    status = told.get("statusCode", 0)
    good = "FunctionError" not in answer and member in told and status < 500
    extra |= {"error": answer.get("FunctionError"), "status": status, "good": good}
    logger.info("version tried", extra=extra)
    return good


def _invoked(lambda_: Any, name: str, version: str, request: str) -> Any:
    for attempt in range(1, TRIES + 1):
        try:
            return lambda_.invoke(FunctionName=name, Qualifier=version, Payload=request)
        except ClientError as error:
            passing = error.response["Error"]["Code"] in (*_NOT_YET, *_BUSY)
            if not passing or attempt == TRIES:
                raise
            time.sleep(PAUSE)
    raise AssertionError("the last attempt returns or raises")
