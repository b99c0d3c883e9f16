"""What /status asks of table and queue leaves nothing there, and fails where they refuse."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from payment_processor.retry_queue import RetryQueue

from payments.history import History
from tests.environment import Environment
from tests.integration.money.stores import HISTORY


@pytest.fixture
def table(environment: Environment) -> Any:
    dynamodb, name = environment.client("dynamodb"), f"history-{uuid.uuid4().hex}"
    dynamodb.create_table(TableName=name, **HISTORY)
    return name


def test_the_table_is_asked_for_a_write_that_is_not_done(
    environment: Environment, table: str
) -> None:
    dynamodb = environment.client("dynamodb")
    History(dynamodb, table).probe()
    assert dynamodb.scan(TableName=table)["Items"] == []
    with pytest.raises(ClientError, match="ResourceNotFound"):
        History(dynamodb, "nowhere").probe()


def test_the_queue_is_asked_to_take_a_message_that_it_does_not_take(
    environment: Environment,
) -> None:
    sqs = environment.client("sqs")
    url = sqs.create_queue(QueueName=f"retry-{uuid.uuid4().hex}")["QueueUrl"]
    RetryQueue(sqs, url).probe()
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    waiting = {name: count for name, count in counts.items() if "NumberOfMessages" in name}
    assert set(waiting.values()) == {"0"}
    with pytest.raises(ClientError, match="NonExistentQueue"):
        RetryQueue(sqs, f"{url}-gone").probe()
