"""audit-logger: every change of payment-transactions becomes a line in the audit bucket.

Environment: AUDIT_BUCKET, AUDIT_KEY_ARN.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger

from audit_logger.records import sequence_number
from audit_logger.trail import AuditTrail
from payments import cold_start, metrics
from payments.clients import LONGEST_CALL, client

# What one more request to S3 may take, in milliseconds.
TRY_MS = LONGEST_CALL * 1000

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Store a batch of the table's stream as one object of the audit trail.

    What fails is raised, so that it counts as an error of the function; then the whole batch
    comes again, or its halves.
    """
    records = event["Records"]
    if not records:
        return {"batchItemFailures": []}
    # A batch has no name of its own; its first record's is in the object too.
    logger.set_correlation_id(records[0]["eventID"])
    logger.append_keys(first_sequence_number=sequence_number(records[0]))
    try:
        link = _trail().append(records, lambda: context.get_remaining_time_in_millis() > TRY_MS)
    except Exception:
        logger.exception("records not audited", extra={"records": len(records)})
        raise
    if link is None:
        logger.info("records were audited before", extra={"records": len(records)})
        return {"batchItemFailures": []}
    # An independent witness: the verifier can be told that the trail must contain this.
    witness = {"key": link.key, "link_sha256": link.digest}
    stored = int(link.metadata["record-count"])
    logger.info("records audited", extra={**witness, "records": stored})
    metrics.count("RecordsAudited", stored)
    anomalies = [record["eventID"] for record in records if record["eventName"] != "INSERT"]
    if anomalies:
        logger.critical("history was changed", extra={"event_ids": anomalies})
        metrics.count("HistoryChanged", len(anomalies))
    return {"batchItemFailures": []}


@cache
def _trail() -> AuditTrail:
    return AuditTrail(client("s3"), os.environ["AUDIT_BUCKET"], os.environ["AUDIT_KEY_ARN"])


if "AUDIT_BUCKET" in os.environ:
    _trail()  # while the sandbox starts, with more of a processor
    cold_start.is_over()
