"""audit-logger: every change of payment-transactions becomes a line in the audit bucket.

Environment: AUDIT_BUCKET.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger

from audit_logger.bucket import AuditBucket
from audit_logger.records import audit_object
from payments.clients import client

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """Store a batch of the table's stream as one object; if that fails, the batch comes again
    from its first record on."""
    records = event["Records"]
    if not records:
        return {"batchItemFailures": []}
    try:
        batch = audit_object(records, event.get("shardId"))
        stored = _bucket().create(batch)
    except Exception:
        logger.exception("audit object not stored")
        first = records[0]["dynamodb"]["SequenceNumber"]
        return {"batchItemFailures": [{"itemIdentifier": first}]}
    anomalies = [record["eventID"] for record in records if record["eventName"] != "INSERT"]
    if anomalies:
        logger.critical("history was changed", extra={"event_ids": anomalies})
    message = "audit object stored" if stored else "audit object was stored before"
    logger.info(message, extra={"key": batch.key, "records": len(records)})
    return {"batchItemFailures": []}


@cache
def _bucket() -> AuditBucket:
    return AuditBucket(client("s3"), os.environ["AUDIT_BUCKET"])
