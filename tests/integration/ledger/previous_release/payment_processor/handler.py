"""payment-processor: POST /process, GET /status, the retry queue and the outbox sweep.

Environment: TRANSACTIONS_TABLE, RETRY_QUEUE_URL, LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE,
LEDGER_USER.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.logging import Logger
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.connection import LedgerAddress, connect
from ledger.posting import Ledger
from ledger.session import LedgerSession
from ledger.token import sign_in_token
from payment_processor import budget
from payment_processor.logic import Processor
from payment_processor.outbox import measure, sweep
from payment_processor.retries import process_batch
from payment_processor.retry_queue import RetryQueue
from payment_processor.status import OUTAGE, StatusReporter
from payments import metrics
from payments.api import ProxyResponse, respond, serve
from payments.clients import client, impatient_client, session
from payments.contract import read_request
from payments.history import History
from payments.moments import now
from payments.problems import Problem

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
        measure(_ledger())
        swept = sweep(_ledger(), _history(), has(budget.DELIVERY))
        logger.info("outbox swept", extra={"delivered": swept})
        return {"delivered": swept}
    return serve(event, logger, lambda: _route(event, has(budget.DELIVERY)))


def _route(event: dict[str, Any], may_deliver: Callable[[], bool]) -> ProxyResponse:
    route = (event.get("httpMethod"), event.get("resource"))
    if route == ("POST", "/process"):
        return _process(event, may_deliver)
    if route == ("GET", "/status"):
        return _status()
    raise Problem(HTTPStatus.NOT_FOUND, "no_such_resource", "There is nothing at this address.")


def _process(event: dict[str, Any], may_deliver: Callable[[], bool]) -> ProxyResponse:
    transaction_id = read_request(event, "process_request")["transaction_id"]
    logger.append_keys(transaction_id=transaction_id)
    entry = _processor().process(transaction_id, now(), _enqueue, may_deliver)
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


# What follows is made once a sandbox, when it is first needed.


@cache
def _processor() -> Processor:
    return Processor(_history(), _ledger(), _impatient_history())


@cache
def _history() -> History:
    return History(client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])


@cache
def _impatient_history() -> History:
    return History(impatient_client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])


@cache
def _retry_queue() -> RetryQueue:
    return RetryQueue(client("sqs"), os.environ["RETRY_QUEUE_URL"])


@cache
def _ledger() -> Ledger:
    return Ledger(LedgerSession(_connect_to_ledger))


@cache
def _status_reporter() -> StatusReporter:
    history = _impatient_history()
    queue = RetryQueue(impatient_client("sqs"), os.environ["RETRY_QUEUE_URL"])
    return StatusReporter(
        {
            "ledger": _ledger().probe,
            "transactions_table": history.probe,
            "retry_queue": queue.probe,
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
    )
