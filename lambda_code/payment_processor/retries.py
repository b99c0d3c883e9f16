"""Batches of the retry queue.

A message that fails is left on the queue: it comes again, later each time, until the queue's
redrive policy moves it to the dead-letter queue, where an alarm waits. Messages that can never
succeed (unreadable, unknown, declined) go the same way, but without waiting. None is dropped by
us, since somebody was told 202.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import uniform
from typing import Any, Final, Protocol

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from ledger.session import LedgerBusyError, LedgerUnavailableError
from payment_processor.retry_queue import CORRELATION_ID
from payments import metrics
from payments.identifiers import UUID_PATTERN
from payments.problems import Problem

# Seconds. After its n-th delivery failed, a message waits min(LONGEST, SHORTEST * 2 ** (n - 1)),
# of which the second half is random, so that what failed together does not come again together.
# With 14 deliveries the 13 waits add up to 5 + 10 + 20 + 40 + 80 + 160
# + 7 * 300 = 2415 s at most, and 1207 s at least: twice an outage of ten minutes, and ten
# times a Multi-AZ failover (60-120 s). After the outage a payment waits 5 minutes more at most.
SHORTEST: Final = 5
LONGEST: Final = 300
# Deliveries of a message before it is in the dead-letter queue: the queue's, which a test compares.
MAX_RECEIVES: Final = 14

logger = Logger(child=True)

Message = Mapping[str, Any]
BatchResponse = dict[str, list[dict[str, str]]]


class Delays(Protocol):
    """What is needed of payment_processor.retry_queue.RetryQueue."""

    def delay(self, waits: Mapping[str, int]) -> None: ...


class InvalidMessageError(Exception):
    """The message is not one of ours."""


def wait_seconds(receive_count: int) -> int:
    """How long a message waits after its delivery of that number (from 1 on) has failed."""
    longest = min(LONGEST, SHORTEST * 2 ** min(receive_count - 1, 16))
    return round(uniform(longest / 2, longest))  # noqa: S311 - no secret


def process_batch(
    records: Sequence[Message],
    process: Callable[[str], object],
    queue: Delays,
    has_time: Callable[[], bool],
) -> BatchResponse:
    """Process each message; report those that stay on the queue, and tell it for how long.

    Args:
        records: of an SQS event, bodies {"transaction_id": …}.
        process: posts one payment, or raises.
        has_time: asked before each message: is there time for it at its worst?
    """
    waits: dict[str, int] = {}  # by receipt handle
    failed: list[str] = []
    given_up = 0
    reachable = True
    for record in records:
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        wait = wait_seconds(receives)
        logger.set_correlation_id(_correlation_id(record))
        keys = {"message_id": record["messageId"], "receives": receives}
        transaction_id = _transaction_id(record["body"])
        if transaction_id:
            keys["transaction_id"] = transaction_id
        with logger.append_context_keys(**keys):
            try:
                if not transaction_id:
                    raise InvalidMessageError("the body names no transaction")  # nor is it repeated
                # Once the ledger is away, every further try would cost its time limit, and
                # together more than the function has.
                if not reachable:
                    logger.warning("queued payment not tried: the ledger is not available")
                elif not has_time():
                    logger.warning("queued payment not tried: no time is left")
                else:
                    process(transaction_id)
                    logger.info("queued payment posted")
                    continue
            except LedgerBusyError:
                # Somebody holds what this payment needs; others go on.
                logger.exception("queued payment not posted: the ledger is busy with it")
            except LedgerUnavailableError:
                logger.exception("the ledger is not available; the batch waits")
                reachable = False
            except (Problem, InvalidMessageError) as error:
                # Operators are told the code, and no exception's text.
                code = error.code if isinstance(error, Problem) else "unreadable_message"
                logger.exception("queued payment can never be posted", extra={"code": code})
                wait = 0
            except Exception:
                logger.exception("queued payment not posted")
        failed.append(record["messageId"])
        waits[record["receiptHandle"]] = wait
        given_up += receives >= MAX_RECEIVES
    if failed:
        metrics.count("PaymentsRetried", len(failed))
        _delay(queue, waits)
    if given_up:
        metrics.count("PaymentsGivenUp", given_up)
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _transaction_id(body: str) -> str | None:
    """The transaction that a message names, if it is one of ours."""
    with suppress(ValueError, TypeError, LookupError, RecursionError):
        transaction_id = json.loads(body)["transaction_id"]
        if re.fullmatch(UUID_PATTERN, transaction_id):
            return str(transaction_id)
    return None


def _correlation_id(record: Message) -> str:
    """The id of the API request that was answered 202, or the message's own."""
    sent = record.get("messageAttributes", {}).get(CORRELATION_ID, {})
    return str(sent.get("stringValue") or record["messageId"])


def _delay(queue: Delays, waits: Mapping[str, int]) -> None:
    try:
        queue.delay(waits)
    except (BotoCoreError, ClientError):
        # They come again after the queue's own visibility timeout.
        logger.exception("the messages' delays could not be set")
