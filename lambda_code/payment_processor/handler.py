"""payment-processor: POST /process, GET /status, the retry queue and the outbox sweep.

Environment: TRANSACTIONS_TABLE, RETRY_QUEUE_URL, LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE,
LEDGER_USER.
"""

from __future__ import annotations

import os
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.logging import Logger
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.connection import LedgerAddress, connect
from ledger.posting import Ledger
from ledger.session import LedgerSession
from payment_processor.logic import Processor
from payment_processor.outbox import sweep
from payment_processor.retries import process_batch
from payment_processor.retry_queue import RetryQueue
from payment_processor.status import OUTAGE, StatusReporter
from payments.api import ProxyResponse, respond, serve
from payments.clients import client, impatient_client
from payments.contract import read_request
from payments.history import History
from payments.moments import now
from payments.problems import Problem

# Seconds without an answer after which the ledger counts as unreachable. Opening a connection and
# a statement together wait for it four times at worst: well below the function's 30 s.
LEDGER_TIMEOUT = 3.0
# What may still be to do, in milliseconds, when the sweep takes up one event more: the table's and
# the ledger's time limits.
SWEEP_RESERVE_MS = 20_000

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "Records" in event:
        return process_batch(event["Records"], _processor().process_queued)
    if event.get("task") == "sweep-outbox":
        swept = sweep(
            _ledger(),
            _history(),
            lambda: context.get_remaining_time_in_millis() > SWEEP_RESERVE_MS,
        )
        logger.info("outbox swept", extra={"delivered": swept})
        return {"delivered": swept}
    return serve(event, logger, lambda: _route(event))


def _route(event: dict[str, Any]) -> ProxyResponse:
    route = (event.get("httpMethod"), event.get("resource"))
    if route == ("POST", "/process"):
        return _process(event)
    if route == ("GET", "/status"):
        return _status()
    raise Problem(HTTPStatus.NOT_FOUND, "no_such_resource", "There is nothing at this address.")


def _process(event: dict[str, Any]) -> ProxyResponse:
    transaction_id = read_request(event, "process_request")["transaction_id"]
    logger.append_keys(transaction_id=transaction_id)
    entry = _processor().process(transaction_id, now(), _retry_queue().send)
    if entry is None:
        logger.warning("payment queued")
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


def _status() -> ProxyResponse:
    report = _status_reporter().report()
    down = report["status"] == OUTAGE
    return respond(HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK, report)


# What follows is made once a sandbox, when it is first needed.


@cache
def _processor() -> Processor:
    return Processor(_history(), _ledger())


@cache
def _history() -> History:
    return History(client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])


@cache
def _retry_queue() -> RetryQueue:
    return RetryQueue(client("sqs"), os.environ["RETRY_QUEUE_URL"])


@cache
def _ledger() -> Ledger:
    return Ledger(LedgerSession(_connect_to_ledger))


@cache
def _status_reporter() -> StatusReporter:
    history = History(impatient_client("dynamodb"), os.environ["TRANSACTIONS_TABLE"])
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
    # Signed here, without a call; good for 15 minutes, and needed at sign-in only.
    token = _rds().generate_db_auth_token(
        DBHostname=address.host, Port=address.port, DBUsername=user
    )
    return connect(address, user, token, LEDGER_TIMEOUT)


@cache
def _rds() -> Any:
    return client("rds")
