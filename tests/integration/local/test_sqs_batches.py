"""SQS authorizes a batch by the single action, for which alone IAM has a name."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.environment import Environment
from tests.probe import Probe, make_role


@pytest.fixture
def queue(environment: Environment) -> str:
    name = f"queue-{uuid.uuid4().hex[:8]}"
    return str(environment.client("sqs").create_queue(QueueName=name)["QueueUrl"])


ENTRIES: dict[str, dict[str, Any]] = {
    "sqs:SendMessage": {"Id": "1", "MessageBody": "{}"},
    "sqs:DeleteMessage": {"Id": "1", "ReceiptHandle": "any"},
    "sqs:ChangeMessageVisibility": {"Id": "1", "ReceiptHandle": "any", "VisibilityTimeout": 1},
}
OPERATIONS = {
    "sqs:SendMessage": "send_message_batch",
    "sqs:DeleteMessage": "delete_message_batch",
    "sqs:ChangeMessageVisibility": "change_message_visibility_batch",
}


@pytest.mark.parametrize("action", ENTRIES)
def test_a_batch_needs_the_right_to_the_single_action(
    environment: Environment, queue: str, action: str
) -> None:
    role = make_role(environment, {"Effect": "Allow", "Action": action, "Resource": "*"})
    answers = Probe(environment, role).attempt_all(
        [
            ["sqs", operation, {"QueueUrl": queue, "Entries": [ENTRIES[name]]}]
            for name, operation in OPERATIONS.items()
        ]
    )
    for name, answer in zip(OPERATIONS, answers, strict=True):
        assert ("AccessDenied" in answer) is (name != action), (name, answer)
