"""payment-validator: what operations.json has it serve.

Environment: TRANSACTIONS_TABLE, APPROVAL_VALIDITY_SECONDS.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.logging import Logger

from payment_validator.logic import response, validate
from payments import cold_start
from payments.api import ProxyResponse, respond, serve
from payments.clients import impatient_client
from payments.history import History
from payments.moments import now

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> ProxyResponse:  # noqa: ARG001
    return serve(event, logger, {"validate": _validate})


def _validate(request: dict[str, Any]) -> ProxyResponse:
    validity = timedelta(seconds=int(os.environ["APPROVAL_VALIDITY_SECONDS"]))
    payment = validate(request, _history(), now(), validity)
    logger.append_keys(transaction_id=payment.transaction_id)
    logger.info("payment decided", extra={"decision": payment.state, "reasons": payment.reasons})
    return respond(HTTPStatus.OK, response(payment))


@cache
def _history() -> History:
    return History(impatient_client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])


if "TRANSACTIONS_TABLE" in os.environ:
    # While the sandbox starts, with more of a processor, and not in a client's first call.
    _history()
    cold_start.is_over()
