"""payment-processor: what operations.json has it serve, the retry queue and the outbox sweep.

Environment: TRANSACTIONS_TABLE, RETRY_QUEUE_URL, LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE,
LEDGER_USER.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from time import time
from typing import Any

from aws_lambda_powertools.logging import Logger
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.connection import LedgerAddress, connect
from ledger.posting import Ledger
from ledger.session import LedgerSession, LedgerUnavailableError
from ledger.token import sign_in_token
from payment_processor import budget
from payment_processor.logic import Processor
from payment_processor.outbox import check_balance, measure, sweep
from payment_processor.retries import process_batch
from payment_processor.retry_queue import RetryQueue
from payment_processor.status import OUTAGE, StatusReporter
from payments import cold_start, metrics
from payments.api import ProxyResponse, respond, serve
from payments.clients import impatient_client, session
from payments.history import History

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    def has(seconds: float) -> Callable[[], bool]:
        return lambda: context.get_remaining_time_in_millis() / 1000 >= seconds

    if "Records" in event:
        return process_batch(
            event["Records"],
            lambda transaction_id: _processor().process_queued(
                transaction_id, has(budget.DELIVERY + budget.DELAY)
            ),
            _retry_queue(),
            has(budget.MESSAGE),
        )
    if event.get("task") == "sweep-outbox":
        logger.set_correlation_id(context.aws_request_id)
        try:
            return _sweep(has)
        except LedgerUnavailableError:
            # The next sweep comes in a minute, and this one has nothing to set aside. While none
            # reports the outbox's age, an alarm tells it.
            logger.exception("outbox not swept: the ledger is not available")
            return {"delivered": 0}
    unawaited = _unawaited(event, context)
    return serve(
        event,
        logger,
        {
            "process": lambda request: _process(request, lambda left: has(left + unawaited)),
            "status": lambda _: _status(),
        },
    )


def _unawaited(event: dict[str, Any], context: Any) -> float:
    """The seconds at the end of the function's time in which nobody waits for its answer any more.

    API Gateway waits from when it got the request: before the sandbox was started.
    """
    got = (event.get("requestContext") or {}).get("requestTimeEpoch")  # ms since 1970
    age = time() - got / 1000 if isinstance(got, int) else budget.COLD_START
    if not -1 <= age < budget.GATEWAY:  # one of the two clocks is wrong
        age = budget.COLD_START
    awaited = budget.GATEWAY - max(age, 0.0)
    return max(0.0, float(context.get_remaining_time_in_millis()) / 1000 - awaited)


def _sweep(has: Callable[[float], Callable[[], bool]]) -> dict[str, Any]:
    measure(_ledger())
    swept = sweep(_ledger(), _history(), has(budget.DELIVERY))
    logger.info("outbox swept", extra={"delivered": swept})
    if has(budget.LEDGER)():
        check_balance(_ledger())
    return {"delivered": swept}


def _process(request: dict[str, Any], has: Callable[[float], Callable[[], bool]]) -> ProxyResponse:
    transaction_id = request["transaction_id"]
    logger.append_keys(transaction_id=transaction_id)
    entry = _processor().process(
        transaction_id, _enqueue, has(budget.DELIVERY), has(budget.POSTING)
    )
    if entry is None:
        logger.warning("payment queued")
        metrics.count("PaymentsQueued")
        return respond(HTTPStatus.ACCEPTED, {"transaction_id": transaction_id, "status": "queued"})
    logger.info("payment posted", extra={"entry_id": entry.entry_id})
    return respond(
        HTTPStatus.OK,
        {
            "transaction_id": transaction_id,
            "status": "posted",
            "entry": {
                "entry_id": entry.entry_id,
                "posted_at": entry.posted_at,
                "postings": entry.postings,
            },
        },
    )


def _enqueue(transaction_id: str) -> None:
    _retry_queue().send(transaction_id, logger.get_correlation_id() or transaction_id)


def _status() -> ProxyResponse:
    report = _status_reporter().report()
    down = report["status"] == OUTAGE
    return respond(HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK, report)


# What follows is made once a sandbox.


@cache
def _processor() -> Processor:
    return Processor(_history(), _ledger())


@cache
def _history() -> History:
    return History(impatient_client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])


@cache
def _retry_queue() -> RetryQueue:
    return RetryQueue(impatient_client("sqs"), os.environ["RETRY_QUEUE_URL"])


@cache
def _ledger() -> Ledger:
    return Ledger(LedgerSession(_connect_to_ledger))


@cache
def _status_reporter() -> StatusReporter:
    return StatusReporter(
        {
            "ledger": _ledger().probe,
            "transactions_table": _history().probe,
            "retry_queue": _retry_queue().probe,
        }
    )


def _connect_to_ledger() -> Connection:
    address = LedgerAddress.from_environment(os.environ)
    user = os.environ["LEDGER_USER"]
    return connect(
        address,
        user,
        sign_in_token(session(), address, user),
        budget.LEDGER_SILENCE,
        opening_timeout=budget.LEDGER_OPENING_SILENCE,
        settings=budget.LEDGER_SESSION,
    )


if "TRANSACTIONS_TABLE" in os.environ:
    # While the sandbox starts, with more of a processor, and not in a client's first call.
    _processor(), _retry_queue()
    cold_start.is_over()
