"""The queue of payments that were accepted (202) and are still to be posted."""

from __future__ import annotations

import json
from typing import Any


class RetryQueue:
    """Access to the queue with an SQS client; botocore's errors pass through."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, transaction_id: str) -> None:
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"transaction_id": transaction_id})
        )

    def probe(self) -> None:
        self._client.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
