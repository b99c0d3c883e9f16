"""The queue of payments that were accepted (202) and are still to be posted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.logging import Logger

CORRELATION_ID: Final = "correlation_id"
"""The message attribute that holds the id of the API request."""

logger = Logger(child=True)


class RetryQueue:
    """Access to the queue with an SQS client; botocore's errors pass through."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, transaction_id: str, correlation_id: str) -> None:
        """Queue a payment.

        Args:
            correlation_id: of the API request, for the logs of its later tries.
        """
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=json.dumps({"transaction_id": transaction_id}),
            MessageAttributes={
                CORRELATION_ID: {"DataType": "String", "StringValue": correlation_id}
            },
        )

    def delay(self, waits: Mapping[str, int]) -> None:
        """Hide received messages for so many seconds.

        Args:
            waits: by receipt handle, at most ten (an SQS batch).
        """
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, (handle, seconds) in enumerate(waits.items())
        ]
        answer = self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        for failure in answer.get("Failed", []):
            logger.warning("a message's delay could not be set", extra={"code": failure["Code"]})

    def probe(self) -> None:
        self._client.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
