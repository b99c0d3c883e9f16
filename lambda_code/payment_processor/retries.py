"""Batches of the retry queue.

A message that fails is left on the queue: it comes again until the queue's redrive policy moves it
to the dead-letter queue, where an alarm waits. That includes messages that can never succeed
(unreadable, unknown, declined): each try is logged as an error, and none is dropped by us, since
somebody was told 202.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger

from ledger.session import LedgerUnavailableError

logger = Logger(child=True)

BatchResponse = dict[str, list[dict[str, str]]]


def process_batch(
    records: list[Mapping[str, Any]], process: Callable[[str], object]
) -> BatchResponse:
    """Process each message; report those that stay on the queue.

    Args:
        records: of an SQS event, bodies {"transaction_id": …}.
        process: posts one payment, or raises.
    """
    failed: list[str] = []
    reachable = True
    for record in records:
        about = {"message_id": record["messageId"]}
        # Once the ledger is away, every further try would cost its time limit, and together
        # more than the function has.
        try:
            if reachable:
                about["transaction_id"] = str(json.loads(record["body"])["transaction_id"])
                process(about["transaction_id"])
                logger.info("queued payment posted", extra=about)
                continue
        except LedgerUnavailableError:
            logger.exception("the ledger is not available; the batch waits", extra=about)
            reachable = False
        except Exception:
            logger.exception("queued payment not posted", extra=about)
        failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
