"""The retry queue as SQS keeps it: messages wait, come again, and end in the dead-letter queue."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from payment_processor.retries import MAX_RECEIVES, process_batch
from payment_processor.retry_queue import RetryQueue

from tests.environment import Environment
from tests.integration.money.world import sqs_record

TRANSACTION = "6311be72-496b-5539-8a88-da9b8e217493"


@pytest.fixture
def client(environment: Environment) -> Any:
    return environment.client("sqs")


@pytest.fixture
def dead_letters(client: Any) -> str:
    url: str = client.create_queue(QueueName=f"dead-{uuid.uuid4().hex}")["QueueUrl"]
    return url


@pytest.fixture
def url(client: Any, dead_letters: str) -> str:
    arn = client.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": str(MAX_RECEIVES),
    }
    url: str = client.create_queue(
        QueueName=f"retry-{uuid.uuid4().hex}",
        Attributes={"VisibilityTimeout": "180", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    return url


def deliver(client: Any, url: str) -> list[Any]:
    """A batch as Lambda hands it over."""
    received = client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        MessageAttributeNames=["All"],
    )
    return [sqs_record(message) for message in received.get("Messages", [])]


def counts(client: Any, url: str) -> tuple[int, int]:
    """How many messages wait, and how many are hidden."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def fail(_: str) -> None:
    raise RuntimeError


def test_a_failed_payment_waits_hidden_with_its_correlation_id(client: Any, url: str) -> None:
    queue = RetryQueue(client, url)
    queue.send(TRANSACTION, "gateway-request")
    batch = deliver(client, url)
    assert batch[0]["messageAttributes"]["correlation_id"]["stringValue"] == "gateway-request"
    response = process_batch(batch, fail, queue, lambda: True)
    assert response == {"batchItemFailures": [{"itemIdentifier": batch[0]["messageId"]}]}
    assert counts(client, url) == (0, 1)


def test_a_message_that_can_never_be_posted_is_soon_in_the_dead_letter_queue(
    client: Any, url: str, dead_letters: str
) -> None:
    client.send_message(QueueUrl=url, MessageBody="unreadable")
    for receives in range(1, MAX_RECEIVES + 1):
        batch = deliver(client, url)
        assert batch[0]["attributes"]["ApproximateReceiveCount"] == str(receives)
        process_batch(batch, fail, RetryQueue(client, url), lambda: True)
    assert deliver(client, url) == []
    assert counts(client, dead_letters) == (1, 0)
